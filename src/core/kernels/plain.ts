/**
 * The kernels in plain loops: what they compute, to the last bit, and what runs where there is no SIMD.
 *
 * A vector is taken in tiles; within a tile an inner product has two sums, of the numbers at even and at odd
 * indices, as the two lanes of the SIMD kernels have. What is computed is said in pairs.ts.
 *
 * @module
 */

import { TILE } from './arena.ts';
import type { Row } from './rows.ts';
import type { Kernels } from './pairs.ts';

export const plainKernels: Kernels = {
  project({ s, y }, count, newest, g, out) {
    out.fill(0, 0, 4 * count);
    const p = y[newest];
    for (let from = 0; from < g.length; from += TILE) {
      const to = Math.min(from + TILE, g.length);
      for (let slot = 0; slot < count; slot++) {
        projectRow(s[slot], p, g, from, to, out, 4 * slot);
        projectRow(y[slot], p, g, from, to, out, 4 * slot + 2);
      }
    }
  },

  combine({ s, y }, count, { a, b, c }, g, out) {
    for (let from = 0; from < g.length; from += TILE) {
      const to = Math.min(from + TILE, g.length);
      for (let i = from; i < to; i++) out[i] = c * g[i];
      let slot = 0;
      for (; slot + 1 < count; slot += 2) {
        addTwoPairs(s[slot], y[slot], s[slot + 1], y[slot + 1], a, b, slot, out, from, to);
      }
      if (slot < count) addPair(s[slot], y[slot], a[slot], b[slot], out, from, to);
    }
  },
};

/** Adds rowᵀp and rowᵀq over a tile to `out[at]` and `out[at + 1]`. */
function projectRow(
  row: Row,
  p: Row,
  q: Float64Array,
  from: number,
  to: number,
  out: Float64Array,
  at: number,
): void {
  let p0 = 0;
  let p1 = 0;
  let q0 = 0;
  let q1 = 0;
  let i = from;
  for (; i + 1 < to; i += 2) {
    const even = row[i];
    const odd = row[i + 1];
    p0 += even * p[i];
    p1 += odd * p[i + 1];
    q0 += even * q[i];
    q1 += odd * q[i + 1];
  }
  if (i < to) {
    p0 += row[i] * p[i];
    q0 += row[i] * q[i];
  }
  out[at] += p0 + p1;
  out[at + 1] += q0 + q1;
}

function addTwoPairs(
  s0: Row,
  y0: Row,
  s1: Row,
  y1: Row,
  a: Float64Array,
  b: Float64Array,
  slot: number,
  out: Float64Array,
  from: number,
  to: number,
): void {
  const a0 = a[slot];
  const a1 = a[slot + 1];
  const b0 = b[slot];
  const b1 = b[slot + 1];
  for (let i = from; i < to; i++) out[i] += a0 * s0[i] + b0 * y0[i] + (a1 * s1[i] + b1 * y1[i]);
}

function addPair(s: Row, y: Row, a: number, b: number, out: Float64Array, from: number, to: number): void {
  for (let i = from; i < to; i++) out[i] += a * s[i] + b * y[i];
}
