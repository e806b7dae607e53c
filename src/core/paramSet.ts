import { checkLayout, layoutOf, type Layout } from './layout.ts';
import { show } from './options.ts';

/** Copies between a backend's tensors and one flat vector of length `n`. */
export interface ParamSet {
  /** Number of scalars, n. */
  readonly length: number;
  readonly layout: Layout;
  /** Returns a new vector of zeros, `[n]`. */
  zeros(): Float64Array;
  /**
   * `vector ← set`.
   *
   * @param vector - `[n]`, overwritten and returned
   * @throws RangeError if its length is not n
   */
  copyInto(vector: Float64Array): Float64Array;
  /**
   * `set ← vector`.
   *
   * @param vector - `[n]`, read and not kept
   * @throws RangeError if its length is not n; the set is then unchanged
   */
  copyFrom(vector: ArrayLike<number>): void;
}

/** Gradients of one loss with respect to a {@link ParamSet}, in its order. */
export interface GradSet extends ParamSet {}

/**
 * Creates a set in plain memory, whose tensors are slices of one array.
 *
 * @param data - `[n]`, used in place, not copied; a `Float32Array` rounds its values
 * @param layout - of length n; default: one tensor, `x`, of shape `[n]`
 * @throws TypeError if data or layout are malformed @throws RangeError if the lengths differ, or the layout does not fill the vector
 */
export function vectorParams(data: Float64Array | Float32Array, layout?: Layout): ParamSet {
  if (typeof data?.length !== 'number') {
    throw new TypeError(`vectorParams: data must be a Float64Array or Float32Array, got ${show(data)}.`);
  }
  const given = layout ?? layoutOf([{ name: 'x', shape: [data.length] }]);
  checkLayout('vectorParams', given, data.length, 'the length of data');
  return {
    length: data.length,
    layout: given,
    zeros: () => new Float64Array(data.length),
    copyInto(vector) {
      checkLength('copyInto: vector', vector, data.length);
      vector.set(data);
      return vector;
    },
    copyFrom(vector) {
      checkLength('copyFrom: vector', vector, data.length);
      data.set(vector);
    },
  };
}

/** Throws a TypeError or RangeError that names `what` unless `vector` is a list of length `n`. */
export function checkLength(what: string, vector: ArrayLike<number>, n: number): void {
  if (typeof vector?.length !== 'number') {
    throw new TypeError(`${what} must be a Float64Array of length ${n}, got ${show(vector)}.`);
  }
  if (vector.length !== n) throw new RangeError(`${what} has length ${vector.length}; it must be ${n}.`);
}
