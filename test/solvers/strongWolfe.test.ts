import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { strongWolfe, type LineSearchResult, type Phi, type StrongWolfeOptions } from 'quasi-newton';
import { refine, type Trial } from '../../src/solvers/linesearch/moreThuenteStep.ts';

type Line = (alpha: number) => Phi;

function searchOn(line: Line, options: StrongWolfeOptions, alpha0: number, slack = 0, alphaMax = Infinity) {
  const alphas: number[] = [];
  const run = strongWolfe(options).search(line(0), alpha0, slack, alphaMax);
  let turn = run.next();
  while (!turn.done) {
    expect(turn.value.slope).toBe(true);
    alphas.push(turn.value.alpha);
    turn = run.next(line(turn.value.alpha));
  }
  return { alphas, result: turn.value };
}

const alphaOf = (result: LineSearchResult) => result.alpha;

/**
 * The search of Moré & Thuente (1994), as section 2 to 4 and MINPACK-2 have it, with steps that `refine` chooses. Its
 * departures: the approximate Wolfe conditions, and values within `slack` of φ(0), which the slopes stand for.
 */
function oracle(
  line: Line,
  alpha0: number,
  slack: number,
  far: number,
  options: { [Name in keyof StrongWolfeOptions]-?: NonNullable<StrongWolfeOptions[Name]> },
) {
  const { c1: mu, c2: eta, maxRise, extrapolation, maxEvaluations } = options;
  const stpmax = Math.min(far, options.alphaMax);
  const { value: f0, slope: g0 } = line(0);
  const alphas: number[] = [];
  let [stage, bracketed] = [1, false];
  let x: Trial = { alpha: 0, value: 0, slope: g0 };
  let y = x;
  const widths = [stpmax, 2 * stpmax];
  let [min, max] = [0, Math.min(extrapolation * alpha0, stpmax)];
  let stp = Math.min(alpha0, stpmax);
  for (;;) {
    alphas.push(stp);
    const { value, slope: g } = line(stp);
    const isNoise = Math.abs(value - f0) <= slack;
    const f = isNoise ? (stp / 2) * (g0 + g) : value - f0;
    const psi = f - mu * g0 * stp;
    const approximate = (2 * 0.1 - 1) * g0 >= g && g >= eta * g0 && value <= f0 + slack;
    const flat = g >= eta * g0 && g <= maxRise * Math.abs(g0);
    const strong = psi <= 0 && flat;
    const atEnd = stp === stpmax && psi <= 0 && g <= mu * g0;
    if (strong || approximate || atEnd) return { alphas, kind: 'found' };
    if (bracketed && (stp <= min || stp >= max || max - min <= 1e-16 * max))
      return { alphas, kind: 'intervalTooSmall' };
    if (alphas.length === maxEvaluations) return { alphas, kind: 'maxEvaluations' };

    if (psi <= 0 && g >= 0) stage = 2;
    // In stage 1 the auxiliary function ψ(α) = φ(α) − φ(0) − μφ′(0)α takes the place of φ where it has not fallen.
    const tilt = stage === 1 && f <= x.value && psi > 0 ? -mu * g0 : 0;
    const tilted = ({ alpha, value, slope }: Trial): Trial => ({
      alpha,
      value: value + tilt * alpha,
      slope: slope + tilt,
    });
    const trial = { alpha: stp, value: f, slope: g };
    const chosen = refine({ best: tilted(x), other: tilted(y), bracketed }, tilted(trial), min, max);
    const isBest = chosen.interval.best.alpha === stp;
    const turned = isBest && chosen.interval.other.alpha === x.alpha;
    [x, y] = isBest ? [trial, turned ? x : y] : [x, trial];
    ({ bracketed } = chosen.interval);
    stp = chosen.alpha;
    const length = Math.abs(y.alpha - x.alpha);
    if (bracketed) {
      if (length >= 0.66 * widths[1]) stp = x.alpha + (y.alpha - x.alpha) / 2;
      widths.unshift(length);
      [min, max] = [Math.min(x.alpha, y.alpha), Math.max(x.alpha, y.alpha)];
    } else {
      [min, max] = [stp + 1.1 * (stp - x.alpha), stp + (extrapolation - 1) * (stp - x.alpha)];
    }
    stp = Math.min(stp, stpmax);
    if (bracketed && (stp <= min || stp >= max || max - min <= 1e-16 * max)) stp = x.alpha;
    if (stp <= 0) return { alphas, kind: 'intervalTooSmall' };
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

const options = fc
  .record({
    c1: fc.constantFrom(1e-4, 0.1, 0.49),
    c2: fc.constantFrom(0.001, 0.1, 0.5, 0.9),
    maxEvaluations: fc.constantFrom(2, 5, 20, 60),
    maxRise: fc.constantFrom(0.1, 0.9, 3, Infinity),
    extrapolation: fc.constantFrom(3, 5, 5, 10),
    alphaMax: fc.constantFrom(1e20, 1e20, 0.5),
  })
  .filter(({ c1, c2 }) => c1 < c2);

describe('strongWolfe', () => {
  it('tries the steps of its paper on random lines', () => {
    const lengths = new Set<number>();
    const kinds = new Set<string>();
    fc.assert(
      fc.property(
        lines,
        options,
        fc.constantFrom(1e-3, 0.1, 1, 30),
        fc.constantFrom(-Infinity, 0, 0.02),
        fc.constantFrom(Infinity, Infinity, 0.4),
        (line, options, alpha0, slack, far) => {
          const { alphas, result } = searchOn(line, options, alpha0, slack, far);
          const expected = oracle(line, alpha0, slack, far, options);
          expect(alphas.length).toBe(expected.alphas.length);
          alphas.forEach((alpha, k) => expect(Math.abs(alpha / expected.alphas[k] - 1)).toBeLessThan(1e-6));
          expect(result.failure ?? 'found').toBe(expected.kind);
          const lowest = [0, ...alphas].reduce((a, b) => (line(b).value < line(a).value ? b : a));
          expect(alphaOf(result)).toBe(result.failure === undefined ? alphas.at(-1) : lowest);
          lengths.add(alphas.length);
          kinds.add(expected.kind);
        },
      ),
      { numRuns: 2000, seed: 11 },
    );
    expect(lengths.size).toBeGreaterThan(7);
    expect([...kinds].toSorted()).toEqual(['found', 'maxEvaluations']);
  });

  it('has the defaults it documents', () => {
    const documented = { c1: 1e-4, c2: 0.9, maxRise: 0.9, extrapolation: 5, maxEvaluations: 20 };
    fc.assert(
      fc.property(lines, fc.constantFrom(1e-3, 0.1, 30), (line, alpha0) => {
        const alphaMax = 1e20 * Math.max(1, alpha0);
        expect(searchOn(line, {}, alpha0)).toEqual(searchOn(line, { ...documented, alphaMax }, alpha0));
      }),
      { numRuns: 200, seed: 2 },
    );
    // Falls forever: at most 1e20 or 1e20 first steps, in at most 20 evaluations.
    const falling: Line = (a) => ({ value: -a, slope: -1 });
    expect(searchOn(falling, { alphaMax: 1e20 }, 1e19).result).toEqual({ alpha: 1e20 });
    expect(searchOn(falling, { maxEvaluations: 40 }, 10).result).toEqual({ alpha: 1e21 });
    expect(searchOn(falling, {}, 1e-30).alphas.length).toBe(20);
    // Slopes of 0.9 and of 0.89 of the first one; a decrease of just 1e-4 and of less.
    const flatter =
      (ratio: number, value: number): Line =>
      (a) =>
        a === 0 ? { value: 0, slope: -1 } : { value, slope: -ratio };
    expect(searchOn(flatter(0.9, -1e-4), {}, 1).alphas.length).toBe(1);
    expect(searchOn(flatter(0.91, -1e-4), {}, 1).alphas.length).toBeGreaterThan(1);
    expect(searchOn(flatter(-0.9, -1e-4), {}, 1, -Infinity).alphas.length).toBe(1);
    expect(searchOn(flatter(-0.9, -0.99e-4), {}, 1, -Infinity).alphas.length).toBeGreaterThan(1);
  });

  it('draws back to a tenth of its distance from the best step where φ is not finite', () => {
    const wall: Line = (a) => ({ value: a > 10 ? NaN : -a, slope: -1 });
    const { alphas } = searchOn(wall, { maxEvaluations: 4 }, 40);
    expect(alphas.slice(0, 2)).toEqual([40, 4]);
    const next = alphas[2];
    expect(next).toBeGreaterThan(10);
    expect(alphas[3]).toBeCloseTo(4 + 0.1 * (next - 4), 12);
    const cliff: Line = (a) => ({ value: -a, slope: a > 10 ? Infinity : -1 });
    expect(searchOn(cliff, {}, 40).alphas.slice(0, 2)).toEqual([40, 4]);
    const island: Line = (a) => ({ value: a > 0 ? NaN : 1, slope: -1 });
    const none = searchOn(island, { maxEvaluations: 4 }, 1);
    expect(none.alphas.length).toBe(12);
    expect(none.result).toEqual({ failure: 'nonFinite', alpha: 0 });
  });

  it('gives an interval up that has no number left inside', () => {
    const step: Line = (a) => ({ value: a < 1 ? -a : 50 - a, slope: -1 });
    const { result } = searchOn(step, { c2: 0.5, maxEvaluations: 500 }, 8);
    expect(result).toMatchObject({ failure: 'intervalTooSmall' });
    expect(alphaOf(result)).toBeCloseTo(1, 6);
  });

  it('ends at the best step where an interval has no number left, as the paper on random cliffs', () => {
    const kinds = new Set<string>();
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 9, noNaN: true }),
        fc.double({ min: 0.1, max: 50, noNaN: true }),
        fc.constantFrom(0.5, 1, 8),
        (cliff, height, alpha0) => {
          const line: Line = (a) => ({ value: a < cliff ? -a : height - a, slope: -1 });
          const all = {
            c1: 0.1,
            c2: 0.5,
            maxRise: 0.5,
            extrapolation: 5,
            maxEvaluations: 500,
            alphaMax: 100,
          };
          const { alphas, result } = searchOn(line, all, alpha0);
          const expected = oracle(line, alpha0, 0, Infinity, all);
          expect(alphas.length).toBe(expected.alphas.length);
          alphas.forEach((alpha, k) => expect(Math.abs(alpha / expected.alphas[k] - 1)).toBeLessThan(1e-9));
          expect(result.failure ?? 'found').toBe(expected.kind);
          kinds.add(expected.kind);
          if (result.failure === undefined) return;
          // It is evaluated once more, since nothing else is left to try.
          const lowest = alphas.reduce((a, b) => (line(b).value < line(a).value ? b : a));
          expect([alphas.at(-1), alphaOf(result)]).toEqual([lowest, lowest]);
        },
      ),
      { numRuns: 300, seed: 4 },
    );
    expect(kinds).toContain('intervalTooSmall');
  });

  it.each([
    [1e-3, 1e-300, []], // the minimizer of the cubic is below the numbers
    [50, 1, []],
    [1e300, 1e-10, [5e-11, 2.5e-11]], // its coefficients overflow: bisection
  ])('ends without a step where φ rises to %d at once, however short the step', (height, alpha0, next) => {
    const line: Line = (a) => ({ value: a > 0 ? height : 0, slope: -1 });
    const { alphas, result } = searchOn(line, { maxEvaluations: 5000 }, alpha0);
    expect(result).toEqual({ failure: 'intervalTooSmall', alpha: 0 });
    expect(Math.min(...alphas)).toBeGreaterThan(0);
    expect(alphas.slice(1, 1 + next.length)).toEqual(next);
  });

  it('ends without a step if no trial was lower than the start', () => {
    const flat: Line = () => ({ value: 1, slope: -1 });
    expect(searchOn(flat, { c2: 0.5 }, 1).result).toEqual({ failure: 'maxEvaluations', alpha: 0 });
  });

  it('follows the slopes where the values do not tell', () => {
    // Values of noise alone, the minimum at 1.
    const noisy: Line = (a) => ({ value: 1 + 1e-9 * Math.sin(1e5 * a), slope: 1e-10 * (a - 1) });
    const { result } = searchOn(noisy, { c2: 0.1 }, 1e-3, 1e-8);
    expect(result.failure).toBeUndefined();
    expect(Math.abs(alphaOf(result) - 1)).toBeLessThan(0.1);
  });

  it('is named, descends, and refuses wrong options', () => {
    expect(strongWolfe()).toMatchObject({ name: 'Moré–Thuente', descends: true });
    for (const [message, options] of [
      ['c1: must be a number in (0, 0.5), got 0.5', { c1: 0.5 }],
      ['c2: must be a number in (0, 1), got 1', { c2: 1 }],
      ['maxRise: must be a number > 0, got 0', { maxRise: 0 }],
      ['extrapolation: must be a number in [3, 1000], got 2', { extrapolation: 2 }],
      ['maxEvaluations: must be a whole number ≥ 1, got 0', { maxEvaluations: 0 }],
      ['alphaMax: must be a finite number > 0, got Infinity', { alphaMax: Infinity }],
      ['c1 must be below c2, got c1 = 0.2 and c2 = 0.2.', { c1: 0.2, c2: 0.2 }],
    ] as const) {
      expect(() => strongWolfe(options)).toThrow(`strongWolfe: ${message}`);
    }
  });
});
