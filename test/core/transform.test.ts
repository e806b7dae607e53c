import { describe, expect, it } from 'vitest';
import { checkGradient, checkGradientAsync, leastSquares, levenbergMarquardt, minimize } from 'quasi-newton';
import { adam, bfgs, hagerZhang, lbfgs, newtonCG, ssbroyden, vectorParams, type Problem } from 'quasi-newton';
import { sine } from '../../bench/problems/sine.js';
import { rosenbrock } from './functions.ts';

describe('transform', () => {
  it.each(['log', 'sqrt'] as const)(
    '%s minimises the transformed loss and speaks of the loss itself',
    (transform) => {
      const problem = sine(3);
      const { x, f, gradientNorm, trace } = minimize(problem, ssbroyden(), { transform, maxIterations: 150 });
      const gradient = new Float64Array(46);
      expect(f / problem.fg(x, gradient)).toBeCloseTo(1, 10);
      expect(gradientNorm / Math.max(...gradient.map(Math.abs))).toBeCloseTo(1, 8);
      expect(trace[0].f / problem.fg(problem.p0, null)).toBeCloseTo(1, 12);
      expect(f).toBeLessThan(1e-5);
    },
  );

  it('brings a loss to zero itself', () => {
    const bowl: Problem = {
      p0: Float64Array.of(3, -4),
      fg(x, g) {
        g?.set([2 * x[0], 2 * x[1]]);
        return x[0] ** 2 + x[1] ** 2;
      },
    };
    for (const transform of ['log', 'sqrt'] as const) {
      expect(minimize(bowl, bfgs(), { transform }).f).toBeLessThan(1e-15);
    }
  });

  it('says 0 where the loss has come to 0 exactly', () => {
    const flat: Problem = {
      p0: Float64Array.of(3),
      fg([x], g) {
        const inside = Math.abs(x) < 1e-3;
        g?.fill(inside ? 0 : 2 * x);
        return inside ? 0 : x ** 2;
      },
    };
    for (const transform of ['log', 'sqrt'] as const) {
      expect(minimize(flat, bfgs(), { transform })).toMatchObject({ f: 0, converged: true });
    }
  });

  it('needs a loss above zero, and says so', () => {
    const below: Problem = { p0: Float64Array.of(1), fg: () => -1 };
    expect(() => minimize(below, lbfgs(), { transform: 'log' })).toThrow(
      /a transform needs f > 0; f\(p0\) is -1/,
    );
  });

  it('is refused by solvers that ask for more than f and its gradient', () => {
    const problem = leastSquares({
      p0: Float64Array.of(1),
      residualCount: 1,
      residuals([x], r, J) {
        r[0] = x - 3;
        J?.fill(1);
      },
    });
    expect(() => minimize(problem, levenbergMarquardt(), { transform: 'log' })).toThrow(/no more than f/);
  });
});

describe('checkGradient', () => {
  const wrong: Problem = {
    p0: Float64Array.of(1, 2, 3),
    params: vectorParams(new Float64Array(3), {
      length: 3,
      tensors: [
        { name: 'kernel', shape: [2], offset: 0, size: 2 },
        { name: 'bias', shape: [1], offset: 2, size: 1 },
      ],
    }),
    fg(x, g) {
      g?.set([2 * x[0], 2 * x[1], -2 * x[2]]);
      return x[0] ** 2 + x[1] ** 2 + x[2] ** 2;
    },
  };

  it('says where a gradient disagrees with its loss', async () => {
    const check = checkGradient(wrong);
    expect(check.ok).toBe(false);
    expect(check.wrong.map(({ index, tensor }) => ({ index, tensor }))).toEqual([
      { index: 2, tensor: 'bias' },
    ]);
    expect(check.message).toMatch(/1 of 3 elements; worst is element 2 \(of "bias"\): -6 against 6\.0000/);
    expect(await checkGradientAsync(wrong)).toEqual(check);
  });

  it('allows for float32', () => {
    const { p0, fg } = sine(4);
    const rounded: Problem = {
      p0,
      precision: 'float32',
      fg: (x, g) => Math.fround(fg(x, g)),
    };
    expect(checkGradient(rounded).ok).toBe(true);
    expect(checkGradient({ p0, fg }).ok).toBe(true);
  });

  it('finds a NaN', () => {
    const { p0, fg } = rosenbrock();
    const check = checkGradient({
      p0,
      fg(x, g) {
        const f = fg(x, g);
        if (g) g[1] = NaN;
        return f;
      },
    });
    expect(check.wrong.map(({ index }) => index)).toEqual([1]);
  });

  it('leaves the parameters at the point it has checked, also where a value throws', () => {
    const { p0, fg } = rosenbrock();
    const params = vectorParams(Float64Array.from(p0));
    let left = Infinity;
    const problem: Problem = {
      p0,
      params,
      fg(x, g) {
        if (left-- <= 0) throw new Error('enough');
        params.copyFrom(x);
        return fg(x, g);
      },
    };
    const at = Float64Array.of(0.5, 0.25);
    checkGradient(problem, { at });
    expect(params.copyInto(params.zeros())).toEqual(at);
    left = 2;
    expect(() => checkGradient(problem)).toThrow('enough');
    expect(params.copyInto(params.zeros())).toEqual(p0);
  });

  it('sees that a gradient is not written', () => {
    const { p0, fg } = rosenbrock();
    const check = checkGradient({ p0, fg: (x) => fg(x, null) });
    expect(check.wrong).toHaveLength(2);
    expect(check.message).toMatch(/NaN against/);
  });

  it('refuses what is no problem', async () => {
    expect(() => checkGradient({} as never)).toThrow(/checkGradient: a problem is an object \{ p0, fg \}/);
    await expect(checkGradientAsync(undefined as never)).rejects.toThrow(/checkGradientAsync: a problem is/);
  });

  it('checks its options', () => {
    expect(() => checkGradient(rosenbrock(), { at: new Float64Array(3), tolerance: -1 })).toThrow(
      /2 options/,
    );
  });
});

describe('hard and wrong inputs', () => {
  const solvers = [lbfgs(), bfgs(), ssbroyden(), newtonCG(), lbfgs({ lineSearch: hagerZhang() })];

  it.each(solvers)('$name names a function that falls without bound', (solver) => {
    const falling: Problem = {
      p0: Float64Array.of(1, 1),
      fg(x, g) {
        g?.set([-3 * x[0] ** 2, 2 * x[1]]);
        return -(x[0] ** 3) + x[1] ** 2;
      },
    };
    expect(minimize(falling, solver).termination).toBe('unbounded');
  });

  it.each(solvers)('$name is done at once where the gradient is 0', (solver) => {
    const flat: Problem = {
      p0: Float64Array.of(1, 2),
      fg(_x, g) {
        g?.fill(0);
        return 7;
      },
    };
    expect(minimize(flat, solver)).toMatchObject({ converged: true, iterations: 0, f: 7 });
  });

  it.each(solvers)('$name keeps out of a region of NaN', (solver) => {
    const logarithmic: Problem = {
      p0: Float64Array.of(5, 1),
      fg(x, g) {
        g?.set([1 - 1 / x[0], 2 * x[1]]);
        return x[0] - Math.log(x[0]) + x[1] ** 2;
      },
    };
    const result = minimize(logarithmic, solver);
    expect(result.converged).toBe(true);
    expect(result.x[0]).toBeCloseTo(1, 6);
  });

  it.each(solvers)(
    '$name calls nothing a success on a discontinuous loss, and returns its best point',
    (solver) => {
      const stairs: Problem = {
        p0: Float64Array.of(2.3, -1.7),
        fg(x, g) {
          g?.set([2 * x[0], 2 * x[1]]);
          return Math.floor(4 * (x[0] ** 2 + x[1] ** 2)) + 1;
        },
      };
      const result = minimize(stairs, solver, { maxEvaluations: 500 });
      expect(result.converged).toBe(result.gradientNorm <= 1e-8);
      expect(result.f).toBeLessThanOrEqual(stairs.fg(stairs.p0, null));
      expect(result.f).toBe(stairs.fg(result.x, null));
    },
  );

  it.each(solvers.filter(({ name }) => name !== 'newtonCG'))(
    '$name fails where the gradient is wrong',
    (solver) => {
      const { p0, fg } = rosenbrock();
      const lying: Problem = {
        p0,
        fg(x, g) {
          const f = fg(x, g);
          g?.forEach((value, i) => (g[i] = -value));
          return f;
        },
      };
      expect(minimize(lying, solver)).toMatchObject({ termination: 'gradientMismatch', converged: false });
    },
  );

  it('an objective that writes into x is caught', () => {
    const { p0, fg } = rosenbrock();
    const writing: Problem = {
      p0,
      fg(x, g) {
        x[1] += 1;
        return fg(x, g);
      },
    };
    expect(() => minimize(writing, lbfgs())).toThrow(/fg wrote into x \(element 1 was 1 and is 2\)/);
    expect(() => minimize(writing, adam())).toThrow(TypeError);
  });
});
