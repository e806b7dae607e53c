import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  backtracking,
  fixedStep,
  type BacktrackingOptions,
  type LineSearch,
  type LineSearchResult,
  type Phi,
} from 'quasi-newton';

type Line = (alpha: number) => Phi;

/** The steps that a search tries on a line, and how it ends. */
function searchOn(line: Line, search: LineSearch, alpha0: number, slack = 0, alphaMax = Infinity) {
  const alphas: number[] = [];
  const run = search.search(line(0), alpha0, slack, alphaMax);
  let turn = run.next();
  while (!turn.done) {
    expect(turn.value.slope).toBe(true);
    alphas.push(turn.value.alpha);
    turn = run.next(line(turn.value.alpha));
  }
  return { alphas, result: turn.value };
}

const found = (alpha: number): LineSearchResult => ({ alpha });
const notFound = (failure: 'maxEvaluations' | 'nonFinite'): LineSearchResult => ({ alpha: 0, failure });

/** Nocedal & Wright (2006), Algorithm 3.1 with eq. (3.57) and (3.58), and the bounds of Dennis & Schnabel, A6.3.1. */
function oracle(line: Line, alpha0: number, slack: number, options: BacktrackingOptions) {
  const {
    c1 = 1e-4,
    interpolation = 'cubic',
    minShrink = 0.1,
    maxShrink = 0.5,
    maxEvaluations = 40,
  } = options;
  const { value: phi0, slope: slope0 } = line(0);
  const alphas = [alpha0];
  const finite: [number, number][] = [];
  for (;;) {
    const alpha = alphas[alphas.length - 1];
    const { value, slope } = line(alpha);
    const isFinite = Number.isFinite(value) && Number.isFinite(slope);
    if (isFinite && value <= phi0 + c1 * alpha * slope0 + slack) return { alphas, result: found(alpha) };
    if (alphas.length === maxEvaluations) {
      return { alphas, result: notFound(isFinite ? 'maxEvaluations' : 'nonFinite') };
    }
    if (!isFinite) {
      alphas.push(minShrink * alpha);
      continue;
    }
    let next = (-slope0 * alpha ** 2) / (2 * (value - phi0 - slope0 * alpha));
    if (interpolation === 'cubic' && finite.length > 0) {
      const [before, valueBefore] = finite[finite.length - 1];
      const r1 = value - phi0 - slope0 * alpha;
      const r0 = valueBefore - phi0 - slope0 * before;
      const scale = 1 / (before ** 2 * alpha ** 2 * (alpha - before));
      const a = scale * (before ** 2 * r1 - alpha ** 2 * r0);
      const b = scale * (alpha ** 3 * r0 - before ** 3 * r1);
      next = a === 0 ? -slope0 / (2 * b) : (-b + Math.sqrt(Math.max(0, b ** 2 - 3 * a * slope0))) / (3 * a);
    }
    if (interpolation === 'none' || !Number.isFinite(next)) next = maxShrink * alpha;
    finite.push([alpha, value]);
    alphas.push(Math.min(Math.max(next, minShrink * alpha), maxShrink * alpha));
  }
}

/** Lines that fall at first, and rise steeply and in waves beyond; not finite beyond a wall. */
const lines = fc
  .record({
    slope: fc.double({ min: 0.1, max: 10, noNaN: true }),
    curvature: fc.double({ min: -5, max: 100, noNaN: true }),
    quartic: fc.double({ min: 5, max: 50, noNaN: true }),
    wave: fc.double({ min: 0, max: 3, noNaN: true }),
    wall: fc.constantFrom(Infinity, Infinity, 1, 0.1),
  })
  .map(({ slope, curvature, quartic, wave, wall }): Line => (a) => ({
    value:
      a > wall ? NaN : 1 - slope * a + curvature * a ** 2 + quartic * a ** 4 + wave * Math.sin(3 * a) ** 2,
    slope: -slope + 2 * curvature * a + 4 * quartic * a ** 3 + 3 * wave * Math.sin(6 * a),
  }));

const options = fc.record({
  c1: fc.constantFrom(0, 1e-4, 0.1, 0.5),
  interpolation: fc.constantFrom('cubic' as const, 'quadratic' as const, 'none' as const),
  minShrink: fc.constantFrom(0.05, 0.1, 0.5),
  maxShrink: fc.constantFrom(0.5, 0.9),
  maxEvaluations: fc.constantFrom(1, 3, 40),
});

describe('backtracking', () => {
  it('tries the steps of its formulas on random lines', () => {
    const seen = new Set<number>();
    fc.assert(
      fc.property(
        lines,
        options,
        fc.constantFrom(0.3, 1, 8),
        fc.constantFrom(0, 0.01),
        (line, options, alpha0, slack) => {
          const expected = oracle(line, alpha0, slack, options);
          const { alphas, result } = searchOn(line, backtracking(options), alpha0, slack);
          expect(result.failure).toBe(expected.result.failure);
          expect(alphas.length).toBe(expected.alphas.length);
          // Where the cubic is nearly a parabola, its formula cancels.
          alphas.forEach((alpha, k) => expect(Math.abs(alpha / expected.alphas[k] - 1)).toBeLessThan(1e-5));
          const last = result.failure === undefined ? found(alphas[alphas.length - 1]) : expected.result;
          expect(result).toEqual(last);
          seen.add(alphas.length);
        },
      ),
      { numRuns: 2000, seed: 7 },
    );
    expect(seen.size).toBeGreaterThan(6);
  });

  it('has the defaults it documents', () => {
    const line: Line = (a) => ({
      value: 1 - a + 300 * a ** 2 + 20 * a ** 4,
      slope: -1 + 600 * a + 80 * a ** 3,
    });
    expect(searchOn(line, backtracking(), 1)).toEqual(
      searchOn(
        line,
        backtracking({
          c1: 1e-4,
          interpolation: 'cubic',
          minShrink: 0.1,
          maxShrink: 0.5,
          maxEvaluations: 40,
        }),
        1,
      ),
    );
    const rising: Line = (a) => ({ value: a > 0 ? 2 : 1, slope: -1 });
    const { alphas, result } = searchOn(rising, backtracking({ interpolation: 'none' }), 1);
    expect(alphas).toEqual(Array.from({ length: 40 }, (_, k) => 0.5 ** k));
    expect(result).toEqual(notFound('maxEvaluations'));
    const nowhere: Line = (a) => ({ value: a > 0 ? NaN : 1, slope: -1 });
    const none = searchOn(nowhere, backtracking({ maxEvaluations: 3 }), 1);
    expect(none.alphas.map((alpha) => Math.round(1 / alpha))).toEqual([1, 10, 100]);
    expect(none.result).toEqual(notFound('nonFinite'));
  });

  it('takes the parabola where the cubic through two trials is one', () => {
    // Exact in binary: 1 − α + 16α² with its minimum at 1/32.
    const line: Line = (a) => ({ value: 1 - a + 16 * a * a, slope: -1 + 32 * a });
    const { alphas } = searchOn(line, backtracking({ minShrink: 0.125, c1: 0.5 }), 1);
    expect(alphas).toEqual([1, 0.125, 0.03125]);
  });

  it('keeps its digits where the slope at 0 is tiny beside the cubic', () => {
    // −1e-14·α − α² + 10α³: nearly the minimum of the last two, 2/30. From 1, the steps go to the shortest, 0.2.
    const line: Line = (a) => ({ value: -1e-14 * a - a ** 2 + 10 * a ** 3, slope: a === 0 ? -1e-14 : 1 });
    const { alphas } = searchOn(line, backtracking({ minShrink: 0.2 }), 1);
    expect(alphas.slice(0, 2)).toEqual([1, 0.2]);
    expect(alphas[2]).toBeCloseTo(2 / 30, 12);
  });

  it('refuses a step where f is finite and its slope is not', () => {
    const line: Line = (a) => ({ value: 1 - a, slope: a > 0.5 ? Infinity : -1 });
    expect(searchOn(line, backtracking(), 1).alphas).toEqual([1, 0.1]);
  });

  it('takes a step just at its bounds: of decrease, of slack and of length', () => {
    const line: Line = (a) => ({ value: 1 - a / 2, slope: -1 });
    expect(searchOn(line, backtracking({ c1: 0.5 }), 1).result).toEqual(found(1));
    const flat: Line = () => ({ value: 1, slope: -1 });
    expect(searchOn(flat, backtracking({ c1: 0.25 }), 1, 0.25).result).toEqual(found(1));
    expect(searchOn(flat, backtracking({ c1: 0.25 }), 1, 0.2).alphas.length).toBeGreaterThan(1);
    expect(searchOn(line, backtracking(), 8, 0, 0.25).alphas).toEqual([0.25]);
  });

  it('is named, descends, and refuses wrong options', () => {
    expect(backtracking()).toMatchObject({ name: 'backtracking', descends: true });
    for (const [message, options] of [
      ['c1: must be a number in [0, 0.5], got 0.6', { c1: 0.6 }],
      [
        "interpolation: must be 'cubic' or 'quadratic' or 'none', got \"linear\"",
        { interpolation: 'linear' },
      ],
      ['minShrink: must be a number in (0, 1), got 0', { minShrink: 0 }],
      ['maxShrink: must be a number in (0, 1), got 1', { maxShrink: 1 }],
      ['maxEvaluations: must be a whole number ≥ 1, got 0', { maxEvaluations: 0 }],
      ['minShrink must not exceed maxShrink, got minShrink = 0.6 and maxShrink = 0.5.', { minShrink: 0.6 }],
    ] as const) {
      expect(() => backtracking(options as BacktrackingOptions)).toThrow(`backtracking: ${message}`);
    }
    expect(backtracking({ minShrink: 0.5, maxShrink: 0.5 }).name).toBe('backtracking');
  });
});

describe('fixedStep', () => {
  const uphill: Line = (a) => ({ value: 1 + a, slope: 1 });

  it('takes its step, or the one proposed, wherever it leads, but no farther than it may', () => {
    expect(searchOn(uphill, fixedStep({ alpha: 3 }), 1)).toEqual({ alphas: [3], result: found(3) });
    expect(searchOn(uphill, fixedStep(), 0.7)).toEqual({ alphas: [0.7], result: found(0.7) });
    expect(searchOn(uphill, fixedStep({ alpha: 3 }), 1, 0, 2).alphas).toEqual([2]);
  });

  it('is drawn back tenfold where f is not finite, twenty times at most', () => {
    const wall: Line = (a) => ({ value: a > 0.05 ? NaN : 1, slope: 1 });
    expect(searchOn(wall, fixedStep(), 1).alphas.map((alpha) => Math.round(1 / alpha))).toEqual([1, 10, 100]);
    const steep: Line = (a) => ({ value: 1, slope: a > 0.5 ? Infinity : 1 });
    expect(searchOn(steep, fixedStep(), 1).result).toEqual(found(0.1));
    const { alphas, result } = searchOn(() => ({ value: NaN, slope: 1 }), fixedStep(), 1);
    expect(alphas.length).toBe(20);
    expect(result).toEqual(notFound('nonFinite'));
  });

  it('has a name, may raise f, and refuses a step of 0', () => {
    expect(fixedStep()).toMatchObject({ name: 'fixed step', descends: false });
    expect(() => fixedStep({ alpha: 0 })).toThrow('fixedStep: alpha: must be a finite number > 0, got 0.');
  });
});
