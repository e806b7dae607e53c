import type { FastOperations } from '../vector.ts';
import type { Kernels } from './kernels.ts';
import { GROUP, RECORDED, simdKernels, ZEROS, type Exports, type SimdMemory } from './simd.ts';
import { kernelsOnMemory } from './compileKernels.ts';
import { simdBytes } from './simdBytes.ts';
import { clearPadding, padded } from './padding.ts';
import { TILE } from './tiles.ts';

/** A memory for rows and vectors of one length, with the kernels that work on them. */
export interface Arena {
  readonly buffer: ArrayBuffer;
  readonly kernels: Kernels;
  readonly operations: FastOperations;
  /** Returns the address of a row, in bytes. */
  rowOffset(row: number): number;
  /** Returns another vector, or null if there is no room for one. */
  vector(): Float64Array | null;
}

const TILES = ZEROS + 1;

/** Number of vectors with room in an arena: point and gradient of a line search, twice, and its direction. */
const VECTORS = 5;

/**
 * Allocates an arena.
 *
 * @returns null if there is no WebAssembly with SIMD, or not enough memory
 */
export function newArena(n: number, rows: number, bytesPerNumber: number): Arena | null {
  const length = padded(n);
  const tile = Math.min(TILE, length);
  const table = RECORDED + rows + GROUP;
  const resultsAt = 8 * TILES * tile;
  const factorsAt = resultsAt + 8 * table;
  const tableAt = factorsAt + 8 * table;
  const vectorsAt = resultsAt + 8 * padded(3 * table);
  const rowsAt = vectorsAt + 8 * VECTORS * length;
  const made = kernelsOnMemory(simdBytes, rowsAt + bytesPerNumber * rows * length);
  if (made === null) return null;
  const { buffer } = made;
  const views: SimdMemory = {
    exports: made.exports as unknown as Exports,
    buffer,
    tiles: Array.from({ length: TILES }, (_, i) => new Float64Array(buffer, 8 * i * tile, tile)),
    results: new Float64Array(buffer, resultsAt, table),
    factors: new Float64Array(buffer, factorsAt, table),
    rows: new Uint32Array(buffer, tableAt, table),
  };
  let vectors = 0;
  return {
    buffer,
    kernels: simdKernels(views),
    operations: simdOperations(views, n),
    rowOffset: (row) => rowsAt + bytesPerNumber * row * length,
    vector: () =>
      vectors < VECTORS ? new Float64Array(buffer, vectorsAt + 8 * vectors++ * length, n) : null,
  };
}

/** The operations of vector.ts, on padded vectors in the arena. */
function simdOperations({ exports: kernels, results }: SimdMemory, n: number): FastOperations {
  return {
    length: n,
    dot(a, b) {
      results[0] = 0;
      kernels.dot(a.byteOffset, b.byteOffset, results.byteOffset, padded(a.length));
      return results[0];
    },
    addScaled(x, alpha, s, out) {
      kernels.addScaled(x.byteOffset, alpha, s.byteOffset, out.byteOffset, padded(x.length));
      if (!Number.isFinite(alpha)) clearPadding(out);
    },
    normInf(x) {
      kernels.normInf(x.byteOffset, results.byteOffset, padded(x.length));
      return Math.max(results[0], results[1]);
    },
  };
}
