/**
 * The kernels in WebAssembly SIMD, on rows in an arena. Vectors outside it are copied there tile by tile.
 *
 * @module
 */

import { addScaled } from '../vector.ts';
import { clearPadding, padded } from './padding.ts';
import { lastTile, TILE } from './tiles.ts';
import type { Kernels, RowSelection } from './kernels.ts';
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
type MoveAt = [x: number, trial: number, g: number, trialG: number];
type Project = (...at: [...Rows, v: number, results: number, n: number]) => void;
/** `trial ← x + out`, unless `trial` is 0. */
type Step = [x: number, trial: number];
type Combine = (
  ...at: [...Rows, factors: number, c: number, g: number, out: number, results: number, ...Step, n: number]
) => void;
type Record = (...at: [...MoveAt, s: number, y: number, results: number, n: number]) => void;

/** Scratch of the kernels: views of the memory, each at its `byteOffset`. */
export interface SimdMemory {
  readonly exports: Exports;
  readonly buffer: ArrayBuffer;
  readonly tiles: readonly Float64Array[];
  readonly results: Float64Array;
  readonly factors: Float64Array;
  readonly rows: Uint32Array;
}

/** Number of results of the kernel `record`: five sums, and two lanes of each of two maxima; products follow. */
export const RECORDED = 9;

/** Index of the tile that stays 0, after those of the vectors that a kernel reads in addition to rows. */
export const ZEROS = 4;

/** Number of rows that a kernel processes at a time; tables have room for an incomplete last group. */
export const GROUP = 5;

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
  const factorsAt = factors.byteOffset;
  const productsAt = sums + 8 * RECORDED;
  const zeros = tiles[ZEROS].byteOffset;

  /** The selection in the table, which one step projects and combines. */
  let tabulated: RowSelection | null = null;
  /** Rows by index, and their addresses: reading one from a view takes longer than all else here. */
  const known: Row[] = [];
  const addresses: number[] = [];

  /** Writes the table of rows. */
  function tabulate(selected: RowSelection): void {
    if (selected === tabulated) return;
    tabulated = selected;
    const { rows, order } = selected;
    for (let k = 0; k < order.length; k++) {
      const i = order[k];
      if (known[i] !== rows[i]) {
        known[i] = rows[i];
        addresses[i] = rows[i].byteOffset;
      }
      pointers[k] = addresses[i];
    }
  }

  /** Fills up the last group of the table, after `count` rows: projections read the first row again, which is in the cache. */
  function fillUp(count: number, address: number): void {
    for (let k = count; k < count + GROUP; k++) pointers[k] = address;
  }

  /** Returns the address of `vector[from]`, or of a copy of the tile that starts there. */
  function place(vector: Row, from: number, tile: number): number {
    if (vector instanceof Float64Array && vector.buffer === buffer) return vector.byteOffset + 8 * from;
    tiles[tile].set(vector.subarray(from, from + TILE));
    tiles[tile].fill(0, vector.length - from);
    return tiles[tile].byteOffset;
  }

  return {
    project(selected, v, out) {
      const count = selected.order.length;
      const width = selected.rows[0].BYTES_PER_ELEMENT;
      const project = width === 8 ? kernels.project8 : kernels.project4;
      tabulate(selected);
      fillUp(count, pointers[0]);
      results.fill(0);
      for (let from = 0; from < v.length; from += TILE) {
        project(table, count, from * width, place(v, from, 0), sums, lengthOf(v, from));
      }
      for (let k = 0; k < count; k++) out[k] = results[k];
    },

    combine(selected, f, c, g, out, step) {
      const { rows, order } = selected;
      const width = rows[0].BYTES_PER_ELEMENT;
      const combine = width === 8 ? kernels.combine8 : kernels.combine4;
      const inPlace = out.buffer === buffer && out !== g;
      const stepsHere = inPlace && step?.x.buffer === buffer && step.trial.buffer === buffer;
      const x = stepsHere ? step.x.byteOffset : 0;
      const trial = stepsHere ? step.trial.byteOffset : 0;
      tabulate(selected);
      for (let k = 0; k < order.length; k++) factors[k] = f[k];
      // Adding −0 · 0 changes no number, not even −0.
      factors.fill(-0, order.length);
      results[0] = 0;
      // From the end, where `project` stopped: that part is still in the cache.
      for (let from = lastTile(g); from >= 0; from -= TILE) {
        const n = lengthOf(g, from);
        const start = place(g, from, 0);
        const sum = inPlace ? place(out, from, 1) : tiles[1].byteOffset;
        const at = stepsHere ? trial + 8 * from : 0;
        fillUp(order.length, zeros - from * width);
        combine(table, order.length, from * width, factorsAt, c, start, sum, sums, x + 8 * from, at, n);
        if (!inPlace) out.set(tiles[1].subarray(0, g.length - from), from);
      }
      const slope = results[0];
      // Padding must stay 0, even if a factor is not finite; then the slope is NaN, as that of the padding is.
      if (inPlace && Number.isNaN(slope)) clearPadding(out);
      if (stepsHere && Number.isNaN(slope)) clearPadding(step.trial);
      if (step && !stepsHere) addScaled(step.x, 1, out, step.trial);
      return slope;
    },

    record({ x, gradient, trial, trialGradient }, s, y, others, products) {
      const width = s.BYTES_PER_ELEMENT;
      const record = width === 8 ? kernels.record8 : kernels.record4;
      const project = width === 8 ? kernels.project8 : kernels.project4;
      const sAt = s.byteOffset;
      const yAt = y.byteOffset;
      const count = others?.order.length ?? 0;
      if (others && count > 0) {
        tabulate(others);
        fillUp(count, pointers[0]);
      }
      results.fill(0);
      for (let from = 0; from < x.length; from += TILE) {
        const start = place(x, from, 0);
        const end = place(trial, from, 1);
        const g = place(gradient, from, 2);
        const h = place(trialGradient, from, 3);
        const n = lengthOf(x, from);
        record(start, end, g, h, sAt + from * width, yAt + from * width, sums, n);
        if (count > 0) project(table, count, from * width, h, productsAt, n);
      }
      if (products) for (let k = 0; k < count; k++) products[k] = results[RECORDED + k];
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
