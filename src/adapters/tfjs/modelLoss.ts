import * as tf from '@tensorflow/tfjs';
import { boolean, integerFrom, objectWith, oneOf, show, type Rules } from '../../core/options.ts';
import type { Statistics } from '../../core/problem.ts';
import { constrainedWeights } from './tensors/constraints.ts';
import { guard } from './guard/guard.ts';
import {
  captureTraining,
  inInference,
  isCompiled,
  standardize,
  tensorsOf,
  withoutMetrics,
  type Data,
} from './internals/model.ts';
import { movingStatistics, recurrentStates } from './internals/layerStates.ts';
import { weightsOfSamples, type WeightOptions } from './sampleWeights.ts';
import { readNow } from './tensors/read.ts';
import { tfParams, type TfParamSet } from './tensors/tfParams.ts';

/** Options of a model's loss. */
export interface ModelLossOptions extends WeightOptions {
  /**
   * Evaluate this many samples at a time and sum the parts: the same loss in less memory. Layers that use a
   * whole batch (BatchNorm) then see only a part.
   *
   * @defaultValue all at once
   */
  readonly batchSize?: number | undefined;
  /** Treatment of layer constraints, which solvers cannot keep. @defaultValue `'refuse'` */
  readonly constraints?: 'refuse' | 'ignore' | undefined;
}

/** Options of {@link modelProblem}. */
export interface ModelProblemOptions extends ModelLossOptions {
  /**
   * True for the loss in inference mode, as in `model.evaluate`: no dropout, and the moving statistics of BatchNorms. For
   * held-out data, in the option `validation` of `minimize`.
   *
   * @defaultValue false
   */
  readonly inference?: boolean | undefined;
}

/** Rules of {@link ModelLossOptions}. */
export const modelLossRules: Rules<ModelLossOptions> = {
  batchSize: integerFrom(1),
  constraints: oneOf('refuse', 'ignore'),
  classWeight: objectWith('weights by class'),
  sampleWeight: objectWith('a tensor, or one for each output'),
};

/** The rules of {@link ModelProblemOptions}. */
export const modelProblemRules: Rules<ModelProblemOptions> = { ...modelLossRules, inference: boolean };

/** A compiled model's loss on fixed data, in one part or several. */
export interface ModelLoss {
  readonly params: TfParamSet;
  /** The parts, each with its share of the samples. Evaluations are repeatable and have no side effects. */
  readonly parts: readonly { readonly share: number; readonly loss: () => tf.Scalar }[];
  /** Moving statistics; absent without BatchNorms, in inference mode, and where the backend answers later. */
  readonly statistics?: Statistics;
  /** See {@link ModelProblem}. */
  readonly settleStatistics: () => void;
  /** See {@link ModelProblem}. */
  readonly dispose: () => void;
}

/**
 * Returns a model's loss on data. @param options - already validated
 * @throws as {@link modelProblem} does
 */
export function modelLoss(
  where: string,
  model: tf.LayersModel,
  x: Data,
  y: Data,
  options: ModelProblemOptions,
): ModelLoss {
  checkModel(where, model, options);
  const params = tfParams(model);
  const own = new Set(params.variables);
  checkData(where, x, y);
  const { inputs, targets } = standardize(model, x, y);
  const given = new Set([...tensorsOf(x), ...tensorsOf(y)]);
  const weights = weightsOfSamples(where, model, targets, options);
  const made = [...inputs, ...targets, ...weights].filter((tensor) => !given.has(tensor));
  const inference = options.inference === true;
  const all = parts(model, inputs, [...targets, ...weights], options.batchSize ?? Infinity);
  const settleStatistics = () => settle(model, all);
  const settles = !inference && tf.getBackend() !== 'webgpu' && movingStatistics(model).variables.length > 0;
  return {
    params,
    parts: all.map(({ share, closure }) => {
      const loss = steady(inference ? () => inInference(closure) : closure, own, model);
      return {
        share,
        loss() {
          checkAlive(where, [...inputs, ...targets]);
          return loss();
        },
      };
    }),
    settleStatistics,
    ...(settles && { statistics: statisticsOf(model, params, settleStatistics) }),
    dispose: () => tf.dispose(made),
  };
}

/** Sets the moving statistics to those of the data, at the current weights. If that fails, they are as before. */
function settle(model: tf.LayersModel, parts: readonly Part[]): void {
  const { variables, replacing } = movingStatistics(model);
  if (variables.length === 0) return;
  tf.tidy(() => {
    let totals = variables.map((variable) => variable.clone());
    try {
      let sums = variables.map((variable) => tf.zerosLike(variable));
      for (const { share, closure } of parts) {
        replacing(() => withoutMetrics(model, () => recurrentStates(model).again(closure)));
        sums = sums.map((sum, i) => sum.add(variables[i].mul(share)));
      }
      totals = sums;
    } finally {
      variables.forEach((variable, i) => variable.assign(totals[i]));
    }
  });
}

/** Moving statistics in the form that a run stores: those of the data at a point, concatenated. */
const statisticsOf = (model: tf.LayersModel, params: TfParamSet, settleHere: () => void): Statistics => ({
  read(x) {
    const before = params.copyInto(params.zeros());
    params.copyFrom(x);
    try {
      settleHere();
    } finally {
      params.copyFrom(before);
    }
    return Float64Array.from(
      movingStatistics(model).variables.flatMap((variable) => Array.from(readNow(variable))),
    );
  },
  write(values) {
    let offset = 0;
    for (const variable of movingStatistics(model).variables) {
      const part = Float32Array.from(values.subarray(offset, offset + variable.size));
      tf.tidy(() => variable.assign(tf.tensor(part, variable.shape)));
      offset += variable.size;
    }
  },
});

/** Checks that there are samples: without any, the mean would be 0/0 or arbitrary memory. */
export function checkData(where: string, x: Data, y: Data): void {
  for (const [name, data] of Object.entries({ x, y })) {
    const tensors = typeof data === 'object' && data !== null ? tensorsOf(data) : [];
    if (tensors.length === 0 || !tensors.every((tensor) => tensor instanceof tf.Tensor)) {
      throw new TypeError(
        `${where}: ${name} must be a tensor, or several, got ${show(data)}; tf.tensor() makes one of numbers.`,
      );
    }
    checkAlive(where, tensors);
    if (tensors.some(({ shape }) => shape[0] === 0))
      throw new RangeError(`${where}: ${name} has no samples.`);
  }
}

/** Throws a RangeError for disposed data; the error of TensorFlow.js does not name the tensor. */
function checkAlive(where: string, tensors: readonly tf.Tensor[]): void {
  if (tensors.some(({ isDisposed }) => isDisposed)) {
    throw new RangeError(`${where}: x or y is disposed; they must live as long as the problem is evaluated.`);
  }
}

function checkModel(
  where: string,
  model: tf.LayersModel,
  { constraints = 'refuse' }: ModelProblemOptions,
): void {
  if (typeof model?.compile !== 'function') {
    throw new TypeError(`${where}: the model must be a tf.LayersModel, got ${show(model)}.`);
  }
  if (!isCompiled(model)) {
    throw new Error(`${where}: the model is not compiled; call model.compile({ optimizer, loss }) first.`);
  }
  if (model.trainableWeights.length === 0) {
    throw new RangeError(
      `${where}: the model has no trainable weights; set trainable = true for some layers.`,
    );
  }
  const constrained = constrainedWeights(model).map(({ originalName }) => `"${originalName}"`);
  if (constraints === 'refuse' && constrained.length > 0) {
    throw new Error(
      `${where}: ${constrained.join(', ')} must keep a constraint, which solvers ignore. Train with model.fit and an attached optimizer, which projects; or pass constraints: 'ignore'.`,
    );
  }
}

/** Returns the closure made repeatable and free of side effects. */
function steady(
  closure: () => tf.Scalar,
  own: ReadonlySet<tf.Variable>,
  model: tf.LayersModel,
): () => tf.Scalar {
  const draws: number[] = [];
  return () => guard(closure, { own, model, draws, keepFirst: false }).loss();
}

/** A part of the data: its share of the samples, and the model's training closure on it. */
interface Part {
  readonly share: number;
  readonly closure: () => tf.Scalar;
}

/** Splits data into parts. @param targets - followed by the sample weights, if any */
function parts(model: tf.LayersModel, inputs: tf.Tensor[], targets: tf.Tensor[], batchSize: number): Part[] {
  const samples = inputs[0].shape[0];
  if (batchSize >= samples) return [{ share: 1, closure: captureTraining(model, inputs, targets).loss }];
  return Array.from({ length: Math.ceil(samples / batchSize) }, (_, i) => {
    const begin = i * batchSize;
    const size = Math.min(batchSize, samples - begin);
    // The slices are created for each evaluation; stored, they would be a second copy of the data.
    const rows = (tensors: tf.Tensor[]) => tensors.map((tensor) => tensor.slice(begin, size));
    return {
      share: size / samples,
      closure: () => captureTraining(model, rows(inputs), rows(targets)).loss(),
    };
  });
}
