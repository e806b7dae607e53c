/**
 * Checks of the vectors that are passed to a problem's functions.
 *
 * @module
 */
import { show } from '../../../core/options.ts';
import { checkLength } from '../../../core/paramSet.ts';

/** Throws a TypeError or RangeError that names `what` unless `vector` can be filled with `n` numbers. */
export function checkFilled(what: string, vector: ArrayLike<number>, n: number): void {
  if (!(vector instanceof Float64Array || vector instanceof Float32Array))
    throw new TypeError(`${what} must be a Float64Array of length ${n}, got ${show(vector)}.`);
  checkLength(what, vector, n);
}

/** Vectors of a product with a matrix. */
interface Product {
  /** The point, `[n]`. */
  readonly x: Float64Array;
  readonly n: number;
  /** Name, elements and length of the factor. */
  readonly vector: readonly [name: string, elements: Float64Array, length: number];
  /** The result, `[m]`. */
  readonly product: Float64Array;
  readonly m: number;
}

/** Checks the vectors of a product; see {@link checkFilled}. */
export function checkProduct(where: string, { x, n, vector, product, m }: Product): void {
  const [name, elements, length] = vector;
  checkLength(`${where}: x`, x, n);
  checkLength(`${where}: ${name}`, elements, length);
  checkFilled(`${where}: product`, product, m);
}
