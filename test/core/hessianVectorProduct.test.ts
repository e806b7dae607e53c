import { describe, expect, it, vi } from 'vitest';
import {
  hessianVectorProduct,
  hessianVectorProductAsync,
  minimize,
  newtonCG,
  vectorParams,
  type Problem,
} from 'quasi-newton';

const norm = (v: ArrayLike<number>) => Math.max(...Array.from(v, Math.abs));

/** Largest difference of two vectors, relative. */
const apart = (a: Float64Array, b: Float64Array) => norm(a.map((value, i) => value - b[i])) / norm(b);

/** F·Σ(sin(zᵢ + 1) + zᵢzᵢ₊₁), zᵢ = xᵢ/unit. */
function waves(unit: number, size: number, precision: 'float32' | 'float64' = 'float64'): Problem {
  const n = 4;
  const round = precision === 'float32' ? Math.fround : Number;
  return {
    p0: Float64Array.of(0.7, -1.1, 0.4, 2).map((value) => round(value * unit)),
    precision,
    fg(x, gradient) {
      let f = 0;
      for (let i = 0; i < n; i++) {
        const [z, before, after] = [x[i] / unit, x[(i + n - 1) % n] / unit, x[(i + 1) % n] / unit];
        f += Math.sin(z + 1) + z * after;
        if (gradient) gradient[i] = round((size / unit) * (Math.cos(z + 1) + before + after));
      }
      return round(size * f);
    },
    hessianVector(x, v, product) {
      for (let i = 0; i < n; i++) {
        const neighbors = v[(i + n - 1) % n] + v[(i + 1) % n];
        product[i] = (size / unit / unit) * (-Math.sin(x[i] / unit + 1) * v[i] + neighbors);
      }
    },
  };
}

const v = Float64Array.of(1, -0.5, 0.25, 0.75);
const exactly = (problem: Problem) => {
  const product = new Float64Array(4);
  problem.hessianVector?.(problem.p0, v, product);
  return product;
};

describe('differences', () => {
  it.each([1e-60, 1e-12, 1e-6, 1, 1e6, 1e12, 1e60])('find the scale %d of the unknowns', (unit) => {
    for (const size of [1e-60, 1, 1e60]) {
      const problem = waves(unit, size);
      const { product, agreement } = hessianVectorProduct(problem, problem.p0, v, { method: 'differences' });
      expect(apart(product, exactly(problem))).toBeLessThan(1e-5);
      expect(agreement).toBeLessThan(1e-3);
      const scaled = hessianVectorProduct(problem, problem.p0, v, { method: 'differences', scale: unit });
      expect(apart(scaled.product, exactly(problem))).toBeLessThan(1e-6);
    }
  });

  it.each([1e-6, 1, 1e6])('allow for float32, scale %d', (unit) => {
    const problem = waves(unit, 1, 'float32');
    const { product, agreement } = hessianVectorProduct(problem, problem.p0, v, { method: 'differences' });
    expect(apart(product, exactly(problem))).toBeLessThan(1e-2);
    expect(agreement).toBeLessThan(0.03);
  });

  it('differences at 0 go up where no gradient differs', () => {
    const problem = { ...waves(1e12, 1), p0: new Float64Array(4) };
    const { product } = hessianVectorProduct(problem, problem.p0, v, { method: 'differences' });
    expect(apart(product, exactly(problem))).toBeLessThan(1e-4);
  });

  it('take one size for each unknown', () => {
    // Curvatures 1e24 and 1e-24; the first product moves the second unknown alone.
    const units = [1e-12, 1e12];
    const problem: Problem = {
      p0: Float64Array.of(1e-12, 2e12),
      fg(x, gradient) {
        gradient?.set(units.map((unit, i) => Math.sinh(x[i] / unit) / unit));
        return Math.cosh(x[0] / units[0]) + Math.cosh(x[1] / units[1]);
      },
    };
    units.forEach((unit, i) => {
      const axis = new Float64Array(2);
      axis[i] = 1;
      const { product } = hessianVectorProduct(problem, problem.p0, axis, { scale: units });
      expect(product[i] * unit * unit).toBeCloseTo(Math.cosh(i + 1), 5);
    });
  });

  it('take the place of the products of the problem only where asked for', () => {
    const problem = waves(1, 1);
    const agreement = (method: 'auto' | 'differences') =>
      hessianVectorProduct(problem, problem.p0, v, { method }).agreement;
    // Products of the problem are exact; differences are not.
    expect(agreement('auto')).toBe(0);
    expect(agreement('differences')).toBeGreaterThan(0);
  });

  it('need a point and a direction, and say so', () => {
    const problem = { p0: Float64Array.of(1, 1), fg: () => 0 };
    const call = hessianVectorProduct as (...given: unknown[]) => unknown;
    expect(() => call(problem)).toThrow('x must be a Float64Array of length 2, got undefined.');
    expect(() => call(problem, problem.p0)).toThrow('v must be a Float64Array of length 2, got undefined.');
  });

  it('differences of a linear function are 0', () => {
    const linear: Problem = {
      p0: Float64Array.of(1, 2),
      fg(x, gradient) {
        gradient?.set([3, -1]);
        return 3 * x[0] - x[1];
      },
    };
    const { product, agreement } = hessianVectorProduct(linear, linear.p0, Float64Array.of(1, 1));
    expect(product).toEqual(new Float64Array(2));
    expect(agreement).toBe(0);
  });

  it('check their options', async () => {
    const problem = waves(1, 1);
    const auto = { method: 'auto', epsilon: 'auto' } as const;
    expect(hessianVectorProduct(problem, problem.p0, v, auto)).toEqual(
      await hessianVectorProductAsync(problem, problem.p0, v),
    );
    await expect(hessianVectorProductAsync(problem, problem.p0, v, { epsilon: 2 })).rejects.toThrow(
      "hessianVectorProductAsync: epsilon: must be a number in (0, 1), or 'auto', got 2.",
    );
    expect(() => hessianVectorProduct(problem, problem.p0, v, { scale: [1, 2], epsilon: 3 })).toThrow(
      /^hessianVectorProduct: 2 options are wrong:\n.*scale: must be a finite number > 0, or an array of 4 of them/,
    );
  });
});

describe('a hessianVector', () => {
  it.each(['float64', 'float32'] as const)('a hessianVector of another fg is refused in %s', (precision) => {
    const problem = waves(1, 1, precision);
    const penalized: Problem = {
      ...problem,
      fg(x, gradient) {
        gradient?.fill(0);
        const f = problem.fg(x, gradient);
        gradient?.forEach((value, i) => (gradient[i] = value + 2 * x[i]));
        return f + x.reduce((sum, value) => sum + value * value, 0);
      },
    };
    const message =
      /hessianVector gives .* for element \d of a product where differences .*hessianVector: undefined/;
    expect(() => hessianVectorProduct(penalized, problem.p0, v)).toThrow(message);
    expect(() => minimize(penalized, newtonCG())).toThrow(message);
  });

  it.each([1e-12, 1e-3, 1, 1e6])('that is right is accepted, unit %d', (unit) => {
    for (const precision of ['float64', 'float32'] as const) {
      for (const size of [1e-6, 1, 1e6]) {
        const problem = waves(unit, size, precision);
        const { product, agreement } = hessianVectorProduct(problem, problem.p0, v);
        expect(product).toEqual(exactly(problem));
        expect(agreement).toBe(0);
      }
    }
  });

  it('is not judged by gradients that jump', () => {
    const rough: Problem = {
      p0: Float64Array.of(0.3, 0.1),
      fg(x, gradient) {
        gradient?.set(x.map((value) => value + Math.sign(Math.sin(1e5 * value))));
        return x.reduce((sum, value) => sum + value ** 2 / 2, 0);
      },
      hessianVector: (_, w, product) => product.set(w),
    };
    expect(hessianVectorProduct(rough, rough.p0, Float64Array.of(1, 1)).product).toEqual(
      Float64Array.of(1, 1),
    );
  });

  it('puts the parameters back', () => {
    const problem = waves(1, 1);
    const params = vectorParams(new Float64Array(4));
    const at = problem.p0.map((value) => value + 0.1);
    const moved: Problem = {
      ...problem,
      params,
      fg(x, gradient) {
        params.copyFrom(x);
        return problem.fg(x, gradient);
      },
    };
    hessianVectorProduct(moved, at, v);
    expect(params.copyInto(new Float64Array(4))).toEqual(new Float64Array(4));
  });

  it('costs two evaluations to compare, once', () => {
    const problem = waves(1, 1);
    const fg = vi.fn<Problem['fg']>((x, gradient) => problem.fg(x, gradient));
    hessianVectorProduct({ ...problem, fg }, problem.p0, v);
    expect(fg).toHaveBeenCalledTimes(2);
  });
});
