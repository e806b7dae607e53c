import { beforeAll, describe, expect, it } from 'vitest';
import {
  boxSharpness,
  boxSharpnessAsync,
  curvatureMap,
  curvatureMapAsync,
  eigenPlane,
  hessianDiagonal,
  hessianDiagonalAsync,
  hessianTrace,
  hessianTraceAsync,
  landscape,
  sharpness,
  sharpnessAsync,
  spectralDensity,
  spectralDensityAsync,
  topEigenpairs,
  topEigenpairsAsync,
} from 'quasi-newton/landscape';
import { lbfgs, minimize, type AsyncProblem, type Problem } from 'quasi-newton';
import { glorot, tanhNetwork } from '../../bench/problems/tanhNetwork.js';
import { layoutOf } from '../../src/core/layout.ts';
import { vectorParams } from '../../src/core/paramSet.ts';
import { dot, norm2 } from '../../src/core/vector.ts';
import { gaussian } from '../../src/recipes/landscape/random.ts';
import { symmetricEigen } from '../../src/core/symmetricEigen.ts';
import { centralProbability, studentWidening } from '../../src/recipes/curvature/studentT.ts';

/** ½ xᵀ Λ x with Λ diagonal, turned by a random reflection: H = P Λ P, P = I − 2uuᵀ. */
function turnedQuadratic(eigenvalues: Float64Array): Problem {
  const n = eigenvalues.length;
  const u = Float64Array.from({ length: n }, gaussian(5));
  const size = norm2(u);
  const reflect = (v: Float64Array) => {
    const along = (2 * dot(u, v)) / size ** 2;
    return v.map((value, i) => value - along * u[i]);
  };
  return {
    p0: new Float64Array(n),
    fg(x, gradient) {
      const y = reflect(x);
      gradient?.set(reflect(y.map((value, i) => eigenvalues[i] * value)));
      return 0.5 * y.reduce((sum, value, i) => sum + eigenvalues[i] * value * value, 0);
    },
  };
}

const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;

const later = (problem: Problem): AsyncProblem => ({
  ...problem,
  fg: (x, gradient) => Promise.resolve(problem.fg(x, gradient)),
});

/** As a float32 backend sees it: parameters and gradients rounded. */
function inFloat32({ p0, fg }: Problem): Problem {
  return {
    p0: p0.map(Math.fround),
    precision: 'float32',
    fg(x, gradient) {
      const f = fg(x.map(Math.fround), gradient);
      gradient?.set(gradient.map(Math.fround));
      return Math.fround(f);
    },
  };
}

/** All eigenvalues of the Hessian, ascending, from a dense matrix of differences. */
function denseEigenvalues({ fg }: Problem, x: Float64Array): Float64Array {
  const n = x.length;
  const matrix = new Float64Array(n * n);
  const [ahead, behind] = [new Float64Array(n), new Float64Array(n)];
  for (let i = 0; i < n; i++) {
    const step = 1e-5;
    fg(
      x.map((value, k) => (k === i ? value + step : value)),
      ahead,
    );
    fg(
      x.map((value, k) => (k === i ? value - step : value)),
      behind,
    );
    for (let j = 0; j < n; j++) matrix[i * n + j] = (ahead[j] - behind[j]) / (2 * step);
  }
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++)
      matrix[i * n + j] = matrix[j * n + i] = (matrix[i * n + j] + matrix[j * n + i]) / 2;
  }
  return symmetricEigen(matrix, n).values;
}

/** A half-trained tanh network 1-16-8-1 on a sine: 177 parameters, its Hessian indefinite. */
const widths = [1, 16, 8, 1];
const inputs = Float64Array.from({ length: 40 }, (_, i) => -3 + (6 * i) / 39);
let network: Problem;
let exact: Float64Array;
beforeAll(() => {
  const { fg } = tanhNetwork(
    widths,
    inputs,
    inputs.map((value) => Math.sin(2 * value)),
  );
  const { x } = minimize({ p0: glorot(widths, 3), fg }, lbfgs(), { maxIterations: 15 });
  network = { p0: x, fg };
  exact = denseEigenvalues(network, x);
});

/** xᵀHx/2 around 0, with exact products. */
function quadratic(n: number, multiply: (v: Float64Array, product: Float64Array) => void): Problem {
  return {
    p0: new Float64Array(n),
    fg(x, gradient) {
      const product = new Float64Array(n);
      multiply(x, product);
      gradient?.set(product);
      return dot(x, product) / 2;
    },
    hessianVector: (_, v, product) => multiply(v, product),
  };
}

describe('the eigenvalues of a small symmetric matrix', () => {
  it('satisfy A v = λ v, ascend, and their vectors are orthonormal', () => {
    const n = 9;
    const draw = gaussian(8);
    const a = new Float64Array(n * n);
    for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = draw();
    const { values, vectors } = symmetricEigen(a, n);
    expect(values).toEqual(values.toSorted());
    for (let k = 0; k < n; k++) {
      const v = vectors.subarray(k * n, (k + 1) * n);
      for (let i = 0; i < n; i++)
        expect(dot(a.subarray(i * n, (i + 1) * n), v)).toBeCloseTo(values[k] * v[i], 11);
      for (let l = 0; l < n; l++) {
        expect(dot(v, vectors.subarray(l * n, (l + 1) * n))).toBeCloseTo(k === l ? 1 : 0, 12);
      }
    }
  });
});

describe('Lanczos', () => {
  it('finds the whole spectrum with n products, multiple eigenvalues too', () => {
    const problem = turnedQuadratic(Float64Array.of(5, 5, 5, 2, 1, 1, -3, -3));
    const { values, bottom, products, converged } = topEigenpairs(problem, {
      count: 5,
      bottom: 3,
      tolerance: 1e-9,
    });
    // Eight for Lanczos, one more for each pair.
    expect(products).toBe(16);
    expect(converged).toBe(true);
    [5, 5, 5, 2, 1].forEach((value, k) => expect(values[k]).toBeCloseTo(value, 6));
    [-3, -3, 1].forEach((value, k) => expect(bottom.values[k]).toBeCloseTo(value, 6));
  });

  it.each(['float64', 'float32'] as const)(
    'gives λ1, λ2 of a network to half a per cent and the sign of λmin with 20 products, in %s',
    (precision) => {
      const problem = precision === 'float32' ? inFloat32(network) : network;
      const found = topEigenpairs(problem, { count: 2, maxProducts: 20, tolerance: 1e-6 });
      const n = exact.length;
      expect(found.products).toBeLessThanOrEqual(20 + 3);
      expect(found.agreement).toBeLessThan(precision === 'float32' ? 5e-3 : 1e-6);
      expect(Math.abs(found.values[0] / exact[n - 1] - 1)).toBeLessThan(0.005);
      expect(Math.abs(found.values[1] / exact[n - 2] - 1)).toBeLessThan(0.005);
      expect(exact[0]).toBeLessThan(0);
      expect(found.bottom.values[0]).toBeLessThan(0);
      for (const vector of found.vectors) expect(norm2(vector)).toBeCloseTo(1, 12);
    },
  );

  it('says how far each value may be off, and stops when all are good enough', () => {
    const found = topEigenpairs(network, { count: 3, tolerance: 1e-4 });
    expect(found.converged).toBe(true);
    expect(found.products).toBeLessThan(60);
    const n = exact.length;
    found.values.forEach((value, k) => {
      expect(Math.abs(value - exact[n - 1 - k])).toBeLessThan(found.residuals[k] + 1e-5);
    });
    expect(topEigenpairs(network, { count: 3, maxProducts: 3 }).converged).toBe(false);
  });

  it('uses exact products where the problem has them', async () => {
    const eigenvalues = Float64Array.of(9, 4, 1, -2);
    let products = 0;
    const problem: Problem = {
      p0: new Float64Array(4),
      fg(x, gradient) {
        gradient?.set(x.map((value, i) => eigenvalues[i] * value));
        return 7 + x.reduce((sum, value, i) => sum + eigenvalues[i] * value ** 2, 0) / 2;
      },
      hessianVector(_, v, product) {
        products++;
        for (let i = 0; i < 4; i++) product[i] = eigenvalues[i] * v[i];
      },
    };
    const found = topEigenpairs(problem, { count: 2 });
    expect(found.values[0]).toBeCloseTo(9, 12);
    expect(found).toMatchObject({ agreement: 0, gradients: 2, products, loss: 7 });
    const asynchronous: AsyncProblem = {
      ...later(problem),
      hessianVector: (x, v, product) => Promise.resolve(problem.hessianVector?.(x, v, product)),
    };
    expect((await topEigenpairsAsync(asynchronous, { count: 2 })).values).toEqual(found.values);
  });

  it('gives the same to the last bit whether the problem answers now or later', async () => {
    const options = { count: 2, maxProducts: 12, seed: 4 };
    expect(await topEigenpairsAsync(later(network), options)).toEqual(topEigenpairs(network, options));
    const estimate = { samples: 5, deflate: 2 };
    expect(await hessianTraceAsync(later(network), estimate)).toEqual(hessianTrace(network, estimate));
    const quadrature = { samples: 2, steps: 10 };
    expect(await spectralDensityAsync(later(network), quadrature)).toEqual(
      spectralDensity(network, quadrature),
    );
    const small = { samples: 3, maxProducts: 10 };
    expect(await sharpnessAsync(later(network), small)).toEqual(sharpness(network, small));
  });

  it('refuses a problem that answers later where nobody waits for it', () => {
    const asynchronous = later(network) as never;
    const alike = { ...network, hessianVector: () => Promise.reject(new Error('late')) } as never;
    for (const compute of [topEigenpairs, hessianTrace, spectralDensity, sharpness, boxSharpness]) {
      expect(() => compute(asynchronous)).toThrow(
        /fg must be synchronous here; it returned a Promise\. .*Async/,
      );
    }
    expect(() => topEigenpairs(alike)).toThrow(
      /hessianVector must be synchronous here; it returned a Promise/,
    );
  });

  it('reports a loss whose curvature is lost in noise', () => {
    const draw = gaussian(1);
    const rough: Problem = {
      p0: new Float64Array(20).fill(1),
      fg(x, gradient) {
        gradient?.set(x.map((value) => value + 10 * draw()));
        return 0;
      },
    };
    expect(topEigenpairs(rough).agreement).toBeGreaterThan(0.1);
  });
});

describe('pairs that are called accurate', () => {
  /** One 1000, a dense middle, and one small negative eigenvalue. */
  const saddle = (low: number) =>
    turnedQuadratic(
      Float64Array.from({ length: 100 }, (_, i) => (i === 0 ? 1000 : i === 1 ? low : 0.1 + 0.019 * i)),
    );

  it.each([-0.8, -5])('have the right sign beside much larger eigenvalues: %d', (low) => {
    for (const seed of [0, 1, 2, 3]) {
      for (const maxProducts of [3, 6, 10, 60]) {
        const { bottom } = topEigenpairs(saddle(low), { seed, maxProducts });
        expect(bottom.accurate[0] ? bottom.values[0] / low : 1).toBeCloseTo(1, 3);
        expect(bottom.accurate[0]).toBe(bottom.errors[0] <= 1e-3 * Math.abs(bottom.values[0]));
      }
      const { lambdaMin, lambdaMinError, converged } = sharpness(saddle(low), { seed });
      expect(converged).toBe(true);
      expect(Math.abs(lambdaMin - low)).toBeLessThan(lambdaMinError);
    }
  });

  it('are measured: residuals are those of a product of their own', () => {
    const eigenvalues = Float64Array.from({ length: 30 }, (_, i) => Math.cos(3 * i) * (i + 1));
    const problem = quadratic(30, (v, product) => product.set(v.map((value, i) => eigenvalues[i] * value)));
    const { values, vectors, residuals } = topEigenpairs(problem, { count: 3, maxProducts: 12 });
    vectors.forEach((vector, k) => {
      const left = vector.map((value, i) => (eigenvalues[i] - values[k]) * value);
      expect(residuals[k] / norm2(left)).toBeCloseTo(1, 8);
    });
  });

  it('do not lie along kinks, where every step of the differences gives another value', () => {
    // The gradient along u is a staircase: flat at 0, of slope 1 seen from far.
    const problem: Problem = {
      p0: new Float64Array(3),
      precision: 'float32',
      fg(x, gradient) {
        const [u, v, w] = x.map(Math.fround);
        const stair = 7e-4 * Math.round(u / 7e-4);
        gradient?.set([stair, 50 * v, 0.3 * w].map(Math.fround));
        return 0.5 * u * stair + 25 * v * v + 0.15 * w * w;
      },
    };
    const { vectors, values, errors, accurate, agreement } = topEigenpairs(problem, { count: 3, bottom: 0 });
    expect(values[0]).toBeCloseTo(50, 2);
    const along = vectors.findIndex((vector) => Math.abs(vector[0]) > 0.9);
    expect(accurate[along]).toBe(false);
    expect(Math.abs(values[along])).toBeLessThan(errors[along]);
    expect(agreement).toBeGreaterThan(0.1);
  });

  it('may be 0 where products are exact', () => {
    const problem = quadratic(40, (v, product) =>
      product.set(v.map((value, i) => (i < 5 ? (i + 1) * value : 0))),
    );
    const { bottom, converged } = topEigenpairs(problem);
    expect(Math.abs(bottom.values[0])).toBeLessThan(1e-12);
    expect(converged).toBe(true);
  });

  it('cannot be computed from gradients that are not finite', () => {
    const broken: Problem = { p0: new Float64Array(4), fg: (_, gradient) => (gradient?.fill(NaN), 1) };
    for (const compute of [topEigenpairs, hessianTrace, spectralDensity, sharpness]) {
      expect(() => compute(broken)).toThrow(/product of the Hessian with a vector is NaN: the gradient/);
    }
  });

  it('scale no axis of a plane while their sign is unknown', () => {
    const flat = turnedQuadratic(Float64Array.of(3, 0, 0, 0));
    expect(() => eigenPlane(topEigenpairs(flat, { count: 2 }))).toThrow(/eigenvalue 1 is .*which may be 0/);
  });
});

describe('Student’s t', () => {
  it('has the quantiles of published tables', () => {
    // Two-sided 95 %, by degrees of freedom.
    for (const [freedom, t] of [
      [1, 12.706],
      [2, 4.303],
      [5, 2.571],
      [9, 2.262],
      [30, 2.042],
      [120, 1.98],
    ]) {
      expect(centralProbability(t, freedom)).toBeCloseTo(0.95, 4);
    }
    expect(studentWidening(2)).toBeCloseTo(13.968 / 2, 3);
    expect(studentWidening(10_000)).toBeCloseTo(1, 3);
  });
});

describe('the trace', () => {
  it.each([
    { deflate: 0, samples: 5 },
    { deflate: 0, samples: 19 },
    { deflate: 3, samples: 10 },
  ])('is within two standard errors in 93 % of cases or more: %o', (options) => {
    const n = 20;
    const draw = gaussian(3);
    const factor = Array.from({ length: n }, (_, k) =>
      Float64Array.from({ length: n }, () => draw() / (1 + k)),
    );
    const problem = quadratic(n, (v, product) => {
      product.fill(0);
      for (const row of factor) {
        const along = dot(row, v);
        for (let i = 0; i < n; i++) product[i] += along * row[i];
      }
    });
    const whole = factor.reduce((sum, row) => sum + dot(row, row), 0);
    let within = 0;
    for (let seed = 0; seed < 400; seed++) {
      const { value, standardError } = hessianTrace(problem, { ...options, seed });
      if (Math.abs(value - whole) <= 2 * standardError) within++;
    }
    expect(within / 400).toBeGreaterThanOrEqual(0.93);
  });

  it('is within a few standard errors, and deflation makes them small', () => {
    const whole = exact.reduce((sum, value) => sum + value, 0);
    const plain = hessianTrace(network, { deflate: 0, samples: 40 });
    const deflated = hessianTrace(network, { deflate: 8, samples: 40 });
    for (const { value, standardError } of [plain, deflated]) {
      expect(Math.abs(value - whole)).toBeLessThan(4 * standardError);
    }
    expect(deflated.standardError).toBeLessThan(plain.standardError / 3);
  });

  it('is exact where everything is deflated', () => {
    const problem = turnedQuadratic(Float64Array.of(3, 2, -1));
    const { value, standardError } = hessianTrace(problem, { deflate: 3, samples: 2 });
    expect(value).toBeCloseTo(4, 6);
    expect(standardError).toBeLessThan(1e-9);
  });

  it('is exact with as many samples as parameters, which costs one product for each', () => {
    const turned = turnedQuadratic(Float64Array.of(3, 2, -1, 1e-3));
    const { value, standardError, products } = hessianTrace(turned);
    expect(value).toBeCloseTo(4.001, 9);
    expect(standardError).toBeLessThan(1e-12);
    expect(products).toBeLessThanOrEqual(5);
  });
});

describe('a block of some tensors', () => {
  const eigenvalues = Float64Array.from({ length: 12 }, (_, i) => (i === 5 ? -3 : 1 + i));
  const turned = turnedQuadratic(eigenvalues);
  const layout = layoutOf([
    { name: 'a/kernel', shape: [2, 2] },
    { name: 'a/bias', shape: [2] },
    { name: 'b/kernel', shape: [6] },
  ]);
  const problem: Problem = { ...turned, params: vectorParams(new Float64Array(12), layout) };
  /** The Hessian's columns. */
  const columns = Array.from({ length: 12 }, (_, k) => {
    const [point, gradient] = [new Float64Array(12), new Float64Array(12)];
    point[k] = 1;
    turned.fg(point, gradient);
    return gradient;
  });
  const elements = [0, 1, 2, 3, 6, 7, 8, 9, 10, 11];
  const block = symmetricEigen(
    Float64Array.from(elements.flatMap((i) => elements.map((j) => columns[i][j]))),
    10,
  );

  it('has its own eigenvalues, trace and diagonal', () => {
    const options = { only: /kernel/, tolerance: 1e-6 };
    const { values, vectors, bottom } = topEigenpairs(problem, options);
    expect(values[0]).toBeCloseTo(block.values[9], 5);
    expect(bottom.values[0]).toBeCloseTo(block.values[0], 5);
    expect([vectors[0].length, vectors[0][4], vectors[0][5]]).toEqual([12, 0, 0]);
    expect(hessianTrace(problem, { only: ['a/kernel', 'b/kernel'], deflate: 10 }).value).toBeCloseTo(
      block.values.reduce((sum, value) => sum + value, 0),
      5,
    );
    const diagonal = hessianDiagonal(problem, { only: /kernel/, samples: 400 });
    for (const i of elements) {
      expect(Math.abs(diagonal.values[i] - columns[i][i])).toBeLessThan(
        3 * diagonal.standardErrors[i] + 1e-6,
      );
    }
    expect(diagonal.values[4]).toBeNaN();
  });

  it('has an exact diagonal with no more elements than samples, by differences and by products', () => {
    const hessianVector = (_: Float64Array, v: Float64Array, product: Float64Array) => {
      product.fill(0);
      columns.forEach((column, k) => column.forEach((value, i) => (product[i] += value * v[k])));
    };
    const exact = hessianDiagonal({ ...problem, hessianVector }, { only: /kernel/, samples: 10 });
    const differences = hessianDiagonal(problem, { only: /kernel/, samples: 10 });
    expect(exact.products).toBe(10);
    for (const i of elements) {
      expect(exact.values[i]).toBeCloseTo(columns[i][i], 12);
      expect(exact.standardErrors[i]).toBe(0);
      expect(Math.abs(differences.values[i] - columns[i][i])).toBeLessThan(1e-6);
      expect(differences.standardErrors[i]).toBeLessThan(1e-5);
    }
    expect([exact.values[4], exact.standardErrors[4]]).toEqual([NaN, NaN]);
    expect(hessianDiagonal(problem, { only: /kernel/, samples: 9 }).standardErrors[0]).toBeGreaterThan(1e-3);
  });

  it('is named, or what there is instead', () => {
    expect(() => topEigenpairs(problem, { only: ['a', 'b/kernel'] })).toThrow(
      /only: no tensor is called "a"; the tensors are "a\/kernel", "a\/bias", "b\/kernel"/,
    );
    expect(() => hessianTrace(problem, { only: /gamma/ })).toThrow(/only: no tensor is called \/gamma\//);
    expect(() => sharpness(problem, { only: /kernel/ } as object)).toThrow(/only: no such option/);
  });
});

describe('the diagonal', () => {
  it('the diagonal of a network is within two standard errors in 93 % of its elements', () => {
    const { values, standardErrors } = hessianDiagonal(network, { samples: 60 });
    const step = 1e-5;
    const [ahead, behind] = [new Float64Array(values.length), new Float64Array(values.length)];
    let within = 0;
    values.forEach((value, k) => {
      const at = (h: number) => network.p0.map((p, i) => (i === k ? p + h : p));
      network.fg(at(step), ahead);
      network.fg(at(-step), behind);
      if (Math.abs(value - (ahead[k] - behind[k]) / (2 * step)) <= 2 * standardErrors[k] + 1e-6) within++;
    });
    expect(within / values.length).toBeGreaterThan(0.93);
  });

  it('is the same whether the problem answers now or later', async () => {
    const options = { samples: 4, seed: 2 };
    expect(await hessianDiagonalAsync(later(network), options)).toEqual(hessianDiagonal(network, options));
  });
});

describe('the Gauss-Newton matrix', () => {
  /** rᵢ = exp(−x₀ tᵢ) + x₁ tᵢ² − dᵢ. */
  const times = Float64Array.from({ length: 9 }, (_, i) => i / 4);
  const fill = (x: Float64Array, r: Float64Array, jacobian: Float64Array | null) =>
    times.forEach((t, i) => {
      r[i] = Math.exp(-x[0] * t) + x[1] * t * t - Math.cos(t);
      jacobian?.set([-t * Math.exp(-x[0] * t), t * t], 2 * i);
    });
  const problem: Problem = {
    p0: Float64Array.of(0.7, -0.2),
    residualCount: 9,
    residuals: fill,
    fg(x, gradient) {
      const [r, jacobian] = [new Float64Array(9), new Float64Array(18)];
      fill(x, r, jacobian);
      gradient?.fill(0);
      r.forEach((value, i) => {
        if (gradient !== null) for (let k = 0; k < 2; k++) gradient[k] += 2 * value * jacobian[2 * i + k];
      });
      return dot(r, r);
    },
  };
  const jacobian = new Float64Array(18);
  fill(problem.p0, new Float64Array(9), jacobian);
  const entry = (a: number, b: number) =>
    2 * times.reduce((sum, _, i) => sum + jacobian[2 * i + a] * jacobian[2 * i + b], 0);

  it('has the eigenvalues of 2 JᵀJ, exactly, and asks for J once', async () => {
    const { values } = symmetricEigen(Float64Array.of(entry(0, 0), entry(0, 1), entry(0, 1), entry(1, 1)), 2);
    let asked = 0;
    const counted: Problem = { ...problem, residuals: (...given) => (asked++, fill(...given)) };
    const found = topEigenpairs(counted, { matrix: 'gauss-newton' });
    expect(found.values[0]).toBeCloseTo(values[1], 12);
    expect(found.bottom.values[0]).toBeCloseTo(values[0], 12);
    expect(found).toMatchObject({ converged: true, agreement: 0, gradients: 0 });
    expect(asked).toBe(1);
    const asynchronous: AsyncProblem = {
      ...later(problem),
      residuals: async (x, r, j) => fill(x, r, j),
    };
    expect(await topEigenpairsAsync(asynchronous, { matrix: 'gauss-newton' })).toEqual(found);
    expect(hessianTrace(problem, { matrix: 'gauss-newton' }).value).toBeCloseTo(
      entry(0, 0) + entry(1, 1),
      12,
    );
  });

  it('differs from the Hessian, and is refused without residuals', () => {
    const whole = topEigenpairs(problem).values[0];
    expect(
      Math.abs(whole / topEigenpairs(problem, { matrix: 'gauss-newton' }).values[0] - 1),
    ).toBeGreaterThan(1e-4);
    expect(() => topEigenpairs(network, { matrix: 'gauss-newton' })).toThrow(
      /matrix 'gauss-newton' needs a problem with residuals/,
    );
    const large: Problem = { ...problem, residualCount: 1e9 };
    expect(() => hessianTrace(large, { matrix: 'gauss-newton' })).toThrow(
      /more than 1 GiB; use fewer samples/,
    );
  });
});

describe('the spectral density', () => {
  it('integrates to 1, and has the mean and the variance of the eigenvalues', () => {
    const { x, y, nodes, weights } = spectralDensity(network, { samples: 20, steps: 30 });
    const step = x[1] - x[0];
    expect(y.reduce((sum, value) => sum + value * step, 0)).toBeCloseTo(1, 2);
    expect(weights.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 10);
    const first = dot(nodes, weights);
    const second = dot(
      nodes.map((value) => value * value),
      weights,
    );
    const spread = mean(exact.map((value) => value * value));
    expect(Math.abs(first - mean(exact))).toBeLessThan(0.5 * Math.sqrt(spread));
    expect(Math.abs(second / spread - 1)).toBeLessThan(0.6);
  });

  it('is exact for a spectrum of few values', () => {
    const eigenvalues = new Float64Array(60).fill(1).fill(10, 0, 6);
    const { nodes, weights } = spectralDensity(turnedQuadratic(eigenvalues), { samples: 60, steps: 5 });
    let large = 0;
    nodes.forEach((node, k) => {
      expect(Math.min(Math.abs(node - 10), Math.abs(node - 1))).toBeLessThan(1e-4);
      if (node > 5) large += weights[k];
    });
    expect(Math.abs(large - 0.1)).toBeLessThan(0.03);
  });
});

describe('sharpness', () => {
  it('sharpness of a quadratic at its minimum is ρ²λ/2', () => {
    const found = sharpness(turnedQuadratic(Float64Array.of(8, 2, 1)), {
      rho: 0.1,
      learningRate: 0.2,
      samples: 400,
    });
    expect(found).toMatchObject({ loss: 0, gradientNorm: 0, ascent: 0, edge: 10 });
    expect(found.lambdaMax).toBeCloseTo(8, 6);
    expect(found.lambdaMin).toBeCloseTo(1, 6);
    expect(found.worst).toBeCloseTo(0.04, 8);
    // ½ρ² tr H / n over the sphere.
    expect(Math.abs(found.average - (0.5 * 0.01 * 11) / 3)).toBeLessThan(0.0025);
  });

  it('rises along the gradient', () => {
    const { ascent, gradientNorm } = sharpness(network, { rho: 1e-3, maxProducts: 5 });
    expect(ascent / (1e-3 * gradientNorm)).toBeGreaterThan(0.99);
  });
});

describe('sharpness in a box', () => {
  const center = Float64Array.from({ length: 40 }, (_, i) => 3 * Math.sin(i));
  const stiffness = center.map((_, i) => 1 + (i % 5));
  /** ½ Σ kᵢ (xᵢ − cᵢ)² + level, its minimum at the center. */
  const bowl = (level: number): Problem => ({
    p0: center,
    fg(x, gradient) {
      gradient?.set(x.map((value, i) => stiffness[i] * (value - center[i])));
      return level + x.reduce((sum, value, i) => sum + 0.5 * stiffness[i] * (value - center[i]) ** 2, 0);
    },
  });

  it.each([0, 3])('sharpness in a box of a quadratic at its minimum, %d, is that of a corner', (level) => {
    const rho = 0.01;
    const { loss, highest, sharpness, x } = boxSharpness(bowl(level), { rho, maxIterations: 60 });
    const half = center.map((value) => rho * (Math.abs(value) + 1));
    const rise = half.reduce((sum, value, i) => sum + 0.5 * stiffness[i] * value ** 2, 0);
    expect(loss).toBe(level);
    expect(highest - level).toBeCloseTo(rise, 10);
    expect(sharpness).toBeCloseTo((100 * rise) / (1 + level), 8);
    x.forEach((value, i) => expect(Math.abs(value - center[i])).toBeCloseTo(half[i], 10));
    // As many iterations as the paper takes, by default.
    expect((boxSharpness(bowl(level), { rho }).highest - level) / rise).toBeGreaterThan(0.99);
  });

  it('keeps within the box where the loss rises to one side', () => {
    const slope = center.map((_, i) => Math.cos(i));
    const tilted: Problem = { p0: center, fg: (x, gradient) => (gradient?.set(slope), 5 + dot(slope, x)) };
    const { highest, loss } = boxSharpness(tilted, { rho: 0.1 });
    const rise = center.reduce((sum, value, i) => sum + 0.1 * (Math.abs(value) + 1) * Math.abs(slope[i]), 0);
    expect(highest - loss).toBeCloseTo(rise, 10);
  });

  it('sharpness in a box of a random subspace lies in it, within bounds of A⁺x', () => {
    const p = 3;
    const rho = 0.05;
    const draw = gaussian(7);
    const columns = Array.from({ length: p }, () => center.map(() => draw()));
    const { x, highest } = boxSharpness(bowl(0), { rho, subspace: p, seed: 7 });
    // Least squares by elimination: z of the point found, and A⁺ of the center.
    const coordinates = (v: Float64Array) => {
      const rows = columns.map((a) => [...columns.map((b) => dot(a, b)), dot(a, v)]);
      for (let k = 0; k < p; k++) {
        for (let i = 0; i < p; i++) {
          const factor = rows[i][k] / rows[k][k];
          if (i !== k) rows[i] = rows[i].map((value, j) => value - factor * rows[k][j]);
        }
      }
      return rows.map((row, k) => row[p] / row[k]);
    };
    const step = x.map((value, i) => value - center[i]);
    const z = coordinates(step);
    const inPlane = center.map((_, i) => columns.reduce((sum, a, k) => sum + z[k] * a[i], 0));
    step.forEach((value, i) => expect(value).toBeCloseTo(inPlane[i], 10));
    const bounds = coordinates(center).map((value) => rho * (Math.abs(value) + 1));
    // The highest corner of the eight.
    const corners = Array.from({ length: 8 }, (_, signs) =>
      bowl(0).fg(
        center.map((value, i) =>
          columns.reduce((sum, a, k) => sum + (signs & (1 << k) ? 1 : -1) * bounds[k] * a[i], value),
        ),
        null,
      ),
    );
    z.forEach((value, k) => expect(Math.abs(value)).toBeLessThan(bounds[k] * (1 + 1e-9)));
    expect(corners.some((corner) => Math.abs(corner / highest - 1) < 1e-9)).toBe(true);
    expect(highest).toBeGreaterThan(0.7 * Math.max(...corners));
  });

  it('sharpness in a box of a network is at least what random points of the box show, in float32 too', () => {
    const { x: best } = minimize(network, lbfgs(), { maxIterations: 60 });
    const rho = 5e-3;
    const { highest, loss, evaluations } = boxSharpness(network, { center: best, rho });
    const draw = gaussian(1);
    for (let k = 0; k < 200; k++) {
      const corner = best.map((value) => value + Math.sign(draw()) * rho * (Math.abs(value) + 1));
      expect(network.fg(corner, null)).toBeLessThan(highest);
    }
    expect(evaluations).toBeLessThan(60);
    const single = boxSharpness(inFloat32(network), { center: best, rho });
    expect((single.highest - single.loss) / (highest - loss)).toBeGreaterThan(0.8);
  });

  it('is infinite where the loss is not finite in the box', () => {
    const cliff: Problem = {
      p0: center,
      fg: (x, gradient) => (gradient?.fill(1), x.every((v, i) => v === center[i]) ? 1 : NaN),
    };
    expect(boxSharpness(cliff)).toMatchObject({ loss: 1, highest: Infinity, sharpness: Infinity });
  });

  it('puts the parameters back, and can be aborted', () => {
    const memory = Float64Array.from(network.p0);
    const controller = new AbortController();
    let evaluations = 0;
    const problem: Problem = {
      ...network,
      params: vectorParams(memory),
      fg(x, gradient) {
        memory.set(x);
        if (++evaluations === 8) controller.abort(new Error('enough'));
        return network.fg(x, gradient);
      },
    };
    boxSharpness({ ...problem, fg: network.fg });
    expect(memory).toEqual(network.p0);
    expect(() => boxSharpness(problem, { signal: controller.signal })).toThrow('enough');
    expect(evaluations).toBeLessThan(20);
    expect(memory).toEqual(network.p0);
  });

  it('answers later with the same, and names what is wrong', async () => {
    expect(await boxSharpnessAsync(later(network), { seed: 3 })).toEqual(boxSharpness(network, { seed: 3 }));
    expect(() => boxSharpness(network, { rho: 0, subspace: 0.5 })).toThrow(/2 options are wrong/);
    expect(() => boxSharpness(bowl(0), { subspace: 41 })).toThrow(/number of parameters, 40; got 41/);
    expect(() => boxSharpness(network, { epsilon: 1 } as object)).toThrow(/epsilon: no such option/);
  });
});

describe('landscapes of curvature', () => {
  it('along eigenvectors rise by ΔL at coordinate 1', () => {
    const problem = turnedQuadratic(Float64Array.of(50, 8, 1, -2));
    const plane = eigenPlane(topEigenpairs(problem, { count: 2 }), { deltaLoss: 0.25 });
    const { x, y, z } = landscape(problem, { directions: plane, npoints: 3 });
    const expected = [...y].flatMap((v) => [...x].map((u) => 0.25 * (u * u + v * v)));
    z.forEach((value, cell) => expect(value).toBeCloseTo(expected[cell], 8));
    const saddle = eigenPlane(topEigenpairs(problem, { count: 1, bottom: 1 }), { deltaLoss: 1 });
    const { z: saddled } = landscape(problem, { directions: saddle, npoints: 3 });
    expect(saddled[3]).toBeCloseTo(1, 8);
    expect(saddled[1]).toBeCloseTo(-1, 8);
    expect(() => eigenPlane(topEigenpairs(problem, { count: 1, bottom: 0 }))).toThrow(/count: 2/);
  });

  it('along eigenvectors are wide enough for float32 where the loss is tiny, and labels tell the units', () => {
    const center = Float64Array.of(3, 0, 4, 0);
    const around = (bottom: number) => ({
      p0: center,
      fg(p: Float64Array, g: Float64Array | null) {
        const curvatures = [200, 50, 1, 2];
        let f = bottom;
        curvatures.forEach((c, i) => {
          f += 0.5 * c * (p[i] - center[i]) ** 2;
          if (g) g[i] = c * (p[i] - center[i]);
        });
        return f;
      },
    });
    const norms = (bottom: number, of = around(bottom)) => {
      const { directions, labels } = eigenPlane(topEigenpairs(of, { count: 2 }));
      return { lengths: directions.map((d) => Math.hypot(...d)), labels };
    };
    // The steepest axis has 10⁻⁴ of the norm of the parameters, 5; the other is √(200/50) times as long.
    const { lengths, labels } = norms(1e-12);
    expect(lengths[0]).toBeCloseTo(5e-4, 10);
    expect(lengths[1]).toBeCloseTo(1e-3, 10);
    expect(labels).toEqual(['eigenvector of λ = 200, unit 0.0005', 'eigenvector of λ = 50, unit 0.001']);
    // A larger loss doubles at coordinate 1.
    expect(norms(0.01).lengths[0]).toBeCloseTo(Math.sqrt((2 * 0.01) / 200), 10);
    const atZero = { ...around(0), p0: new Float64Array(4) };
    const { lengths: unit } = norms(0, {
      ...atZero,
      fg: (p, g) =>
        around(0).fg(
          p.map((v, i) => v + center[i]),
          g,
        ),
    });
    expect(unit[0]).toBeCloseTo(Math.sqrt(2 / 200), 10);
  });

  it('map |λmin/λmax| with both eigenvalues, in either kind', async () => {
    const problem = turnedQuadratic(Float64Array.of(10, 3, 2, -4));
    const options = { npoints: 3, center: Float64Array.of(1, 2, 3, 4) };
    const map = curvatureMap(problem, options);
    for (const ratio of map.metrics['ratio']) expect(ratio).toBeCloseTo(0.4, 6);
    for (const value of map.metrics['lambdaMin']) expect(value).toBeCloseTo(-4, 6);
    expect(await curvatureMapAsync(later(problem), options)).toEqual(map);
    expect(() => curvatureMap(problem, { maxProducts: 0, npoints: 1 })).toThrow(/2 options are wrong/);
  });
});

describe('every computation', () => {
  const computations = { topEigenpairs, hessianTrace, spectralDensity, sharpness };

  it.each(Object.entries(computations))('%s puts the parameters back, and can be aborted', (_, compute) => {
    const memory = Float64Array.from(network.p0);
    const params = vectorParams(memory);
    const problem: Problem = {
      ...network,
      params,
      fg(x, gradient) {
        params.copyFrom(x);
        return network.fg(x, gradient);
      },
    };
    compute(problem, {});
    expect(memory).toEqual(network.p0);
    const controller = new AbortController();
    const onProgress = () => controller.abort(new Error('enough'));
    expect(() => compute(problem, { signal: controller.signal, onProgress })).toThrow('enough');
    expect(memory).toEqual(network.p0);
  });

  it.each(Object.entries(computations))('%s names bad input', (name, compute) => {
    expect(() => compute({} as never, {})).toThrow(`${name}: needs a problem { p0, fg } with gradients`);
    expect(() => compute(network, { epsilon: -1 })).toThrow(
      /epsilon: must be a number in \(0, 1\), or 'auto', got -1/,
    );
    expect(() => compute(network, { center: new Float64Array(2) })).toThrow(
      /center has length 2; there are 177/,
    );
    expect(() => compute(network, { steep: 1 } as never)).toThrow(/steep: no such option/);
  });
});
