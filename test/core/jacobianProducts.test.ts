import { describe, expect, it } from 'vitest';
import { runSync } from '../../src/core/drive.ts';
import { adjointOfRandom, atColumns, productsAt, sampled } from '../../src/core/jacobianProducts.ts';
import { randomSigns } from '../../src/core/randomSigns.ts';
import { uniform } from '../../bench/problems/random.js';
import type { Asks, Question } from '../../src/core/question.ts';

/** A matrix, and a problem whose products are those with it. */
function linear(m: number, n: number, seed = 1) {
  const random = uniform(seed);
  const J = Array.from({ length: m }, () => Array.from({ length: n }, () => 2 * random() - 1));
  const points: number[][] = [];
  const problem = {
    p0: new Float64Array(n),
    fg: () => 0,
    jacobianVector(x: Float64Array, v: Float64Array, product: Float64Array) {
      points.push([...x]);
      J.forEach((row, i) => (product[i] = row.reduce((sum, value, j) => sum + value * v[j], 0)));
    },
    vectorJacobian(x: Float64Array, u: Float64Array, product: Float64Array) {
      points.push([...x]);
      product.forEach((_, j) => (product[j] = J.reduce((sum, row, i) => sum + row[j] * u[i], 0)));
    },
  };
  return { J, problem, points };
}

describe('the columns and rows that are checked', () => {
  const every = (count: number) => Array.from({ length: count }, (_, i) => i);

  it('are all of a Jacobian of up to 2²⁴ elements, or of one without products', () => {
    expect(sampled(2, 3, true)).toEqual({ rows: [0, 1], columns: [0, 1, 2] });
    expect(sampled(2 ** 12, 2 ** 12, true)).toEqual({ rows: every(2 ** 12), columns: every(2 ** 12) });
    expect(sampled(2 ** 12 + 1, 2 ** 12, false)).toEqual({
      rows: every(2 ** 12 + 1),
      columns: every(2 ** 12),
    });
  });

  it('are the middles of forty equal parts of a larger one', () => {
    const { rows, columns } = sampled(2 ** 22, 41, true);
    expect(rows.length).toBe(40);
    rows.forEach((row, k) => expect(row).toBe(Math.floor((k + 0.5) * (2 ** 22 / 40))));
    expect(columns.length).toBe(40);
    columns.forEach((column, k) => expect(column).toBe(Math.floor((k + 0.5) * (41 / 40))));
    expect(sampled(2 ** 24, 3, true).columns).toEqual([0, 1, 2]);
  });
});

it('questions about a few unknowns are asked at x, with these in their places', () => {
  function* asking(): Asks<string> {
    const residuals = new Float64Array(1);
    const answers = [];
    for (const x of [Float64Array.of(7, 8), Float64Array.of(9, 6)]) {
      answers.push(yield { kind: 'residuals', x, residuals, jacobian: null });
    }
    answers.push(yield { kind: 'nextBatch' });
    return answers.join(' ');
  }
  const x = Float64Array.of(1, 2, 3, 4);
  const asks = atColumns(asking(), x, [2, 0]);
  const seen: unknown[] = [];
  let turn = asks.next();
  for (let k = 0; turn.done !== true; k++) {
    const question: Question = turn.value;
    seen.push([question.kind, ...('x' in question ? question.x : [])]);
    turn = asks.next(10 + k);
  }
  expect(turn.value).toBe('10 11 12');
  expect(seen).toEqual([['residuals', 8, 2, 7, 4], ['residuals', 6, 2, 9, 4], ['nextBatch']]);
  expect([...x]).toEqual([1, 2, 3, 4]);
});

it.each([
  [3, 4, [0, 2, 3], [1, 2]],
  [4, 2, [1], [0, 3]],
])('products with unit vectors give the elements of J, m = %i, n = %i', (m, n, columns, rows) => {
  const { J, problem, points } = linear(m, n);
  const x = Float64Array.from({ length: n }, (_, j) => j + 1);
  const { pushed, pulled } = runSync(productsAt(x, m, columns, rows), problem);
  const elements = J.flatMap((row) => columns.map((j) => row[j]));
  expect([...pushed]).toEqual(elements);
  expect([...pulled]).toEqual(J.flatMap((row, i) => columns.map((j) => (rows.includes(i) ? row[j] : 0))));
  expect(points).toEqual(Array.from({ length: columns.length + rows.length }, () => [...x]));
});

describe('the two products', () => {
  it('are compared for vectors of random signs', () => {
    for (const [m, n] of [
      [1, 1],
      [5, 3],
      [3, 7],
    ]) {
      const { problem, points } = linear(m, n, m);
      const x = Float64Array.from({ length: n }, (_, j) => 10 * j);
      expect(runSync(adjointOfRandom(x, m, 'float64'), problem)).toBeNull();
      expect(points).toEqual([[...x], [...x]]);
    }
  });

  it('contradict each other where any element of one is wrong', () => {
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 4; j++) {
        const { problem } = linear(3, 4);
        const other = linear(3, 4);
        other.J[i][j] += 1e-3;
        const mixed = { ...other.problem, jacobianVector: problem.jacobianVector.bind(problem) };
        expect(runSync(adjointOfRandom(new Float64Array(4), 3, 'float64'), mixed)).toMatch(/not products/);
        other.J[i][j] += 0.1;
        expect(runSync(adjointOfRandom(new Float64Array(4), 3, 'float32'), mixed)).toMatch(/not products/);
      }
    }
  });
});

it('random signs are those of the generator of Numerical Recipes, section 7.1: −1 in the upper half', () => {
  const sign = randomSigns();
  let seed = 1n;
  for (let k = 0; k < 100; k++) {
    seed = (1664525n * seed + 1013904223n) % 2n ** 32n;
    expect(sign()).toBe(seed < 2n ** 31n ? 1 : -1);
  }
});

it('random signs are the same each time, balanced, and of no short period', () => {
  const [one, other] = [randomSigns(), randomSigns()];
  const signs = Array.from({ length: 4000 }, one);
  expect(Array.from({ length: 4000 }, other)).toEqual(signs);
  expect(new Set(signs)).toEqual(new Set([1, -1]));
  expect(Math.abs(signs.reduce((sum, sign) => sum + sign, 0))).toBeLessThan(300);
  for (let lag = 1; lag < 100; lag++) {
    const products = signs.slice(lag).map((sign, i) => sign * signs[i]);
    expect(Math.abs(products.reduce((sum, product) => sum + product, 0))).toBeLessThan(400);
  }
});
