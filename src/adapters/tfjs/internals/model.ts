/**
 * The training closure of a model, and what its private parts tell of it.
 *
 * The files of this folder touch what TensorFlow.js keeps private, and no others do: checked against 4.22, and
 * by a test that fails when a part is gone.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';

/** The parts of a LayersModel that have no public name. */
interface ModelInternals {
  optimizer_?: unknown;
  metricsTensors: unknown[];
  metricsNames: string[];
  readonly loss: tf.ModelCompileArgs['loss'];
  getDedupedMetricsNames(): string[];
  readonly layers: tf.layers.Layer[];
  /** The weights that `compile` found trainable, which `fit` hands to the optimizer. */
  readonly collectedTrainableWeights?: tf.layers.Layer['trainableWeights'];
  /** Record of the last `fit` or `fitDataset`, made when it begins. */
  readonly history?: object;
  makeTrainFunction(): (data: tf.Tensor[]) => tf.Scalar[];
  standardizeUserDataXY(x: Data, y: Data, checkBatchAxis?: boolean): [tf.Tensor[], tf.Tensor[]];
}

/** Inputs or targets as `model.fit` takes them: a tensor, several, or several by name. */
export type Data = tf.Tensor | tf.Tensor[] | { [name: string]: tf.Tensor };

/** The tensors of data as users give them. */
export const tensorsOf = (data: Data): tf.Tensor[] =>
  data instanceof tf.Tensor ? [data] : Object.values<tf.Tensor>(data);

/** The loss and variables that a compiled model hands to its optimizer. */
export interface TrainingClosure {
  /** The model's total loss on the data, regularizers included, dropout and BatchNorm in training mode. */
  readonly loss: () => tf.Scalar;
  readonly variables: tf.Variable[];
}

/** A `Sequential` hands everything on to a model inside it; that is the one to look at. */
export function inner(model: tf.LayersModel): ModelInternals {
  const outer = model as unknown as { model?: unknown };
  return (outer.model ?? outer) as ModelInternals;
}

/** True if `compile` has been called. */
export function isCompiled(model: tf.LayersModel): boolean {
  return inner(model).optimizer_ != null;
}

/**
 * Brings data into the order and shapes of the model's inputs and outputs, as `fit` does.
 *
 * @throws Error in the words of tfjs, where the data do not fit the model
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
 * The closure that `fit` would hand to the optimizer for this batch: the train function is run once with an
 * optimizer that keeps the closure and does nothing. Metrics are left out of it.
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

/** Runs `body`, a training closure of the model or something around one, with no metrics computed. */
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
 * Runs a closure and finds out whose training closure it is: the last thing that one does is to ask its model for the
 * losses of its regularizers.
 *
 * @param found - called with the model, if there is one
 */
export function watchingModel<Result>(closure: () => Result, found: (model: tf.LayersModel) => void): Result {
  // Sequential inherits the method, and calls it on the model inside it.
  const prototype = Object.getPrototypeOf(tf.LayersModel.prototype) as {
    calculateLosses(this: tf.LayersModel): tf.Scalar[];
  };
  const method = Object.getOwnPropertyDescriptor(prototype, 'calculateLosses');
  if (!method) return closure();
  // A nested model is asked by the one around it, which comes first.
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

/** The weights that `compile` found trainable, some of which may have been frozen since. */
export function compiledTrainableWeights(model: tf.LayersModel): tf.layers.Layer['trainableWeights'] {
  return inner(model).collectedTrainableWeights ?? model.trainableWeights;
}

/** The variables of {@link compiledTrainableWeights}. */
export function compiledVariables(model: tf.LayersModel): tf.Variable[] {
  return compiledTrainableWeights(model).map((weight) => weight.read() as tf.Variable);
}

/** Tells whether a training closure belongs to another `fit` than the last one. */
export interface FitWatch {
  /** @param model - the one whose closure it is, or null as long as that is not known */
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

/** Metrics that `evaluate` of a model computes beside the loss. */
export interface CompiledMetrics {
  /** Names of all that `evaluate` returns, the loss first. */
  readonly names: readonly string[];
  /** Runs `body` with these metrics in the place of the model's. */
  readonly during: <Result>(body: () => Result) => Result;
}

/**
 * Metrics as `compile` makes them of names and functions, for a model that stays compiled as it is.
 *
 * @param metrics - default: those that the model is compiled with
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
