import * as tf from '@tensorflow/tfjs';
import { readNow } from '../tensors/read.ts';
import type { ModelPlan } from './plan.ts';
import { tfParams, type TfParamSet } from '../tensors/tfParams.ts';

type LayerVariable = tf.layers.Layer['weights'][number];

/** Weights of a model as one flat float32 vector for ONNX Runtime. */
export interface MirroredWeights {
  readonly params: TfParamSet;
  /** `[n]` */
  readonly values: Float32Array;
  /**
   * `values ← ` the model, for each weight written by other code since the last time.
   *
   * @param all - true to read also weights that do not seem to have changed, unless `values` are newer
   */
  pull(all?: boolean): Promise<boolean>;
  /** `values ← ` the model, synchronously and completely. */
  pullNow(): void;
  /** The model `← values`. */
  push(): void;
  /** Records that `values` have changed. */
  touch(): void;
}

/** The weights of a model that training changes. */
export interface ModelWeights {
  readonly trained: MirroredWeights;
  /** Moving means and variances; null if the model has none. */
  readonly statistics: MirroredWeights | null;
  /** As {@link MirroredWeights.pull}, of both. */
  pull(all?: boolean): Promise<boolean>;
  /** As {@link MirroredWeights.push}, of both. */
  push(): void;
}

/** Allocates the memory for the weights of a plan. */
export function modelWeights({
  trained,
  statistics,
}: Pick<ModelPlan, 'trained' | 'statistics'>): ModelWeights {
  const own = mirroredWeights(trained);
  const moving = statistics.length > 0 ? mirroredWeights(statistics.map(({ weight }) => weight)) : null;
  return {
    trained: own,
    statistics: moving,
    async pull(all) {
      const [a, b] = [await own.pull(all), (await moving?.pull(all)) ?? false];
      return a || b;
    },
    push() {
      own.push();
      moving?.push();
    },
  };
}

/** Mirrors weights of a model. @param weights - at least one */
function mirroredWeights(weights: readonly LayerVariable[]): MirroredWeights {
  const params = tfParams(weights.map((weight) => weight.read() as tf.Variable));
  const { variables, layout } = params;
  const values = new Float32Array(params.length);
  let seen: object[] = [];
  let isNewer = false;
  const note = (): void => {
    seen = variables.map(({ dataId }) => dataId);
  };
  return {
    params,
    values,
    async pull(all = false) {
      const changed = variables.flatMap(({ dataId }, i) =>
        (all && !isNewer) || dataId !== seen[i] ? [i] : [],
      );
      if (changed.length === 0) return false;
      const numbers =
        tf.getBackend() === 'webgpu'
          ? await Promise.all(changed.map((i) => variables[i].data<'float32'>()))
          : changed.map((i) => readNow(variables[i]));
      for (const [k, i] of changed.entries()) values.set(numbers[k], layout.tensors[i].offset);
      note();
      return true;
    },
    pullNow() {
      for (const [i, variable] of variables.entries())
        values.set(readNow(variable), layout.tensors[i].offset);
      note();
    },
    push() {
      if (!isNewer) return;
      params.copyFrom(values);
      note();
      isNewer = false;
    },
    touch() {
      isNewer = true;
    },
  };
}
