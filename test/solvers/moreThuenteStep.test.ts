import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { refine, type Interval, type Trial } from '../../src/solvers/linesearch/moreThuenteStep.ts';

// Oracle: Moré & Thuente (1994), section 4, with interpolants from the coefficients of their polynomials.

/** The minimum of the cubic with φ and φ′ of both, and how far the cubic is from having none, in (−∞, 1]. */
function cubicMinimum(a: Trial, b: Trial): { alpha: number; margin: number } {
  const h = b.alpha - a.alpha;
  const mean = (b.value - a.value) / h;
  const c2 = (3 * mean - 2 * a.slope - b.slope) / h;
  const c3 = (a.slope + b.slope - 2 * mean) / h ** 2;
  const discriminant = c2 ** 2 - 3 * c3 * a.slope;
  const root = Math.sqrt(Math.max(0, discriminant));
  // The root where the second derivative 2√D is positive.
  const t = c2 > 0 ? -a.slope / (c2 + root) : (root - c2) / (3 * c3);
  const margin = discriminant / (c2 ** 2 + Math.abs(3 * c3 * a.slope));
  return { alpha: a.alpha + t, margin };
}

/** The minimum of the parabola with φ and φ′ of `a`, and φ of `b`. */
function parabolaMinimum(a: Trial, b: Trial): number {
  const h = b.alpha - a.alpha;
  const curvature = (2 * (b.value - a.value - a.slope * h)) / h ** 2;
  return a.alpha - a.slope / curvature;
}

/** The minimum of the parabola with φ′ of both. */
function secantMinimum(a: Trial, b: Trial): number {
  return a.alpha - (a.slope * (b.alpha - a.alpha)) / (b.slope - a.slope);
}

const nearer = (to: number, p: number, q: number) => (Math.abs(p - to) < Math.abs(q - to) ? p : q);
const farther = (to: number, p: number, q: number) => (Math.abs(p - to) > Math.abs(q - to) ? p : q);

/** The next step, and which of the paper's cases it is. */
function oracle({ best: l, other: u, bracketed }: Interval, t: Trial, min: number, max: number) {
  const [al, at] = [l.alpha, t.alpha];
  const bound = at > al ? max : min;
  if (t.value > l.value) {
    const [ac, aq] = [cubicMinimum(l, t).alpha, parabolaMinimum(l, t)];
    return { which: 1, alpha: Math.abs(ac - al) < Math.abs(aq - al) ? ac : (aq + ac) / 2 };
  }
  if (t.slope * l.slope < 0) {
    return { which: 2, alpha: farther(at, cubicMinimum(l, t).alpha, secantMinimum(l, t)) };
  }
  if (Math.abs(t.slope) < Math.abs(l.slope)) {
    const cubic = cubicMinimum(l, t);
    const isBeyond = cubic.margin > 0 && (cubic.alpha - at) * (at - al) > 0;
    const ac = isBeyond ? cubic.alpha : bound;
    const as = secantMinimum(l, t);
    if (!bracketed) return { which: 3, alpha: Math.min(max, Math.max(min, farther(at, ac, as))) };
    const limit = at + 0.66 * (u.alpha - at);
    const alpha = nearer(at, ac, as);
    return { which: 3, alpha: at > al ? Math.min(limit, alpha) : Math.max(limit, alpha) };
  }
  return { which: 4, alpha: bracketed ? cubicMinimum(t, u).alpha : bound };
}

const numbers = fc.double({ min: -2, max: 2, noNaN: true }).map((value) => Math.round(value * 100) / 100);
const trials = fc.record({
  alpha: fc.integer({ min: 0, max: 400 }).map((a) => a / 100),
  value: numbers,
  slope: numbers.filter((slope) => slope !== 0),
});

describe('a refinement of Moré and Thuente', () => {
  it('takes the step and the interval of its case, on random intervals', () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(trials, trials, trials, fc.boolean(), (best, trial, other, bracketed) => {
        fc.pre(new Set([best.alpha, trial.alpha, other.alpha]).size === 3);
        // Two steps of the search: no slope of the best leads away from the trial.
        fc.pre(best.slope * (trial.alpha - best.alpha) < 0);
        // A cubic hardly with a minimum is known to few digits.
        fc.pre([cubicMinimum(best, trial), cubicMinimum(trial, other)].every(({ margin }) => margin > 1e-4));
        const [min, max] = [trial.alpha - 1.5, trial.alpha + 2.5];
        const interval = { best, other, bracketed };
        const expected = oracle(interval, trial, min, max);
        const refined = refine(interval, trial, min, max);
        fc.pre(Math.abs(expected.alpha) < 100);
        expect(Math.abs(refined.alpha - expected.alpha)).toBeLessThan(
          1e-8 * Math.max(1, Math.abs(expected.alpha)),
        );
        const higher = trial.value > best.value;
        expect(refined.interval).toEqual({
          best: higher ? best : trial,
          other: higher ? trial : expected.which === 2 ? best : other,
          bracketed: bracketed || expected.which <= 2,
        });
        const key = `case ${expected.which}, ${bracketed ? 'bracketed' : 'open'}`;
        seen.set(key, (seen.get(key) ?? 0) + 1);
      }),
      { numRuns: 1500, seed: 5 },
    );
    expect(seen.size).toBe(8);
    expect(Math.min(...seen.values())).toBeGreaterThan(10);
  });

  it('goes to its bound where the cubic only falls beyond the trial', () => {
    // The slope of their cubic has no zero.
    const best = { alpha: 0, value: 0, slope: -1 };
    const trial = { alpha: 1, value: -0.94, slope: -0.9 };
    const other = { alpha: 4, value: 5, slope: 5 };
    expect(refine({ best, other, bracketed: true }, trial, 0, 2).alpha).toBe(2);
    expect(refine({ best, other, bracketed: true }, trial, 0, 3.5).alpha).toBeCloseTo(1 + 0.66 * 3, 14);
    expect(refine({ best, other: best, bracketed: false }, trial, 0, 5).alpha).toBe(5);
    // The same seen from the other side.
    const mirrored = [best, trial, other].map(({ alpha, value, slope }) => ({
      alpha: 10 - alpha,
      value,
      slope: -slope,
    }));
    const interval = { best: mirrored[0], other: mirrored[2], bracketed: true };
    expect(refine(interval, mirrored[1], 8, 10).alpha).toBe(8);
    expect(refine(interval, mirrored[1], 6.5, 10).alpha).toBeCloseTo(9 - 0.66 * 3, 14);
  });
});
