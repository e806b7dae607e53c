/**
 * SOAP as its paper writes it, on arrays of rows, and problems to compare it on.
 *
 * @module
 */
import {
  layoutOf,
  runSync,
  soap,
  vectorParams,
  type Layout,
  type Precision,
  type Problem,
  type SoapOptions,
  type TensorSpec,
} from 'quasi-newton';
import { uniform } from '../../../bench/problems/random.js';
import { inside } from '../internals.ts';
import type { Side } from '../../../src/solvers/soap/side.ts';
import type { SoapState } from '../../../src/solvers/soap.ts';

export type Matrix = number[][];

export const transpose = (a: Matrix): Matrix => a[0].map((_, j) => a.map((row) => row[j]));
export const times = (a: Matrix, b: Matrix): Matrix => {
  const columns = transpose(b);
  return a.map((row) => columns.map((column) => row.reduce((sum, value, p) => sum + value * column[p], 0)));
};
export const zip = (a: Matrix, b: Matrix, by: (u: number, v: number) => number): Matrix =>
  a.map((row, i) => row.map((value, j) => by(value, b[i][j])));
export const zeros = (m: number, n: number): Matrix =>
  Array.from({ length: m }, () => Array<number>(n).fill(0));
export const identity = (n: number): Matrix =>
  zeros(n, n).map((row, i) => row.map((_, j) => (i === j ? 1 : 0)));
export const trace = (a: Matrix): number => a.reduce((sum, row, i) => sum + row[i], 0);
export const asMatrix = (values: ArrayLike<number>, rows: number): Matrix => {
  const cols = values.length / rows;
  return Array.from({ length: rows }, (_, i) =>
    Array.from({ length: cols }, (__, j) => values[i * cols + j]),
  );
};

/** Q of a QR decomposition by Gram-Schmidt's method, each column twice. */
export function gramSchmidt(a: Matrix): Matrix {
  const columns = transpose(a);
  for (const [k, column] of columns.entries()) {
    for (const earlier of [...columns.slice(0, k), ...columns.slice(0, k)]) {
      const along = earlier.reduce((sum, value, i) => sum + value * column[i], 0);
      earlier.forEach((value, i) => (column[i] -= along * value));
    }
    const length = Math.hypot(...column);
    column.forEach((value, i) => (column[i] = value / length));
  }
  return transpose(columns);
}

/** A tensor as the paper sees it. */
export interface Part {
  /** Where its elements lie in the flat vector, row by row. */
  readonly indices: readonly number[];
  readonly rows: number;
  readonly cols: number;
  readonly left: boolean;
  readonly right: boolean;
  /** Number of blocks before it: they refresh their bases in turns. */
  readonly turn?: number;
}

/** The diagonal blocks of a matrix, zeros elsewhere. */
const blocksOf = (a: Matrix, length: number): Matrix =>
  a.map((row, i) => row.map((value, j) => (Math.floor(i / length) === Math.floor(j / length) ? value : 0)));

/**
 * SOAP of one matrix as Vyas et al. (2024) write it, Algorithms 3 and 4, but that the bases begin as the identity, and
 * mix parts of the sides that grow with the number of gradients, and that the first refreshes estimate V.
 */
export function oracleOf(part: Part, options: SoapOptions, shift = 2 ** -36) {
  const { beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weightDecay = 0, frequency = 10 } = options;
  const { turn = 0 } = part;
  const { rows, cols } = part;
  let M = zeros(rows, cols);
  let V = zeros(rows, cols);
  let L = zeros(rows, rows);
  let R = zeros(cols, cols);
  let QL = identity(rows);
  let QR = identity(cols);
  const mean = (decay: number) => (old: number, now: number) => decay * old + (1 - decay) * now;
  const mixed = { left: 1, right: 1 };
  const squaresAlong = (P: Matrix, Q: Matrix) =>
    times(times(transpose(Q), P), Q).map((row, i) => Math.max((shift * trace(P)) / P.length, row[i]));
  const powerStep = (P: Matrix, Q: Matrix): Matrix =>
    gramSchmidt(zip(times(P, Q), Q, (u, v) => u + (shift * trace(P) * v) / P.length));
  let t = 0;
  return (W: Matrix, G: Matrix, rate: number): Matrix => {
    t++;
    const inBasis = (A: Matrix) => times(times(transpose(QL), A), QR);
    M = zip(M, G, mean(beta1));
    V = zip(V, inBasis(G), (v, g) => mean(beta2)(v, g * g));
    const N = zip(
      inBasis(M),
      V,
      (m, v) => m / (1 - beta1 ** t) / (Math.sqrt(v / (1 - beta2 ** t)) + epsilon),
    );
    const update = times(times(QL, N), transpose(QR));
    L = zip(L, times(G, transpose(G)), mean(beta2));
    R = zip(R, times(transpose(G), G), mean(beta2));
    const interval = t < 2 * frequency ? Math.max(1, Math.round(frequency / 5)) : frequency;
    if (t >= 4 && (t + turn) % interval === 0) {
      let longest = 1;
      while (2 * longest <= (t * t) / 8) longest *= 2;
      const now = {
        left: part.left ? Math.min(rows, longest) : 1,
        right: part.right ? Math.min(cols, longest) : 1,
      };
      if (part.left) QL = powerStep(blocksOf(L, now.left), QL);
      if (part.right) QR = powerStep(blocksOf(R, now.right), QR);
      const grows = now.left > mixed.left || now.right > mixed.right;
      if ((part.left || part.right) && (t < 200 || grows)) {
        const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
        const l = part.left ? squaresAlong(L, QL) : V.map(sum);
        const r = part.right ? squaresAlong(R, QR) : transpose(V).map(sum);
        V = l.map((a) => r.map((b) => (a * b) / trace(L)));
      }
      Object.assign(mixed, now);
    }
    return zip(W, update, (w, u) => w - rate * u - rate * weightDecay * w);
  };
}

/** Deterministic noise with some structure, so that the factors have distinct eigenvalues. */
export function problemOf(layout: Layout, seed = 1): Problem {
  const random = uniform(seed);
  const n = layout.length;
  const target = Float64Array.from({ length: n }, () => 2 * random() - 1);
  const scales = Float64Array.from({ length: n }, () => 0.2 + 2 * random());
  return {
    p0: Float64Array.from({ length: n }, () => 2 * random() - 1),
    params: vectorParams(new Float64Array(n), layout),
    fg(x, gradient) {
      let f = 0;
      for (let i = 0; i < n; i++) {
        const next = (i + 1) % n;
        const d = scales[i] * (x[i] - target[i]) + 0.4 * x[next];
        f += d * d + Math.sin(3 * x[i]);
      }
      if (!gradient) return f;
      gradient.fill(0);
      for (let i = 0; i < n; i++) {
        const next = (i + 1) % n;
        const d = scales[i] * (x[i] - target[i]) + 0.4 * x[next];
        gradient[i] += 2 * d * scales[i] + 3 * Math.cos(3 * x[i]);
        gradient[next] += 0.8 * d;
      }
      return f;
    },
  };
}

export function startOf(problem: Problem, options: SoapOptions, precision: Precision = 'float64'): SoapState {
  const layout = problem.params?.layout;
  const state = inside<SoapState>(
    soap(options).init({ n: problem.p0.length, precision, ...(layout && { layout }) }),
  );
  state.x.set(problem.p0);
  state.f = problem.fg(state.x, state.gradient);
  return state;
}

/** A matrix of a side, with the zeros that fill it up. */
export const paddedMatrix = ({ memory }: SoapState, at: number, { paddedSize }: Side): Matrix =>
  asMatrix(memory.subarray(at, at + paddedSize ** 2), paddedSize);

/** Q of a side, without the zeros that fill it up. */
export const rowsOf = (state: SoapState, side: Side | null): Matrix | null =>
  side &&
  transpose(
    paddedMatrix(state, side.basis, side)
      .slice(0, side.size)
      .map((row) => row.slice(0, side.size)),
  );

/** The farthest that any of the steps ends from where the oracle goes from the same point. */
export function farthest(
  specs: readonly TensorSpec[],
  parts: readonly Part[],
  options: SoapOptions,
  steps: number,
  precision: Precision = 'float64',
): number {
  const problem = problemOf(layoutOf(specs));
  const solver = soap(options);
  const state = startOf(problem, options, precision);
  const rate = options.learningRate ?? 0.003;
  const oracles = parts.map((part) => oracleOf(part, options, precision === 'float32' ? 2 ** -16 : 2 ** -36));
  let worst = 0;
  for (let t = 0; t < steps; t++) {
    const x = state.x.slice();
    const g = state.gradient.slice();
    const clip = Math.min(1, (options.clipNorm ?? Infinity) / Math.hypot(...g));
    runSync(solver.step(state), problem);
    for (const [k, { indices, rows }] of parts.entries()) {
      const cut = (values: Float64Array) =>
        asMatrix(
          indices.map((i) => values[i]),
          rows,
        );
      const next = oracles[k](
        cut(x),
        cut(g.map((value) => clip * value)),
        typeof rate === 'number' ? rate : rate(t),
      );
      worst = Math.max(worst, ...zip(next, cut(state.x), (u, v) => Math.abs(u - v)).flat());
    }
  }
  return worst;
}

/** A matrix that lies row by row from `offset` on. */
export const matrix = (rows: number, cols: number, left = true, right = true, offset = 0): Part => ({
  indices: Array.from({ length: rows * cols }, (_, i) => offset + i),
  rows,
  cols,
  left,
  right,
});
export const weight = (...shape: number[]): TensorSpec => ({ name: 'w', shape });
/** A matrix whose rows are those of units, its columns those of inputs, as ONNX has them. */
export const inputsLast = (rows: number, cols: number): TensorSpec => ({
  name: 'w',
  shape: [rows, cols],
  role: { kind: 'weight', filterAxes: [0] },
});
/** A matrix whose rows are those of inputs, its columns those of units, as TensorFlow.js has them. */
export const inputsFirst = (rows: number, cols: number): TensorSpec => ({
  name: 'w',
  shape: [rows, cols],
  role: { kind: 'weight', filterAxes: [1] },
});

/**
 * The parts of a matrix with `width` columns between these rows and columns, in the order of SOAP's turns. Its elements lie
 * row by row, or at `places`.
 */
export const partsOf = (
  width: number,
  rows: readonly number[],
  cols: readonly number[],
  left = true,
  right = true,
  places?: readonly number[],
): Part[] =>
  rows.slice(1).flatMap((bottom, i) =>
    cols.slice(1).map((end, k) => {
      const [top, start] = [rows[i], cols[k]];
      return {
        indices: Array.from({ length: (bottom - top) * (end - start) }, (_, e) => {
          const at = (top + Math.floor(e / (end - start))) * width + start + (e % (end - start));
          return places ? places[at] : at;
        }),
        rows: bottom - top,
        cols: end - start,
        left,
        right,
        turn: i * (cols.length - 1) + k,
      };
    }),
  );
