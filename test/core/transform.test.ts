import { describe, expect, it } from 'vitest';
import { adam, auto, bfgs, conjugateGradient, gradientDescent, hagerZhang, lbfgs } from 'quasi-newton';
import { leastSquares, levenbergMarquardt, minimize, newtonCG, owlqn, sequence, slbfgs } from 'quasi-newton';
import { soap, ssbfgs, ssbroyden, type Problem, type SolveResult, type Solver } from 'quasi-newton';
import { sine } from '../../bench/problems/sine.js';
import { rosenbrock } from './functions.ts';

function expectTrueNorm({ fg }: Problem, { x, gradientNorm }: SolveResult) {
  const gradient = new Float64Array(x.length);
  fg(x, gradient);
  const norm = Math.max(...gradient.map(Math.abs));
  expect(Math.abs(gradientNorm - norm)).toBeLessThanOrEqual(1e-6 * norm);
}

describe('transform', () => {
  it.each(['log', 'sqrt'] as const)(
    '%s in float32 counts a rise of f itself, which it makes small',
    (transform) => {
      // The gradient vanishes beyond 0.5, where f is higher by some of its digits.
      for (const [rise, success] of [
        [0.25, true],
        [1.5, false],
      ] as const) {
        const problem: Problem = {
          p0: Float64Array.of(0),
          precision: 'float32',
          fg([x], gradient) {
            gradient?.fill(x < 0.5 ? -1 : 0);
            return x < 0.5 ? 1e6 : 1e6 + rise;
          },
        };
        expect(minimize(problem, lbfgs(), { transform }).converged).toBe(success);
      }
    },
  );

  it.each(['log', 'sqrt'] as const)('%s is refused where a penalty would stay as it is', (transform) => {
    const run = () => minimize(rosenbrock(), owlqn(), { transform });
    expect(run).toThrow(RangeError);
    expect(run).toThrow(
      `minimize: transform: '${transform}' would change f but not the penalty of owlqn, so that another sum is minimized; leave transform out, or minimize without the penalty.`,
    );
    expect(minimize(rosenbrock(), owlqn(), { transform: 'none', maxIterations: 2 }).iterations).toBe(2);
  });

  it.each(['log', 'sqrt'] as const)(
    '%s minimizes the transformed loss and speaks of the loss itself',
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

  const solvers = {
    lbfgs: lbfgs(),
    bfgs: bfgs(),
    ssbfgs: ssbfgs(),
    ssbroyden: ssbroyden(),
    conjugateGradient: conjugateGradient(),
    gradientDescent: gradientDescent(),
    'gradientDescent with momentum': gradientDescent({ learningRate: 0.01, momentum: 0.5 }),
    'lbfgs with bounds': lbfgs({ lower: -1, upper: 2 }),
    adam: adam({ learningRate: 0.05 }),
    'schedule-free adam': adam({ learningRate: 0.05, scheduleFree: true }),
    soap: soap({ learningRate: 0.05 }),
    auto: auto(),
    sequence: sequence({ solver: adam({ learningRate: 0.05 }), iterations: 10 }, bfgs()),
  } satisfies Record<string, Solver>;

  describe.each(['log', 'sqrt'] as const)(
    '%s returns and traces f exactly as the problem gave it:',
    (transform) => {
      it.each(Object.entries(solvers))('%s', (_, solver) => {
        for (const unit of [1e-200, 1, 1e120]) {
          const given = new Set<number>();
          const { p0, fg } = rosenbrock();
          const problem: Problem = {
            p0,
            fg(x, gradient) {
              // Third of a unit, so that f has all its digits.
              const f = (unit * (1 + fg(x, gradient))) / 3;
              gradient?.forEach((value, i) => (gradient[i] = (unit * value) / 3));
              given.add(f);
              return f;
            },
          };
          const seen: number[] = [];
          const options = { transform, maxIterations: 25, gtol: 0 };
          const { x, f, trace, state } = minimize(problem, solver, {
            ...options,
            callback: ({ f: shown }) => void seen.push(shown),
          });
          expect(f).toBe(problem.fg(x, null));
          expect(trace.every((entry) => given.has(entry.f))).toBe(true);
          expect(seen).toEqual(trace.map((entry) => entry.f));
          if (unit !== 1) continue;
          const rest = minimize(problem, solver, { ...options, maxIterations: 3, resume: state });
          expect(rest.f).toBe(problem.fg(rest.x, null));
        }
      });

      it('slbfgs on mini-batches', () => {
        const { p0, fg } = rosenbrock();
        let batch = 1;
        const values: number[] = [];
        const problem: Problem = {
          p0,
          nextBatch: () => void batch++,
          fg(x, gradient) {
            const scale = 1 + 0.1 * Math.sin(batch);
            const f = scale * (fg(x, gradient) + 1);
            gradient?.forEach((value, i) => (gradient[i] = scale * value));
            values.push(f);
            return f;
          },
        };
        const { f, trace } = minimize(problem, slbfgs(), {
          transform,
          maxIterations: 25,
        });
        expect(values).toContain(f);
        for (const entry of trace) expect(values).toContain(entry.f);
      });
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

  it('needs more than 0 at the start', () => {
    const atZero: Problem = { p0: Float64Array.of(1), fg: () => 0 };
    expect(() => minimize(atZero, lbfgs(), { transform: 'sqrt' })).toThrow(/needs f > 0; f\(p0\) is 0/);
  });

  it.each(['log', 'sqrt'] as const)(
    '%s adds nothing to the message of a run that stays above 0',
    (transform) => {
      const above: Problem = {
        p0: Float64Array.of(3),
        fg([x], g) {
          g?.fill(2 * x);
          return 1 + x * x;
        },
      };
      const done = minimize(above, bfgs(), { transform });
      expect(done).toMatchObject({ termination: 'gradientTolerance', converged: true });
      expect(done.message).not.toContain('transform');
      const { p0, fg } = rosenbrock();
      const valley: Problem = { p0, fg: (x, g) => 1 + fg(x, g) };
      const cut = minimize(valley, bfgs(), { transform, maxIterations: 3 });
      expect(cut.termination).toBe('maxIterations');
      expect(cut.message).not.toContain('transform');
      expect(cut.gradientNorm).toBeGreaterThan(0);
    },
  );

  it.each(['log', 'sqrt'] as const)('%s adds nothing where f and its gradient come to 0', (transform) => {
    const flat: Problem = {
      p0: Float64Array.of(3),
      fg([x], g) {
        const inside = Math.abs(x) < 1e-3;
        g?.fill(inside ? 0 : 2 * x);
        return inside ? 0 : x ** 2;
      },
    };
    const { f, gradientNorm, message } = minimize(flat, bfgs(), { transform });
    expect([f, gradientNorm]).toEqual([0, 0]);
    expect(message).not.toContain('transform');
  });

  it.each(['log', 'sqrt'] as const)(
    '%s says so where f comes to 0 and its gradient does not',
    (transform) => {
      const kink: Problem = {
        p0: Float64Array.of(1),
        fg([x], g) {
          g?.fill(3);
          return x < 1e-3 ? 0 : 3 * x;
        },
      };
      const { message, f, gradientNorm } = minimize(kink, bfgs(), { transform });
      expect([f, gradientNorm]).toEqual([0, 3]);
      expect(message).toMatch(/^The objective reached 0, where its gradient is not 0; transform: /);
    },
  );

  describe.each(['log', 'sqrt'] as const)('%s, where f falls below 0', (transform) => {
    /** Rosenbrock's valley, lowered: its minimum is −1. */
    const lowered: Problem = {
      p0: Float64Array.of(-1.2, 1),
      fg(x, g) {
        return rosenbrock().fg(x, g) - 1;
      },
    };

    it.each([bfgs(), lbfgs(), ssbroyden(), lbfgs({ lineSearch: hagerZhang() })])(
      'is no success of $name, and says so',
      (solver) => {
        const result = minimize(lowered, solver, { transform });
        expect(result).toMatchObject({ termination: 'nonFinite', converged: false });
        expect(result.message).toMatch(
          /^The objective (fell to -0\.\d+|reached 0, where its gradient is not 0); transform: '(log|sqrt)' needs f > 0/,
        );
        expect(String(result)).toContain(result.message);
        expect(String(result)).toContain('Status: failure');
        expectTrueNorm(lowered, result);
        expect(result.f).toBeGreaterThanOrEqual(0);
      },
    );

    it('is told beside the limit that has ended the run', () => {
      const { message, termination } = minimize(lowered, bfgs(), { transform, maxEvaluations: 60 });
      expect(termination).toBe('maxEvaluations');
      expect(message).toMatch(/^The evaluation limit was reached; .* But f (fell to -|reached 0)/);
    });

    it('is told beside a minimum above 0', () => {
      // The first step, of length 1, goes below; the minimum is at 1.
      const far: Problem = {
        p0: Float64Array.of(1.5),
        fg([x], g) {
          g?.fill(50 * (x - 1));
          return x < 0.7 ? -1 : 25 * (x - 1) ** 2 + 1;
        },
      };
      const result = minimize(far, lbfgs(), { transform });
      expect(result).toMatchObject({ termination: 'gradientTolerance', converged: true });
      expect(result.x[0]).toBeCloseTo(1, 6);
      expect(result.message).toMatch(/^The gradient norm fell below .* But f fell to -1/);
    });
  });

  it.each(['log', 'sqrt'] as const)(
    '%s reports the gradient where f is exactly 0 on its way down',
    (transform) => {
      // 0 at x = 0, with slope 3, and without bound below.
      const straight: Problem = {
        p0: Float64Array.of(1),
        fg([x], g) {
          g?.fill(3);
          return Math.abs(x) < 1e-3 ? 0 : 3 * x;
        },
      };
      const result = minimize(straight, bfgs(), { transform });
      expect(result).toMatchObject({ termination: 'nonFinite', gradientNorm: 3 });
    },
  );

  it('takes what rounding leaves below 0 at a minimum for rounding', () => {
    const rounded: Problem = {
      p0: Float64Array.of(3, 1),
      fg([x, y], g) {
        g?.set([2 * x, 8 * y]);
        return 1 + x * x + 4 * y * y - (1 - 2 ** -52) - 3 * 2 ** -53;
      },
    };
    for (const transform of ['log', 'sqrt'] as const) {
      const result = minimize(rounded, bfgs(), { transform });
      expect(result.message).not.toMatch(/fell to/);
      expect(result.f).toBeLessThan(1e-12);
      expectTrueNorm(rounded, result);
    }
  });

  it.each([
    [levenbergMarquardt(), 'residuals and their Jacobian'],
    [newtonCG(), 'products with the Hessian'],
  ])('is refused by solvers that ask for more than f and its gradient: $0.name', (solver, besides) => {
    let calls = 0;
    const problem = leastSquares({
      p0: Float64Array.of(1),
      residualCount: 1,
      residuals([x], r, J) {
        calls++;
        r[0] = x - 3;
        J?.fill(1);
      },
    });
    expect(() => minimize(problem, solver, { transform: 'log' })).toThrow(
      new TypeError(
        `minimize: transform: 'log' is for solvers that need no more than f and its gradient; ${solver.name} also asks for ${besides}. Leave transform out, or take another solver, such as lbfgs().`,
      ),
    );
    expect(calls).toBe(0);
    expect(minimize(problem, solver, { transform: 'none' }).x[0]).toBeCloseTo(3, 6);
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
