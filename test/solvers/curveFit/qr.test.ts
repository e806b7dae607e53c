import { describe, expect, it } from 'vitest';
import { inverseFactor, nullSpace, pivotedQr, solveByQr } from '../../../src/solvers/curveFit/qr.ts';
import { uniform } from '../../../bench/problems/random.js';

type Matrix = number[][];
const inner = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, i) => sum + value * b[i], 0);
const column = (A: Matrix, j: number) => A.map((row) => row[j]);
const norm = (v: ArrayLike<number>) => Math.sqrt(inner(v, v));
const flat = (A: Matrix) => Float64Array.from(A.flat());

/** Random `[m, n]` of a rank, in columns of very different lengths. */
function randomMatrix(m: number, n: number, rank: number, seed: number): Matrix {
  const random = uniform(seed);
  const fill = (rows: number, columns: number): Matrix =>
    Array.from({ length: rows }, () => Array.from({ length: columns }, () => random() - 0.5));
  const [left, right] = [fill(m, rank), fill(rank, n)];
  return left.map((row) => right[0].map((_, j) => 10 ** (3 * (j % 4) - 4) * inner(row, column(right, j))));
}

const shapes: [m: number, n: number, rank: number][] = [
  [1, 1, 1],
  [5, 3, 3],
  [6, 6, 6],
  [3, 5, 3],
  [8, 4, 2],
  [4, 6, 1],
];

describe.each(shapes)('a QR factorization of [%d, %d] of rank %d', (m, n, rank) => {
  const A = randomMatrix(m, n, rank, 10 * m + n);
  const norms = A[0].map((_, j) => norm(column(A, j)));
  const unit = A.map((row) => row.map((a, j) => a / norms[j]));
  const qr = pivotedQr(flat(A), m, n, 1e-10);

  it('has the lengths of the columns, their rank, and an order of all of them', () => {
    qr.norms.forEach((value, j) => expect(value / norms[j]).toBeCloseTo(1, 14));
    expect(qr.rank).toBe(rank);
    expect(qr.order.toSorted((a, b) => a - b)).toEqual(norms.map((_, j) => j));
  });

  it('takes the column next that is farthest from those before: the diagonal is its distance', () => {
    // Gram–Schmidt, by definition.
    const rests = norms.map((_, j) => column(unit, j));
    for (let k = 0; k < rank; k++) {
      const lengths = rests.map((rest, j) => (qr.order.indexOf(j) < k ? 0 : norm(rest)));
      const pivot = qr.order[k];
      expect(lengths[pivot]).toBeCloseTo(Math.max(...lengths), 10);
      expect(Math.abs(qr.factors[k * n + k])).toBeCloseTo(lengths[pivot], 10);
      const q = rests[pivot].map((value) => value / lengths[pivot]);
      rests.forEach((rest, j) => {
        const along = inner(rest, q);
        rests[j] = rest.map((value, i) => value - along * q[i]);
      });
    }
  });

  it('has RᵀR of the columns in that order', () => {
    for (let a = 0; a < n; a++) {
      for (let b = 0; b < n; b++) {
        let sum = 0;
        for (let k = 0; k < Math.min(a + 1, b + 1, rank); k++)
          sum += qr.factors[k * n + a] * qr.factors[k * n + b];
        expect(sum).toBeCloseTo(inner(column(unit, qr.order[a]), column(unit, qr.order[b])), 10);
      }
    }
  });

  it('solves least squares: what is left is orthogonal to the columns', () => {
    const b = Float64Array.from({ length: m }, (_, i) => Math.cos(3 * i + 1));
    const { x, decrease } = solveByQr(qr, b);
    const left = A.map((row, i) => b[i] - inner(row, x));
    for (const j of norms.keys()) expect(inner(column(unit, j), left)).toBeCloseTo(0, 10);
    expect(decrease).toBeCloseTo(inner(b, b) - inner(left, left), 10);
    qr.order.slice(rank).forEach((j) => expect(x[j]).toBe(0));
  });

  it('has directions that change nothing: one for each column beyond the rank', () => {
    const directions = nullSpace(qr);
    expect(directions.length).toBe(n - rank);
    directions.forEach((direction, k) => {
      for (const row of unit) expect(inner(row, direction)).toBeCloseTo(0, 8);
      const beyond = qr.order.slice(rank);
      expect(beyond.map((j) => direction[j])).toEqual(beyond.map((_, l) => Number(l === k)));
    });
  });

  it('has an inverse of AᵀA over the columns within the rank', () => {
    const factor = inverseFactor(qr);
    const inverse = Float64Array.from({ length: n * n }, (_, at) =>
      factor.reduce((sum, u) => sum + u[Math.floor(at / n)] * u[at % n], 0),
    );
    const within = qr.order.slice(0, rank);
    const normal = (i: number, j: number) => inner(column(A, i), column(A, j));
    const all = [...norms.keys()];
    const beyond = all.flatMap((i) =>
      all.filter((j) => ![i, j].every((each) => within.includes(each))).map((j) => inverse[i * n + j]),
    );
    expect(beyond.every((value) => value === 0)).toBe(true);
    for (const i of within) {
      for (const j of within) {
        const sum = within.reduce((total, l) => total + inverse[i * n + l] * normal(l, j), 0);
        expect(sum * (norms[i] / norms[j])).toBeCloseTo(Number(i === j), 7);
      }
    }
  });
});

describe('a matrix', () => {
  it('with a column of zeros has one of length 1 in its place, beyond the rank', () => {
    const qr = pivotedQr(flat([[3, 0], [4, 0]]), 2, 2, 1e-10); // prettier-ignore
    expect([...qr.norms]).toEqual([5, 1]);
    expect([qr.rank, qr.order]).toEqual([1, [0, 1]]);
    expect(qr.factors.some(Number.isNaN)).toBe(false);
    expect(nullSpace(qr).map((direction) => Array.from(direction))).toEqual([[0, 1]]);
  });

  it('has the rank that its tolerance says', () => {
    // The second column, of length 1, is 1e-3 from the first.
    const near = flat([[1, Math.sqrt(1 - 1e-6)], [0, 1e-3]]); // prettier-ignore
    expect([0.99e-3, 1.01e-3].map((tolerance) => pivotedQr(near, 2, 2, tolerance).rank)).toEqual([2, 1]);
    expect(pivotedQr(new Float64Array(4), 2, 2, 1e-10).rank).toBe(0);
  });

  it('remains as it is', () => {
    const A = Float64Array.of(1, 2, 3, 4, 5, 6);
    pivotedQr(A, 3, 2, 1e-10);
    expect([...A]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it.each([
    [[-1, 1, 1e-9, 1]],
    [[0, 1, -1, 1]],
    [[-1, 0, 0, -1]],
    [[1, 0, 0, 0, -1, 0, 0, 1e-9, 1]],
    [[-1, 0, 0, 0, -1, 1e-9, 0, 0, 1]],
  ])('is factored to its digits where a reflection hardly moves a column: %j', (values) => {
    const n = Math.sqrt(values.length);
    const x = Float64Array.from({ length: n }, (_, j) => j + 2);
    const b = x.map((_, i) => inner(values.slice(i * n, (i + 1) * n), x));
    const { x: found } = solveByQr(pivotedQr(Float64Array.from(values), n, n, 1e-12), b);
    found.forEach((value, j) => expect(value).toBeCloseTo(x[j], 12));
  });
});
