import type * as tf from '@tensorflow/tfjs';
import { boolean, checkOptions, show } from '../../../core/options.ts';
import { constraintProjection } from '../constraints.ts';
import { reportProgress } from './progressLogs.ts';
import type { Progress } from './trainingRun.ts';

/** Options of `attach`. */
export interface AttachOptions {
  /** Make the constraints of the layers hold after each step, by projection. @defaultValue `true` */
  readonly constraints?: boolean;
}

/** A model that its optimizer knows. */
export interface AttachedModel {
  readonly model: tf.LayersModel;
  /** Moves the model's weights to where their constraints allow; null where there is nothing to do. */
  readonly project: (() => void) | null;
  /** Whether these are the trainable weights of the model. */
  trains(variables: readonly tf.Variable[]): boolean;
}

/** @param optimizer - whose progress the model's logs shall tell */
export function attachedModel(
  model: tf.LayersModel,
  optimizer: { readonly progress: Progress | null },
  options: AttachOptions,
): AttachedModel {
  checkOptions('attach', options, { constraints: boolean });
  if (typeof model?.compile !== 'function') {
    throw new TypeError(`attach: the model must be a tf.LayersModel, got ${show(model)}.`);
  }
  reportProgress(model, optimizer);
  return {
    model,
    project: options.constraints === false ? null : constraintProjection(model),
    trains(variables) {
      const weights = model.trainableWeights;
      return weights.length === variables.length && weights.every((w, i) => w.read() === variables[i]);
    },
  };
}
