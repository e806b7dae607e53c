import * as tf from '@tensorflow/tfjs';

/**
 * Values that a closure writes into variables while it runs: BatchNorm's moving statistics, counters, whatever is
 * not being optimized.
 */
export interface Assignments {
  /** Runs the closure and lets what it writes stand. */
  first<Result>(closure: () => Result): Result;
  /** Runs it from the values before the first run; afterwards those variables hold what they held. */
  again<Result>(closure: () => Result): Result;
  /** Lets go of the values kept. */
  release(): void;
}

/** @param own - the variables being optimized, which are left out */
export function assignments(own: ReadonlySet<tf.Variable>): Assignments {
  const before = new Map<tf.Variable, tf.Tensor>();
  return {
    first: (closure) => recording(closure, own, before),
    again(closure) {
      const held = new Map<tf.Variable, tf.Tensor>();
      for (const [variable, value] of before) {
        held.set(variable, aside(variable));
        variable.assign(value);
      }
      try {
        return recording(closure, own, held);
      } finally {
        for (const [variable, value] of held) if (!variable.isDisposed) variable.assign(value);
        letGo(held);
      }
    },
    release: () => letGo(before),
  };
}

/** Runs `closure`; each variable it writes into first goes to `held`, with its value until then. */
function recording<Result>(
  closure: () => Result,
  own: ReadonlySet<tf.Variable>,
  held: Map<tf.Variable, tf.Tensor>,
): Result {
  const { prototype } = tf.Variable;
  const assign = Object.getOwnPropertyDescriptor(prototype, 'assign')!;
  const write = assign.value as (this: tf.Variable, value: tf.Tensor) => void;
  prototype.assign = function (this: tf.Variable, value: tf.Tensor) {
    if (!own.has(this) && !held.has(this)) held.set(this, aside(this));
    write.call(this, value);
  };
  try {
    return closure();
  } finally {
    Object.defineProperty(prototype, 'assign', assign);
  }
}

/** The value of a variable, to be disposed of by the caller; its numbers are shared, not copied. */
const aside = (variable: tf.Variable): tf.Tensor => tf.keep(variable.clone());

function letGo(values: Map<tf.Variable, tf.Tensor>): void {
  for (const value of values.values()) value.dispose();
  values.clear();
}
