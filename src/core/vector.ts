/**
 * Level-1 vector operations on flat `Float64Array`s, all of one length `n`.
 *
 * Results are written to the last argument; sums accumulate in float64. Only these loops and those in the
 * solvers' updates are worth unrolling.
 *
 * @module
 */

/** Vectors at least this long use SIMD; below, setting up the memory costs more than it saves. */
export const KERNEL_LENGTH = 256;

/**
 * Faster versions of the operations below for vectors in one memory, with the same results to the last bit.
 */
export interface FastOperations {
  /** Length of the vectors. */
  readonly length: number;
  dot(a: Float64Array, b: Float64Array): number;
  /** `out ← x + alpha·s`; absent if no solver needs it. */
  addScaled?(x: Float64Array, alpha: number, s: Float64Array, out: Float64Array): void;
  normInf(x: Float64Array): number;
}

/** Fast operations by memory. */
const fastOperations = new WeakMap<ArrayBufferLike, FastOperations>();

/** Makes the functions below use `operations` for vectors in `memory`. */
export function acceptOperations(memory: ArrayBufferLike, operations: FastOperations): void {
  fastOperations.set(memory, operations);
}

/** Returns the fast operations if the vectors are whole and in one memory. */
function fastFor(a: Float64Array, b: Float64Array, c: Float64Array): FastOperations | undefined {
  if (a.length < KERNEL_LENGTH) return undefined;
  // Getting the buffer of a view takes as long as a short loop.
  const { buffer } = a;
  if ((b !== a && b.buffer !== buffer) || (c !== a && c.buffer !== buffer)) return undefined;
  const operations = fastOperations.get(buffer);
  return operations?.length === a.length ? operations : undefined;
}

/** Returns the inner product aᵀb. */
export function dot(a: Float64Array, b: Float64Array): number {
  const fast = fastFor(a, b, a);
  if (fast) return fast.dot(a, b);
  // Four accumulators: a single one makes each addition wait for the one before (3-4 times slower).
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  const n = a.length;
  const whole = n - (n % 4);
  let i = 0;
  for (; i < whole; i += 4) {
    s0 += a[i] * b[i];
    s1 += a[i + 1] * b[i + 1];
    s2 += a[i + 2] * b[i + 2];
    s3 += a[i + 3] * b[i + 3];
  }
  if (i < n) s0 += a[i] * b[i];
  if (i + 1 < n) s1 += a[i + 1] * b[i + 1];
  if (i + 2 < n) s2 += a[i + 2] * b[i + 2];
  return s0 + s1 + (s2 + s3);
}

/** `out ← x + alpha · s`; `out` may be `x` or `s`. */
export function addScaled(x: Float64Array, alpha: number, s: Float64Array, out: Float64Array): void {
  const fast = fastFor(x, s, out);
  if (fast?.addScaled) return fast.addScaled(x, alpha, s, out);
  for (let i = 0; i < x.length; i++) out[i] = x[i] + alpha * s[i];
}

/** `out ← a − b`; `out` may be `a` or `b`. */
export function subtract(a: Float64Array, b: Float64Array, out: Float64Array): void {
  for (let i = 0; i < a.length; i++) out[i] = a[i] - b[i];
}

/** `out ← alpha · x`; `out` may be `x`. */
export function scaleInto(alpha: number, x: Float64Array, out: Float64Array): void {
  for (let i = 0; i < x.length; i++) out[i] = alpha * x[i];
}

/** Rounds every element to the nearest float32, in place. */
export function roundToFloat32(x: Float64Array): void {
  for (let i = 0; i < x.length; i++) x[i] = Math.fround(x[i]);
}

/** Returns ‖x‖∞ = maxᵢ |xᵢ|; NaN if any element is NaN. */
export function normInf(x: Float64Array): number {
  const fast = fastFor(x, x, x);
  if (fast) return fast.normInf(x);
  // `Math.max` propagates NaN; four accumulators for the reason given at `dot`.
  let m0 = 0;
  let m1 = 0;
  let m2 = 0;
  let m3 = 0;
  const n = x.length;
  const whole = n - (n % 4);
  let i = 0;
  for (; i < whole; i += 4) {
    m0 = Math.max(m0, Math.abs(x[i]));
    m1 = Math.max(m1, Math.abs(x[i + 1]));
    m2 = Math.max(m2, Math.abs(x[i + 2]));
    m3 = Math.max(m3, Math.abs(x[i + 3]));
  }
  for (; i < n; i++) m0 = Math.max(m0, Math.abs(x[i]));
  return Math.max(m0, m1, m2, m3);
}

/**
 * Returns Σ|aᵢbᵢ|. For x and ∇f, a relative change ε of x changes f by up to ε times this, however small f
 * is.
 */
export function absoluteDot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] * b[i]);
  return sum;
}

/** Returns ‖x‖₂. */
export function norm2(x: Float64Array): number {
  return Math.sqrt(dot(x, x));
}

/** ‖a − b‖. */
export const distance = (a: Float64Array, b: Float64Array): number =>
  norm2(a.map((value, i) => value - b[i]));

/** Returns the index of the first element that is NaN or infinite, or -1. */
export function firstNonFinite(x: ArrayLike<number>): number {
  for (let i = 0; i < x.length; i++) if (!Number.isFinite(x[i])) return i;
  return -1;
}

/** Returns true if two vectors of one length hold the same numbers. */
export function sameNumbers(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
