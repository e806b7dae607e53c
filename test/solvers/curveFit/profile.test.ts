import { describe, expect, it } from 'vitest';
import { leastSquares } from '../../../src/core/leastSquares.ts';
import { completeSolveOptions, plainSolveRules } from '../../../src/core/solveOptions.ts';
import { profileOf, type Profiled } from '../../../src/solvers/curveFit/profile.ts';
import type { Residuals } from '../../../src/core/problem.ts';

interface Given {
  residuals: Residuals;
  /** Number of residuals. */
  m?: number;
  theta?: number[];
  lower?: number[];
  upper?: number[];
  hasJacobian?: boolean;
  variance?: number;
  quantile?: number;
  standardError?: number;
}

/** Profiles unknown k of a fit whose least f is 0, and counts the values of its residuals. */
function profile(given: Given, k = 0) {
  const { residuals, m = 1, theta = [0], hasJacobian = false, variance = 1, quantile = 1 } = given;
  const n = theta.length;
  const { lower = Array<number>(n).fill(-Infinity), upper = Array<number>(n).fill(Infinity) } = given;
  let calls = 0;
  const counted: Residuals = (x, r, J) => {
    calls++;
    residuals(x, r, J);
  };
  const problem = leastSquares({ p0: Float64Array.from(theta), residualCount: m, residuals: counted });
  const profiled: Profiled = {
    fit: {
      problem: { ...problem, residuals: counted },
      hasJacobian,
      lower: Float64Array.from(lower),
      upper: Float64Array.from(upper),
      size: 1,
      limits: completeSolveOptions('test', {}, plainSolveRules),
    },
    theta: Float64Array.from(theta),
    f: 0,
    variance,
    quantile,
  };
  const interval = profileOf(profiled, k, given.standardError ?? 1);
  return { ...interval, calls };
}

const near = (value: number) => expect.closeTo(value, 4) as number;
const line: Residuals = ([a], r) => void (r[0] = a);
const exponential: Residuals = ([a], r) => void (r[0] = Math.exp(a) - 1);

describe('the profile of the only unknown', () => {
  it('ends where f has risen by s²t²', () => {
    // |eᵃ − 1| = 3/4
    const { lower, upper } = profile({ residuals: exponential, variance: 0.25, quantile: 1.5 });
    expect([lower, upper]).toEqual([near(Math.log(0.25)), near(Math.log(1.75))]);
  });

  it.each([1e-3, 0.3, 1, 20, 0, NaN, Infinity])('does not depend on a first guess of %d', (standardError) => {
    const { lower, upper } = profile({ residuals: exponential, quantile: 0.5, standardError });
    expect([lower, upper]).toEqual([near(Math.log(0.5)), near(Math.log(1.5))]);
    const far = profile({ residuals: ([a], r) => void (r[0] = a - 100), theta: [100], standardError });
    expect([far.lower, far.upper]).toEqual([near(99), near(101)]);
  });

  it('is looked for in units of the unknown where no error is known', () => {
    const residuals: Residuals = ([a], r) => void (r[0] = (a - 1e9) / 1e8);
    const { lower, upper } = profile({ residuals, theta: [1e9], standardError: NaN });
    expect([lower / 1e9, upper / 1e9]).toEqual([near(0.9), near(1.1)]);
  });

  it.each([1e-3, 0.05, 1, 40])('is accurate to 1e-5 of t, here %d', (quantile) => {
    // a + a²/4q, with f = q² at its ends.
    const rise = (a: number) => a + a ** 2 / (4 * quantile);
    const { upper } = profile({ residuals: ([a], r) => void (r[0] = rise(a)), quantile, standardError: 0.6 });
    expect(Math.abs(rise(upper) / quantile - 1)).toBeLessThan(1e-5);
  });

  it('is infinite on a side where f never rises that far', () => {
    const { lower, upper } = profile({ residuals: exponential, quantile: 1.5 });
    expect([lower, upper]).toEqual([-Infinity, near(Math.log(2.5))]);
    const flat = profile({ residuals: (_, r) => void (r[0] = 0) });
    // The first width and twelve times twice as far, on either side.
    expect([flat.lower, flat.upper, flat.calls]).toEqual([-Infinity, Infinity, 26]);
    const edge = profile({ residuals: ([a], r) => void (r[0] = a < 0.5 ? a : NaN) });
    expect([edge.lower, edge.upper]).toEqual([near(-1), Infinity]);
  });

  it('ends at a bound that comes first, and no evaluation lies beyond it', () => {
    const within = (lower: number, upper: number): Residuals => {
      return ([a], r) => {
        expect(a >= lower && a <= upper).toBe(true);
        r[0] = a;
      };
    };
    const ends = (lower: number, upper: number) => {
      const { lower: a, upper: b } = profile({
        residuals: within(lower, upper),
        lower: [lower],
        upper: [upper],
        standardError: 0.7,
      });
      return [a, b];
    };
    expect(ends(-0.9, 0.75)).toEqual([-0.9, 0.75]);
    expect(ends(-1.1, 1.2)).toEqual([near(-1), near(1)]);
    expect(ends(0, 5)).toEqual([0, near(1)]);
  });

  it.each([
    // At once at the end, and once more to see that it is there.
    [1, 2],
    // The next chord of a straight line meets the end.
    [0.5, 3],
    [0.3, 4],
    [0.2, 5],
  ])('is straight for a line: from a first guess of %d, %d values on either side', (standardError, count) => {
    const { lower, upper, calls } = profile({ residuals: line, quantile: 1.25, standardError });
    expect([lower, upper]).toEqual([near(-1.25), near(1.25)]);
    expect(calls).toBe(2 * count);
  });

  it('is found by halves where chords creep', () => {
    const steep: Residuals = ([a], r) => void (r[0] = a ** 15);
    const { lower, upper, calls } = profile({ residuals: steep, quantile: 1.2, standardError: 2 });
    const end = 1.2 ** (1 / 15);
    expect([lower, upper]).toEqual([near(-end), near(end)]);
    expect(calls).toBeLessThan(2 * 40);
  });

  it('ends at a jump across t², after forty values', () => {
    const jump: Residuals = ([a], r) => void (r[0] = a > 1 ? 10 : a < -0.25 ? -10 : 0);
    const { lower, upper, calls } = profile({ residuals: jump, quantile: 5, standardError: 0.5 });
    expect(lower).toBeCloseTo(-0.25, 9);
    expect(upper).toBeCloseTo(1, 9);
    expect(calls).toBe(2 * 41);
  });

  it('ends at the last finite point outward where values on the way are not finite', () => {
    const holed: Residuals = ([a], r) => void (r[0] = Math.abs(Math.abs(a) - 1.25) < 0.1 ? NaN : a);
    const { lower, upper } = profile({ residuals: holed, quantile: 1.25, standardError: 1.6 });
    expect([lower, upper]).toEqual([-2, 2]);
  });
});

describe('the profile of one of several unknowns', () => {
  const A = [
    [1, 2, 0.5],
    [0, 1, -1],
    [2, 0, 1],
    [1, 1, 1],
  ];
  const linear: Residuals = (x, r, J) => {
    A.forEach((row, i) => (r[i] = row.reduce((sum, a, j) => sum + a * x[j], 0)));
    J?.set(A.flat());
  };
  /** ‖column k of A, without its part along the others‖, by Gram–Schmidt. */
  const distance = (k: number) => {
    const columns = [0, 1, 2]
      .filter((j) => j !== k)
      .concat(k)
      .map((j) => A.map((row) => row[j]));
    const units: number[][] = [];
    let rest: number[] = [];
    for (const column of columns) {
      rest = units.reduce((left, unit) => {
        const along = left.reduce((sum, value, i) => sum + value * unit[i], 0);
        return left.map((value, i) => value - along * unit[i]);
      }, column);
      units.push(rest.map((value) => value / Math.hypot(...rest)));
    }
    return Math.hypot(...rest);
  };

  it.each([0, 1, 2])(
    'the profile of an unknown of a linear model is t·s over its distance from the others: unknown %d',
    (k) => {
      const half = (2 * Math.sqrt(0.3)) / distance(k);
      for (const hasJacobian of [true, false]) {
        const residuals: Residuals = hasJacobian ? linear : (x, r) => linear(x, r, null);
        const given = { residuals, m: 4, theta: [0, 0, 0], hasJacobian, variance: 0.3, quantile: 2 };
        const { lower, upper } = profile(given, k);
        expect([lower / half, upper / half]).toEqual([near(-1), near(1)]);
      }
    },
  );

  it('keeps the others within their bounds', () => {
    // Unbounded, b follows to a/2 and f is a²/2; with b ≤ 0, f is a² above 0.
    const residuals: Residuals = ([a, b], r) => r.set([a - b, b]);
    const { lower, upper } = profile({
      residuals,
      m: 2,
      theta: [0, 0],
      upper: [Infinity, 0],
      standardError: 0.6,
    });
    expect([lower, upper]).toEqual([near(-Math.SQRT2), near(1)]);
    const other = profile({ residuals, m: 2, theta: [0, 0], lower: [-Infinity, 0], standardError: 0.6 });
    expect([other.lower, other.upper]).toEqual([near(-1), near(Math.SQRT2)]);
  });

  it('leads the others to far values in smaller steps', () => {
    // b must follow a² closely: elsewhere the first residual is NaN.
    const residuals: Residuals = ([a, b], r) => r.set([Math.sqrt(1 + b - a * a) - 1, a / 10]);
    const { lower, upper } = profile({ residuals, m: 2, theta: [0, 0], quantile: 0.2, standardError: 10 });
    expect([lower, upper]).toEqual([near(-2), near(2)]);
  });

  it('is infinite where no fit of the others converges', () => {
    const residuals: Residuals = ([a, b], r) => r.set([a === 0 ? b : NaN, a]);
    const { lower, upper, calls } = profile({ residuals, m: 2, theta: [0, 0] });
    expect([lower, upper]).toEqual([-Infinity, Infinity]);
    // One at each of seven halvings, on either side.
    expect(calls).toBe(14);
  });

  it('passes on what the model throws', () => {
    for (const throwsAt of [([a]: Float64Array) => a !== 0, ([a, b]: Float64Array) => a !== 0 && b !== 0]) {
      const residuals: Residuals = (x, r) => {
        if (throwsAt(x)) throw new RangeError('no such point');
        r.set([x[0], x[1] - x[0]]);
      };
      expect(() => profile({ residuals, m: 2, theta: [0, 0] })).toThrow('no such point');
    }
  });
});
