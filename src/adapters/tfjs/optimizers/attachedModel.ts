import type * as tf from '@tensorflow/tfjs';
import { boolean, checkOptions, show } from '../../../core/options.ts';
import { constraintProjection } from '../tensors/constraints.ts';
import { compiledVariables } from '../internals/model.ts';
import { reportProgress, type ReportingOptimizer } from './progressLogs.ts';

/** Options of `attach`. */
export interface AttachOptions {
  /** Enforce layer constraints after each step, by projection. @defaultValue `true` */
  readonly constraints?: boolean | undefined;
}

/** A model attached to its optimizer. */
export interface AttachedModel {
  readonly model: tf.LayersModel;
  /** Projects the model's weights onto their constraints; null if there are none. */
  readonly project: (() => void) | null;
  /** Returns true if these are among the trained weights of the model, excluding frozen ones. */
  trains(variables: readonly tf.Variable[]): boolean;
}

/** Attaches a model. @param optimizer - its progress is reported in the logs of the model */
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

/** Attaches the model again at each later `compile` whose optimizer has `attach`. */
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
