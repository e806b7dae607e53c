/** Each computation with a Hessian, of a problem that answers now beside one that answers later. */
import { describe, expect, it } from 'vitest';
import * as landscape from 'quasi-newton/landscape';
import { vectorParams, type AsyncProblem, type Problem } from 'quasi-newton';
import { denseNetwork } from './lib/denseNetwork.ts';

const {
  boxSharpness,
  boxSharpnessAsync,
  curvatureMap,
  curvatureMapAsync,
  hessianDiagonal,
  hessianDiagonalAsync,
  hessianTrace,
  hessianTraceAsync,
  sharpness,
  sharpnessAsync,
  spectralDensity,
  spectralDensityAsync,
  topEigenpairs,
  topEigenpairsAsync,
} = landscape;

const network = denseNetwork({ sizes: [2, 5, 1], activation: 'tanh', samples: 12, seed: 8, float32: false });
const { p0, fg } = network.problem;

/** f = Σ rᵢ², rᵢ = sin(xᵢ + xᵢ₊₁) − i / 10, with everything that a problem can answer. */
const wave: Problem = {
  p0: Float64Array.of(0.3, -0.2, 0.5, 0.1),
  params: vectorParams(Float64Array.of(0.3, -0.2, 0.5, 0.1)),
  residualCount: 3,
  residuals(x, residuals, jacobian) {
    jacobian?.fill(0);
    for (let i = 0; i < 3; i++) {
      residuals[i] = Math.sin(x[i] + x[i + 1]) - i / 10;
      if (jacobian) jacobian[4 * i + i] = jacobian[4 * i + i + 1] = Math.cos(x[i] + x[i + 1]);
    }
  },
  fg(x, gradient) {
    gradient?.fill(0);
    let f = 0;
    for (let i = 0; i < 3; i++) {
      const r = Math.sin(x[i] + x[i + 1]) - i / 10;
      f += r * r;
      const slope = 2 * r * Math.cos(x[i] + x[i + 1]);
      if (gradient) gradient[i] += slope;
      if (gradient) gradient[i + 1] += slope;
    }
    return f;
  },
};

/** ½ Σ dᵢxᵢ² with products of its own. */
const bowl: Problem = {
  p0: Float64Array.of(1, 2, 3, 4, 5),
  fg(x, gradient) {
    gradient?.set(x.map((value, i) => (i - 1) * value));
    return x.reduce((sum, value, i) => sum + (i - 1) * value * value, 0) / 2;
  },
  hessianVector: (_, v, product) => product.set(v.map((value, i) => (i - 1) * value)),
};

const problems: Record<string, { problem: Problem; options: object }> = {
  'by differences of gradients': { problem: { p0, fg }, options: { seed: 3 } },
  'with a given step': { problem: { p0, fg }, options: { seed: 3, epsilon: 1e-4 } },
  'in float32': { problem: { p0, fg, precision: 'float32' }, options: {} },
  'with products of its own': { problem: bowl, options: { seed: 1 } },
  'of the Gauss-Newton matrix': { problem: wave, options: { matrix: 'gauss-newton' } },
};

const later = (problem: Problem): AsyncProblem => ({
  ...problem,
  fg: async (x, gradient) => problem.fg(x, gradient),
  ...(problem.hessianVector && {
    hessianVector: async (x, v, product) => problem.hessianVector?.(x, v, product),
  }),
  ...(problem.residuals && {
    residuals: async (x, r, jacobian) => problem.residuals?.(x, r, jacobian),
  }),
});

/** Both forms of each computation, and options that keep it short. */
const pairs = {
  topEigenpairs: [topEigenpairs, topEigenpairsAsync, { count: 2, bottom: 2, maxProducts: 12 }],
  hessianTrace: [hessianTrace, hessianTraceAsync, { samples: 5, deflate: 2 }],
  hessianDiagonal: [hessianDiagonal, hessianDiagonalAsync, { samples: 5 }],
  spectralDensity: [spectralDensity, spectralDensityAsync, { samples: 2, steps: 8 }],
  sharpness: [sharpness, sharpnessAsync, { samples: 3, maxProducts: 10 }],
} as const;

describe.each(Object.entries(problems))('a Hessian %s', (_, { problem, options }) => {
  it.each(Object.entries(pairs))(
    'has the same %s, bit for bit, when answers come later',
    async (name, pair) => {
      const [now, then, own] = pair as unknown as [
        (problem: Problem, options: object) => object,
        (problem: AsyncProblem, options: object) => Promise<object>,
        object,
      ];
      // The sharpness is of the Hessian alone.
      const { matrix: _matrix, ...shared } = options as { matrix?: string };
      const given = name === 'sharpness' ? shared : options;
      const told: number[][] = [[], []];
      const onProgress = (which: number) => (products: number) => told[which].push(products);
      const expected = now(problem, { ...own, ...given, onProgress: onProgress(0) });
      expect(await then(later(problem), { ...own, ...given, onProgress: onProgress(1) })).toEqual(expected);
      expect(told[1]).toEqual(told[0]);
      expect(told[0].length).toBeGreaterThan(0);
    },
  );
});

describe('computations that take no products', () => {
  it('are the same when answers come later', async () => {
    const box = { seed: 3, maxIterations: 4 };
    expect(await boxSharpnessAsync(later(wave), box)).toEqual(boxSharpness(wave, box));
    const map = { npoints: 3, lnorm: 0.1 };
    expect(await curvatureMapAsync(later(wave), map)).toEqual(curvatureMap(wave, map));
  });

  it('and all others that take a problem have an asynchronous form', () => {
    const names = [
      ...Object.keys(pairs),
      'boxSharpness',
      'curvatureMap',
      'landscape',
      'connect',
      'alignUnits',
    ];
    const missing = [...names, 'liveLandscape'].filter((name) => !(`${name}Async` in landscape));
    expect(missing).toEqual([]);
  });
});
