/**
 * The kernels in WebAssembly SIMD, on rows in an arena. Vectors outside it are copied there tile by tile.
 *
 * @module
 */

import { clearPadding, padded } from './padding.ts';
import { lastTile, TILE } from './tiles.ts';
import type { Kernels } from './kernels.ts';
import type { Row } from './rows.ts';

/**
 * Exports of the module, with the bytes per stored number in their names. Pointers are in bytes; `n` counts
 * numbers, {@link padded}.
 */
export interface Exports {
  readonly project8: Project;
  readonly project4: Project;
  readonly combine8: Combine;
  readonly combine4: Combine;
  readonly record8: Record;
  readonly record4: Record;
  readonly addScaled: (x: number, alpha: number, s: number, out: number, n: number) => void;
  readonly dot: (p: number, q: number, results: number, n: number) => void;
  readonly normInf: (p: number, results: number, n: number) => void;
}
/** A table of `count` pointers, and the number of bytes to skip in each row. */
type Rows = [rows: number, count: number, skip: number];
type Move = [x: number, trial: number, g: number, trialG: number];
type Project = (...at: [...Rows, v: number, results: number, n: number]) => void;
type Combine = (
  ...at: [...Rows, factors: number, c: number, g: number, out: number, results: number, n: number]
) => void;
type Record = (...at: [...Move, s: number, y: number, results: number, n: number]) => void;

/** Scratch of the kernels: views of the memory, each at its `byteOffset`. */
export interface SimdMemory {
  readonly exports: Exports;
  readonly buffer: ArrayBuffer;
  readonly tiles: readonly Float64Array[];
  readonly results: Float64Array;
  readonly factors: Float64Array;
  readonly rows: Uint32Array;
}

/** Number of results of the kernel `record`: five sums, and two lanes of each of two maxima. */
export const RECORDED = 9;

/** Wraps the exports as {@link Kernels}. */
export function simdKernels({
  exports: kernels,
  buffer,
  tiles,
  results,
  factors,
  rows: pointers,
}: SimdMemory): Kernels {
  const sums = results.byteOffset;
  const table = pointers.byteOffset;

  /** The rows in the table, which one step projects and combines. */
  let tabulated: readonly Row[] | null = null;

  /** Writes the table of rows; the last group is filled up with the first row. */
  function tabulate(rows: readonly Row[]): void {
    if (rows === tabulated) return;
    tabulated = rows;
    pointers.fill(rows[0].byteOffset);
    for (let k = 0; k < rows.length; k++) pointers[k] = rows[k].byteOffset;
  }

  /** Returns the address of `vector[from]`, or of a copy of the tile that starts there. */
  function place(vector: Row, from: number, tile: number): number {
    if (vector instanceof Float64Array && vector.buffer === buffer) return vector.byteOffset + 8 * from;
    tiles[tile].set(vector.subarray(from, from + TILE));
    tiles[tile].fill(0, vector.length - from);
    return tiles[tile].byteOffset;
  }

  return {
    project(rows, v, out) {
      const width = rows[0].BYTES_PER_ELEMENT;
      const project = width === 8 ? kernels.project8 : kernels.project4;
      tabulate(rows);
      results.fill(0);
      for (let from = 0; from < v.length; from += TILE) {
        project(table, rows.length, from * width, place(v, from, 0), sums, lengthOf(v, from));
      }
      for (let k = 0; k < rows.length; k++) out[k] = results[k];
    },

    combine(rows, f, c, g, out) {
      const width = rows[0].BYTES_PER_ELEMENT;
      const combine = width === 8 ? kernels.combine8 : kernels.combine4;
      const inPlace = out.buffer === buffer && out !== g;
      tabulate(rows);
      factors.fill(0);
      for (let k = 0; k < rows.length; k++) factors[k] = f[k];
      results[0] = 0;
      // From the end, where `project` stopped: that part is still in the cache.
      for (let from = lastTile(g); from >= 0; from -= TILE) {
        const n = lengthOf(g, from);
        const start = place(g, from, 0);
        const sum = inPlace ? place(out, from, 1) : tiles[1].byteOffset;
        combine(table, rows.length, from * width, factors.byteOffset, c, start, sum, sums, n);
        if (!inPlace) out.set(tiles[1].subarray(0, g.length - from), from);
      }
      // Padding must stay 0, even if a factor is not finite.
      if (inPlace) clearPadding(out);
      return results[0];
    },

    record({ x, gradient, trial, trialGradient }, s, y) {
      const width = s.BYTES_PER_ELEMENT;
      const record = width === 8 ? kernels.record8 : kernels.record4;
      results.fill(0, 0, RECORDED);
      for (let from = 0; from < x.length; from += TILE) {
        record(
          place(x, from, 0),
          place(trial, from, 1),
          place(gradient, from, 2),
          place(trialGradient, from, 3),
          s.byteOffset + from * width,
          y.byteOffset + from * width,
          sums,
          lengthOf(x, from),
        );
      }
      const [sy, yy, ss, sg, yg] = [results[0], results[1], results[2], results[3], results[4]];
      // Maxima ignore NaN; sums do not.
      const sInf = Number.isNaN(ss) ? NaN : Math.max(results[5], results[6]);
      const gInf = Number.isNaN(yg) ? NaN : Math.max(results[7], results[8]);
      return { sy, yy, ss, sg, yg, sInf, gInf };
    },
  };
}

/** Returns the number of elements in the tile that starts at `from`, padding included. */
const lengthOf = ({ length }: Row, from: number): number => Math.min(TILE, padded(length - from));
