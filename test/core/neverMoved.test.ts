import { expect, it } from 'vitest';
import { runSync } from '../../src/core/drive.ts';
import { changeUnseen, neverMoved } from '../../src/core/neverMoved.ts';

type Term = (x: number) => [f: number, slope: number];

/** What is found at `x`, where f is a sum of terms, one for each unknown; and the points that it takes. */
function look(x: readonly number[], terms: readonly Term[], unknowns = [...terms.keys()]) {
  const points: number[][] = [];
  const fg = (at: Float64Array, gradient: Float64Array | null): number => {
    points.push([...at]);
    const values = terms.map((term, i) => term(at[i]));
    gradient?.set(values.map(([, slope]) => slope));
    return values.reduce((sum, [f]) => sum + f, 0);
  };
  const at = { x: Float64Array.from(x), gradient: new Float64Array(x.length), f: 0 };
  at.f = terms.reduce((sum, term, i) => sum + term(x[i])[0], 0);
  const standstill = {
    at,
    p0: at.x,
    precision: 'float64' as const,
    highest: Math.abs(at.f),
    admit: undefined,
  };
  const found = runSync(changeUnseen(standstill, unknowns), { p0: at.x, fg });
  const moves = points.map((point) => point.map((value, i) => Math.abs(value - x[i])));
  return { found, moves };
}

const flat: Term = () => [3, 0];
/** A square around 5 whose derivative is forgotten. */
const forgotten: Term = (x) => [(x - 5) ** 2, 0];
const positive: Term = (x) => [Math.max(0, x) ** 2, 2 * Math.max(0, x)];
const negative: Term = (x) => [Math.min(0, x) ** 2, 2 * Math.min(0, x)];

it('lists unknowns at their start with a derivative of 0', () => {
  const at = { x: Float64Array.of(1, 2, 3, 4), gradient: Float64Array.of(0, 0, 1, 0), f: 0 };
  expect(neverMoved(at, Float64Array.of(1, 2, 3, 9))).toEqual([0, 1]);
});

it('nothing is found where f does not change, at two lengths in proportion to each unknown', () => {
  const { found, moves } = look([2, 0, -1000], [flat, flat, flat]);
  expect(found).toBeNull();
  expect(moves.length).toBe(2);
  // Where an unknown is 0, the largest is its size.
  for (const [k, part] of [0.3, 1e-3].entries()) {
    [2, 1000, 1000].forEach((size, i) => expect(moves[k][i]).toBeCloseTo(part * size, 9));
  }
});

it('a change without slopes is found, and confirmed on three shorter steps and by samples', () => {
  const { found, moves } = look([1, 1], [forgotten, flat]);
  const change = (step: number) => (1 + step - 5) ** 2 - 16;
  expect(found?.byGradients).toBe(0);
  expect([change(0.3), change(-0.3)].some((value) => Math.abs(value - (found?.byValues ?? 0)) < 1e-9)).toBe(
    true,
  );
  const parts = moves.map(([move]) => move / 0.3);
  expect(parts.slice(0, 3)).toEqual([1, 0.382, 0.157].map((part) => expect.closeTo(part, 9) as number));
  // A change with the square of the step is 16 times its rounding of 16ε(|f₀| + |f₁|).
  const rounding = 16 * 2 ** -52 * (16 + 16 + (found?.byValues ?? 0) + 6);
  const shortest = Math.sqrt((16 * rounding) / Math.abs(found?.byValues ?? 0));
  expect(parts[3] / shortest).toBeCloseTo(1, 9);
  const samples = [1, 2, 3, 4, 5, 6, 7, 8, 0].map((k) => k / 8);
  const both = [...samples, ...samples.map((part) => 0.618 * part)];
  expect(parts.slice(4)).toEqual(both.map((part) => expect.closeTo(part, 9) as number));
  // Only the given unknowns move.
  expect(look([1, 1], [forgotten, forgotten], [1]).moves.every(([first]) => first === 0)).toBe(true);
});

it('unknowns whose slopes appear are left out, in at most three evaluations of each length', () => {
  const { found } = look([0, 0, 0, 0, 0], [positive, negative, positive, negative, forgotten]);
  expect(found).not.toBeNull();
  // Others appear with each evaluation, and nothing is left at last.
  const late = (turn: number): Term => {
    let calls = 0;
    // The first call is not one of the search.
    return () => [0, ++calls > turn + 1 ? 1 : 0];
  };
  expect(look([0, 0, 0, 0], [late(0), late(1), late(2), flat]).moves.length).toBe(3 + 2);
  expect(look([0, 0], [late(0), late(0)]).moves.length).toBe(2);
});

it.each<[string, Term]>([
  ['a single step of f', (x) => [x === 0 ? 0 : 1, 0]],
  ['plateaus', (x) => [[0, 1, 4, 2][[0.02, 0.1, 0.2, Infinity].findIndex((end) => Math.abs(x) < end)], 0]],
  ['a change on the whole step alone', (x) => [Math.abs(x) > 0.2 ? x * x : 0, 0]],
  ['a change whose slopes appear on the shorter steps', (x) => [x * x, Math.abs(x) > 0.2 ? 0 : 2 * x]],
  ['values beyond the numbers', (x) => [x === 0 ? 0 : Infinity, 0]],
  ['values that are NaN', (x) => [x === 0 ? 0 : NaN, 0]],
  ['stairs of ten thousand steps', (x) => [Math.floor(Math.abs(x) * 1e4) / 1e4, 0]],
  ['noise', (x) => [x === 0 ? 1 : 1 + 1e-9 * Math.sin(1e6 * x + 1), 0]],
  ['stairs', (x) => [x === 0 ? 0 : Math.abs(x) < 0.1 ? 1 : 2, 0]],
  ['changes within rounding', (x) => [x === 0 ? 1 : 1 + 2 ** -48 * (1 + 10 * Math.abs(x)), 0]],
])('nothing is found for %s', (_, term) => {
  expect(look([0, 1], [term, flat], [0]).found).toBeNull();
});
