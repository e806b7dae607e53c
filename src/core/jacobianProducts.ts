/**
 * Elements of a Jacobian by its products Jv and Jᵀu, for {@link checkJacobian}.
 *
 * @module
 */
import { adjointFault } from './adjoint.ts';
import { randomSigns } from './randomSigns.ts';
import type { Precision } from './problem.ts';
import type { Asks } from './question.ts';

/** Largest number of elements that are all checked, and the number of columns and rows checked of a larger Jacobian. */
const MAX_ELEMENTS = 2 ** 24;
const SAMPLES = 40;

/** Columns and rows of a Jacobian to check: all of them, or, where there are products, samples of a large one. */
export function sampled(m: number, n: number, hasProducts: boolean) {
  const isAll = m * n <= MAX_ELEMENTS || !hasProducts;
  const some = (count: number): number[] => {
    const k = isAll ? count : Math.min(count, SAMPLES);
    return Array.from({ length: k }, (_, i) => Math.floor(((i + 0.5) * count) / k));
  };
  return { rows: some(m), columns: some(n) };
}

/**
 * Passes on questions about a few unknowns, the others being kept at x.
 *
 * @param asks - asks for residuals at points `[columns]`
 */
export function* atColumns<Result>(
  asks: Asks<Result>,
  x: Float64Array,
  columns: readonly number[],
): Asks<Result> {
  const point = x.slice();
  let turn = asks.next();
  while (!turn.done) {
    const question = turn.value;
    if (question.kind === 'residuals') {
      columns.forEach((j, k) => (point[j] = question.x[k]));
      turn = asks.next(yield { ...question, x: point });
    } else turn = asks.next(yield question);
  }
  return turn.value;
}

/**
 * Multiplies unit vectors: the elements of J as the two products give them.
 *
 * @param m - number of residuals
 * @returns J in these columns, `[m, k]` row by row: by Jv, and in these rows by Jᵀu
 */
export function* productsAt(
  x: Float64Array,
  m: number,
  columns: readonly number[],
  rows: readonly number[],
): Asks<{ readonly pushed: Float64Array; readonly pulled: Float64Array }> {
  const [n, k] = [x.length, columns.length];
  const [pushed, pulled] = [new Float64Array(m * k), new Float64Array(m * k)];
  const [v, u] = [new Float64Array(n), new Float64Array(m)];
  const [ofV, ofU] = [new Float64Array(m), new Float64Array(n)];
  for (const [l, j] of columns.entries()) {
    v[j] = 1;
    yield { kind: 'jacobianVector', x, v, product: ofV };
    v[j] = 0;
    for (let i = 0; i < m; i++) pushed[i * k + l] = ofV[i];
  }
  for (const i of rows) {
    u[i] = 1;
    yield { kind: 'vectorJacobian', x, u, product: ofU };
    u[i] = 0;
    for (let l = 0; l < k; l++) pulled[i * k + l] = ofU[columns[l]];
  }
  return { pushed, pulled };
}

/** Compares uᵀ(Jv) with (Jᵀu)ᵀv for random signs; returns the contradiction in a sentence, or null. */
export function* adjointOfRandom(x: Float64Array, m: number, precision: Precision): Asks<string | null> {
  const sign = randomSigns();
  const [v, u] = [x.map(sign), new Float64Array(m).map(sign)];
  const [pushed, pulled] = [new Float64Array(m), new Float64Array(x.length)];
  yield { kind: 'jacobianVector', x, v, product: pushed };
  yield { kind: 'vectorJacobian', x, u, product: pulled };
  return adjointFault({ v, pushed, u, pulled }, 0, precision);
}
