/**
 * Symmetric matrices stored as triangles, updated and multiplied in one pass.
 *
 * Storage: rows 2b and 2b + 1 form block b, each with its first 2b + 2 elements; n is rounded up to an even
 * number. A panel holds the vectors of an update and a product, two numbers of each for each block: w, z, x, the product,
 * u and v; or those of two updates: w, z, w′, z′, u, v, u′ and v′.
 *
 * Large matrices use SIMD in WebAssembly; others use plain loops, with the same results to the last bit.
 *
 * @module
 */
import { kernelsOnMemory } from './compileKernels.ts';
import { symmetricBytes } from './symmetricBytes.ts';

/** A symmetric matrix A, `[n, n]`, with an update that waits for the next pass; plain data. */
export interface Triangle {
  readonly n: number;
  readonly data: Float64Array;
  readonly panel: Float64Array;
  /** Factor of A in the waiting update; 0 if none waits. */
  scale: number;
}

/** Number of elements of a panel block, followed by the offsets of its parts. */
const BLOCK = 16;
const [W, Z, X, PRODUCT, U, V] = [0, 2, 4, 6, 8, 10];
/** Offset of the second update's vectors from those of the first. */
const SECOND = 4;

/** Number of elements that stay in the cache while many updates are added to them: 1 MB. */
const CACHED = 2 ** 17;

/** From this number of rows on, SIMD is worth a separate memory. */
const SIMD_LENGTH = 32;

/** `A ← scale·A + uwᵀ + vzᵀ` and `product ← Ax`; pointers in bytes. */
type Pass = (data: number, panel: number, blocks: number, scale: number) => void;
interface Exports {
  readonly update: Pass;
  readonly multiply: Pass;
  /** `A ← A + uwᵀ + vzᵀ + u′w′ᵀ + v′z′ᵀ`, in the blocks that begin at `end` in the panel and at `row` in A, up to `last`. */
  readonly add: (row: number, panel: number, end: number, last: number) => void;
}

/** Kernels of each memory. A matrix is plain data, so it cannot refer to them itself. */
const kernels = new WeakMap<ArrayBufferLike, Exports>();

/** Number of stored elements of a matrix `[n, n]`: two rows to a block, the first with one element too many. */
const lengthOf = (n: number): number => 2 * Math.ceil(n / 2) * (Math.ceil(n / 2) + 1);

/**
 * Returns a triangle of zeros.
 *
 * @throws RangeError if there is not enough memory
 */
export const newTriangle = (n: number): Triangle => ({
  n,
  ...allocate(n, lengthOf(n), BLOCK * Math.ceil(n / 2)),
  scale: 0,
});

function allocate(n: number, length: number, panelLength: number): Pick<Triangle, 'data' | 'panel'> {
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
 * Checks that `count` triangles, and as many vectors of so many numbers, can be allocated; they are released unused.
 *
 * @throws RangeError if there is not enough memory
 */
export function checkTriangles(n: number, count: number, beside: number): void {
  const length = lengthOf(n);
  try {
    // All at once, as a solver holds them.
    Array.from({ length: count }, () => [new ArrayBuffer(8 * length), new ArrayBuffer(8 * beside)]);
  } catch (cause) {
    throw noRoom(n, length + beside, cause);
  }
}

/** Allocates a matrix in SIMD memory; null if there is no SIMD or not enough memory. */
function allocateForSimd(length: number, panelLength: number): Pick<Triangle, 'data' | 'panel'> | null {
  const made = kernelsOnMemory(symmetricBytes, 8 * (length + panelLength));
  if (made === null) return null;
  kernels.set(made.buffer, made.exports as unknown as Exports);
  return {
    data: new Float64Array(made.buffer, 8 * panelLength, length),
    panel: new Float64Array(made.buffer, 0, panelLength),
  };
}

/** `A ← diagonal·I`; discards the waiting update. */
export function setTriangle(matrix: Triangle, diagonal: number): void {
  const { n, data } = matrix;
  matrix.scale = 0;
  data.fill(0);
  for (let i = 0; i < n; i++) data[rowAt(i) + i] = diagonal;
}

/** Returns where row i begins. */
function rowAt(i: number): number {
  const block = i >> 1;
  return 2 * block * (block + 1) + (i % 2) * (2 * block + 2);
}

/** An update a·uuᵀ + b·(uvᵀ + vuᵀ) + c·vvᵀ; u and v `[n]`. */
export interface Update {
  readonly factors: readonly [a: number, b: number, c: number];
  readonly u: Float64Array;
  readonly v: Float64Array;
}

/**
 * Adds an update to scale·A, carried out in the pass of the next product. The vectors are copied.
 *
 * @param scale - not 0
 */
export function updateTriangle(matrix: Triangle, scale: number, update: Update): void {
  if (matrix.scale !== 0) pass(matrix);
  writeUpdate(matrix.panel, 0, update, matrix.n);
  matrix.scale = scale;
}

/** Adds updates to A, of which none waits, two at a time. */
export function addToTriangle({ n, data, panel }: Triangle, updates: readonly Update[]): void {
  const simd = kernels.get(data.buffer);
  const blocks = panel.length / BLOCK;
  for (let first = 0, last = 0; first < blocks; first = last) {
    while (last < blocks && (last === first || rowAt(2 * last + 2) - rowAt(2 * first) <= CACHED)) last++;
    const length = Math.min(2 * last, n);
    for (let k = 0; k < updates.length; k += 2) {
      writeUpdate(panel, 0, updates[k], length);
      writeUpdate(panel, SECOND, updates[k + 1] ?? { ...updates[k], factors: [0, 0, 0] }, length);
      if (simd) {
        const at = panel.byteOffset;
        const row = data.byteOffset + 8 * rowAt(2 * first);
        simd.add(row, at, at + 8 * BLOCK * first, at + 8 * BLOCK * last);
      } else addPlain(data, panel, first, last);
    }
  }
}

/** Writes the vectors of uwᵀ + vzᵀ into a panel, the first elements of each: w = au + bv, z = bu + cv. */
function writeUpdate(
  panel: Float64Array,
  offset: number,
  { factors: [a, b, c], u, v }: Update,
  length: number,
): void {
  for (let i = 0; i < length; i++) {
    const at = BLOCK * (i >> 1) + (i % 2) + offset;
    const ui = u[i];
    const vi = v[i];
    panel[at + U] = ui;
    panel[at + V] = vi;
    panel[at + W] = a * ui + b * vi;
    panel[at + Z] = b * ui + c * vi;
  }
}

/** `out ← Ax`, with the waiting update carried out; `out` may be `x`. */
export function multiplyTriangle(matrix: Triangle, x: Float64Array, out: Float64Array): void {
  const { panel } = matrix;
  for (let i = 0; i < x.length; i++) panel[BLOCK * (i >> 1) + (i % 2) + X] = x[i];
  pass(matrix);
  for (let i = 0; i < x.length; i++) out[i] = panel[BLOCK * (i >> 1) + (i % 2) + PRODUCT];
}

function pass(matrix: Triangle): void {
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

function addPlain(data: Float64Array, panel: Float64Array, first: number, last: number): void {
  let at = rowAt(2 * first);
  for (let block = BLOCK * first; block < BLOCK * last; block += BLOCK) {
    for (let row = 0; row < 2; row++) {
      const [u0, v0, u1, v1] = [U, V, U + SECOND, V + SECOND].map((part) => panel[block + part + row]);
      for (let other = 0; other <= block; other += BLOCK) {
        for (let i = other; i < other + 2; i++) {
          const sum = u0 * panel[i + W] + v0 * panel[i + Z];
          data[at] += sum + (u1 * panel[i + W + SECOND] + v1 * panel[i + Z + SECOND]);
          at++;
        }
      }
    }
  }
}

function multiplyPlain(data: Float64Array, panel: Float64Array): void {
  let row0 = 0;
  for (let block = 0; block < panel.length; block += BLOCK) {
    let row1 = row0 + (2 * block) / BLOCK + 2;
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
