/**
 * The vectors and numbers that the optimizers of TensorFlow.js keep from step to step.
 *
 * The files of this folder touch what TensorFlow.js keeps private, and no others do: checked against 4.22, and
 * by a test that fails when a part is gone.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';

/** A vector of one variable. */
interface Slot {
  readonly originalName: string;
  readonly variable: tf.Variable;
}

/** An optimizer with fields for its vectors and numbers. */
type Fields = Record<string, Slot[] | tf.Variable | undefined>;

const fieldsOf = (optimizer: tf.Optimizer): Fields => optimizer as unknown as Fields;

/**
 * Returns the class name of an optimizer of TensorFlow.js itself; null for others, whose rule nobody knows.
 *
 * All optimizers are instances of each other there, so prototypes are compared.
 */
export function stockClass(optimizer: tf.Optimizer): string | null {
  const classes = [
    tf.SGDOptimizer,
    tf.MomentumOptimizer,
    tf.AdamOptimizer,
    tf.AdamaxOptimizer,
    tf.AdagradOptimizer,
    tf.RMSPropOptimizer,
    tf.AdadeltaOptimizer,
  ];
  const known = classes.find(({ prototype }) => Object.getPrototypeOf(optimizer) === prototype);
  return known ? known.className : null;
}

/** The variables in a field, one for each trained variable; null where the optimizer has made none, or for others. */
export function slotsIn(
  optimizer: tf.Optimizer,
  field: string,
  shapes: readonly (readonly number[])[],
): tf.Variable[] | null {
  const slots = fieldsOf(optimizer)[field];
  if (!Array.isArray(slots) || slots.length !== shapes.length) return null;
  const variables = slots.map(({ variable }) => variable);
  return variables.every(({ shape }, i) => shape.join() === shapes[i].join()) ? variables : null;
}

/** Makes the vectors of a field, zeros, as the optimizer would at its first step. */
export function makeSlots(
  optimizer: tf.Optimizer,
  field: string,
  suffix: string,
  variables: readonly tf.Variable[],
): tf.Variable[] {
  const slots = variables.map(({ name, shape }) => ({
    originalName: `${name}/${suffix}`,
    variable: tf.tidy(() => tf.variable(tf.zeros(shape), false)),
  }));
  fieldsOf(optimizer)[field] = slots;
  return slots.map(({ variable }) => variable);
}

/** A single number that an optimizer keeps in a variable. */
export function counterOf(optimizer: tf.Optimizer, field: string): tf.Variable {
  return fieldsOf(optimizer)[field] as tf.Variable;
}

/** Number of steps that an optimizer has taken. */
export function iterationsOf(optimizer: tf.Optimizer): number {
  return optimizer.iterations;
}

/** Counts steps that were taken in the place of an optimizer. */
export function countSteps(optimizer: tf.Optimizer, steps: number): void {
  const counted = optimizer as unknown as { iterations_: number };
  counted.iterations_ = optimizer.iterations + steps;
}
