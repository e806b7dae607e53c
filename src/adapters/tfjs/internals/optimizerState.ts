/**
 * The vectors and numbers that the optimizers of TensorFlow.js keep between steps.
 *
 * Only the files of this folder use private parts of TensorFlow.js. They are checked against 4.22, and by a
 * test that fails if a part is missing.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';

/** An optimizer's vector for one variable. */
interface Slot {
  readonly originalName: string;
  readonly variable: tf.Variable;
}

/** An optimizer with fields for its vectors and numbers. */
type Fields = Record<string, Slot[] | tf.Variable | undefined>;

const fieldsOf = (optimizer: tf.Optimizer): Fields => optimizer as unknown as Fields;

/**
 * Returns the class name of one of TensorFlow.js's own optimizers; null for others, whose update rule is
 * unknown.
 *
 * In TensorFlow.js, `instanceof` holds between all optimizers, so prototypes are compared.
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

/**
 * Returns the variables in a field, one for each trained variable; null if the optimizer has not created
 * them, or has created them for other variables.
 */
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

/** Creates the vectors of a field as zeros, as the optimizer would at its first step. */
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

/** Returns the variable in which an optimizer keeps a single number. */
export function counterOf(optimizer: tf.Optimizer, field: string): tf.Variable {
  return fieldsOf(optimizer)[field] as tf.Variable;
}

/** Returns the number of steps that an optimizer has taken. */
export function iterationsOf(optimizer: tf.Optimizer): number {
  return optimizer.iterations;
}

/** Adds steps taken on an optimizer's behalf to its count. */
export function countSteps(optimizer: tf.Optimizer, steps: number): void {
  const counted = optimizer as unknown as { iterations_: number };
  counted.iterations_ = optimizer.iterations + steps;
}
