import * as tf from '@tensorflow/tfjs';

/**
 * Tracks values that a closure writes into variables that are not being optimized, such as BatchNorm's moving
 * statistics and counters.
 */
export interface Assignments {
  /** Runs the closure and keeps what it writes. */
  first<Result>(closure: () => Result): Result;
  /** Runs the closure from the values before the first run; afterwards restores the variables. */
  again<Result>(closure: () => Result): Result;
  /** Releases the stored values. */
  release(): void;
}

/** Starts tracking. @param own - the variables being optimized, which are not tracked */
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

/** Runs `closure`; before the first write to a variable, stores its value in `held`. */
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

/** Returns the value of a variable, for the caller to dispose; its data are shared, not copied. */
const aside = (variable: tf.Variable): tf.Tensor => tf.keep(variable.clone());

function letGo(values: Map<tf.Variable, tf.Tensor>): void {
  for (const value of values.values()) value.dispose();
  values.clear();
}
