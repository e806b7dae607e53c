import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  boundRule,
  boxesOf,
  boxIn,
  boxOf,
  confine,
  heldBy,
  isUnbounded,
  longestStep,
  measureInBox,
  project,
  projectFrom,
  projectStep,
  type Bound,
} from '../../src/core/bounds.ts';

const vector = (...values: number[]) => Float64Array.from(values);
const box = boxOf('test', [-1, 0, null, -2, 3], [1, null, 5, Infinity, 3]);
const [lower, upper] = [
  [-1, 0, -Infinity, -2, 3],
  [1, Infinity, 5, Infinity, 3],
];

const element = fc.double({ min: -10, max: 10, noNaN: true });
const vectors = fc.array(element, { minLength: 5, maxLength: 5 }).map((values) => Float64Array.from(values));
const inside = vectors.map((x) => x.map((value, i) => Math.min(upper[i], Math.max(lower[i], value))));

describe('a box', () => {
  it('has the bounds it was given, of which it keeps copies', () => {
    expect(lower.map((_, i) => box.lower(i))).toEqual(lower);
    expect(upper.map((_, i) => box.upper(i))).toEqual(upper);
    const given = [1, 2];
    const copy = boxOf('test', 0, given);
    given[0] = 9;
    expect([copy.lower(7), copy.upper(0), copy.upper(1)]).toEqual([0, 1, 2]);
    expect(boxOf('test', null, null).lower(3)).toBe(-Infinity);
    expect(boxOf('test', Float32Array.of(1), 2).lower(0)).toBe(1);
  });

  it.each<[string, unknown, unknown]>([
    ['lower must not exceed upper; at element 0 they are 2 and 1.', 2, 1],
    ['lower must not exceed upper; at element 1 they are 3 and 2.', [0, 3], [1, 2]],
    ['lower must not exceed upper; at element 1 they are 2 and 1.', [0, 2], 1],
    ['lower must not exceed upper; at element 2 they are 0 and -1.', 0, [1, 1, -1]],
    ['lower must be a number below Infinity, or null where x is unbounded; got Infinity.', Infinity, null],
    ['upper must be a number above -Infinity, or null where x is unbounded; got -Infinity.', 0, -Infinity],
    ['lower[1] must be a number below Infinity, or null where x is unbounded; got "1".', [0, '1'], 5],
    ['upper[0] must be a number above -Infinity, or null where x is unbounded; got NaN.', 0, [NaN]],
    [
      'upper[2] must be a number above -Infinity, or null where x is unbounded; got undefined.',
      0,
      [1, 2, undefined],
    ],
  ])('is refused: %s', (message, low, high) => {
    expect(() => boxOf('test', low as Bound, high as Bound)).toThrow(new RangeError(`test: ${message}`));
  });

  it('is of the length of its bounds, or any where both are numbers', () => {
    expect(() => box.checkLength(5)).not.toThrow();
    expect(() => boxOf('test', 0, 1).checkLength(99)).not.toThrow();
    expect(() => boxOf('test', [0, 0], 1).checkLength(3)).toThrow(
      new RangeError('test: lower has length 2; there are 3 unknowns.'),
    );
    expect(() => boxOf('test', 0, [1]).checkLength(3)).toThrow(
      'test: upper has length 1; there are 3 unknowns.',
    );
  });

  it('may be given as a number, null, or a list', () => {
    const allowed = [0, Infinity, null, [1], vector(1), Float32Array.of(1)];
    const refused = [NaN, '1', true, undefined, {}, new DataView(new ArrayBuffer(8)), new Set([1])];
    expect([allowed.map((v) => boundRule.accepts(v)), refused.map((v) => boundRule.accepts(v))]).toEqual([
      allowed.map(() => true),
      refused.map(() => false),
    ]);
    expect(boundRule.allowed).toBe('a number, null (unbounded), or an array of these');
  });

  it('a box in float32 has the outermost float32 numbers within its bounds', () => {
    const [tenth, ulp] = [Math.fround(0.1), 2 ** -27];
    const exact = boxOf('test', [0.1, -0.1, 0, -1e300, -1e-300, null], [0.7, 0.1, 0.5, 1e300, 1e-300, null]);
    const single = boxIn('float32', exact);
    const largest = Math.fround(3.4028234663852886e38);
    const indices = [0, 1, 2, 3, 4, 5];
    // float32 has 0.10000000149 for 0.1, above it, and 0.69999998808 for 0.7, below it.
    expect(indices.map((i) => single.lower(i))).toEqual([tenth, ulp - tenth, 0, -largest, -0, -Infinity]);
    expect(indices.map((i) => single.upper(i))).toEqual([
      Math.fround(0.7),
      tenth - ulp,
      0.5,
      largest,
      0,
      Infinity,
    ]);
    expect(boxIn('float32', boxOf('test', -1, -1e-300)).upper(0)).toBe(-(2 ** -149));
    expect(boxIn('float64', exact)).toBe(exact);
  });

  it('a box in float32 has the nearest float32 numbers within, above and below 0', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1e30, max: 1e30, noNaN: true }),
        fc.integer({ min: -60, max: 8 }),
        (a, k) => {
          const value = a * 10 ** (k - 30);
          const upper = boxIn('float32', boxOf('test', null, value)).upper(0);
          const lower = boxIn('float32', boxOf('test', value, null)).lower(0);
          expect([Math.fround(upper), Math.fround(lower)]).toEqual([upper, lower]);
          expect(lower >= value && upper <= value).toBe(true);
          // No other float32 number lies between them.
          const middle = Math.fround(value);
          expect(middle === upper || middle === lower).toBe(true);
          const gap = Math.max(2 ** -149, 2 ** -22 * Math.abs(value));
          expect(lower - upper).toBeLessThan(gap * 1.01);
        },
      ),
    );
    expect(boxIn('float32', boxOf('test', null, -0.7)).upper(0)).toBe(Math.fround(-0.7) - 2 ** -24);
  });

  it('a box with no float32 number between its bounds stays at its lower one', () => {
    const narrow = boxIn('float32', boxOf('test', 0.1 + 1e-12, 0.1 + 2e-12));
    expect([narrow.lower(0), narrow.upper(0)]).toEqual([0.1 + 1e-12, 0.1 + 1e-12]);
    expect(() => narrow.checkLength(4)).not.toThrow();
  });
});

describe('bounds that bound nothing', () => {
  it.each<[boolean, Bound | undefined, Bound | undefined]>([
    [true, undefined, undefined],
    [true, null, null],
    [true, -Infinity, undefined],
    [true, null, Infinity],
    [true, -Infinity, Infinity],
    [false, 0, undefined],
    [false, 0, Infinity],
    [false, undefined, 0],
    [false, null, 0],
    [false, [null], null],
    [false, -Infinity, [Infinity]],
  ])('are none of both: %s for %j and %j', (isNone, low, high) => {
    expect(isUnbounded(low, high)).toBe(isNone);
    expect(boxesOf('test', low, high) === null).toBe(isNone);
  });

  it('otherwise make a box for each precision', () => {
    const boxes = boxesOf('test', 0.1, [0.7, null]);
    expect([boxes?.float64.lower(0), boxes?.float64.upper(0), boxes?.float64.upper(1)]).toEqual([
      0.1,
      0.7,
      Infinity,
    ]);
    expect([boxes?.float32.lower(1), boxes?.float32.upper(0)]).toEqual([Math.fround(0.1), Math.fround(0.7)]);
    expect(() => boxes?.float32.checkLength(3)).toThrow('test: upper has length 2; there are 3 unknowns.');
    expect(boxesOf('test', 0)?.float64.upper(3)).toBe(Infinity);
    expect(boxesOf('test', undefined, 0)?.float64.lower(3)).toBe(-Infinity);
    expect(() => boxesOf('test', 2, 1)).toThrow('test: lower must not exceed upper; at element 0');
  });
});

describe('points and steps in a box', () => {
  it('are moved from where they start, by the largest of these distances', () => {
    fc.assert(
      fc.property(inside, vectors, (start, x) => {
        const ends = x.map((value, i) => Math.min(upper[i], Math.max(lower[i], value)));
        const distances = Array.from(ends, (value, i) => Math.abs(value - start[i]));
        expect(projectFrom(box, x, start)).toBe(distances.reduce((a, b) => Math.max(a, b)));
        expect(x).toEqual(ends);
      }),
    );
    const [start, x] = [vector(0, 1, 1, 1, 3), vector(0, 1, NaN, 1, 3)];
    expect(projectFrom(box, x, start)).toBe(NaN);
    expect(projectFrom(box, start.slice(), start)).toBe(0);
  });

  it('are moved to its nearest point, element by element', () => {
    fc.assert(
      fc.property(vectors, (x) => {
        const before = [...x];
        project(box, x);
        expect([...x]).toEqual(before.map((value, i) => Math.min(upper[i], Math.max(lower[i], value))));
      }),
    );
  });

  it('are cut where they would leave it', () => {
    fc.assert(
      fc.property(inside, vectors, (x, p) => {
        const wanted = [...p];
        confine(box, x, p);
        p.forEach((value, i) => {
          const end = x[i] + wanted[i];
          const expected = end > upper[i] ? upper[i] - x[i] : end < lower[i] ? lower[i] - x[i] : wanted[i];
          expect(value).toBe(expected);
        });
      }),
    );
    // What stays within is untouched, however small beside x.
    const tiny = vector(1e-30, 0, 0, 0, 0);
    confine(box, vector(0.5, 1, 1, 1, 3), tiny);
    expect(tiny[0]).toBe(1e-30);
  });

  it('may be as long as the first bound met allows', () => {
    fc.assert(
      fc.property(inside, vectors, (x, p) => {
        const ways = [...p].map((value, i) => {
          if (value === 0) return Infinity;
          return value > 0 ? (upper[i] - x[i]) / value : (lower[i] - x[i]) / value;
        });
        expect(longestStep(box, x, p)).toBe(Math.min(...ways));
      }),
    );
    expect(longestStep(box, vector(0, 1, 1, 1, 3), vector(0, 0, 0, 0, 0))).toBe(Infinity);
  });

  it('end exactly on the bound that they reach', () => {
    fc.assert(
      fc.property(inside, vectors, fc.double({ min: 0, max: 2, noNaN: true }), (x, direction, alpha) => {
        const trial = x.map((value, i) => value + alpha * direction[i]);
        projectStep(box, trial, { x, direction, alpha });
        trial.forEach((value, i) => {
          const p = direction[i];
          const end = p > 0 ? upper[i] : lower[i];
          const reaches = p !== 0 && alpha >= (end - x[i]) / p;
          const plain = Math.min(upper[i], Math.max(lower[i], x[i] + alpha * p));
          expect(value).toBe(reaches ? end : plain);
        });
      }),
    );
  });

  it('end on a bound that they reach, where rounding would leave them beside it', () => {
    let beside = 0;
    fc.assert(
      fc.property(inside, vectors, (x, direction) => {
        direction.forEach((p, i) => {
          const end = p > 0 ? upper[i] : lower[i];
          const alpha = (end - x[i]) / p;
          if (!(alpha > 0 && alpha < Infinity)) return;
          const trial = x.map((value, j) => value + alpha * direction[j]);
          if (trial[i] !== end) beside++;
          projectStep(box, trial, { x, direction, alpha });
          expect(trial[i]).toBe(end);
        });
      }),
    );
    expect(beside).toBeGreaterThan(10);
  });

  it('are measured as NaN where the gradient has one', () => {
    const measured = measureInBox(box, { x: vector(0, 1, 1, 1, 3), f: 1, gradient: vector(1, NaN, 2, 0, 1) });
    expect(measured).toEqual({ f: 1, gradientNorm: NaN });
  });

  it('are held where −∇f points out of a bound, and measured by the slopes of the rest', () => {
    const x = vector(-1, 4, 5, 0, 3);
    const held = (...g: number[]) => heldBy(box, x, vector(...g));
    expect(held(1, 1, -1, 1, 1)).toEqual([0, 2, 4]);
    expect(held(-1, -1, 1, -1, -1)).toEqual([4]);
    expect(held(0, 0, 0, 0, 0)).toEqual([]);
    const norm = (...g: number[]) => measureInBox(box, { x, f: 7, gradient: vector(...g) });
    expect(norm(9, 2, -9, -3, 9)).toEqual({ f: 7, gradientNorm: 3 });
    expect(norm(-4, 2, -9, -3, 9)).toEqual({ f: 7, gradientNorm: 4 });
    expect(norm(1, 0, -1, 0, 1)).toEqual({ f: 7, gradientNorm: 0 });
    expect(norm(1, 0, NaN, 0, 1)).toEqual({ f: 7, gradientNorm: NaN });
  });
});
