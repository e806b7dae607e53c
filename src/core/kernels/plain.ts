/**
 * The kernels in plain loops, for machines without SIMD: equal to those of SIMD to the last bit.
 *
 * Vectors are processed in tiles. Within a tile a sum has two parts, over even and over odd indices, like the two lanes
 * of SIMD.
 *
 * @module
 */

import { lastTile, TILE } from './tiles.ts';
import { addScaled, dot } from '../vector.ts';
import type { Kernels, Move, RowSelection } from './kernels.ts';
import type { Row } from './rows.ts';

export const plainKernels: Kernels = {
  project,

  combine({ rows, order }, factors, c, g, out, step) {
    let slope = 0;
    for (let from = lastTile(g); from >= 0; from -= TILE) {
      const tile = g.slice(from, from + TILE);
      const sum = tile.map((value) => c * value);
      for (let k = 0; k < order.length; k++) addRow(factors[k], rows[order[k]], from, sum);
      slope += dot(tile, sum);
      out.set(sum, from);
    }
    if (step) addScaled(step.x, 1, out, step.trial);
    return slope;
  },

  record(move, s, y, others, products) {
    const sums = recordPair(move, s, y);
    if (others && products) project(others, move.trialGradient, products);
    return sums;
  },
};

function recordPair({ x, gradient, trial, trialGradient }: Move, s: Row, y: Row) {
  const sums = { sy: 0, yy: 0, ss: 0, sg: 0, yg: 0, sInf: 0, gInf: 0 };
  for (let from = 0; from < x.length; from += TILE) {
    const lanes = new Float64Array(10);
    const to = Math.min(from + TILE, x.length);
    for (let i = from; i < to; i++) {
      s[i] = trial[i] - x[i];
      y[i] = trialGradient[i] - gradient[i];
      const [si, yi] = [s[i], y[i]];
      const lane = i % 2;
      lanes[lane] += si * yi;
      lanes[2 + lane] += yi * yi;
      lanes[4 + lane] += si * si;
      lanes[6 + lane] += si * trialGradient[i];
      lanes[8 + lane] += yi * trialGradient[i];
      sums.sInf = Math.max(sums.sInf, Math.abs(si));
      sums.gInf = Math.max(sums.gInf, Math.abs(trialGradient[i]));
    }
    sums.sy += lanes[0] + lanes[1];
    sums.yy += lanes[2] + lanes[3];
    sums.ss += lanes[4] + lanes[5];
    sums.sg += lanes[6] + lanes[7];
    sums.yg += lanes[8] + lanes[9];
  }
  return sums;
}

function project({ rows, order }: RowSelection, v: Row, out: Float64Array): void {
  for (let k = 0; k < order.length; k++) out[k] = product(rows[order[k]], v);
}

/** Returns aᵀb. */
function product(a: Row, b: Row): number {
  let total = 0;
  for (let from = 0; from < a.length; from += TILE) {
    const to = Math.min(from + TILE, a.length);
    let even = 0;
    let odd = 0;
    for (let i = from; i < to; i += 2) {
      even += a[i] * b[i];
      if (i + 1 < to) odd += a[i + 1] * b[i + 1];
    }
    total += even + odd;
  }
  return total;
}

function addRow(factor: number, row: Row, from: number, sum: Float64Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] += factor * row[from + i];
}
