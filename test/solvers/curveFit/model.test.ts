import { describe, expect, it } from 'vitest';
import { checkSlopes } from '../../../src/solvers/curveFit/checkSlopes.ts';
import {
  checkParametersUntouched,
  describeHole,
  guardedPoints,
  scipyNames,
} from '../../../src/solvers/curveFit/commonMistakes.ts';
import { modelOf } from '../../../src/solvers/curveFit/model.ts';
import { readParameters } from '../../../src/solvers/curveFit/parameters.ts';
import type { FitData } from '../../../src/solvers/curveFit/data.ts';

const none = { lower: undefined, upper: undefined, fixed: [], tied: {} };
const points = [0.5, 2, 3];
type Named = { a: number; b: number; c: number };
const value = (x: number, { a, b, c }: Named) => a * x * x + b * x + c * c;
const slopes = (x: number, { c }: Named) => ({ a: x * x, b: x, c: 2 * c });
const theta = Float64Array.of(2, -1, 3);
const byName = (options: object = {}) => readParameters({ a: 1, b: 2, c: 3 }, { ...none, ...options });
const inOrder = (options: object = {}) => readParameters([1, 2, 3], { ...none, ...options });

/** The text of the error that a function throws, with its class. */
function refusal(call: () => unknown): string {
  try {
    call();
    return 'nothing';
  } catch (error) {
    return String(error);
  }
}

function valuesOf(model: unknown, set = byName(), vectorized = false, at = theta): number[] {
  const out = new Float64Array(points.length);
  modelOf({ model: model as never, jacobian: undefined, vectorized }, set).values(points, at, out);
  return [...out];
}

function derivativesOf(jacobian: unknown, set = byName(), vectorized = false, at = theta): number[] {
  const out = new Float64Array(points.length * at.length);
  modelOf({ model: () => 0, jacobian: jacobian as never, vectorized }, set).derivatives?.(points, at, out);
  return [...out];
}
const named = ([a, b, c]: ArrayLike<number> & Iterable<number>): Named => ({ a, b, c });
const expected = points.map((x) => value(x, named([2, -1, 3])));
const expectedSlopes = points.flatMap((x) => Object.values(slopes(x, named([2, -1, 3]))));

describe('a model', () => {
  it('has the same values point by point and all at once, by name and in order', () => {
    expect(valuesOf(value)).toEqual(expected);
    expect(valuesOf((x: number, p: Float64Array) => value(x, named(p)), inOrder())).toEqual(expected);
    expect(valuesOf((xs: number[], p: Named) => xs.map((x) => value(x, p)), byName(), true)).toEqual(
      expected,
    );
    const float64 = (xs: number[], p: Named) => Float64Array.from(xs, (x) => value(x, p));
    expect(valuesOf(float64, byName(), true)).toEqual(expected);
  });

  it('is given what varies, what is fixed and what is tied', () => {
    const set = byName({ fixed: ['a'], tied: { c: ({ b }: Named) => 2 * b } });
    const seen: Named[] = [];
    const keep = (_x: number, p: Named) => seen.push({ ...p });
    valuesOf(keep, set, false, Float64Array.of(7));
    expect(seen).toEqual(points.map(() => ({ a: 1, b: 7, c: 14 })));
  });

  it('a model that takes its parameters in order is refused, too, if it writes into them', () => {
    expect(refusal(() => valuesOf((_x: number, p: Float64Array) => (p[1] = 4), inOrder()))).toBe(
      'TypeError: curveFit: model wrote into its parameters (p1 was -1 and is 4); it must only read them.',
    );
  });

  it('is float32 once it has returned a Float32Array', () => {
    const set = byName();
    let isSingle = false;
    const model = modelOf(
      {
        model: (xs: number[]) => (isSingle ? Float32Array.from(xs) : xs),
        jacobian: undefined,
        vectorized: true,
      },
      set,
    );
    const out = new Float64Array(3);
    model.values(points, theta, out);
    expect(model.precision()).toBe('float64');
    isSingle = true;
    model.values(points, theta, out);
    expect(model.precision()).toBe('float32');
    expect(model.derivatives).toBeNull();
  });

  it.each<[unknown, boolean, string]>([
    [
      () => 'x',
      false,
      'TypeError: curveFit: model must return a number, got "x" at x = 0.5; a model that takes all points at once needs vectorized: true.',
    ],
    [
      () => [1],
      false,
      'TypeError: curveFit: model must return a number, got Array(1) at x = 0.5; a model that takes all points at once needs vectorized: true.',
    ],
    [
      async () => 1,
      false,
      'TypeError: curveFit: model must return a number, got a Promise at x = 0.5; it must be synchronous.',
    ],
    [
      () => 3,
      true,
      'TypeError: curveFit: a vectorized model must return one value for each of 3 points, got 3.',
    ],
    [
      () => [1, 2],
      true,
      'TypeError: curveFit: a vectorized model must return one value for each of 3 points, got 2 values.',
    ],
    [
      () => new DataView(new ArrayBuffer(3)),
      true,
      'TypeError: curveFit: a vectorized model must return one value for each of 3 points, got DataView(3).',
    ],
    [
      () => [1, 2, null],
      true,
      'TypeError: curveFit: model must return a number, got null at x = 3; a model that takes all points at once needs vectorized: true.',
    ],
    [
      (_x: number, p: Named) => (p.b = 4),
      false,
      'TypeError: curveFit: model wrote into its parameters (b was -1 and is 4); it must only read them.',
    ],
  ])('is refused if it does not return numbers: %s', (model, vectorized, message) => {
    expect(refusal(() => valuesOf(model, byName(), vectorized))).toBe(message);
  });
});

describe('derivatives', () => {
  it('are taken by name, in order and all at once', () => {
    expect(derivativesOf(slopes)).toEqual(expectedSlopes);
    expect(derivativesOf((x: number, p: Named) => Object.values(slopes(x, p)))).toEqual(expectedSlopes);
    const typed = (x: number, p: Named) => Float32Array.from(Object.values(slopes(x, p)));
    expect(derivativesOf(typed)).toEqual(expectedSlopes);
    const all = (xs: number[], p: Named) => xs.map((x) => slopes(x, p));
    expect(derivativesOf(all, byName(), true)).toEqual(expectedSlopes);
  });

  it('derivatives of fixed parameters are left out, and need not be given', () => {
    const set = byName({ fixed: ['b'] });
    const two = Float64Array.of(2, 3);
    const part = points.flatMap((x) => [x * x, 6]);
    expect(derivativesOf(slopes, set, false, two)).toEqual(part);
    expect(derivativesOf((x: number, { c }: Named) => ({ a: x * x, c: 2 * c }), set, false, two)).toEqual(
      part,
    );
  });

  it('derivatives by tied parameters count for those that they depend on', () => {
    const set = byName({ tied: { c: ({ a, b }: Named) => a * a - b } });
    const two = Float64Array.of(2, -1); // c = 5, dc/da = 4, dc/db = −1
    const found = derivativesOf(slopes, set, false, two);
    points
      .flatMap((x) => [x * x + 10 * 4, x - 10])
      .forEach((slope, at) => expect(found[at]).toBeCloseTo(slope, 6));
    // One that is infinite, but multiplied by 0, has no effect.
    const tiedToB = byName({ tied: { c: ({ b }: Named) => b } });
    const infinite = derivativesOf((x: number) => ({ a: x, b: 1, c: Infinity }), tiedToB, false, two);
    expect([infinite[0], infinite[1]]).toEqual([0.5, Infinity]);
  });

  const start =
    'TypeError: curveFit: jacobian must return a derivative for each of a, b, c, in this order or by name, got';
  it.each<[unknown, boolean, string]>([
    [() => 3, false, `${start} 3 at x = 0.5.`],
    [() => null, false, `${start} null at x = 0.5.`],
    [async () => [1, 2, 3], false, `${start} a Promise at x = 0.5.`],
    [() => [1, 2], false, `${start} 2 values at x = 0.5.`],
    [() => [1, 2, '3'], false, `${start} "3" for c at x = 0.5.`],
    [() => ({ a: 1, c: 2 }), false, `${start} undefined for b at x = 0.5.`],
    [(xs: number[]) => xs.map((x) => (x === 2 ? [1] : [1, 2, 3])), true, `${start} 1 values at x = 2.`],
    [
      () => [[1, 2, 3]],
      true,
      'TypeError: curveFit: a vectorized jacobian must return one list of derivatives for each of 3 points, got 1 values.',
    ],
    [
      (x: number, p: Named) => ((p.a = 0), slopes(x, p)),
      false,
      'TypeError: curveFit: jacobian wrote into its parameters (a was 2 and is 0); it must only read them.',
    ],
  ])('are refused if they are no numbers: %s', (jacobian, vectorized, message) => {
    expect(refusal(() => derivativesOf(jacobian, byName(), vectorized))).toBe(message);
  });

  it('derivatives of a fixed parameter are refused, too, if they are no number', () => {
    const set = byName({ fixed: ['b'] });
    const wrong = () => ({ a: 1, b: null, c: 2 });
    expect(refusal(() => derivativesOf(wrong, set, false, Float64Array.of(2, 3)))).toBe(
      `${start} null for b at x = 0.5.`,
    );
  });
});

describe('derivatives are compared with differences at the start', () => {
  const sigma = [0.5, 2, 1];
  const checked = (change: (row: number, slopes: number[]) => number[], fixed: string[] = []) => {
    const set = byName({ fixed });
    const data = {
      x: points,
      y: new Float64Array(3),
      rootWeights: Float64Array.from(sigma, (s) => 1 / s),
    } as unknown as FitData;
    const problem = {
      p0: Float64Array.from(set.varied, (j) => [1, 2, 3][j]),
      fg: () => NaN,
      residualCount: 3,
      residuals(x: Float64Array, r: Float64Array, J: Float64Array | null) {
        const p = named(set.expand(x));
        points.forEach((t, i) => {
          r[i] = value(t, p) / sigma[i];
          const row = Object.values(slopes(t, p)).filter((_, j) => set.varied.includes(j));
          J?.set(
            change(i, row).map((slope) => slope / sigma[i]),
            i * row.length,
          );
        });
      },
    };
    return refusal(() => checkSlopes(problem, data, set));
  };

  it('derivatives are compared with differences at the start, and pass if they are right', () => {
    expect(checked((_, row) => row)).toBe('nothing');
    expect(checked((_, row) => row, ['a'])).toBe('nothing');
  });

  it('derivatives are compared with differences at the start, and are named with the point, the parameter and both numbers', () => {
    expect(checked((i, [a, b, c]) => (i === 1 ? [a, 7, c] : [a, b, c]))).toBe(
      'RangeError: curveFit: jacobian gives 7 for the derivative by b at point 1 (x = 2); by differences of the model it is 2.00000. Correct it, or leave it out.',
    );
    expect(checked((i, [a, c]) => (i === 2 ? [a, -c] : [a, c]), ['b'])).toBe(
      'RangeError: curveFit: jacobian gives -6 for the derivative by c at point 2 (x = 3); by differences of the model it is 6.00000. Correct it, or leave it out.',
    );
  });

  it.each([
    [0, 0, 'a at point 0 (x = 0.5)', NaN],
    [1, 2, 'c at point 1 (x = 2)', Infinity],
    [2, 1, 'b at point 2 (x = 3)', -Infinity],
  ])(
    'derivatives are compared with differences at the start, and are named where they are not finite: row %d, column %d',
    (row, column, place, bad) => {
      const text = checked((i, all) => all.map((slope, j) => (i === row && j === column ? bad : slope)));
      expect(text).toBe(
        `RangeError: curveFit: jacobian gives ${bad} for the derivative by ${place} at p0; start where all derivatives are finite.`,
      );
    },
  );
});

describe('a function that writes into its points', () => {
  const message = (name: string, i: number, was: string, is: string) =>
    `TypeError: curveFit: ${name} wrote into its points (point ${i} was ${was} and is ${is}); it must only read them. Work on a copy.`;

  it('is named, with the point before and after', () => {
    const numbers = [1, 2, 3];
    const check = guardedPoints(numbers);
    expect(refusal(() => check('model'))).toBe('nothing');
    numbers[2] = 5;
    expect(refusal(() => check('model'))).toBe(message('model', 2, '3', '5'));

    const lists = [
      [1, 2],
      [3, 4],
    ];
    const checkLists = guardedPoints(lists);
    expect(refusal(() => checkLists('jacobian'))).toBe('nothing');
    lists[1][0] = 9;
    expect(refusal(() => checkLists('jacobian'))).toBe(message('jacobian', 1, '[3, 4]', '[9, 4]'));
  });

  it.each<[(number | number[])[], (number | number[])[], string, string]>([
    [[[1, 2]], [[1]], '[1, 2]', '[1]'],
    [[[1, 2]], [[1, 2, 3]], '[1, 2]', '[1, 2, 3]'],
    [[1], [[1]], '1', '[1]'],
    [[[1]], [1], '[1]', '1'],
  ])('or which has changed its form: %j to %j', (before, after, was, is) => {
    const given = before.map((point) => (typeof point === 'number' ? point : [...point]));
    const check = guardedPoints(given);
    if (typeof given[0] === 'object' && typeof after[0] === 'object') {
      given[0].splice(0, given[0].length, ...after[0]);
    } else given.splice(0, 1, after[0]);
    expect(refusal(() => check('model'))).toBe(message('model', 0, was, is));
  });

  it('is looked for at the first four calls, and at powers of 2', () => {
    const found: number[] = [];
    for (let call = 1; call <= 40; call++) {
      const given = [1];
      const check = guardedPoints(given);
      for (let k = 1; k < call; k++) check('model');
      given[0] = 2;
      if (refusal(() => check('model')) !== 'nothing') found.push(call);
    }
    expect(found).toEqual([1, 2, 3, 4, 8, 16, 32]);
  });
});

describe('a function that writes into its parameters', () => {
  const names = ['a', 'b'];
  it.each<[number[], unknown, string]>([
    [[1, 2], Float64Array.of(1, 2), 'nothing'],
    [[1, NaN], Float64Array.of(1, NaN), 'nothing'],
    [[1, 2], { a: 1, b: 2 }, 'nothing'],
    [
      [1, 2],
      Float64Array.of(1, 3),
      'TypeError: f: g wrote into its parameters (b was 2 and is 3); it must only read them.',
    ],
    [
      [1, 2],
      Float64Array.of(NaN, 2),
      'TypeError: f: g wrote into its parameters (a was 1 and is NaN); it must only read them.',
    ],
    [
      [NaN, 2],
      Float64Array.of(1, 2),
      'TypeError: f: g wrote into its parameters (a was NaN and is 1); it must only read them.',
    ],
    [
      [1, 2],
      { a: 1 },
      'TypeError: f: g wrote into its parameters (b was 2 and is undefined); it must only read them.',
    ],
    [
      [1, 2],
      { a: '1', b: 2 },
      'TypeError: f: g wrote into its parameters (a was 1 and is 1); it must only read them.',
    ],
  ])('%j to %j', (sent, is, message) => {
    expect(refusal(() => checkParametersUntouched('f: g', Float64Array.from(sent), is, names))).toBe(message);
  });
});

it('a value that is not finite is described with the parameters', () => {
  const set = byName({ fixed: ['b'] });
  const hole = (value: number) =>
    describeHole({ value, subject: 'Residual 4', theta: Float64Array.of(1 / 3, 1e-9) }, set);
  const rest =
    'for a = 0.333333, b = 2, c = 1e-9: bounds that keep the parameters away from there, or another start, may help.';
  expect(hole(NaN)).toBe(`Residual 4 is NaN ${rest}`);
  expect(hole(-Infinity)).toBe(`Residual 4 is infinite ${rest}`);
});

it('every name of SciPy and lmfit has an answer that ends in a full stop', () => {
  for (const answer of Object.values(scipyNames)) expect(answer).toMatch(/^\S.*\.$/);
});
