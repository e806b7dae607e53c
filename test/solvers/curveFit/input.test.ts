import { describe, expect, it } from 'vitest';
import { checkPoints, readData, showPoint, type GivenData } from '../../../src/solvers/curveFit/data.ts';
import {
  readParameters,
  type ParameterOptions,
  type Start,
} from '../../../src/solvers/curveFit/parameters.ts';
import { studentQuantile } from '../../../src/solvers/curveFit/studentT.ts';

const none: ParameterOptions = { lower: undefined, upper: undefined, fixed: [], tied: {} };
const read = (p0: unknown, options: object = {}) =>
  readParameters(p0 as Start, { ...none, ...options }, 'here');

describe('parameters', () => {
  it('parameters of a list are p0, p1, … and stay a list', () => {
    for (const p0 of [[3, 1], Float32Array.of(3, 1)]) {
      const { names, start, varied, tied, isFixed, lower, upper, present, expand } = read(p0);
      expect({ names, varied, tied, isFixed }).toEqual({
        names: ['p0', 'p1'],
        varied: [0, 1],
        tied: [],
        isFixed: [false, false],
      });
      expect(start).toEqual(Float64Array.of(3, 1));
      expect([...lower, ...upper]).toEqual([-Infinity, -Infinity, Infinity, Infinity]);
      const all = expand(Float64Array.of(8, 9));
      expect(all).toEqual(Float64Array.of(8, 9));
      expect(present(all)).toBe(all);
    }
  });

  it('parameters of an object have its names', () => {
    const { names, present, expand } = read({ rate: 3, base: 1 });
    expect(names).toEqual(['rate', 'base']);
    expect(present(expand(Float64Array.of(8, 9)))).toEqual({ rate: 8, base: 9 });
  });

  it.each([
    [
      [0, 'p2'],
      [7, 2],
    ],
    [
      ['0', '2'],
      [7, 2],
    ],
    [[], [7, 2, 5]],
  ])('that are fixed, %j, keep their start', (fixed, theta) => {
    const { varied, isFixed, expand } = read([4, 5, 6], { fixed });
    expect(isFixed).toEqual([fixed.length > 0, false, fixed.length > 0]);
    expect(varied).toEqual(fixed.length > 0 ? [1] : [0, 1, 2]);
    expect([...expand(Float64Array.from(theta))]).toEqual(fixed.length > 0 ? [4, 7, 6] : theta);
  });

  it('are called by places of two digits, too', () => {
    const { varied } = read(new Float64Array(12), { fixed: [10, '11', 'p1'] });
    expect(varied).toEqual([0, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('are not tied by undefined', () => {
    const { tied, varied } = read({ a: 1, b: 2 }, { tied: { a: undefined } });
    expect([tied, varied]).toEqual([[], [0, 1]]);
  });

  it('that are tied follow the others, through each other, in any order', () => {
    const tied = { a: ({ b }: { b: number }) => 2 * b, b: ({ c }: { c: number }) => c + 1 };
    const set = read({ a: 0, b: 0, c: 4, d: 1 }, { tied, fixed: ['d'] });
    expect([set.tied, set.varied]).toEqual([[0, 1], [2]]);
    expect([...set.expand(Float64Array.of(9))]).toEqual([20, 10, 9, 1]);
    const byPlace = read([0, 5], { tied: { 0: ([, b]: Float64Array) => b / 5 } });
    expect([...byPlace.expand(Float64Array.of(20))]).toEqual([4, 20]);
  });

  it('have bounds by place or by name, null and what is left out being unbounded', () => {
    const bounds = (lower: unknown, upper: unknown) => {
      const set = read({ a: 1, b: 2 }, { lower, upper });
      return [...set.lower, ...set.upper];
    };
    expect(bounds([0, null], Float64Array.of(1, 9))).toEqual([0, -Infinity, 1, 9]);
    expect(bounds({ b: 2 }, { a: 5, b: undefined })).toEqual([-Infinity, 2, 5, Infinity]);
    expect(bounds(undefined, { b: null })).toEqual([-Infinity, -Infinity, Infinity, Infinity]);
    expect(bounds([1, 2], [1.5, 2.5])).toEqual([1, 2, 1.5, 2.5]);
  });

  const byName = { a: 1, b: 2 };
  it.each<[unknown, object, string]>([
    [undefined, {}, 'TypeError: here: p0 must be an array or an object { name: start }, got undefined.'],
    [null, {}, 'TypeError: here: p0 must be an array or an object { name: start }, got null.'],
    ['12', {}, 'TypeError: here: p0 must be an array or an object { name: start }, got "12".'],
    [new Map(), {}, 'TypeError: here: p0 must be an array or an object { name: start }, got a Map.'],
    [[], {}, 'RangeError: here: p0 is empty; there is nothing to fit.'],
    [{}, {}, 'RangeError: here: p0 is empty; there is nothing to fit.'],
    [[1, '2'], {}, 'TypeError: here: the start of p1 must be a number, got "2".'],
    [{ a: NaN }, {}, 'RangeError: here: the start of a is NaN; it must be finite.'],
    [byName, { fixed: ['c'] }, 'RangeError: here: fixed: no parameter "c"; there are a, b.'],
    [byName, { fixed: [0] }, 'RangeError: here: fixed: no parameter 0; there are a, b.'],
    [[1, 2], { fixed: [2] }, 'RangeError: here: fixed: no parameter 2; there are p0, p1.'],
    [[1, 2], { fixed: ['x0'] }, 'RangeError: here: fixed: no parameter "x0"; there are p0, p1.'],
    [[1, 2], { fixed: ['0x'] }, 'RangeError: here: fixed: no parameter "0x"; there are p0, p1.'],
    [byName, { tied: { c: Math.abs } }, 'RangeError: here: tied: no parameter "c"; there are a, b.'],
    [byName, { tied: { a: 1 } }, 'TypeError: here: tied.a must be a function, got 1.'],
    [byName, { tied: { a: () => 1 }, fixed: ['a'] }, 'RangeError: here: a is both fixed and tied.'],
    [
      byName,
      { tied: { a: () => 1 }, fixed: ['b'] },
      'RangeError: here: every parameter is fixed or tied; there is nothing to fit.',
    ],
    [
      byName,
      { tied: { a: () => 1 }, lower: { a: 0 } },
      'RangeError: here: a is tied and takes no bounds; bound the parameters that it depends on.',
    ],
    [
      byName,
      { tied: { a: () => 1 }, upper: { a: 0 } },
      'RangeError: here: a is tied and takes no bounds; bound the parameters that it depends on.',
    ],
    [byName, { tied: { a: () => '1' } }, 'TypeError: here: tied.a must return a number, got "1".'],
    [
      byName,
      { tied: { a: ({ a }: typeof byName) => a } },
      'RangeError: here: tied.a gives NaN at p0; it must return a finite number, and must not depend on a, directly or through other tied parameters.',
    ],
    [
      byName,
      { lower: [0, 2], upper: [3, 2] },
      'RangeError: here: lower must be below upper; for b they are 2 and 2. Put a constant into fixed.',
    ],
    [
      byName,
      { lower: [1.5, 0] },
      'RangeError: here: the start of a, 1, is outside its bounds [1.5, Infinity].',
    ],
    [
      byName,
      { upper: { b: 1 } },
      'RangeError: here: the start of b, 2, is outside its bounds [-Infinity, 1].',
    ],
    [
      byName,
      { lower: '0' },
      'TypeError: here: lower must be a number, an array or an object { name: bound }, got "0".',
    ],
    [byName, { upper: NaN }, 'RangeError: here: upper of a must be a number or null, got NaN.'],
    [
      byName,
      { upper: null },
      'TypeError: here: upper must be a number, an array or an object { name: bound }, got null.',
    ],
    [byName, { lower: [0] }, 'RangeError: here: lower has 1 values; there are 2 parameters.'],
    [byName, { lower: { c: 0 } }, 'RangeError: here: lower: no parameter "c"; there are a, b.'],
    [byName, { lower: ['0', 0] }, 'RangeError: here: lower of a must be a number or null, got "0".'],
    [byName, { upper: { b: NaN } }, 'RangeError: here: upper of b must be a number or null, got NaN.'],
  ])('%j with %j are refused', (p0, options, message) => {
    const refused = () => {
      try {
        return read(p0, options);
      } catch (error) {
        return String(error);
      }
    };
    expect(refused()).toBe(message);
  });

  it('one number bounds all parameters that vary', () => {
    const { lower, upper } = read([1, 2, 3], { lower: 0, upper: 2.5, fixed: [2] });
    expect([...lower]).toEqual([0, 0, -Infinity]);
    expect([...upper]).toEqual([2.5, 2.5, Infinity]);
    const tied = read(byName, { lower: 0, tied: { b: ({ a }: { a: number }) => -a } });
    expect([...tied.lower]).toEqual([0, -Infinity]);
    expect(() => read(byName, { lower: 1.5 })).toThrow('here: the start of a, 1, is outside its bounds');
  });

  it('may start on their bounds', () => {
    expect(() => read([1, 2], { lower: [1, 0], upper: [5, 2] })).not.toThrow();
  });
});

const given = { xdata: [1, 2, 3], ydata: [4, 5, 6], sigma: undefined, weights: undefined, missing: 'refuse' };
const data = (change: object) => readData({ ...given, ...change } as GivenData);

describe('data', () => {
  it('have weights of 1, 1/σ or the root of a weight', () => {
    const weights = (change: object) => {
      const { rootWeights, sigma } = data(change);
      return [[...rootWeights], sigma];
    };
    expect(weights({})).toEqual([[1, 1, 1], 1]);
    expect(weights({ sigma: 4 })).toEqual([[0.25, 0.25, 0.25], 4]);
    expect(weights({ sigma: [1, 2, 4] })).toEqual([[1, 0.5, 0.25], null]);
    expect(weights({ weights: Float32Array.of(1, 4, 9) })).toEqual([[1, 2, 3], null]);
  });

  it('missing data are left out where that is wanted', () => {
    const skipped = data({
      xdata: [1, null, 3, 4, 5, 6, [NaN], undefined],
      ydata: [10, 20, NaN, 40, undefined, 60, 70, 80],
      sigma: [1, 2, 3, NaN, 5, 0.5, 7, 8],
      missing: 'skip',
    });
    expect(skipped).toEqual({
      x: [1, 6],
      y: Float64Array.of(10, 60),
      rootWeights: Float64Array.of(1, 2),
      correlationRoot: null,
      sigma: null,
      skipped: 6,
    });
    expect(data({ sigma: [1, null, 1], missing: 'skip' }).skipped).toBe(1);
    expect(data({})).toMatchObject({ x: [1, 2, 3], y: Float64Array.of(4, 5, 6), skipped: 0 });
  });

  const orSkip = "; every value must be a finite number, or pass missing: 'skip' to leave such points out.";
  it.each<[object, string]>([
    [{ xdata: 3 }, 'TypeError: curveFit: xdata must be an array, got 3.'],
    [{ ydata: 'text' }, 'TypeError: curveFit: ydata must be an array, got "text".'],
    [
      { ydata: new DataView(new ArrayBuffer(8)) },
      'TypeError: curveFit: ydata must be an array, got DataView(8).',
    ],
    [{ xdata: [1] }, 'RangeError: curveFit: xdata has 1 values and ydata 3; there must be one for each.'],
    [{ sigma: [1] }, 'RangeError: curveFit: sigma has 1 values and ydata 3; there must be one for each.'],
    [{ weights: [1] }, 'RangeError: curveFit: weights has 1 values and ydata 3; there must be one for each.'],
    [{ weights: 1 }, 'RangeError: curveFit: weights has NaN values and ydata 3; there must be one for each.'],
    [
      { sigma: 1, weights: [1, 1, 1] },
      'RangeError: curveFit: give sigma or weights, not both; weights are 1/sigma².',
    ],
    [{ sigma: null }, 'TypeError: curveFit: sigma must be a number or an array, got null.'],
    [{ ydata: [4, NaN, 6] }, `RangeError: curveFit: ydata[1] is NaN${orSkip}`],
    [{ ydata: [4, 5, Infinity], missing: 'refuse' }, `RangeError: curveFit: ydata[2] is Infinity${orSkip}`],
    [{ xdata: [null, 2, 3] }, `RangeError: curveFit: xdata[0] is null${orSkip}`],
    [{ xdata: [[1], [NaN], [3]] }, `RangeError: curveFit: xdata[1] is [NaN]${orSkip}`],
    [{ sigma: [1, NaN, 1] }, `RangeError: curveFit: sigma[1] is NaN${orSkip}`],
    [{ weights: [1, 1, NaN] }, `RangeError: curveFit: weights[2] is NaN${orSkip}`],
    [
      { ydata: [4, '5', 6], missing: 'skip' },
      'RangeError: curveFit: ydata[1] is "5"; every value must be a finite number.',
    ],
    [
      { xdata: [1, ['2'], 3], missing: 'skip' },
      'RangeError: curveFit: xdata[1] is [2]; every value must be a finite number.',
    ],
    [{ xdata: [[], 2, 3] }, `RangeError: curveFit: xdata[0] is []${orSkip}`],
    [
      { xdata: [[1, 2], [3, 4], [5]] },
      'RangeError: curveFit: the points of xdata must have the same length; xdata[0] is [2] and xdata[2] [1].',
    ],
    [
      { xdata: [null, 2, [3]], missing: 'skip' },
      'RangeError: curveFit: the points of xdata must have the same length; xdata[1] is a number and xdata[2] [1].',
    ],
    [{ sigma: 0 }, 'RangeError: curveFit: sigma must be a finite number > 0, got 0.'],
    [{ sigma: Infinity }, 'RangeError: curveFit: sigma must be a finite number > 0, got Infinity.'],
    [{ sigma: [1, -1, 1] }, 'RangeError: curveFit: sigma[1] must be a finite number > 0, got -1.'],
    [{ sigma: [1, '1', 1] }, 'RangeError: curveFit: sigma[1] must be a finite number > 0, got "1".'],
    [{ weights: [0, 1, 1] }, 'RangeError: curveFit: weights[0] must be a finite number > 0, got 0.'],
  ])('%j are refused', (change, message) => {
    const refused = () => {
      try {
        return data(change);
      } catch (error) {
        return String(error);
      }
    };
    expect(refused()).toBe(message);
  });

  it('points to predict at have the form of the points of the fit', () => {
    const predictable = (points: unknown, fitted: (number | number[])[]) => () => checkPoints(points, fitted);
    expect(predictable([1, 2], [3, 4])).not.toThrow();
    expect(predictable([[1, 2]], [[3, 4]])).not.toThrow();
    const place = 'like the points of the fit.';
    expect(predictable([1, [2]], [3])).toThrow(
      `predict: points[1] is [2]; it must be a finite number, ${place}`,
    );
    expect(predictable([1], [[3, 4]])).toThrow(
      `predict: points[0] is 1; it must be an array of 2 finite numbers, ${place}`,
    );
    expect(predictable([[1, NaN]], [[3, 4]])).toThrow(
      `points[0] is [1, NaN]; it must be an array of 2 finite`,
    );
    expect(predictable(7, [3])).toThrow(new TypeError('predict: points must be an array, got 7.'));
    expect([showPoint(1.5), showPoint([1, 2]), showPoint(null)]).toEqual(['1.5', '[1, 2]', 'null']);
  });
});

describe('quantiles of Student’s t', () => {
  const levels = [0.1, 0.5, 0.683, 0.95, 0.999999];
  it.each<[number, (level: number) => number]>([
    // Closed forms for 1, 2 and 4 degrees of freedom (Shaw 2006, J. Computational Finance 9(4)).
    [1, (level) => Math.tan((Math.PI * level) / 2)],
    [2, (level) => level * Math.sqrt(2 / (1 - level ** 2))],
    [
      4,
      (level) => {
        const alpha = 1 - level ** 2;
        return 2 * Math.sqrt(Math.cos(Math.acos(Math.sqrt(alpha)) / 3) / Math.sqrt(alpha) - 1);
      },
    ],
  ])('quantiles of Student’s t with %d degrees of freedom have a closed form', (degrees, quantile) => {
    for (const level of levels) {
      const error = studentQuantile(level, degrees) / quantile(level) - 1;
      expect(Math.abs(error) * level * (1 - level)).toBeLessThan(1e-14);
    }
  });

  it('have their closed forms also next to 0 and 1', () => {
    for (const level of [1e-9, 1e-6, 1e-3]) {
      expect(studentQuantile(level, 1) / Math.tan((Math.PI * level) / 2)).toBeCloseTo(1, 6);
      expect(studentQuantile(level, 2) / (level * Math.sqrt(2 / (1 - level ** 2)))).toBeCloseTo(1, 6);
    }
    for (const tail of [2 ** -53, 2 ** -52, 1e-12, 1e-6]) {
      const level = 1 - tail;
      const [one, two] = [
        1 / Math.tan((Math.PI * (1 - level)) / 2),
        Math.sqrt(2 / (1 - level) / (1 + level)),
      ];
      expect(studentQuantile(level, 1) / one).toBeCloseTo(1, 9);
      expect(studentQuantile(level, 2) / (level * two)).toBeCloseTo(1, 9);
    }
  });

  it('quantiles of Student’s t of the normal distribution leave 1 − level beyond them, however near to 1', () => {
    const density = (z: number) => Math.sqrt(2 / Math.PI) * Math.exp((-z * z) / 2);
    for (const level of [1e-6, 0.1, 0.95, 0.997, 0.9973, 0.9974, 0.998, 1 - 1e-6, 1 - 1e-12, 1 - 2 ** -53]) {
      const z = studentQuantile(level, Infinity);
      // Simpson’s rule
      const [count, width] = [20_000, 1 / 2000];
      let sum = density(z) + density(z + count * width);
      for (let i = 1; i < count; i++) sum += (i % 2 === 1 ? 4 : 2) * density(z + i * width);
      expect(((sum * width) / 3 / (1 - level) - 1) * Math.min(1, z)).toBeCloseTo(0, 10);
    }
  });

  it('come near those of the normal distribution with many', () => {
    // Hill (1970), Comm. ACM 13(10): t ≈ z + (z³ + z)/4ν.
    for (const level of [0.5, 0.95, 0.99]) {
      const z = studentQuantile(level, Infinity);
      expect(studentQuantile(level, 1e6)).toBeCloseTo(z + (z ** 3 + z) / 4e6, 9);
    }
  });
});
