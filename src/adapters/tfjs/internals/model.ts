/**
 * The training closure of a model, and information from its private parts.
 *
 * Only the files of this folder use private parts of TensorFlow.js. They are checked against 4.22, and by a
 * test that fails if a part is missing.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';

/** Private parts of a LayersModel. */
interface ModelInternals {
  optimizer_?: unknown;
  metricsTensors: unknown[];
  metricsNames: string[];
  readonly loss: tf.ModelCompileArgs['loss'];
  getDedupedMetricsNames(): string[];
  readonly layers: tf.layers.Layer[];
  /** The weights that `compile` found trainable, which `fit` hands to the optimizer. */
  readonly collectedTrainableWeights?: tf.layers.Layer['trainableWeights'];
  /** History of the last `fit` or `fitDataset`, created when it begins. */
  readonly history?: object;
  makeTrainFunction(): (data: tf.Tensor[]) => tf.Scalar[];
  standardizeUserDataXY(x: Data, y: Data, checkBatchAxis?: boolean): [tf.Tensor[], tf.Tensor[]];
}

/** Inputs or targets in the forms that `model.fit` accepts: one tensor, several, or several by name. */
export type Data = tf.Tensor | tf.Tensor[] | { [name: string]: tf.Tensor };

/** Returns the tensors of data in any of these forms. */
export const tensorsOf = (data: Data): tf.Tensor[] =>
  data instanceof tf.Tensor ? [data] : Object.values<tf.Tensor>(data);

/** The loss and variables that a compiled model hands to its optimizer. */
export interface TrainingClosure {
  /**
   * The model's total loss on the data, including regularizers, with dropout and BatchNorm in training mode.
   */
  readonly loss: () => tf.Scalar;
  readonly variables: tf.Variable[];
}

/** Returns the model to inspect: a `Sequential` delegates everything to a model inside it. */
export function inner(model: tf.LayersModel): ModelInternals {
  const outer = model as unknown as { model?: unknown };
  return (outer.model ?? outer) as ModelInternals;
}

/** Returns true if `compile` has been called. */
export function isCompiled(model: tf.LayersModel): boolean {
  return inner(model).optimizer_ != null;
}

/**
 * Brings data into the order and shape of the model's inputs and outputs, as `fit` does.
 *
 * @throws Error from tfjs, if the data do not fit the model
 */
export function standardize(
  model: tf.LayersModel,
  x: Data,
  y: Data,
): { inputs: tf.Tensor[]; targets: tf.Tensor[] } {
  const [inputs, targets] = inner(model).standardizeUserDataXY(x, y, true);
  return { inputs, targets };
}

/**
 * Captures the closure that `fit` would hand to the optimizer for this batch, without metrics: runs the train
 * function once with an optimizer that only stores the closure.
 */
export function captureTraining(
  model: tf.LayersModel,
  inputs: tf.Tensor[],
  targets: tf.Tensor[],
): TrainingClosure {
  const internals = inner(model);
  const { optimizer_: optimizer } = internals;
  let captured: TrainingClosure | null = null;
  const recorder = {
    minimize(loss: () => tf.Scalar, _returnCost: boolean, variables: tf.Variable[]) {
      captured = { loss, variables };
      return null;
    },
  };
  internals.optimizer_ = recorder;
  try {
    internals.makeTrainFunction()([...inputs, ...targets]);
  } finally {
    internals.optimizer_ = optimizer;
  }
  return captured!;
}

/**
 * Runs `body`, which runs a training closure, with all layers in inference mode: no dropout, and moving statistics instead of
 * those of the batch.
 */
export function inInference<Result>(body: () => Result): Result {
  // Every layer is called through the method of the base class, which passes `training` on.
  const prototype = tf.layers.Layer.prototype as unknown as {
    apply(this: tf.layers.Layer, inputs: unknown, kwargs?: object): unknown;
  };
  const method = Object.getOwnPropertyDescriptor(prototype, 'apply');
  if (!method) throw new Error('This version of TensorFlow.js has no Layer.apply; inference mode needs it.');
  const original = method.value as typeof prototype.apply;
  prototype.apply = function (inputs, kwargs) {
    return original.call(this, inputs, Object.assign({}, kwargs, { training: false }));
  };
  try {
    return body();
  } finally {
    Object.defineProperty(prototype, 'apply', method);
  }
}

/** Runs `body`, which runs a training closure of the model, without computing metrics. */
export function withoutMetrics<Result>(model: tf.LayersModel, body: () => Result): Result {
  const internals = inner(model);
  const { metricsTensors } = internals;
  internals.metricsTensors = [];
  try {
    return body();
  } finally {
    internals.metricsTensors = metricsTensors;
  }
}

/**
 * Runs a closure and determines which model it trains: the last thing a training closure does is to ask its
 * model for the regularization losses.
 *
 * @param found - called with the model, if there is one
 */
export function watchingModel<Result>(closure: () => Result, found: (model: tf.LayersModel) => void): Result {
  // Sequential inherits the method and calls it on its inner model.
  const prototype = Object.getPrototypeOf(tf.LayersModel.prototype) as {
    calculateLosses(this: tf.LayersModel): tf.Scalar[];
  };
  const method = Object.getOwnPropertyDescriptor(prototype, 'calculateLosses');
  if (!method) return closure();
  // A nested model is asked by the enclosing one, which comes first.
  const asked: tf.LayersModel[] = [];
  const original = method.value as (this: tf.LayersModel) => tf.Scalar[];
  prototype.calculateLosses = function () {
    asked.push(this);
    return original.call(this);
  };
  try {
    return closure();
  } finally {
    Object.defineProperty(prototype, 'calculateLosses', method);
    if (asked.length > 0) found(asked[0]);
  }
}

/** Returns the weights that `compile` found trainable, some of which may have been frozen since. */
export function compiledTrainableWeights(model: tf.LayersModel): tf.layers.Layer['trainableWeights'] {
  return inner(model).collectedTrainableWeights ?? model.trainableWeights;
}

/** Returns the variables of {@link compiledTrainableWeights}. */
export function compiledVariables(model: tf.LayersModel): tf.Variable[] {
  return compiledTrainableWeights(model).map((weight) => weight.read() as tf.Variable);
}

/** Detects if a training closure belongs to a different `fit` than the last one. */
export interface FitWatch {
  /** Returns true for a new `fit`. @param model - the closure's model; null if not known yet */
  isNew(model: tf.LayersModel | null): boolean;
  note(model: tf.LayersModel | null): void;
}

export function fitWatch(): FitWatch {
  let last: ModelInternals | null = null;
  let history: object | undefined;
  return {
    isNew(model) {
      const now = model ? inner(model) : last;
      return last !== null && (now !== last || last.history !== history);
    },
    note(model) {
      last = model && inner(model);
      history = last?.history;
    },
  };
}

/** Metrics that `evaluate` of a model computes in addition to the loss. */
export interface CompiledMetrics {
  /** Names of all values that `evaluate` returns, beginning with the loss. */
  readonly names: readonly string[];
  /** Runs `body` with these metrics instead of the model's. */
  readonly during: <Result>(body: () => Result) => Result;
}

/**
 * Creates metrics from names and functions, as `compile` does, without recompiling the model.
 *
 * @param metrics - default: the compiled metrics of the model
 */
export function compiledMetrics(
  model: tf.LayersModel,
  metrics?: tf.ModelCompileArgs['metrics'],
): CompiledMetrics {
  const internals = inner(model);
  if (metrics === undefined) {
    return { names: internals.getDedupedMetricsNames(), during: (body) => body() };
  }
  const before = { ...internals };
  const { optimizer_: optimizer, loss } = internals;
  try {
    const args = { optimizer: optimizer as tf.Optimizer, loss, metrics };
    tf.LayersModel.prototype.compile.call(internals as unknown as tf.LayersModel, args);
    const { metricsTensors, metricsNames } = internals;
    const names = internals.getDedupedMetricsNames();
    return {
      names,
      during(body) {
        const held = { metricsTensors: internals.metricsTensors, metricsNames: internals.metricsNames };
        Object.assign(internals, { metricsTensors, metricsNames });
        try {
          return body();
        } finally {
          Object.assign(internals, held);
        }
      },
    };
  } finally {
    Object.assign(internals, before);
  }
}
