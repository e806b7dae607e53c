import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hagerZhang, type HagerZhangOptions, type LineSearchResult, type Phi } from 'quasi-newton';

type Line = (alpha: number) => Phi;

interface Search {
  readonly alphas: number[];
  readonly result: LineSearchResult;
}

function searchOn(
  line: Line,
  options: HagerZhangOptions,
  alpha0: number,
  slack = 0,
  alphaMax = Infinity,
): Search {
  const alphas: number[] = [];
  const run = hagerZhang(options).search(line(0), alpha0, slack, alphaMax);
  let turn = run.next();
  while (!turn.done) {
    expect(turn.value.slope).toBe(true);
    alphas.push(turn.value.alpha);
    turn = run.next(line(turn.value.alpha));
  }
  return { alphas, result: turn.value };
}

const alphaOf = (result: LineSearchResult) => result.alpha;

/** Ends the oracle in the middle of its procedures. */
class Ended extends Error {
  readonly found: boolean;
  constructor(found: boolean) {
    super('ended');
    this.found = found;
  }
}

/** CG_DESCENT's search as Hager & Zhang (2006), section 3, have it, every trial tested; on lines that are finite. */
function oracle(line: Line, alpha0: number, slack: number, alphaMax: number, options: HagerZhangOptions) {
  const { delta = 0.1, sigma = 0.9, rho = 5, gamma = 2 / 3, maxEvaluations = 50 } = options;
  const zero = line(0);
  const epsilonLevel = zero.value + slack;
  const alphas: number[] = [];
  const isHigh = (a: number) => line(a).value > epsilonLevel;

  /** φ′(α), a trial that may end the search. */
  function slopeAt(alpha: number): number {
    if (alphas.length === maxEvaluations) throw new Ended(false);
    alphas.push(alpha);
    const { value, slope } = line(alpha);
    const original = value - zero.value <= delta * zero.slope * alpha && slope >= sigma * zero.slope;
    const approximate =
      (2 * delta - 1) * zero.slope >= slope && slope >= sigma * zero.slope && value <= epsilonLevel;
    if (original || approximate) throw new Ended(true);
    return slope;
  }
  function halve(a: number, b: number): [number, number] {
    const d = (a + b) / 2;
    if (slopeAt(d) >= 0) return [a, d];
    return isHigh(d) ? halve(a, d) : halve(d, b);
  }
  function bracket(c: number, lowest: number): [number, number] {
    if (slopeAt(c) >= 0) return [lowest, c];
    if (isHigh(c)) return halve(0, c);
    if (c >= alphaMax) throw new Ended(true);
    return bracket(Math.min(rho * c, alphaMax), c);
  }
  function update(a: number, b: number, c: number): [number, number] {
    if (!(c > a && c < b)) return [a, b];
    if (slopeAt(c) >= 0) return [a, c];
    return isHigh(c) ? halve(a, c) : [c, b];
  }
  function secant(a: number, b: number): number {
    const [da, db] = [line(a).slope, line(b).slope];
    return (a * db - b * da) / (db - da);
  }
  function secantTwice(a: number, b: number): [number, number] {
    const c = secant(a, b);
    const [A, B] = update(a, b, c);
    if (c === B) return update(A, B, secant(b, B));
    if (c === A) return update(A, B, secant(a, A));
    return [A, B];
  }
  try {
    let [a, b] = bracket(Math.min(alpha0, alphaMax), 0);
    for (;;) {
      const [A, B] = secantTwice(a, b);
      [a, b] = B - A > gamma * (b - a) ? update(A, B, (A + B) / 2) : [A, B];
    }
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
    return { alphas, found: error.found };
  }
}

/** Lines with φ′(0) < 0, many valleys, and a rise in the end. */
const lines = fc
  .record({
    slope: fc.double({ min: 0.1, max: 5, noNaN: true }),
    curvature: fc.double({ min: 0.01, max: 20, noNaN: true }),
    wave: fc.double({ min: -3, max: 3, noNaN: true }),
    frequency: fc.double({ min: 0.2, max: 9, noNaN: true }),
  })
  .map(({ slope, curvature, wave, frequency: w }): Line => (a) => ({
    value: 1 - slope * a + curvature * a ** 2 + wave * Math.sin(w * a) ** 2,
    slope: -slope + 2 * curvature * a + wave * w * Math.sin(2 * w * a),
  }));

/** Lines that fall, jump up at a cliff, and fall on behind it: what lies there is high and slopes down. */
const cliffs = fc
  .record({
    at: fc.double({ min: 0.05, max: 3, noNaN: true }),
    width: fc.double({ min: 1e-4, max: 0.1, noNaN: true }),
    height: fc.double({ min: 0.5, max: 50, noNaN: true }),
    curvature: fc.constantFrom(0, 0, 0.05),
  })
  .map(({ at, width, height, curvature }): Line => (a) => {
    const e = Math.tanh((a - at) / width);
    return {
      value: -a + curvature * a ** 2 + (height * (1 + e)) / 2,
      slope: -1 + 2 * curvature * a + (height * (1 - e * e)) / (2 * width),
    };
  });

const options = fc.record({
  delta: fc.constantFrom(0.01, 0.1, 0.4),
  sigma: fc.constantFrom(0.41, 0.9),
  rho: fc.constantFrom(2, 5),
  gamma: fc.constantFrom(0.3, 0.5, 2 / 3),
  maxEvaluations: fc.constantFrom(4, 50),
});
/** Conditions that few steps meet, so that searches are long. */
const strict = fc.record({
  delta: fc.constantFrom(0.45, 0.49),
  sigma: fc.constantFrom(0.491, 0.5),
  rho: fc.constantFrom(1.5, 5),
  gamma: fc.constantFrom(0.1, 0.5, 2 / 3),
  maxEvaluations: fc.constantFrom(6, 50),
});

describe('hagerZhang', () => {
  it.each([
    ['usual', options],
    ['strict', strict],
  ])('tries the steps of its paper on random lines, with %s conditions', (_name, given) => {
    const lengths = new Set<number>();
    fc.assert(
      fc.property(
        fc.oneof(lines, cliffs),
        given,
        fc.constantFrom(1e-3, 0.1, 1, 30),
        fc.constantFrom(0, 0.01),
        fc.constantFrom(Infinity, Infinity, 0.4),
        (line, options, alpha0, slack, alphaMax) => {
          const expected = oracle(line, alpha0, slack, alphaMax, options);
          const { alphas, result } = searchOn(line, options, alpha0, slack, alphaMax);
          // Intervals of rounding are given up, which the paper's never are.
          fc.pre(result.failure !== 'intervalTooSmall');
          fc.pre(line(0).slope < 0);
          expect(alphas).toEqual(expected.alphas);
          expect(result.failure === undefined).toBe(expected.found);
          const tried = [0, ...alphas].toSorted((a, b) => line(a).value - line(b).value);
          expect(alphaOf(result)).toBe(expected.found ? alphas[alphas.length - 1] : tried[0]);
          lengths.add(alphas.length);
        },
      ),
      { numRuns: 800, seed: 3 },
    );
    expect(lengths.size).toBeGreaterThan(5);
  });

  it('has the defaults it documents', () => {
    const documented = { delta: 0.1, sigma: 0.9, rho: 5, gamma: 2 / 3, maxEvaluations: 50 };
    // Conditions this strict take long enough for the other defaults to tell.
    const strictest = { delta: 0.49, sigma: 0.495 };
    for (let power = 0.5; power < 8; power += 0.25) {
      const line: Line = (a) => ({ value: a ** (power + 1) / (power + 1) - a, slope: a ** power - 1 });
      for (const alpha0 of [1e-3, 1.3, 5]) {
        expect(searchOn(line, {}, alpha0)).toEqual(searchOn(line, documented, alpha0));
        const given = { ...documented, ...strictest };
        expect(searchOn(line, strictest, alpha0)).toEqual(searchOn(line, given, alpha0));
      }
    }
    const falling: Line = (a) => ({ value: -a, slope: -1 });
    const strict = { delta: 0.1, sigma: 0.5 };
    expect(searchOn(falling, strict, 1, 0, 100)).toEqual({
      alphas: [1, 5, 25, 100],
      result: { alpha: 100 },
    });
    // Neither ever flat nor at an end: 50 evaluations.
    const { alphas, result } = searchOn(falling, strict, 1e-30);
    expect(alphas.length).toBe(50);
    expect(result).toEqual({ failure: 'maxEvaluations', alpha: alphas[49] });
  });

  it('draws back from where φ is not finite, and steps no farther out than half-way to there', () => {
    const wall: Line = (a) => ({ value: a > 10 ? NaN : -a, slope: -1 });
    const { alphas } = searchOn(wall, { sigma: 0.5, maxEvaluations: 6 }, 40);
    expect(alphas.slice(0, 5)).toEqual([40, 4, 20, 5.6, 12.8]);
    const cliff: Line = (a) => ({ value: -a, slope: a > 10 ? Infinity : -1 });
    expect(searchOn(cliff, { sigma: 0.5, maxEvaluations: 2 }, 40).alphas).toEqual([40, 4]);
  });

  it('ends where nothing is finite but the start', () => {
    const island: Line = (a) => ({ value: a > 0 ? NaN : 1, slope: -1 });
    const { result } = searchOn(island, { maxEvaluations: 1000 }, 1);
    expect(result).toEqual({ failure: 'nonFinite', alpha: 0 });
    expect(searchOn(island, {}, 1).result).toEqual({ failure: 'maxEvaluations', alpha: 0 });
  });

  it('gives an interval up that has no number left inside', () => {
    // A step down that no derivative tells of: always high, always falling, right of 1.
    const step: Line = (a) => ({ value: a < 1 ? -a : 50 - a, slope: -1 });
    const { result, alphas } = searchOn(step, { sigma: 0.5, maxEvaluations: 500 }, 8);
    expect(result).toMatchObject({ failure: 'intervalTooSmall' });
    expect(alphaOf(result)).toBeCloseTo(1, 12);
    expect(alphas.length).toBeLessThan(70);
  });

  it('bisects where φ is high and still falls (U3), until a trial meets the conditions', () => {
    const ledge =
      (slope: number): Line =>
      (a) =>
        a < 5 ? { value: -a, slope: a > 0 ? slope : -1 } : { value: 50 - a, slope: -1 };
    expect(searchOn(ledge(0), {}, 8)).toEqual({ alphas: [8, 4], result: { alpha: 4 } });
    expect(searchOn(ledge(-1), { sigma: 0.5, maxEvaluations: 2 }, 8)).toEqual({
      alphas: [8, 4],
      result: { failure: 'maxEvaluations', alpha: 4 },
    });
  });

  it('takes one secant step where a bisection has replaced both ends', () => {
    const trials = new Map([
      [0, { value: 1, slope: -1 }],
      [8, { value: 50, slope: 1 }],
      [4, { value: 10, slope: -1 }], // the first secant step, high and falling: bisection from 0
      [2, { value: 0.99, slope: -0.25 }],
      [3, { value: 10, slope: 1 }],
    ]);
    const line: Line = (a) => trials.get(a) ?? { value: 0, slope: 0 };
    const { alphas } = searchOn(line, { sigma: 0.2 }, 8);
    expect(alphas.slice(0, 4)).toEqual([8, 4, 2, 3]);
    // The zero of the line from slope −0.25 at 2 to slope 1 at 3; that from 0 to 2 would be at 8/3.
    expect(alphas[4]).toBeCloseTo(2.2, 14);
    expect(alphas.length).toBe(5);
  });

  it('counts a value of φ(0) + slack as low, and lets it not count as lower', () => {
    const always: Line = () => ({ value: 1, slope: -1 });
    expect(searchOn(always, { sigma: 0.5, maxEvaluations: 3 }, 1)).toEqual({
      alphas: [1, 5, 25],
      result: { failure: 'maxEvaluations', alpha: 0 },
    });
    const cliff =
      (slope: number): Line =>
      (a) =>
        a < 8 ? { value: 1, slope: -1 } : { value: 50, slope };
    const given = { sigma: 0.5, maxEvaluations: 4 };
    expect(searchOn(cliff(-1), given, 8).alphas).toEqual([8, 4, 6, 7]);
    expect(searchOn(cliff(1), given, 8).alphas).toEqual([8, 4, 6, 7]);
  });

  it('takes a step just at the bounds of the Wolfe conditions', () => {
    const at =
      (value: number, slope: number): Line =>
      (a) =>
        a === 0 ? { value: 1, slope: -1 } : { value, slope };
    const given = { delta: 0.25, sigma: 0.5, maxEvaluations: 1 };
    for (const [value, slope, failure] of [
      [0.75, 2, undefined],
      [0.751, 2, 'maxEvaluations'],
      [0.5, -0.5, undefined],
      [0.5, -0.501, 'maxEvaluations'],
    ] as const) {
      // Without the approximate conditions.
      const { result } = searchOn(at(value, slope), given, 1, -Infinity);
      expect([value, slope, result.failure]).toEqual([value, slope, failure]);
    }
  });

  it('does not try the nearest step where φ was not finite again', () => {
    const wall: Line = (a) => ({ value: a >= 5 ? NaN : -a, slope: -1 });
    expect(searchOn(wall, { rho: 10, sigma: 0.5, maxEvaluations: 3 }, 5).alphas).toEqual([5, 0.5, 2.75]);
  });

  it.each([1, 1 + 2 ** -52])('gives up between the last number below %d and the next', (cliff) => {
    // Half-way between two numbers rounds to one or the other of them.
    for (const slope of [-1, 1]) {
      const line: Line = (a) => (a < cliff ? { value: -a, slope: -1 } : { value: 50, slope });
      const { result, alphas } = searchOn(line, { sigma: 0.5, maxEvaluations: 500 }, 8);
      expect(result.failure).toBe('intervalTooSmall');
      expect(alphas.length).toBeLessThan(70);
      expect(alphaOf(result)).toBe(Math.max(...alphas.filter((a) => a < cliff)));
      expect(cliff - alphaOf(result)).toBeLessThan(2 ** -51);
    }
  });

  it('is named, descends, and refuses wrong options', () => {
    expect(hagerZhang()).toMatchObject({ name: 'Hager–Zhang', descends: true });
    for (const [message, options] of [
      ['delta: must be a number in (0, 0.5), got 0.5', { delta: 0.5 }],
      ['sigma: must be a number in (0, 1), got 1', { sigma: 1 }],
      ['rho: must be a number in (1, Infinity), got 1', { rho: 1 }],
      ['gamma: must be a number in (0, 1), got 0', { gamma: 0 }],
      ['maxEvaluations: must be a whole number ≥ 1, got 0', { maxEvaluations: 0 }],
      ['delta must not exceed sigma, got delta = 0.4 and sigma = 0.3.', { delta: 0.4, sigma: 0.3 }],
    ] as const) {
      expect(() => hagerZhang(options)).toThrow(`hagerZhang: ${message}`);
    }
    expect(hagerZhang({ delta: 0.3, sigma: 0.3 }).name).toBe('Hager–Zhang');
  });
});
