import { describe, expect, it } from 'vitest';
import { curveFit } from 'quasi-newton';

describe('curveFit refuses in these words', () => {
  const t = [0, 1, 2, 3];
  const y = [3, 2, 1.5, 1.2];
  const line = (at: number, [a, b]: Float64Array): number => a + b * at;
  const call = curveFit as unknown as (...args: unknown[]) => unknown;
  it.each<[string, unknown[], string]>([
    ['no function', [3, t, y, [1, 1]], 'model must be a function, got 3.'],
    [
      'a known deviation that is not given',
      [line, t, y, [1, 1], { absoluteSigma: true }],
      'absoluteSigma needs sigma or weights; without them, errors follow from the scatter.',
    ],
    [
      'more parameters than points',
      [line, [1], [2], [1, 1]],
      '2 parameters vary, and there are 1 points; fix some of them or measure more.',
    ],
    [
      'more parameters than points with a value',
      [line, [1, 2], [2, null], [1, 1], { missing: 'skip' }],
      '2 parameters vary, and there are 1 points (1 missing left out); fix some of them or measure more.',
    ],
    [
      'data whose squares underflow',
      [line, t, y.map((value) => value * 1e-160), [1e-160, 0]],
      'y/σ reaches 3.0e-160, too small to compute with its square; give y, and sigma with it, in another unit.',
    ],
    [
      'data whose squares overflow',
      [line, t, y.map((value) => value * 1e153), [3e153, -1e153]],
      'y/σ reaches 3.0e+153, too large to compute with its square; give y, and sigma with it, in another unit.',
    ],
    [
      'data with a zero whose squares overflow beside their errors',
      [line, t, y.map((value, i) => (i === 0 ? 0 : value * 1e153)), [3e153, -1e153], { sigma: 0.5 }],
      `y/σ reaches ${(Math.max(...y.slice(1)) / 0.5).toFixed(1)}e+153, too large to compute with its square; give y, and sigma with it, in another unit.`,
    ],
    [
      'residuals whose squares overflow',
      [line, t, y, [1e160, 0]],
      'the residuals at p0 reach 1.0e+160, and their squares overflow; start nearer to the data, or give y in a larger unit.',
    ],
    [
      'a model that is NaN at the first point',
      [(at: number, [a, b]: Float64Array) => (at === 0 ? NaN : a + b * at), t, y, [1, 0]],
      'the model is NaN at point 0 (x = 0) for p0; start where it is finite at every point.',
    ],
    [
      'a model that is infinite at the last point',
      [(at: number, [a, b]: Float64Array) => (at === 3 ? -Infinity : a + b * at), t, y, [1, 0]],
      'the model is infinite at point 3 (x = 3) for p0; start where it is finite at every point.',
    ],
  ])('curveFit refuses in these words: %s', (_, args, message) => {
    let caught: unknown;
    try {
      call(...args);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(Error);
    expect((caught as Error).message).toBe(`curveFit: ${message}`);
  });

  it.each([
    ['sigma', { absoluteSigma: true, sigma: 0.1 }],
    ['weights', { absoluteSigma: true, weights: [1, 1, 1, 1] }],
  ])('not a known deviation by %s', (_, options) => {
    expect(curveFit(line, t, y, [1, 1], options).converged).toBe(true);
  });

  it('not data of zeros, nor those of any size between', () => {
    expect(curveFit(line, t, [0, 0, 0, 0], [1, 1]).converged).toBe(true);
    for (const unit of [1e-150, 1e150]) {
      const scaled = y.map((value) => value * unit);
      const { x } = curveFit(line, t, scaled, [unit, unit]);
      // By the normal equations: mean 1.925, slope −2.95/5.
      expect(x[1] / unit).toBeCloseTo(-0.59, 8);
    }
  });

  it('derivatives that write into points, or the options that are no lists and objects', () => {
    const points = t.map((at) => [at]);
    const model = ([at]: number[], [a, b]: Float64Array): number => a + b * at;
    const jacobian = (point: number[]): number[] => [1, (point[0] += 1) - 1];
    expect(() => call(model, points, y, [1, 1], { jacobian })).toThrow(
      /^curveFit: jacobian wrote into its points/,
    );
    for (const [options, message] of [
      [{ fixed: 3 }, 'fixed: must be an array, got 3'],
      [{ tied: 3 }, 'tied: must be an object, got 3'],
      [{ tied: null }, 'tied: must be an object, got null'],
      [{ missing: 'drop' }, "missing: must be 'refuse' or 'skip', got \"drop\""],
    ] as const) {
      expect(() => call(line, t, y, [1, 1], options)).toThrow(`curveFit: ${message}`);
    }
  });
});

describe('curveFit evaluates', () => {
  it('its own derivatives in units of σ, and each point once', () => {
    const t = [0, 1, 2, 3];
    const y = [3, 2, 1.5, 1.2];
    const sigma = [0.1, 0.3, 0.2, 0.4];
    const asked: string[] = [];
    const model = (x: readonly number[], p: Float64Array): number[] => {
      asked.push([...p].join());
      return x.map((at) => p[0] * Math.exp(-p[1] * at));
    };
    const jacobian = (x: readonly number[], p: Float64Array): number[][] =>
      x.map((at) => [Math.exp(-p[1] * at), -p[0] * at * Math.exp(-p[1] * at)]);
    const fit = curveFit(model as never, t, y, [2, 0.5], { sigma, vectorized: true, jacobian } as never);
    const plain = curveFit(model as never, t, y, [2, 0.5], { sigma, vectorized: true } as never);
    fit.x.forEach((value, j) => expect(value / plain.x[j]).toBeCloseTo(1, 8));
    fit.standardErrors.forEach((value, j) => expect(value / plain.standardErrors[j]).toBeCloseTo(1, 5));
    expect(fit.evaluations).toBeLessThan(plain.evaluations);
    expect(asked.every((point, k) => k === 0 || point !== asked[k - 1] || point === asked[0])).toBe(true);
  });
});
