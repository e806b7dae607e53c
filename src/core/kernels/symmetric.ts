/**
 * Dense symmetric matrices that are updated and multiplied in one pass over half of their elements.
 *
 * Storage: rows 2b and 2b + 1 form block b, each with its first 2b + 2 elements; n is rounded up to an even
 * number. A panel holds the vectors of an update and a product, twelve numbers for each block: w, z, x, the
 * product, u and v, two each.
 *
 * Large matrices use SIMD in WebAssembly; others use plain loops, with the same results to the last bit.
 *
 * @module
 */
import { kernelsOnMemory } from './compileKernels.ts';
import { symmetricBytes } from './symmetricBytes.ts';

/** A symmetric matrix A, `[n, n]`, with an update that waits for the next pass; plain data. */
export interface Symmetric {
  readonly n: number;
  readonly data: Float64Array;
  readonly panel: Float64Array;
  /** Factor of A in the waiting update; 0 if none waits. */
  scale: number;
}

/** Number of elements of a panel block, followed by the offsets of its parts. */
const BLOCK = 12;
const [W, Z, X, PRODUCT, U, V] = [0, 2, 4, 6, 8, 10];

/** From this number of rows on, SIMD is worth a separate memory. */
const SIMD_LENGTH = 32;

/** `A ← scale·A + uwᵀ + vzᵀ` and `product ← Ax`; pointers in bytes. */
type Pass = (data: number, panel: number, blocks: number, scale: number) => void;
interface Exports {
  readonly update: Pass;
  readonly multiply: Pass;
}

/** Kernels of each memory. A matrix is plain data, so it cannot refer to them itself. */
const kernels = new WeakMap<ArrayBufferLike, Exports>();

/** Number of stored elements of a matrix `[n, n]`: two rows to a block, the first with one element too many. */
const lengthOf = (n: number): number => 2 * Math.ceil(n / 2) * (Math.ceil(n / 2) + 1);

/**
 * Returns `diagonal·I`, `[n, n]`.
 *
 * @throws RangeError if there is not enough memory
 */
export function diagonalMatrix(n: number, diagonal: number): Symmetric {
  const matrix = { n, ...allocate(n, lengthOf(n), BLOCK * Math.ceil(n / 2)), scale: 0 };
  setDiagonal(matrix, diagonal);
  return matrix;
}

function allocate(n: number, length: number, panelLength: number): Pick<Symmetric, 'data' | 'panel'> {
  const shared = n < SIMD_LENGTH ? null : allocateForSimd(length, panelLength);
  if (shared) return shared;
  try {
    return { data: new Float64Array(length), panel: new Float64Array(panelLength) };
  } catch (cause) {
    throw noRoom(n, length, cause);
  }
}

const noRoom = (n: number, length: number, cause: unknown) =>
  new RangeError(
    `A dense inverse Hessian of ${n} unknowns needs ${((8 * length) / 1e9).toPrecision(3)} GB, more than can be allocated; lbfgs() keeps a few vectors instead.`,
    { cause },
  );

/**
 * Checks that `count` matrices `[n, n]` can be allocated; they are released unused.
 *
 * @throws RangeError if there is not enough memory
 */
export function checkRoom(n: number, count: number): void {
  const length = lengthOf(n);
  try {
    // All at once, as a solver holds them.
    Array.from({ length: count }, () => new ArrayBuffer(8 * length));
  } catch (cause) {
    throw noRoom(n, length, cause);
  }
}

/** Allocates a matrix in SIMD memory; null if there is no SIMD or not enough memory. */
function allocateForSimd(length: number, panelLength: number): Pick<Symmetric, 'data' | 'panel'> | null {
  const made = kernelsOnMemory(symmetricBytes, 8 * (length + panelLength));
  if (made === null) return null;
  kernels.set(made.buffer, made.exports as unknown as Exports);
  return {
    data: new Float64Array(made.buffer, 8 * panelLength, length),
    panel: new Float64Array(made.buffer, 0, panelLength),
  };
}

/** `A ← diagonal·I`; discards the waiting update. */
export function setDiagonal(matrix: Symmetric, diagonal: number): void {
  const { n, data } = matrix;
  matrix.scale = 0;
  data.fill(0);
  for (let i = 0; i < n; i++) {
    const block = i >> 1;
    data[2 * block * (block + 1) + (i % 2) * (2 * block + 2) + i] = diagonal;
  }
}

/**
 * `A ← scale·A + a·uuᵀ + b·(uvᵀ + vuᵀ) + c·vvᵀ`, carried out in the pass of the next product. The vectors, `[n]`, are
 * copied.
 *
 * @param scale - not 0
 */
export function updateLater(
  matrix: Symmetric,
  scale: number,
  [a, b, c]: readonly [a: number, b: number, c: number],
  u: Float64Array,
  v: Float64Array,
): void {
  const { panel } = matrix;
  if (matrix.scale !== 0) pass(matrix);
  for (let i = 0; i < u.length; i++) {
    const at = BLOCK * (i >> 1) + (i % 2);
    panel[at + U] = u[i];
    panel[at + V] = v[i];
    // uwᵀ + vzᵀ with w = au + bv, z = bu + cv.
    panel[at + W] = a * u[i] + b * v[i];
    panel[at + Z] = b * u[i] + c * v[i];
  }
  matrix.scale = scale;
}

/** `out ← Ax`, with the waiting update carried out; `out` may be `x`. */
export function multiply(matrix: Symmetric, x: Float64Array, out: Float64Array): void {
  const { panel } = matrix;
  for (let i = 0; i < x.length; i++) panel[BLOCK * (i >> 1) + (i % 2) + X] = x[i];
  pass(matrix);
  for (let i = 0; i < x.length; i++) out[i] = panel[BLOCK * (i >> 1) + (i % 2) + PRODUCT];
}

function pass(matrix: Symmetric): void {
  const { data, panel, scale } = matrix;
  const simd = kernels.get(data.buffer);
  const blocks = panel.length / BLOCK;
  matrix.scale = 0;
  if (simd) {
    (scale === 0 ? simd.multiply : simd.update)(data.byteOffset, panel.byteOffset, blocks, scale);
  } else {
    if (scale !== 0) updatePlain(data, panel, scale);
    multiplyPlain(data, panel);
  }
}

function updatePlain(data: Float64Array, panel: Float64Array, scale: number): void {
  let at = 0;
  for (let block = 0; block < panel.length; block += BLOCK) {
    for (let row = 0; row < 2; row++) {
      const u = panel[block + U + row];
      const v = panel[block + V + row];
      for (let other = 0; other <= block; other += BLOCK) {
        data[at] = scale * data[at] + (u * panel[other + W] + v * panel[other + Z]);
        data[at + 1] = scale * data[at + 1] + (u * panel[other + W + 1] + v * panel[other + Z + 1]);
        at += 2;
      }
    }
  }
}

function multiplyPlain(data: Float64Array, panel: Float64Array): void {
  let row0 = 0;
  for (let block = 0; block < panel.length; block += BLOCK) {
    let row1 = row0 + block / 6 + 2;
    const x0 = panel[block + X];
    const x1 = panel[block + X + 1];
    let even0 = 0;
    let odd0 = 0;
    let even1 = 0;
    let odd1 = 0;
    for (let at = 0; at <= block; at += BLOCK) {
      const a0 = data[row0];
      const b0 = data[row0 + 1];
      const a1 = data[row1];
      const b1 = data[row1 + 1];
      even0 += a0 * panel[at + X];
      odd0 += b0 * panel[at + X + 1];
      even1 += a1 * panel[at + X];
      odd1 += b1 * panel[at + X + 1];
      panel[at + PRODUCT] = panel[at + PRODUCT] + a0 * x0 + a1 * x1;
      panel[at + PRODUCT + 1] = panel[at + PRODUCT + 1] + b0 * x0 + b1 * x1;
      row0 += 2;
      row1 += 2;
    }
    // The block itself: its rows hold both halves.
    panel[block + PRODUCT] = even0 + odd0;
    panel[block + PRODUCT + 1] = even1 + odd1;
    row0 = row1;
  }
}
