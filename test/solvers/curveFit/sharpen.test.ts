import { describe, expect, it } from 'vitest';
import { curveFit } from 'quasi-newton';
import { uniform } from '../../../bench/problems/random.js';
import { linearizeAt } from '../../../src/solvers/curveFit/linearized.ts';
import { sharpen } from '../../../src/solvers/curveFit/sharpen.ts';
import { randomFit } from './fits.ts';

const horner = (x: number, p: ArrayLike<number>) =>
  Array.from(p).reduceRight((sum, value) => sum * x + value, 0);

/**
 * Least sum of squares of a polynomial, and the norm of its last orthogonal one, by Forsythe's recurrence.
 *
 * @see Forsythe (1957), Generation and use of orthogonal polynomials for data-fitting, J. SIAM 5(2), 74-88
 */
function orthogonalFit(x: readonly number[], y: readonly number[], degree: number) {
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, i) => sum + v * b[i], 0);
  const mean =
    dot(
      x,
      x.map(() => 1),
    ) / x.length;
  const centered = x.map((v) => v - mean);
  let [before, now] = [x.map(() => 0), x.map(() => 1)];
  let rest = [...y];
  let leading = 0;
  for (let k = 0; ; k++) {
    const square = dot(now, now);
    leading = dot(rest, now) / square;
    rest = rest.map((v, i) => v - leading * now[i]);
    if (k === degree) return { least: dot(rest, rest), leading, norm: Math.sqrt(square) };
    const alpha =
      dot(
        centered.map((v, i) => v * now[i]),
        now,
      ) / square;
    const beta = k === 0 ? 0 : square / dot(before, before);
    [before, now] = [now, now.map((v, i) => (centered[i] - alpha) * v - beta * before[i])];
  }
}

describe('a polynomial in numbers far from 0', () => {
  const random = uniform(5);
  const years = Array.from({ length: 30 }, (_, i) => 1990 + i);
  const days = Array.from({ length: 25 }, (_, i) => 1.7e9 + 86400 * i);
  const nanometers = Array.from({ length: 41 }, (_, i) => 500 + 2.5 * i);

  it.each([
    { where: 'years', x: years, degree: 3, start: 0 },
    { where: 'years', x: years, degree: 3, start: 1 },
    { where: 'years', x: years, degree: 4, start: 0 },
    { where: 'years', x: years, degree: 4, start: 1 },
    { where: 'seconds since 1970', x: days, degree: 2, start: 0 },
    { where: 'seconds since 1970', x: days, degree: 2, start: 1 },
    { where: 'nanometers', x: nanometers, degree: 4, start: 0 },
    { where: 'nanometers', x: nanometers, degree: 4, start: 1 },
  ])('$where, degree $degree, started from $start, has its least squares', ({ x, degree, start }) => {
    const [center, width] = [x[x.length >> 1], (x[x.length - 1] - x[0]) / 2];
    const truth = [3, 1, -2, 0.7, 0.5];
    const y = x.map((v) => horner((v - center) / width, truth.slice(0, degree + 1)) + random() - 0.5);
    const { least, leading, norm } = orthogonalFit(x, y, degree);
    const p0 = Array.from({ length: degree + 1 }, () => start);
    for (const jacobian of [undefined, (v: number, p: Float64Array) => Array.from(p, (_, k) => v ** k)]) {
      const fit = curveFit(horner, x, y, p0, { jacobian });
      expect([fit.status, fit.undetermined]).toEqual(['success', []]);
      expect(fit.chiSquare / least).toBeCloseTo(1, 4);
      // The last coefficient is that of an orthogonal polynomial, and its error follows from the norm of this.
      const error = Math.sqrt(least / (x.length - degree - 1)) / norm;
      expect(fit.standardErrors[degree] / error).toBeCloseTo(1, 3);
      expect(Math.abs(fit.x[degree] - leading) / error).toBeLessThan(0.02);
    }
  });

  it.each([1, 2, 3, 4, 5])(
    'of degree 5 in kelvins is found soon, though normal equations stall: seed %d',
    (seed) => {
      const noise = uniform(seed);
      const kelvins = Array.from({ length: 41 }, (_, i) => 280 + i);
      const y = kelvins.map((v) => horner((v - 300) / 20, [3, 1, -2, 0.7, 0.5, -1]) + 0.1 * noise());
      const { least } = orthogonalFit(kelvins, y, 5);
      const slopes = (v: number, p: Float64Array) => Array.from(p, (_, k) => v ** k);
      for (const [jacobian, most] of [
        [slopes, 100],
        [undefined, 1000],
      ] as const) {
        const fit = curveFit(horner, kelvins, y, [0, 0, 0, 0, 0, 0], { jacobian });
        expect([fit.status, fit.evaluations < most]).toEqual(['success', true]);
        expect(fit.chiSquare / least).toBeCloseTo(1, 4);
      }
    },
  );

  it('without noise is found to the rounding of its terms', () => {
    const y = years.map((v) => horner(v - 2000, [10, 0.5, -0.03, 0.002]));
    for (const start of [0, 1]) {
      const fit = curveFit(horner, years, y, [start, start, start, start]);
      expect(fit.status).toBe('success');
      // p₃x³ is 1.6e7, and its rounding 2e-9.
      expect(Math.sqrt(fit.chiSquare / 30)).toBeLessThan(1e-8);
      expect(fit.x[3]).toBeCloseTo(0.002, 8);
    }
  });
});

describe('a fit that is at its minimum', () => {
  it.each(Array.from({ length: 20 }, (_, seed) => seed))('takes no more evaluations: seed %d', (seed) => {
    const { fit } = randomFit(seed);
    const at = linearizeAt(fit, fit.problem.p0, 'fine');
    if (at.qr.rank < at.free.length) return;
    let evaluations = 0;
    const residuals: typeof fit.problem.residuals = () => (evaluations++, 0);
    const counted = { ...fit, problem: { ...fit.problem, residuals } };
    const found = { ...at, converged: true, termination: 'functionTolerance' } as const;
    expect([sharpen(counted, found) === found, evaluations]).toEqual([true, 0]);
    const stopped = { ...at, converged: false, termination: 'maxEvaluations' } as const;
    expect([sharpen(counted, stopped) === stopped, evaluations]).toEqual([true, 0]);
  });

  it.each([
    ['stays if steps that are promised to lower f do not', 3, true],
    ['is left if they do, and then is none until they end', 0.5, false],
  ])('%s', (_, rest, stays) => {
    // The second residual does not depend on x₁ as its derivative says, or has been lowered at once.
    const residuals = (x: Float64Array, r: Float64Array, jacobian: Float64Array | null) => {
      r.set([x[0] + x[1] - 1, x[1] === 0 ? 3 : rest]);
      jacobian?.set([1, 1, 0, 1e-11]);
    };
    const fit = {
      problem: { p0: new Float64Array(2), fg: () => NaN, residualCount: 2, residuals },
      hasJacobian: true,
      lower: new Float64Array(2).fill(-Infinity),
      upper: new Float64Array(2).fill(Infinity),
      size: 3,
      limits: {} as never,
    };
    const at = linearizeAt(fit, Float64Array.of(1, 0), 'fine');
    expect([at.qr.rank, at.f]).toEqual([1, 9]);
    const found = { ...at, converged: true, termination: 'functionTolerance' } as const;
    const solution = sharpen(fit, found);
    expect(solution === found).toBe(stays);
    expect(solution.converged).toBe(stays);
  });

  it('keeps its undetermined parameters', () => {
    const product = (t: number, { a, b, c }: { a: number; b: number; c: number }) => a * Math.exp(-b * t - c);
    const t = [0, 1, 2, 3, 4, 5];
    const y = t.map((v) => 3 * Math.exp(-0.4 * v) + 0.01 * Math.sin(9 * v));
    for (const jacobian of [
      undefined,
      (v: number, { a, b, c }: { a: number; b: number; c: number }) => {
        const e = Math.exp(-b * v - c);
        return { a: e, b: -a * v * e, c: -a * e };
      },
    ]) {
      const fit = curveFit(product, t, y, { a: 1, b: 1, c: 0.5 }, { jacobian });
      expect([fit.status, fit.undetermined]).toEqual(['success', ['a', 'c']]);
    }
  });
});
