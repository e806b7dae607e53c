/**
 * Every private part of TensorFlow.js that this adapter touches, in one place: checked against 4.22, and
 * by a test that fails when one of them is gone.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';

/** The parts of a LayersModel that have no public name. */
interface ModelInternals {
  optimizer_?: unknown;
  metricsTensors: unknown[];
  makeTrainFunction(): (data: tf.Tensor[]) => tf.Scalar[];
  standardizeUserDataXY(x: Data, y: Data, checkBatchAxis?: boolean): [tf.Tensor[], tf.Tensor[]];
}

/** Inputs or targets as `model.fit` takes them: a tensor, several, or several by name. */
export type Data = tf.Tensor | tf.Tensor[] | { [name: string]: tf.Tensor };

/** What a compiled model hands to its optimizer. */
export interface TrainingClosure {
  /** The model's total loss on the data, regularizers included, dropout and BatchNorm in training mode. */
  readonly loss: () => tf.Scalar;
  readonly variables: tf.Variable[];
}

/** A `Sequential` hands everything on to a model inside it; that is the one to look at. */
function inner(model: tf.LayersModel): ModelInternals {
  const outer = model as unknown as { model?: unknown };
  return (outer.model ?? outer) as ModelInternals;
}

/** Whether `compile` has been called. */
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
  const { optimizer_: optimizer, metricsTensors } = internals;
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
  const { loss, variables } = captured!;
  return {
    variables,
    loss() {
      internals.metricsTensors = [];
      try {
        return loss();
      } finally {
        internals.metricsTensors = metricsTensors;
      }
    },
  };
}

/** A node of the tape: the tensors a gradient function will need. */
interface TapeNode {
  readonly saved?: tf.Tensor[];
}

/**
 * Disposes what the gradient tape kept for an evaluation that threw; tfjs leaves it until its process ends.
 */
export function discardTape(): void {
  const { state } = tf.engine() as unknown as {
    state: { activeTape: TapeNode[] | null; gradientDepth: number };
  };
  if (state.gradientDepth > 0 || state.activeTape === null) return;
  for (const { saved } of state.activeTape) if (saved) tf.dispose(saved);
  state.activeTape = null;
}
