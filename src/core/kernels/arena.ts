import type { FastOperations } from '../vector.ts';
import type { Kernels } from './kernels.ts';
import { RECORDED, simdKernels, type Exports, type SimdMemory } from './simd.ts';
import { simdBytes } from './simdBytes.ts';
import { clearPadding, padded } from './padding.ts';
import { TILE } from './tiles.ts';

/** A memory of rows and vectors of one length, with the kernels that work on them. */
export interface Arena {
  readonly buffer: ArrayBuffer;
  readonly kernels: Kernels;
  readonly operations: FastOperations;
  /** Where a row is, in bytes. */
  rowOffset(row: number): number;
  /** Another vector, or null when there is no room for one. */
  vector(): Float64Array | null;
}

/** WebAssembly addresses 4 GiB, in pages of 64 KiB; the last is left out, for at its end addresses begin anew. */
const PAGE = 2 ** 16;
const MAX_PAGES = 2 ** 16 - 1;

/** Null where it cannot be compiled; undefined until it is first wanted. */
let compiled: WebAssembly.Module | null | undefined;

/** The compiled kernels, or null where there is no WebAssembly with SIMD. */
export const simdModule = (): WebAssembly.Module | null =>
  (compiled ??= compiled === null ? null : compile());

/** As many vectors as a kernel reads beside rows. */
const TILES = 4;

/** So many rows a kernel takes at a time: tables have room for a last group that is not full. */
const ROWS = 5;

/** There is room for so many vectors: a line search's point and gradient, twice, and its direction. */
const VECTORS = 5;

/**
 * Allocates the memory of so many rows once and for all, since growth would detach every view.
 *
 * @returns null where there is no WebAssembly with SIMD, or not so much memory
 */
export function newArena(n: number, rows: number, bytesPerNumber: number): Arena | null {
  const module = simdModule();
  if (module === null) return null;
  const length = padded(n);
  const tile = Math.min(TILE, length);
  const table = Math.max(rows + ROWS, RECORDED);
  const resultsAt = 8 * TILES * tile;
  const factorsAt = resultsAt + 8 * table;
  const tableAt = factorsAt + 8 * table;
  const vectorsAt = resultsAt + 8 * padded(3 * table);
  const rowsAt = vectorsAt + 8 * VECTORS * length;
  const pages = Math.ceil((rowsAt + bytesPerNumber * rows * length) / PAGE);
  if (pages > MAX_PAGES) return null;
  try {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { buffer } = memory;
    const views: SimdMemory = {
      exports: new WebAssembly.Instance(module, { host: { memory } }).exports as unknown as Exports,
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
  } catch {
    // The process has no such memory to give.
    return null;
  }
}

/** What vector.ts does, on vectors in the arena: their ends are filled up with zeros. */
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

function compile(): WebAssembly.Module | null {
  try {
    return new WebAssembly.Module(
      Uint8Array.from(simdBytes.match(/../g) ?? [], (byte) => parseInt(byte, 16)),
    );
  } catch {
    // No WebAssembly, no SIMD, or a content security policy against it.
    return null;
  }
}
