import { describe, expect, it } from 'vitest';
import { checkJacobian, leastSquares, levenbergMarquardt, minimize, type Problem } from 'quasi-newton';
import { poisson } from '../../bench/problems/poisson.js';
import { runSync } from '../../src/core/drive.ts';
import { dense } from '../../src/solvers/leastSquares/dense.ts';
import { dual } from '../../src/solvers/leastSquares/dual.ts';
import type { Asks } from '../../src/core/question.ts';
import type { LinearSolver } from '../../src/solvers/leastSquares/linearSolver.ts';
import type { LevenbergMarquardtState } from '../../src/solvers/leastSquares/state.ts';
import { iterative } from '../../src/solvers/leastSquares/iterative.ts';
import { solveBidiagonal, solveNormal, squareOfProduct } from '../../src/solvers/leastSquares/bidiagonal.ts';
import type { Full } from '../core/functions.ts';

/** A problem with a Jacobian, and products that are made from it. */
function withProducts(problem: Problem): Problem & { readonly count: () => number } {
  const [n, m] = [problem.p0.length, problem.residualCount ?? 0];
  const [jacobian, r] = [new Float64Array(m * n), new Float64Array(m)];
  let calls = 0;
  return {
    ...problem,
    count: () => calls,
    residuals: (x, out, matrix) => problem.residuals?.(x, out, matrix),
    jacobianVector(x, v, product) {
      calls++;
      problem.residuals?.(x, r, jacobian);
      for (let i = 0; i < m; i++) {
        product[i] = v.reduce((sum, value, j) => sum + jacobian[i * n + j] * value, 0);
      }
    },
    vectorJacobian(x, u, product) {
      calls++;
      problem.residuals?.(x, r, jacobian);
      product.fill(0);
      for (let at = 0; at < jacobian.length; at++) product[at % n] += jacobian[at] * u[Math.floor(at / n)];
    },
  };
}

/** Curves of three parameters each, some of which share one: more or fewer residuals than unknowns. */
const curves = (count: number, points: number, p0 = 0.5): Problem =>
  leastSquares({
    p0: new Float64Array(3 * count).fill(p0),
    residualCount: count * points,
    residuals(x, r, jacobian) {
      jacobian?.fill(0);
      for (let k = 0; k < count; k++) {
        for (let i = 0; i < points; i++) {
          const t = i / points;
          const e = Math.exp(-x[3 * k + 1] * t);
          const row = k * points + i;
          r[row] = x[3 * k] * e + x[3 * k + 2] * t - Math.cos(t + k) + 0.1 * x[(3 * k + 5) % (3 * count)];
          if (!jacobian) continue;
          const at = row * 3 * count;
          jacobian[at + 3 * k] += e;
          jacobian[at + 3 * k + 1] += -x[3 * k] * t * e;
          jacobian[at + 3 * k + 2] += t;
          jacobian[at + ((3 * k + 5) % (3 * count))] += 0.1;
        }
      }
    },
  });

/** Linearizes and solves for both parts of a step; returns the predicted decrease. */
function* solved(solver: LinearSolver, state: LevenbergMarquardtState): Asks<number> {
  yield* solver.linearize(state, null, false);
  solver.prepare(state);
  const decrease = yield* solver.solve(state);
  yield* solver.solveAgain(state);
  return decrease;
}

describe('steps by products are those of the dense system', () => {
  const cases = [
    ['more residuals than unknowns', curves(4, 7), [1e-1, 1e-3, 10], []],
    ['fewer residuals', curves(6, 2), [1e-1, 1e-4], []],
    ['some unknowns held by bounds', curves(4, 7), [1e-2, 1], [1, 4, 11]],
  ] as const;
  it.each(cases)('steps by products are those of the dense system: %s', (_, plain, dampings, held) => {
    const problem = withProducts(plain);
    const [a, b] = (['dense', 'iterative'] as const).map((method) => {
      const state = levenbergMarquardt({ method, tolerance: 1e-13 }).init({
        n: problem.p0.length,
        precision: 'float64',
        residualCount: problem.residualCount ?? 0,
        jacobianProducts: true,
      }) as LevenbergMarquardtState;
      expect(state.isIterative).toBe(method === 'iterative');
      state.x.set(problem.p0);
      state.scale.forEach((_, j) => (state.scale[j] = 1 + (j % 3)));
      for (const j of held) state.free[j] = 0;
      state.curvature.forEach((_, i) => (state.curvature[i] = Math.sin(i)));
      return { state, solver: method === 'dense' ? dense : iterative };
    });
    expect(b.state.jacobian).toHaveLength(0);
    for (const damping of dampings) {
      const [decrease, other] = [a, b].map(({ state, solver }) => {
        state.damping = damping;
        return runSync(solved(solver, state), problem);
      });
      expect(other / decrease).toBeCloseTo(1, 10);
      // δ₂ is found within the space of δ₁, which is the whole only where that converges last.
      const exact = held.length > 0 ? (['second'] as const) : [];
      for (const name of ['gradient', 'step', 'slope', ...exact] as const) {
        a.state[name].forEach((value, j) => expect(b.state[name][j]).toBeCloseTo(value, 9));
      }
    }
  });

  it('steps by products are those of the dense system in every column of the bidiagonal problem', () => {
    // AV = UB with A = B, U and V identities: the damped normal equations, solved by elimination.
    const [alpha, beta] = [
      [3, 2, 0.5, 0.1],
      [7, 1, 0.25, 0.01],
    ];
    const right = [0, 1, 2].map(() => new Float64Array(3));
    const bidiagonal = { right, left: new Float64Array(4), alpha, beta };
    const lambda = 0.3;
    const b = [
      [alpha[0], 0, 0],
      [beta[1], alpha[1], 0],
      [0, beta[2], alpha[2]],
      [0, 0, beta[3]],
    ];
    const damped = solveBidiagonal(bidiagonal, lambda);
    const normalTimes = (y: ArrayLike<number>): number[] => {
      const by = b.map((row) => row.reduce((sum, value, j) => sum + value * y[j], 0));
      return [0, 1, 2].map((j) => b.reduce((sum, row, i) => sum + row[j] * by[i], 0) + lambda * y[j]);
    };
    const expected = [alpha[0] * beta[0], 0, 0];
    normalTimes(damped.y).forEach((value, j) => expect(value).toBeCloseTo(expected[j], 12));
    const again = Float64Array.of(1, -2, 0.5);
    solveNormal(damped, again);
    normalTimes(again).forEach((value, j) => expect(value).toBeCloseTo([1, -2, 0.5][j], 12));
    const by = b.map((row) => row.reduce((sum, value, j) => sum + value * damped.y[j], 0));
    expect(squareOfProduct(bidiagonal, damped.y)).toBeCloseTo(
      by.reduce((sum, v) => sum + v * v, 0),
      12,
    );
  });
});

it('by products a physics-informed network is trained as far as by its Jacobian', () => {
  const problem = withProducts(poisson(1));
  const options = { maxIterations: 25, gtol: 0 };
  const solver = levenbergMarquardt({ method: 'iterative', tolerance: 1e-3 });
  const { f } = minimize(problem, solver, options);
  const dense = minimize(poisson(1), levenbergMarquardt(), options);
  expect(f).toBeLessThan(2 * dense.f);
  expect(problem.count()).toBeLessThan(2500);
});

it('products are chosen where the Jacobian would not fit, and refused where there are none', () => {
  const n = 2_000_000;
  // rᵢ = xᵢ − 1: a Jacobian of 32 TB.
  const huge = leastSquares({
    p0: new Float64Array(n),
    residualCount: n,
    residuals: (x, r) => x.forEach((value, i) => (r[i] = value - 1)),
    jacobianVector: (_, v, product) => product.set(v),
    vectorJacobian: (_, u, product) => product.set(u),
  });
  const { x, f, converged } = minimize(huge, levenbergMarquardt());
  expect(converged).toBe(true);
  expect(f).toBeLessThan(1e-10);
  expect(x[n - 1]).toBeCloseTo(1, 8);
  const bare = { ...huge, jacobianVector: undefined, vectorJacobian: undefined } as unknown as Problem;
  expect(() => minimize(bare, levenbergMarquardt({ method: 'iterative' }))).toThrow(
    /method 'iterative' needs a problem with the methods jacobianVector.*vectorJacobian/,
  );
  const setting = { n, precision: 'float64', residualCount: n } as const;
  expect(() => levenbergMarquardt().init(setting)).toThrow(
    /a Jacobian of 2000000 × 2000000 needs 32000\.00 GB/,
  );
});

describe('leastSquares with products', () => {
  const line = { p0: Float64Array.of(1, 2), residualCount: 3 };
  const rows = [1, 1, 1, 2, 1, 3];
  const residuals = ([a, b]: Float64Array, r: Float64Array) => {
    for (let i = 0; i < 3; i++) r[i] = a + b * (i + 1) - [4, 9, 40][i];
  };
  const jacobianVector = (_: Float64Array, [v, w]: Float64Array, out: Float64Array) => {
    for (let i = 0; i < 3; i++) out[i] = rows[2 * i] * v + rows[2 * i + 1] * w;
  };
  const vectorJacobian = (_: Float64Array, u: Float64Array, out: Float64Array) => {
    out.set([u[0] + u[1] + u[2], u[0] + 2 * u[1] + 3 * u[2]]);
  };

  it.each(['linear', 'huber', 'cauchy'] as const)('have the gradient of the loss %s', (loss) => {
    const whole = leastSquares({ ...line, residuals, jacobianVector, vectorJacobian, loss });
    const plain = leastSquares({ ...line, residuals, loss });
    const [gradient, expected] = [new Float64Array(2), new Float64Array(2)];
    plain.fg(line.p0, expected); // its first by forward differences
    plain.fg(line.p0, expected);
    expect(whole.fg(line.p0, gradient)).toBeCloseTo(plain.fg(line.p0, null), 12);
    gradient.forEach((value, j) => expect(value / expected[j]).toBeCloseTo(1, 5));
    const [ahead, product] = [new Float64Array(3), new Float64Array(3)];
    const r = new Float64Array(3);
    whole.residuals(line.p0, r, null);
    whole.residuals(Float64Array.of(1 + 1e-6, 2 - 2e-6), ahead, null);
    whole.jacobianVector?.(line.p0, Float64Array.of(1, -2), product);
    product.forEach((value, i) => expect(value).toBeCloseTo((ahead[i] - r[i]) / 1e-6, 4));
  });

  it('needs both, and functions', () => {
    expect(() => leastSquares({ ...line, residuals, jacobianVector })).toThrow(/are needed together/);
    expect(() => leastSquares({ ...line, residuals, jacobianVector: 3 as never, vectorJacobian })).toThrow(
      /jacobianVector must be a function, got 3/,
    );
  });
});

describe('products are counted and limited', () => {
  const solver = levenbergMarquardt({ method: 'iterative' });

  it('products are counted in the result and its report, one by one', () => {
    const calls = { jacobianVector: 0, vectorJacobian: 0 };
    const problem = withProducts(curves(4, 7));
    const counted: Problem = {
      ...problem,
      jacobianVector(...all) {
        calls.jacobianVector++;
        problem.jacobianVector?.(...all);
      },
      vectorJacobian(...all) {
        calls.vectorJacobian++;
        problem.vectorJacobian?.(...all);
      },
    };
    const result = minimize(counted, solver);
    expect(result.converged).toBe(true);
    expect(result.evaluations).toMatchObject(calls);
    expect(calls.jacobianVector).toBeGreaterThan(result.iterations);
    expect(String(result)).toContain(`J(x)v calls:       ${calls.jacobianVector}`);
    expect(String(result)).toContain(`J(x)ᵀu calls:      ${calls.vectorJacobian}`);
    expect(String(minimize(curves(4, 7), levenbergMarquardt()))).not.toContain('J(x)');
  });

  it('products are counted and limited by maxProducts, which is never exceeded; the best point is returned', () => {
    const problem = withProducts(curves(4, 7));
    const start = problem.fg(problem.p0, null);
    for (const maxProducts of [1, 2, 7, 30]) {
      const result = minimize(problem, solver, { maxProducts });
      expect(result.termination).toBe('maxProducts');
      const { jacobianVector, vectorJacobian } = result.evaluations;
      expect(jacobianVector + vectorJacobian).toBe(maxProducts);
      expect(result.f).toBe(problem.fg(result.x, null));
      expect(result.f).toBeLessThanOrEqual(start);
    }
  });

  it('products are counted and limited by maxTime', () => {
    const problem = withProducts(curves(4, 7));
    const slow: Problem = {
      ...problem,
      jacobianVector(...all) {
        for (const until = performance.now() + 20; performance.now() < until;);
        problem.jacobianVector?.(...all);
      },
    };
    const { termination, evaluations } = minimize(slow, solver, { maxTime: 0.05 });
    expect(termination).toBe('maxTime');
    expect(evaluations.jacobianVector).toBeLessThan(5);
  });
});

describe('wrong products', () => {
  /** As many residuals as unknowns, so that the transpose has the right shape. */
  const right = () => withProducts(curves(4, 3));
  type Products = Full<Pick<Problem, 'jacobianVector' | 'vectorJacobian'>>;
  const wrongs: [string, (products: Products) => Partial<Products>][] = [
    [
      'the sign of one element of Jᵀu',
      ({ vectorJacobian }) => ({
        vectorJacobian(x, u, product) {
          vectorJacobian(x, u, product);
          product[4] *= -1;
        },
      }),
    ],
    [
      'the sign of one element of Jv',
      ({ jacobianVector }) => ({
        jacobianVector(x, v, product) {
          jacobianVector(x, v, product);
          product[5] *= -1;
        },
      }),
    ],
    ['the transpose', ({ jacobianVector }) => ({ vectorJacobian: jacobianVector })],
    [
      'a factor of 2',
      ({ vectorJacobian }) => ({
        vectorJacobian(x, u, product) {
          vectorJacobian(x, u, product);
          product.forEach((value, j) => (product[j] = 2 * value));
        },
      }),
    ],
    [
      'a missing term',
      ({ jacobianVector }) => ({
        jacobianVector(x, v, product) {
          jacobianVector(
            x,
            v.map((value, j) => (j === 7 ? 0 : value)),
            product,
          );
        },
      }),
    ],
  ];
  const message = /jacobianVector and vectorJacobian are not products with one Jacobian.*checkJacobian/;

  it.each(wrongs)('end a solve in a sentence, and are named by checkJacobian: %s', (_, change) => {
    const problem = right();
    const wrong: Problem = { ...problem, ...change(problem as Products) };
    expect(() => minimize(wrong, levenbergMarquardt({ method: 'iterative' }))).toThrow(message);
    const check = checkJacobian(wrong);
    expect(check.ok).toBe(false);
    const [changed] = Object.keys(change(problem as Products));
    expect(check.wrong.every(({ method }) => method === changed)).toBe(true);
    expect(check.message).toMatch(new RegExp(`${changed} disagrees with the residuals in \\d+ of 144`));
    expect(check.message).toMatch(/^The Jacobian agrees with the residuals in all 144 elements\./);
    // Without its products it is right.
    expect(checkJacobian(wrong, { products: false }).ok).toBe(true);
  });

  it('wrong products in one column, the others being right, are named with row and column', () => {
    const problem = right();
    const { jacobianVector } = problem as Products;
    const wrong: Problem = {
      ...problem,
      jacobianVector(x, v, product) {
        jacobianVector(x, v, product);
        product[5] += 0.25 * v[3];
      },
    };
    const { worst, wrong: found } = checkJacobian(wrong);
    expect(found).toHaveLength(1);
    expect(worst).toMatchObject({ method: 'jacobianVector', row: 5, column: 3 });
    expect(worst.jacobian - worst.difference).toBeCloseTo(0.25, 6);
  });

  it('both alike, so that each is the other’s transpose, are found by checkJacobian and end as a mismatch', () => {
    const problem = right();
    const { jacobianVector, vectorJacobian } = problem as Products;
    const wrong: Problem = {
      ...problem,
      jacobianVector: (x, v, product) =>
        jacobianVector(
          x,
          v.map((value, j) => (j % 3 === 0 ? -value : value)),
          product,
        ),
      vectorJacobian(x, u, product) {
        vectorJacobian(x, u, product);
        for (let j = 0; j < product.length; j += 3) product[j] *= -1;
      },
    };
    expect(checkJacobian(wrong).wrong.map(({ column }) => column % 3)).toContain(0);
    const { converged, f } = minimize(wrong, levenbergMarquardt({ method: 'iterative' }), {
      maxIterations: 50,
    });
    expect(converged).toBe(false);
    expect(f).toBeLessThanOrEqual(wrong.fg(wrong.p0, null));
  });

  it('wrong products of residuals in float32 are told from rounding', () => {
    const problem = right();
    const rounded = (change = 1): Problem => ({
      ...problem,
      precision: 'float32',
      residuals(x, r, jacobian) {
        problem.residuals?.(x, r, jacobian);
        r.set(r.map(Math.fround));
        jacobian?.set(jacobian.map(Math.fround));
      },
      jacobianVector(x, v, product) {
        problem.jacobianVector?.(x, v, product);
        product.set(product.map(Math.fround));
      },
      vectorJacobian(x, u, product) {
        problem.vectorJacobian?.(x, u, product);
        product.set(product.map(Math.fround));
        product[4] *= change;
      },
    });
    const solver = levenbergMarquardt({ method: 'iterative', tolerance: 1e-3 });
    expect(minimize(rounded(), solver).f).toBeLessThan(problem.fg(problem.p0, null) / 100);
    expect(() => minimize(rounded(-1), solver)).toThrow(message);
  });
});

describe('checkJacobian of products alone', () => {
  const n = 6000;
  const difference = (change: (product: Float64Array) => void = () => {}) =>
    leastSquares({
      p0: new Float64Array(n).fill(0.5),
      residualCount: n,
      residuals: (x, r) => x.forEach((value, i) => (r[i] = value ** 2 - (i > 0 ? x[i - 1] : 1))),
      jacobianVector: (x, v, product) =>
        v.forEach((value, i) => (product[i] = 2 * x[i] * value - (i > 0 ? v[i - 1] : 0))),
      vectorJacobian(x, u, product) {
        u.forEach((value, i) => (product[i] = 2 * x[i] * value - (i + 1 < n ? u[i + 1] : 0)));
        change(product);
      },
    });

  it('looks at some columns of a large one', () => {
    const { ok, checked, message } = checkJacobian(difference());
    expect({ ok, checked }).toEqual({ ok: true, checked: 40 * n });
    expect(message).toBe(
      'jacobianVector agrees with the residuals in all 240000 elements out of 36000000. vectorJacobian agrees with the residuals in all 1600 elements out of 36000000.',
    );
  });

  it('compares both products for what it does not look at', () => {
    const wrong = difference((product) => product.fill(0, 0, 70));
    const { ok, wrong: found, message } = checkJacobian(wrong);
    expect({ ok, found }).toEqual({ ok: false, found: [] });
    expect(message).toMatch(/are not products with one Jacobian: for the same u and v, uᵀ\(Jv\) is /);
  });
});

describe('steps by JJᵀ', () => {
  /** The problem with products and the Gram matrix of its rows, changed by a factor. */
  function withGram(plain: Problem, factor = 1) {
    const problem = withProducts(plain);
    const [n, m] = [problem.p0.length, problem.residualCount ?? 0];
    const [jacobian, r] = [new Float64Array(m * n), new Float64Array(m)];
    let calls = 0;
    return {
      ...problem,
      grams: () => calls,
      jacobianGram(x: Float64Array, product: Float64Array) {
        calls++;
        problem.residuals?.(x, r, jacobian);
        for (let i = 0; i < m; i++) {
          for (let k = 0; k < m; k++) {
            product[i * m + k] =
              factor *
              jacobian
                .subarray(i * n, (i + 1) * n)
                .reduce((sum, value, j) => sum + value * jacobian[k * n + j], 0);
          }
        }
      },
    };
  }

  it('are those of the dense system', () => {
    const problem = withGram(curves(6, 2));
    const [a, b] = (['dense', 'dual'] as const).map((method) => {
      const state = levenbergMarquardt({ method }).init({
        n: problem.p0.length,
        precision: 'float64',
        residualCount: problem.residualCount ?? 0,
        jacobianProducts: true,
        jacobianGram: true,
      }) as LevenbergMarquardtState;
      expect(state.isDual).toBe(method === 'dual');
      state.x.set(problem.p0);
      state.curvature.forEach((_, i) => (state.curvature[i] = Math.sin(i)));
      return { state, solver: method === 'dense' ? dense : dual };
    });
    expect(b.state.jacobian).toHaveLength(0);
    for (const damping of [1e-1, 1e-4, 3]) {
      const [decrease, other] = [a, b].map(({ state, solver }) => {
        state.damping = damping;
        return runSync(solved(solver, state), problem);
      });
      expect(other / decrease).toBeCloseTo(1, 10);
      for (const name of ['gradient', 'step', 'slope', 'second'] as const) {
        a.state[name].forEach((value, j) => expect(b.state[name][j]).toBeCloseTo(value, 9));
      }
    }
  });

  it('solve a problem in the iterations that the Jacobian takes', () => {
    const options = { gtol: 1e-9 };
    const scaling = 'identity' as const;
    const a = minimize(curves(6, 2), levenbergMarquardt({ scaling }), options);
    const problem = withGram(curves(6, 2));
    const b = minimize(problem, levenbergMarquardt({ method: 'dual' }), options);
    expect(b.converged).toBe(true);
    expect(Math.abs(b.iterations - a.iterations)).toBeLessThanOrEqual(2);
    expect(b.evaluations.gradient).toBeGreaterThanOrEqual(problem.grams());
    expect(b.evaluations).toMatchObject({ jacobianVector: 0 });
    // It keeps to limits too.
    const limited = minimize(problem, levenbergMarquardt({ method: 'dual' }), { maxEvaluations: 5 });
    expect(limited.termination).toBe('maxEvaluations');
    expect(limited.evaluations.f).toBe(5);
  });

  it('are chosen where they pay, without bounds and scaling by columns', () => {
    const setting = { precision: 'float64', jacobianProducts: true, jacobianGram: true } as const;
    const isDual = (m: number, n: number, options = {}, more = {}) =>
      (
        levenbergMarquardt(options).init({
          ...setting,
          n,
          residualCount: m,
          ...more,
        }) as LevenbergMarquardtState
      ).isDual;
    expect(isDual(300, 400)).toBe(true);
    expect(isDual(100, 400)).toBe(false);
    expect(isDual(400, 300)).toBe(false);
    expect(isDual(2300, 4000)).toBe(false);
    expect(isDual(300, 400, { lower: 0 })).toBe(false);
    expect(isDual(300, 400, { scaling: 'columns' })).toBe(false);
    expect(isDual(300, 400, { method: 'dense' })).toBe(false);
    expect(isDual(300, 400, {}, { jacobianGram: false })).toBe(false);
    expect(() => isDual(3, 4, { method: 'dual' }, { jacobianGram: false })).toThrow(
      /method 'dual' needs a problem with the methods jacobianGram/,
    );
    expect(() => isDual(3, 4, { method: 'dual', upper: 1 })).toThrow(
      /method 'dual' takes neither bounds nor scaling: 'columns'/,
    );
  });

  it('are left for products where the unknowns are of very different units', () => {
    const plain = curves(100, 3);
    const scale = Float64Array.from(plain.p0, (_, j) => (j % 3 === 1 ? 1e-8 : 1));
    const unscaled = (x: Float64Array) => x.map((value, j) => value / scale[j]);
    const problem = withGram({
      ...plain,
      p0: plain.p0.map((value, j) => value * scale[j]),
      fg(x, gradient) {
        const f = plain.fg(unscaled(x), gradient);
        gradient?.forEach((value, j) => (gradient[j] = value / scale[j]));
        return f;
      },
      residuals(x, r, jacobian) {
        plain.residuals?.(unscaled(x), r, jacobian);
        jacobian?.forEach((value, at) => (jacobian[at] = value / scale[at % scale.length]));
      },
    });
    const solver = levenbergMarquardt();
    const { evaluations } = minimize(problem, solver, { maxIterations: 2 });
    expect(problem.grams()).toBe(1);
    expect(evaluations.jacobianVector).toBeGreaterThan(0);
  });

  it('steps by JJᵀ of another Jacobian are refused', () => {
    expect(() => minimize(withGram(curves(6, 2), 1.1), levenbergMarquardt({ method: 'dual' }))).toThrow(
      /jacobianGram and vectorJacobian do not belong to one Jacobian: for the same u, ‖Jᵀu‖² is/,
    );
  });
});
