import { describe, expect, it } from 'vitest';
import { inspect } from '../../src/core/disagreement.ts';
import { trapezoid } from '../../src/core/lineChange.ts';
import type { Standstill } from '../../src/core/standstill.ts';
import { runSync } from '../../src/core/drive.ts';
import type { Iterate } from '../../src/core/solver.ts';
import { uniform as random } from '../../bench/problems/random.js';

type Objective = (x: Float64Array, gradient: Float64Array) => number;

/** f at a point, with its gradient. */
function iterateAt(fg: Objective, point: readonly number[]): Iterate {
  const x = Float64Array.from(point);
  const gradient = new Float64Array(x.length);
  return { x, f: fg(x, gradient), gradient };
}

/** Inspects a point, and notes what was evaluated. */
function inspectAt(
  fg: Objective,
  x: readonly number[],
  p0: readonly number[],
  change: Partial<Standstill> = {},
) {
  const asked: Iterate[] = [];
  const at = iterateAt(fg, x);
  const standstill: Standstill = {
    at,
    p0: Float64Array.from(p0),
    precision: 'float64',
    highest: 0,
    admit: undefined,
    ...change,
  };
  const problem = {
    p0: standstill.p0,
    fg(x: Float64Array, gradient: Float64Array | null) {
      const point = iterateAt(fg, [...x]);
      gradient?.set(point.gradient);
      asked.push(point);
      return point.f;
    },
  };
  return { at, asked, found: runSync(inspect(standstill), problem) };
}

/** offset + Σ cᵢxᵢ²/2, with gradients that are right but for a factor on each element. */
const bowl =
  (offset: number, curvatures: readonly number[], factors: readonly number[] = []): Objective =>
  (x, gradient) => {
    curvatures.forEach((c, i) => (gradient[i] = c * x[i] * (factors[i] ?? 1)));
    return curvatures.reduce((sum, c, i) => sum + (c * x[i] ** 2) / 2, offset);
  };

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, i) => sum + value * b[i], 0);
const between = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).map((value, i) => b[i] - value);

describe('a standstill', () => {
  it('is not reported where f still falls along −∇f, by half a step and by a step promising 1e-4 of f', () => {
    const { at, asked, found } = inspectAt(bowl(0, [1, 4]), [1, 0.5], [2, 2]);
    expect(found).toEqual({ mismatch: null, descends: true, atFloor: false, lower: asked[1] });
    expect(asked.length).toBe(2);
    const [half, whole] = asked.map(({ x }) => between(at.x, x));
    // f = 1, x adds to f to first order 2: the size is 2.
    expect(dot(at.gradient, whole)).toBeCloseTo(-2e-4, 12);
    half.forEach((value, i) => expect(value).toBeCloseTo(whole[i] / 2, 14));
    // Parallel to −∇f = (−1, −2).
    expect(whole[1]).toBeCloseTo(2 * whole[0], 12);
  });

  it('a standstill in float32 is judged by larger steps, to points that float32 can hold', () => {
    const { at, asked, found } = inspectAt(bowl(0, [1, 4]), [1, 0.5], [2, 2], { precision: 'float32' });
    expect(found.descends).toBe(true);
    for (const { x } of asked) expect([...x]).toEqual([...x].map(Math.fround));
    expect(dot(at.gradient, between(at.x, asked[1].x))).toBeCloseTo(-2e-2, 6);
  });

  it('is the floor of precision where f is smooth, and falls by no more than its rounding', () => {
    const { found, asked, at } = inspectAt(bowl(1e10, [1, 1]), [1e-5, -1e-5], [1, 1]);
    expect(found).toMatchObject({ mismatch: null, descends: false, atFloor: true });
    expect(asked.length).toBeGreaterThan(0);
    // Two unknowns: a line each.
    for (const { x } of asked) expect(between(at.x, x).filter((value) => value !== 0).length).toBe(1);
    expect(found.lower === null || found.lower.f < at.f).toBe(true);
  });

  it('is none where f falls along one unknown, though −∇f leads along another, in whose unit f is stiff', () => {
    // The minimum over x₀ is 1e-20 away; over x₁, it is 1.
    const valley = bowl(0, [1e24, 1]);
    const { found, at } = inspectAt(valley, [1e-20, 1], [1e-12, 2]);
    expect(found).toMatchObject({ mismatch: null, descends: true, atFloor: false });
    expect(found.lower?.f).toBeLessThan(0.9999 * at.f);
    // At the minimum over x₁, too, it is one.
    expect(inspectAt(bowl(1, [1e24, 1]), [1e-20, 1e-9], [1e-12, 2]).found.atFloor).toBe(true);
  });

  it.each([
    ['of the other sign', [1, -1]],
    ['twice too large', [2, 1]],
    ['three times too small', [1, 1 / 3]],
  ])(
    'a standstill with an element of the gradient %s is a contradiction, by these changes of f',
    (_what, factors) => {
      const fg = bowl(3, [1, 2], factors);
      const { asked, found, at } = inspectAt(fg, [0.4, -0.3], [1, 1]);
      const { mismatch } = found;
      expect(mismatch).not.toBeNull();
      expect(found).toMatchObject({ descends: false, atFloor: false });
      // The half and the whole of the line that told, and of two shorter ones that confirm it, then samples of its noise.
      const [middle, end, , shorter, , shortest] = asked.slice(-24);
      const simpson =
        dot(between(at.x, end.x), at.gradient) / 6 +
        (4 * dot(between(at.x, end.x), middle.gradient)) / 6 +
        dot(between(at.x, end.x), end.gradient) / 6;
      expect(mismatch?.byValues).toBe(end.f - at.f);
      expect(mismatch?.byGradients).toBeCloseTo(simpson, 12);
      between(at.x, end.x).forEach((value, i) => {
        expect(between(at.x, shorter.x)[i]).toBeCloseTo(0.382 * value, 14);
        expect(between(at.x, shortest.x)[i]).toBeCloseTo(0.157 * value, 14);
      });
    },
  );

  it('is no contradiction where the gradients differ by less than 15 % from the values', () => {
    const inspected = (factor: number) =>
      inspectAt(bowl(3, [1], [factor]), [0.4], [1]).found.mismatch !== null;
    expect([0.88, 1, 1.13].map(inspected)).toEqual([false, false, false]);
    expect([0.8, 1.25].map(inspected)).toEqual([true, true]);
  });

  it('a standstill with an element of the gradient missing is a contradiction, though no step along it tells', () => {
    const { found, asked } = inspectAt(bowl(3, [1, 2], [1, 0]), [0, -0.3], [1, 1]);
    expect(found.mismatch?.byGradients).toBe(0);
    expect(found.mismatch?.byValues).toBe(asked[asked.length - 23].f - 3.09);
  });

  it.each([
    [
      [0, 0],
      [0, 0],
    ],
    [
      [0, 3],
      [0, 1],
    ],
  ])('a standstill with an element missing is one, too, where that unknown is 0: from %j to %j', (p0, x) => {
    const slope: Objective = ([a, b], gradient) => (gradient.set([0, 0]), 1 + a + (b - x[1]) ** 2);
    expect(inspectAt(slope, x, p0).found.mismatch?.byGradients).toBe(0);
    // A right gradient of 0 there is no contradiction.
    const valley: Objective = ([a, b], gradient) => (
      gradient.set([2 * a, 2 * (b - x[1])]),
      1 + a ** 2 + (b - x[1]) ** 2
    );
    expect(inspectAt(valley, x, p0).found.mismatch).toBeNull();
  });

  it.each([1e-10, 1e-8, 1e-6, 1e-4])('is no contradiction where f scatters by %g of its size', (size) => {
    const exact = bowl(3, [1, 2]);
    const uniform = random(5);
    const noisy: Objective = (x, gradient) => exact(x, gradient) * (1 + size * (uniform() - 0.5));
    for (let trial = 0; trial < 50; trial++) {
      const at = [Math.sqrt(size) * (uniform() - 0.5), Math.sqrt(size) * (uniform() - 0.5)];
      expect(inspectAt(noisy, at, [1, 1]).found.mismatch).toBeNull();
    }
  });

  it('is a contradiction where a gradient is wrong by far more than f scatters', () => {
    const exact = bowl(3, [1, 2], [2, 1]);
    const uniform = random(5);
    const noisy: Objective = (x, gradient) => exact(x, gradient) * (1 + 1e-9 * (uniform() - 0.5));
    expect(inspectAt(noisy, [0.4, -0.3], [1, 1]).found.mismatch).not.toBeNull();
  });

  it('is no contradiction where a loss of float32 is said to be of float64', () => {
    const exact = bowl(3, [1, 2]);
    const rounded: Objective = (x, gradient) => Math.fround(exact(x, gradient));
    for (const at of [1e-2, 1e-3, 1e-4, 1e-5, 1e-6]) {
      expect(inspectAt(rounded, [at, -at], [1, 1]).found.mismatch).toBeNull();
    }
  });

  it('shows on short lines to both sides where curvature hides a small error of the slope', () => {
    // The gradient lacks the slope 1e-4 of the last term, which is lost beside 50·x² unless x is tiny.
    const slight: Objective = (x, gradient) => {
      gradient[0] = 100 * x[0];
      return 1 + 50 * x[0] ** 2 + 1e-4 * x[0];
    };
    const { found, asked } = inspectAt(slight, [0], [1]);
    expect(found.mismatch?.byGradients).toBe(0);
    // f rises by the slope of 1e-4 from −h to h.
    const [near, far] = asked.filter(({ x }) => Math.abs(x[0]) === 1e-3).toSorted((a, b) => a.x[0] - b.x[0]);
    expect(found.mismatch?.byValues).toBeCloseTo(far.f - near.f, 12);
    expect(far.f - near.f).toBeCloseTo(2e-7, 12);
  });

  it('is not judged by lines with a kink at the point itself', () => {
    const valley: Objective = (x, gradient) => {
      gradient[0] = Math.sign(x[0] - 0.5);
      return 2 + Math.abs(x[0] - 0.5);
    };
    const { found } = inspectAt(valley, [0.5], [1]);
    expect(found).toMatchObject({ mismatch: null, descends: false, atFloor: false });
  });

  it('is not judged by lines with a kink', () => {
    const trough: Objective = (x, gradient) => {
      gradient[0] = Math.sign(x[0] - 0.4999999) + Math.sign(x[0] - 0.5000001);
      return 2 + Math.abs(x[0] - 0.4999999) + Math.abs(x[0] - 0.5000001);
    };
    const { found } = inspectAt(trough, [0.5], [1]);
    expect(found).toMatchObject({ mismatch: null, descends: false, atFloor: false });
  });

  it('leaves elements that may not move where they are', () => {
    const admit = (x: Float64Array) => {
      x[0] = Math.max(1, x[0]);
    };
    const { asked, found, at } = inspectAt(bowl(0, [1, 4]), [1, 0.5], [2, 2], { admit });
    expect(asked.every(({ x }) => x[0] === 1)).toBe(true);
    expect(found.descends).toBe(true);
    expect(dot(at.gradient, between(at.x, asked[1].x))).toBeCloseTo(-2e-4, 12);
  });

  it('has the rounding of the largest f of the run', () => {
    const small = inspectAt(bowl(0, [1, 4]), [1, 0.5], [2, 2], { highest: 1 });
    const large = inspectAt(bowl(0, [1, 4]), [1, 0.5], [2, 2], { highest: 1e14 });
    expect([small.found.descends, large.found.descends]).toEqual([true, false]);
  });

  it('four lines share the unknowns if there are more than four', () => {
    const n = 9;
    const { asked, at } = inspectAt(bowl(1e8, Array(n).fill(1)), Array(n).fill(1e-6), Array(n).fill(1));
    const groups = asked.map(({ x }) => between(at.x, x).flatMap((value, i) => (value === 0 ? [] : [i])));
    const distinct = [...new Set(groups.map((group) => group.join(' ')))];
    expect(distinct).toEqual(['0 4 8', '1 5', '2 6', '3 7']);
  });
});

it('the trapezoidal rule is exact on parabolas', () => {
  const fg = bowl(1, [1, 3]);
  const [a, b] = [iterateAt(fg, [1, 2]), iterateAt(fg, [-0.5, 0.25])];
  expect(trapezoid(a, b)).toBeCloseTo(b.f - a.f, 13);
});

it('a standstill’s lower points are finite', () => {
  // f is −∞ to the left of 0.9, which lines from 1 reach.
  const cliff: Objective = ([x], gradient) => {
    gradient[0] = 0;
    return x < 0.9 || x > 1.1 ? -Infinity : 1;
  };
  const { found, asked } = inspectAt(cliff, [1], [2]);
  expect(asked.some(({ f }) => f === -Infinity)).toBe(true);
  expect(found.lower).toBe(null);
});
