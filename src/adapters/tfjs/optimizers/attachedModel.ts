import type * as tf from '@tensorflow/tfjs';
import { boolean, checkOptions, show } from '../../../core/options.ts';
import { constraintProjection } from '../tensors/constraints.ts';
import { compiledVariables } from '../internals/model.ts';
import { reportProgress, type ReportingOptimizer } from './progressLogs.ts';

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
  /** True if these are among the weights that the model trains, frozen ones left out. */
  trains(variables: readonly tf.Variable[]): boolean;
}

/** @param optimizer - its progress is reported in the logs of the model */
export function attachedModel(
  model: tf.LayersModel,
  optimizer: ReportingOptimizer,
  options: AttachOptions,
): AttachedModel {
  checkOptions('attach', options, { constraints: boolean });
  if (typeof model?.compile !== 'function') {
    throw new TypeError(`attach: the model must be a tf.LayersModel, got ${show(model)}.`);
  }
  reportProgress(model, optimizer);
  stayAttached(model, options);
  return {
    model,
    project: options.constraints === false ? null : constraintProjection(model),
    trains(variables) {
      const weights = new Set(compiledVariables(model));
      return variables.length > 0 && variables.every((variable) => weights.has(variable));
    },
  };
}

/** Options of the last `attach` of each model. */
const attachments = new WeakMap<tf.LayersModel, AttachOptions>();

/** Attaches the model to the optimizer of each later `compile` that has `attach`. */
function stayAttached(model: tf.LayersModel, options: AttachOptions): void {
  const known = attachments.has(model);
  attachments.set(model, options);
  if (known) return;
  const compile = model.compile.bind(model);
  model.compile = (args) => {
    compile(args);
    const optimizer = model.optimizer as unknown as {
      attach?: (model: tf.LayersModel, options: AttachOptions) => void;
    };
    optimizer.attach?.(model, attachments.get(model)!);
  };
}
