import { describe, expect, it } from 'vitest';
import { curveFit, leastSquaresFit } from 'quasi-newton';
import { uniform } from '../../../bench/problems/random.js';
import { studentQuantile } from '../../../src/solvers/curveFit/studentT.ts';

type Model = (t: number, p: ArrayLike<number>) => number;

/** Models, parameters, and the largest t. */
const models: [name: string, model: Model, truth: number[]][] = [
  ['a line', (t, p) => p[0] + p[1] * t, [1, -2]],
  ['a parabola', (t, p) => p[0] + p[1] * t + p[2] * t * t, [1, -2, 0.7]],
  ['a decay', (t, p) => p[0] * Math.exp(-p[1] * t) + p[2], [3, 0.8, 1]],
  ['a peak', (t, p) => p[0] / (1 + ((t - p[1]) / p[2]) ** 2), [2, 1.4, 0.6]],
  ['saturation', (t, p) => (p[0] * t) / (p[1] + t), [2, 0.9]],
];

const losses = ['linear', 'huber', 'softL1', 'cauchy', 'arctan'] as const;
type Loss = (typeof losses)[number];
/** Σ scale²ρ((r/scale)²) by the formulas of SciPy's least_squares, and √ρ(z) of a residual. */
const rho: Record<Loss, (z: number) => number> = {
  linear: (z) => z,
  huber: (z) => (z <= 1 ? z : 2 * Math.sqrt(z) - 1),
  softL1: (z) => 2 * (Math.sqrt(1 + z) - 1),
  cauchy: (z) => Math.log(1 + z),
  arctan: (z) => Math.atan(z),
};

/** ds/dr of s(r) = sign(r)·scale·√ρ(z), which is ρ′(z)·u/√ρ(z). */
const slope: Record<Loss, (z: number) => number> = {
  linear: () => 1,
  huber: (z) => (z <= 1 ? 1 : 1 / Math.sqrt(z)),
  softL1: (z) => 1 / Math.sqrt(1 + z),
  cauchy: (z) => 1 / (1 + z),
  arctan: (z) => 1 / (1 + z * z),
};

/** Inverse of a small matrix by elimination. */
function inverseOf(matrix: number[][]): number[][] {
  const n = matrix.length;
  const work = matrix.map((row, i) => [...row, ...row.map((_, j) => Number(i === j))]);
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k; i < n; i++) if (Math.abs(work[i][k]) > Math.abs(work[pivot][k])) pivot = i;
    [work[k], work[pivot]] = [work[pivot], work[k]];
    work[k] = work[k].map((value) => value / work[k][k] || 0);
    const row = work[k];
    for (let i = 0; i < n; i++) {
      const factor = work[i][k];
      if (i !== k) work[i] = work[i].map((value, j) => value - factor * row[j]);
    }
  }
  return work.map((row) => row.slice(n));
}

/** Derivatives by central differences of fourth order, `[rows, n]`. */
function slopesOf(values: (theta: number[]) => number[], theta: number[]): number[][] {
  const columns = theta.map((value, j) => {
    const h = 1e-3 * (Math.abs(value) || 1);
    const at = (k: number) => values(theta.map((v, l) => (l === j ? v + k * h : v)));
    const [far, near, ahead, beyond] = [-2, -1, 1, 2].map(at);
    return near.map((_, i) => (far[i] - 8 * near[i] + 8 * ahead[i] - beyond[i]) / (12 * h));
  });
  return columns[0].map((_, i) => columns.map((column) => column[i]));
}

/** A random fit, its options, and all that they mean in plain terms. */
function randomFit(seed: number) {
  const random = uniform(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)];
  const [name, model, truth] = models[seed % models.length];
  const m = 9 + Math.floor(12 * random());
  const unit = pick([1, 1, 1e-9, 1e9]);
  const t = Array.from({ length: m }, (_, i) => (3 * (i + 0.5)) / m);
  const sigmas = t.map(() => 0.05 * unit * (0.5 + random()));
  const loss = pick(losses);
  const y = t.map((ti, i) => unit * model(ti, truth) + sigmas[i] * normal() * (i === 4 ? 6 : 1));
  const scaled: Model = (ti, p) => unit * model(ti, p);
  const errors = pick(['none', 'one', 'each', 'weights'] as const);
  const options = {
    ...(errors === 'one' && { sigma: 0.05 * unit }),
    ...(errors === 'each' && { sigma: sigmas }),
    ...(errors === 'weights' && { weights: sigmas.map((s) => 1 / s ** 2) }),
    ...(errors !== 'none' && random() < 0.5 && { absoluteSigma: true }),
    ...(errors !== 'none' && loss !== 'linear' && { loss, scale: 1.5 }),
    ...(random() < 0.3 && { vectorized: true }),
  };
  const sigmaAt = (i: number): number => (errors === 'none' ? 1 : errors === 'one' ? 0.05 * unit : sigmas[i]);
  const actual = { loss: 'linear' as Loss, scale: 1, absoluteSigma: false, ...options };
  return { name, model: scaled, truth, t, y, options, sigmaAt, random, pick, ...actual };
}

/** Number of fits; each is checked against plain code. */
const FITS = 60;

describe('a fit agrees with plain code', () => {
  it.each(Array.from({ length: FITS }, (_, seed) => seed))('a fit agrees with plain code: %d', (seed) => {
    const { model, truth, t, y, options, sigmaAt, random, loss, scale, absoluteSigma } = randomFit(seed);
    const isVectorized = 'vectorized' in options;
    const n = truth.length;
    // One parameter may be fixed at the truth, or tied to the first.
    const special = random() < 0.3 ? 'fixed' : random() < 0.4 ? 'tied' : 'none';
    const last = n - 1;
    const tie = (first: number): number => truth[last] * (first / truth[0]) ** 2;
    const expand = (theta: number[]): number[] =>
      special === 'none' ? theta : [...theta, special === 'fixed' ? truth[last] : tie(theta[0])];
    const p0 = truth.map((value, j) => (special === 'fixed' && j === last ? value : 1.15 * value + 0.05));
    const fit = curveFit(
      (isVectorized ? (all: number[], p: number[]) => all.map((ti) => model(ti, p)) : model) as never,
      t,
      y,
      p0,
      {
        ...options,
        ...(special === 'fixed' && { fixed: [last] }),
        ...(special === 'tied' && {
          tied: { [last]: ([first]: ArrayLike<number> & Iterable<number>) => tie(first) },
        }),
      } as never,
    );
    expect(fit.converged).toBe(true);
    const varied = special === 'none' ? n : last;
    const theta = Array.from(fit.x).slice(0, varied);
    expect(Array.from(fit.x)).toEqual(expand(theta));

    // Residuals, and their robust form s(r) = sign(r)·scale·√ρ((r/scale)²), whose squares are minimized.
    const plain = (p: number[]): number[] => t.map((ti, i) => (model(ti, expand(p)) - y[i]) / sigmaAt(i));
    const robust = (p: number[]): number[] =>
      plain(p).map((r) => Math.sign(r) * scale * Math.sqrt(rho[loss]((r / scale) ** 2)));
    const sumOf = (r: number[]): number => r.reduce((sum, value) => sum + value * value, 0);
    const r = robust(theta);
    const f = sumOf(r);
    const J = slopesOf(plain, theta).map((row, i) => {
      const z = (plain(theta)[i] / scale) ** 2;
      return row.map((value) => (value * slope[loss](z) * Math.sqrt(z)) / Math.sqrt(rho[loss](z)));
    });
    const normal = theta.map((_, a) =>
      theta.map((__, b) => J.reduce((sum, row) => sum + row[a] * row[b], 0)),
    );
    const inverse = inverseOf(normal);
    // The gradient vanishes, in units in which a parameter changes the residuals by their own size.
    theta.forEach((_, a) => {
      const along = J.reduce((sum, row, i) => sum + row[a] * r[i], 0);
      expect(Math.abs(along) / Math.sqrt(normal[a][a] * f)).toBeLessThan(2e-5);
    });
    expect(fit.sigma.every((value, i) => Math.abs(value / sigmaAt(i) - 1) < 1e-12)).toBe(true);

    const m = t.length;
    const chiSquare = sumOf(plain(theta));
    const weights = t.map((_, i) => sigmaAt(i) ** -2);
    const mean =
      y.reduce((sum, value, i) => sum + weights[i] * value, 0) / weights.reduce((a, b) => a + b, 0);
    const total = y.reduce((sum, value, i) => sum + weights[i] * (value - mean) ** 2, 0);
    expect(fit.chiSquare / chiSquare).toBeCloseTo(1, 9);
    expect(fit.degreesOfFreedom).toBe(m - varied);
    expect(fit.reducedChiSquare / (chiSquare / (m - varied))).toBeCloseTo(1, 9);
    expect(fit.rSquared).toBeCloseTo(1 - chiSquare / total, 9);
    expect(fit.aic).toBeCloseTo(m * Math.log(chiSquare / m) + 2 * varied, 8);
    expect(fit.bic).toBeCloseTo(m * Math.log(chiSquare / m) + varied * Math.log(m), 8);

    const variance = absoluteSigma ? 1 : f / (m - varied);
    const slopes = truth.map((_, a) => theta.map((__, b) => Number(a === b))); // of all parameters
    if (special === 'tied') slopes[last][0] = (2 * truth[last] * theta[0]) / truth[0] ** 2;
    const between = (g: number[], h: number[]): number =>
      variance * g.reduce((sum, ga, a) => sum + ga * h.reduce((s, hb, b) => s + inverse[a][b] * hb, 0), 0);
    const errors = slopes.map((g) => Math.sqrt(between(g, g)));
    slopes.forEach((g, a) => {
      expect(Math.abs(fit.standardErrors[a] - errors[a])).toBeLessThanOrEqual(5e-6 * errors[a]);
      slopes.forEach((h, b) => {
        const size = errors[a] * errors[b];
        expect(Math.abs(fit.covariance[a][b] - between(g, h))).toBeLessThanOrEqual(2e-5 * size);
        const expected = size > 0 ? between(g, h) / size : 0;
        expect(size > 0 ? fit.correlation[a][b] : 0).toBeCloseTo(expected, 4);
      });
    });

    // Bands.
    const points = [0.3, 1.7, 3.3];
    const level = [0.5, 0.95][seed % 2];
    const quantile = studentQuantile(level, absoluteSigma ? Infinity : m - varied);
    const ahead = fit.predict(points, { level, sigma: sigmaAt(0) });
    const gradients = slopesOf((p) => points.map((ti) => model(ti, expand(p))), theta);
    points.forEach((ti, i) => {
      const value = model(ti, fit.x);
      const error = Math.sqrt(between(gradients[i], gradients[i]));
      const wide = Math.sqrt(error ** 2 + variance * sigmaAt(0) ** 2);
      expect(ahead.values[i]).toBe(value);
      expect(ahead.standardErrors[i] / error).toBeCloseTo(1, 5);
      expect((ahead.confidence.upper[i] - value) / (quantile * error)).toBeCloseTo(1, 5);
      expect((value - ahead.confidence.lower[i]) / (quantile * error)).toBeCloseTo(1, 5);
      expect(((ahead.prediction?.upper[i] ?? NaN) - value) / (quantile * wide)).toBeCloseTo(1, 5);
      expect((value - (ahead.prediction?.lower[i] ?? NaN)) / (quantile * wide)).toBeCloseTo(1, 5);
    });

    // The same residuals in leastSquaresFit.
    if (special !== 'none' || seed % 4 !== 0) return;
    const same = leastSquaresFit((p) => plain(Array.from(p as unknown as number[])), p0, {
      absoluteSigma,
      loss,
      scale,
    });
    same.x.forEach((value, a) => {
      expect(Math.abs(value - fit.x[a])).toBeLessThan(1e-3 * fit.standardErrors[a]);
      expect(same.standardErrors[a] / fit.standardErrors[a]).toBeCloseTo(1, 4);
    });
    expect(same.chiSquare / chiSquare).toBeCloseTo(1, 6);
  });
});

describe('ends of profile intervals', () => {
  it.each(Array.from({ length: 12 }, (_, seed) => seed))(
    'are where the sum of squares, minimized over the others, has risen by s²t²: %d',
    (seed) => {
      const { model, truth, t, y, options, sigmaAt, loss, scale, absoluteSigma } = randomFit(seed);
      if (loss !== 'linear' || 'vectorized' in options) return;
      const fit = curveFit(model as never, t, y, truth, options as never);
      const n = truth.length;
      const sumAt = (p: number[]): number =>
        t.reduce((sum, ti, i) => {
          const z = ((model(ti, p) - y[i]) / sigmaAt(i) / scale) ** 2;
          return sum + scale ** 2 * rho[loss](z);
        }, 0);
      const lowest = sumAt(Array.from(fit.x));
      const variance = absoluteSigma ? 1 : lowest / (t.length - n);
      const quantile = studentQuantile(0.9, absoluteSigma ? Infinity : t.length - n);
      const intervals = fit.profile(0.9);
      fit.names.forEach((name, k) => {
        for (const end of Object.values(intervals[name])) {
          if (!Number.isFinite(end)) continue;
          // Gauss–Newton over the others.
          let p = Array.from(fit.x, (value, j) => (j === k ? end : value));
          for (let round = 0; round < 200; round++) {
            const others = p.map((_, j) => j).filter((j) => j !== k);
            const put = (theta: number[]) =>
              p.map((value, j) => (j === k ? value : theta[others.indexOf(j)]));
            const r = (theta: number[]) => t.map((ti, i) => (model(ti, put(theta)) - y[i]) / sigmaAt(i));
            const theta = others.map((j) => p[j]);
            const J = slopesOf(r, theta);
            const here = r(theta);
            const normal = theta.map((_, a) =>
              theta.map((__, b) => J.reduce((sum, row) => sum + row[a] * row[b], 0)),
            );
            const inverse = inverseOf(normal);
            const slopes = theta.map((_, a) => J.reduce((sum, row, i) => sum + row[a] * here[i], 0));
            const step = inverse.map((row) => -row.reduce((sum, value, b) => sum + value * slopes[b], 0));
            let share = 1;
            const before = sumAt(p);
            while (share > 1e-6 && !(sumAt(put(theta.map((v, a) => v + share * step[a]))) <= before))
              share /= 2;
            if (share <= 1e-6) break;
            p = put(theta.map((v, a) => v + share * step[a]));
            if (before - sumAt(p) <= 1e-13 * before) break;
          }
          const rise = (sumAt(p) - lowest) / variance;
          expect(Math.sqrt(rise) / quantile).toBeCloseTo(1, 3);
        }
      });
    },
  );
});
