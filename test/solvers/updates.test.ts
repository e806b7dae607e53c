import { describe, expect, it, test } from 'vitest';
import {
  bfgs,
  lbfgs,
  runSync,
  slbfgs,
  ssbfgs,
  ssbroyden,
  type Iterate,
  type Problem,
  type Solver,
} from 'quasi-newton';
import { selfScaled as ssbroydenMember, startingDiagonal } from '../../src/solvers/ssbroyden.ts';
import { uniform } from '../../bench/problems/random.js';
import { biggsFactor } from '../../src/solvers/curvature.ts';
import { multiply, type Symmetric } from '../../src/core/kernels/symmetric.ts';
import type { LineState } from '../../src/solvers/searchAlong.ts';
import { mgh } from '../../bench/problems/mgh/index.js';
import { memoryOf } from './internals.ts';
import type { DenseMemory } from '../../src/solvers/broyden.ts';
import type { RescaledMemory } from '../../src/solvers/rescaledInverse.ts';
import { dot, type Vector } from './vectors.ts';

// Oracles: each update written out once more with dense matrices, straight from its formula.

type Matrix = number[][];

const identity = (n: number, d = 1): Matrix =>
  Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => (i === j ? d : 0)));
const times = (A: Matrix, x: Vector) => A.map((row) => dot(row, x));
const outer = (a: Vector, b: Vector): Matrix => a.map((p) => b.map((q) => p * q));
const add = (...terms: [number, Matrix][]): Matrix =>
  terms[0][1].map((row, i) => row.map((_, j) => terms.reduce((sum, [c, A]) => sum + c * A[i][j], 0)));
const product = (A: Matrix, B: Matrix): Matrix =>
  A.map((row) => B[0].map((_, j) => row.reduce((sum, value, k) => sum + value * B[k][j], 0)));
const transpose = (A: Matrix): Matrix => A[0].map((_, j) => A.map((row) => row[j]));

/** The rows of a matrix, each by a product. */
function rowsOf(matrix: Symmetric): Matrix {
  const out = new Float64Array(matrix.n);
  return identity(matrix.n).map((unit) => {
    multiply(matrix, Float64Array.from(unit), out);
    return Array.from(out);
  });
}

/** The solution of Ax = b by elimination with pivots. */
function solve(A: Matrix, b: Vector): Vector {
  const n = b.length;
  const M = A.map((row, i) => [...row, b[i]]);
  for (let k = 0; k < n; k++) {
    const pivot = M.slice(k).reduce(
      (best, row, i) => (Math.abs(row[k]) > Math.abs(M[best][k]) ? i + k : best),
      k,
    );
    [M[k], M[pivot]] = [M[pivot], M[k]];
    for (let i = k + 1; i < n; i++) {
      const factor = M[i][k] / M[k][k];
      for (let j = k; j <= n; j++) M[i][j] -= factor * M[k][j];
    }
  }
  const x = Array.from({ length: n }, () => 0);
  for (let i = n - 1; i >= 0; i--) {
    x[i] =
      (M[i][n] - M[i].slice(i + 1, n).reduce((sum, value, j) => sum + value * x[i + 1 + j], 0)) / M[i][i];
  }
  return x;
}

interface Step {
  readonly s: Vector;
  readonly y: Vector;
  readonly g: Vector;
  readonly alpha: number;
  /** f before and after. */
  readonly f: readonly [number, number];
}

/** Runs a solver for some steps and returns its state, its steps, and the direction it would take next. */
function observe<State extends Iterate>(solver: Solver<State>, { p0, fg }: Problem, count: number) {
  const state = solver.init({ n: p0.length, precision: 'float64' });
  state.x.set(p0);
  state.f = fg(state.x, state.gradient);
  const steps: Step[] = [];
  for (let k = 0; k < count; k++) {
    const [x, g, f] = [[...state.x], [...state.gradient], state.f];
    const outcome = runSync(solver.step(state), { p0, fg });
    if (outcome.kind !== 'accepted') throw new Error(outcome.termination);
    const s = x.map((value, i) => state.x[i] - value);
    const y = g.map((value, i) => state.gradient[i] - value);
    steps.push({ s, y, g, alpha: outcome.alpha, f: [f, state.f] });
  }
  const direction = new Float64Array(p0.length);
  solver.direction?.(state, direction);
  return { state, steps, direction: [...direction], gradient: [...state.gradient] };
}

/** Relative difference in the Euclidean norm. */
function distance(a: Vector, b: Vector): number {
  const difference = a.map((value, i) => value - b[i]);
  return Math.sqrt(dot(difference, difference) / dot(b, b));
}

const wood = mgh.find(({ name }) => name === 'mgh14_wood')!;
const osborne = mgh.find(({ name }) => name === 'mgh19_osborne2')!;

/** H ← (I − ρsyᵀ)H(I − ρysᵀ) + ρssᵀ */
function bfgsUpdate(H: Matrix, { s, y }: Step): Matrix {
  const rho = 1 / dot(s, y);
  const V = add([1, identity(s.length)], [-rho, outer(y, s)]);
  return add([1, product(product(transpose(V), H), V)], [rho, outer(s, s)]);
}

/** y′ = ty, with t that makes sᵀy′ the curvature at the step's end of the cubic through both ends, bounded. */
function bySecant(step: Step): Step {
  const { s, y, g, f } = step;
  const end = dot(
    s,
    g.map((value, i) => value + y[i]),
  );
  const t = 1 + (6 * (f[0] - f[1]) + 3 * (dot(s, g) + end)) / dot(s, y);
  const bounded = Math.abs(f[0] - f[1]) > 1e-7 * Math.abs(f[0]) ? Math.min(2, Math.max(0.1, t)) : 1;
  return { ...step, y: y.map((value) => bounded * value) };
}

/** Broyden's family with φ and τ as its source has them. */
function familyUpdate(H: Matrix, { s, y }: Step, phi: number, tau: number): Matrix {
  const Hy = times(H, y);
  const [sy, yHy] = [dot(s, y), dot(y, Hy)];
  const v = s.map((value, i) => value / sy - Hy[i] / yHy);
  return add(
    [1 / tau, H],
    [-1 / (tau * yHy), outer(Hy, Hy)],
    [(phi * yHy) / tau, outer(v, v)],
    [1 / sy, outer(s, s)],
  );
}

/** The sum of so many copies of a problem's function, each scaled a little differently. */
function blocks(count: number, { p0, fg }: Problem): Problem {
  const n = p0.length;
  return {
    p0: Float64Array.from({ length: count * n }, (_, i) => p0[i % n]),
    fg(x, gradient) {
      let f = 0;
      for (let k = 0; k < count; k++) {
        const scale = 1 + k / count;
        const part = gradient && new Float64Array(n);
        f += scale * fg(x.slice(k * n, (k + 1) * n), part);
        if (part)
          gradient.set(
            part.map((value) => scale * value),
            k * n,
          );
      }
      return f;
    },
  };
}

/** f in units 2⁶⁰ times as small: every number scales without rounding. */
const scaled = ({ p0, fg }: Problem): Problem => ({
  p0,
  fg(x, gradient) {
    const f = fg(x, gradient);
    gradient?.forEach((value, i) => (gradient[i] = 2 ** 60 * value));
    return 2 ** 60 * f;
  },
});

describe('pairs are learned in all units of f', () => {
  it.each([lbfgs(), lbfgs({ storage: 'float32' })])(
    '$name learns pairs in all units of f: it takes the same steps',
    (solver) => {
      const [plain, large] = [wood, scaled(wood)].map((problem) => observe(solver, problem, 20));
      expect(large.steps.map(({ s }) => s)).toEqual(plain.steps.map(({ s }) => s));
    },
  );
});

test('Biggs’s factor is exact on cubics, and bounded', () => {
  const cubic = (scale: number) => (x: Vector) => ({
    f: x.reduce((sum, xi, i) => sum + scale * (i - 1) * xi ** 3 + (1 + i) * xi ** 2, 0),
    g: Float64Array.from(x, (xi, i) => 3 * scale * (i - 1) * xi ** 2 + 2 * (1 + i) * xi),
    curvatures: x.map((xi, i) => 6 * scale * (i - 1) * xi + 2 * (1 + i)),
  });
  const [x, s] = [
    [0.3, -0.2, 0.5, 0.1],
    [0.2, 0.4, 0.3, -0.5],
  ];
  const factor = (scale: number, f0 = 0) => {
    const end = x.map((value, i) => value + s[i]);
    const [before, after] = [cubic(scale)(x), cubic(scale)(end)];
    const y = [...after.g].map((value, i) => value - before.g[i]);
    const state = { f: before.f + f0, trialF: after.f + f0 } as LineState;
    const sums = { sy: dot(s, y), yy: dot(y, y), ss: dot(s, s), sg: dot(s, [...after.g]) };
    const exact = dot(
      s,
      after.curvatures.map((value, i) => value * s[i]),
    );
    return { t: biggsFactor(state, sums), exact: exact / sums.sy };
  };
  for (const scale of [-0.3, 0, 0.2, 0.6]) {
    const { t, exact } = factor(scale);
    expect(exact).toBeGreaterThan(0.1);
    expect(exact).toBeLessThan(2);
    expect(t).toBeCloseTo(exact, 12);
  }
  expect(factor(0.6, 1e9).t).toBe(1);
  /** Of x³ on the way from a to b: 2b/(a + b) without bounds. */
  const alongCube = (a: number, b: number) => {
    const [move, y] = [b - a, 3 * (b ** 2 - a ** 2)];
    const sums = { sy: move * y, yy: y ** 2, ss: move ** 2, sg: move * 3 * b ** 2 };
    return biggsFactor({ f: a ** 3, trialF: b ** 3 }, sums);
  };
  expect(alongCube(0.5, 1)).toBeCloseTo(4 / 3, 12);
  expect(alongCube(-0.2, 1)).toBe(2);
  expect(alongCube(1, 0.01)).toBe(0.1);
  expect(alongCube(-1, -0.5)).toBe(1);
});

describe('L-BFGS', () => {
  it.each([3, 7, 20])(
    'L-BFGS with memory %i takes the direction of dense BFGS from its last pairs',
    (memory) => {
      const { steps, direction, gradient } = observe(lbfgs({ memory, modifiedSecant: false }), osborne, 15);
      const kept = steps.slice(-memory);
      const { s, y } = kept[kept.length - 1];
      const H = kept.reduce(bfgsUpdate, identity(s.length, dot(s, y) / dot(y, y)));
      expect(
        distance(
          direction,
          times(H, gradient).map((value) => -value),
        ),
      ).toBeLessThan(1e-9);
    },
  );

  it('self-scaled, takes the direction of the dense method that divides by τ, from the oldest pair on', () => {
    const solver = lbfgs({ memory: 8, modifiedSecant: false, selfScaling: true });
    const { steps, direction, gradient } = observe(solver, wood, 12);
    const kept = steps.slice(-8);
    const start = dot(kept[0].s, kept[0].y) / dot(kept[0].y, kept[0].y);
    const H = kept.reduce(
      (H, step) => {
        const tau = Math.min(1, dot(step.s, step.y) / (-step.alpha * dot(step.s, step.g)));
        return bfgsUpdate(add([1 / tau, H]), step);
      },
      identity(4, start),
    );
    expect(
      distance(
        direction,
        times(H, gradient).map((value) => -value),
      ),
    ).toBeLessThan(1e-8);
  });

  it('L-BFGS with a preconditioner starts from γP⁻¹', () => {
    const diagonal = [1, 10, 100, 1000];
    const preconditioner = (vector: Float64Array, out: Float64Array) => {
      vector.forEach((value, i) => (out[i] = value / diagonal[i]));
    };
    const solver = lbfgs({ memory: 5, modifiedSecant: false, preconditioner });
    const { steps, direction, gradient } = observe(solver, wood, 6);
    const { s, y } = steps[5];
    const gamma = dot(s, y) / y.reduce((sum, value, i) => sum + (value * value) / diagonal[i], 0);
    const start = identity(4).map((row, i) => row.map((value) => (gamma * value) / diagonal[i]));
    const H = steps.slice(-5).reduce(bfgsUpdate, start);
    expect(
      distance(
        direction,
        times(H, gradient).map((value) => -value),
      ),
    ).toBeLessThan(1e-9);
  });

  it.each([
    ['two loops', wood],
    ['coefficients', blocks(64, wood)],
  ])('L-BFGS with the modified secant equation takes ty for y, by %s', (_, problem) => {
    const { steps, direction, gradient } = observe(lbfgs({ memory: 5, modifiedSecant: true }), problem, 11);
    const kept = steps.slice(-5);
    const { s, y } = kept[4];
    const start = identity(s.length, dot(s, y) / dot(y, y));
    const H = kept.map(bySecant).reduce(bfgsUpdate, start);
    const expected = times(H, gradient).map((value) => -value);
    expect(distance(direction, expected)).toBeLessThan(1e-9);
    expect(distance(times(H, bySecant(kept[4]).y), s)).toBeLessThan(1e-9);
    expect(distance(times(H, y), s)).toBeGreaterThan(1e-3);
  });

  it('within bounds of many unknowns takes the direction that BFGS has of its pairs in the free elements alone', () => {
    const n = 80;
    const upper = Array.from({ length: n }, (_, i) => [Infinity, 0.2, Infinity, 0.3][i % 4]);
    const solver = lbfgs({ memory: 5, modifiedSecant: false, upper });
    const { steps, state, direction, gradient } = observe(solver, blocks(n / 4, wood), 8);
    const all = Array.from(upper.keys());
    const free = all.filter((i) => !(gradient[i] < 0 && state.x[i] >= upper[i]));
    expect(free.length).toBeLessThan(n);
    const part = (v: Vector) => free.map((i) => v[i]);
    const kept = steps
      .slice(-5)
      .map(({ s, y, g, alpha, f }) => ({ s: part(s), y: part(y), g, alpha, f }))
      .filter(({ s, y }) => dot(s, y) > 0);
    const { s, y } = kept[kept.length - 1];
    const H = kept.reduce(bfgsUpdate, identity(free.length, dot(s, y) / dot(y, y)));
    const expected = times(H, part(gradient)).map((value) => -value);
    expected.forEach((value, k) => {
      const x = state.x[free[k]];
      expect(direction[free[k]]).toBeCloseTo(Math.min(x + value, upper[free[k]]) - x, 9);
    });
    const held = all.filter((i) => !free.includes(i));
    expect(held.map((i) => direction[i])).toEqual(held.map(() => 0));
  });

  it('damped, keeps pairs of negative curvature with a fifth of the curvature expected', () => {
    const saddle: Problem = {
      p0: Float64Array.of(0.1, 2),
      fg(x, g) {
        g?.set([-Math.sin(x[0]), 2 * x[1]]);
        return Math.cos(x[0]) + x[1] ** 2;
      },
    };
    const { state } = observe(lbfgs({ damping: true, modifiedSecant: false }), saddle, 3);
    expect(memoryOf(state).count).toBe(3);
    for (let i = 0; i < 3; i++) expect(memoryOf(state).rho[i]).toBeGreaterThan(0);
  });
});

/** The dense method that takes the same steps. */
function denseOracle(
  H0: number,
  steps: Step[],
  member: (b: number, h: number, n: number) => [number, number],
) {
  const n = steps[0].s.length;
  let H = identity(n, H0);
  for (const [k, step] of steps.entries()) {
    const sy = dot(step.s, step.y);
    // The step was made by H = I where the first update starts from another multiple.
    const sBs = -step.alpha * dot(step.s, step.g) * (k === 0 ? 1 / H0 : 1);
    const [phi, tau] = member(sBs / sy, dot(step.y, times(H, step.y)) / sy, n);
    H = familyUpdate(H, step, phi, tau);
  }
  return H;
}

describe('the dense methods', () => {
  const shortScale = ({ s, y }: Step) => dot(s, y) / dot(y, y);
  const selfScaled = (b: number, h: number, n: number): [number, number] => {
    const a = Math.max(b * h - 1, 0);
    const c = Math.sqrt(a / (1 + a));
    const rhoMinus = Math.min(1, h * (1 - c));
    const thetaMinus = a < 1e-14 ? -Infinity : (rhoMinus - 1) / a;
    const theta = Math.max(thetaMinus, Math.min(1 / rhoMinus, (1 - b) / b));
    const sigma = 1 + a * theta;
    const sigmaN = Math.abs(sigma) ** (1 / (1 - n));
    const tau1 = Math.min(1, 1 / b);
    const tau = theta <= 0 ? Math.min(tau1 * sigmaN, sigma) : tau1 * Math.min(sigmaN, 1 / theta);
    return [(1 - theta) / sigma, tau];
  };
  it.each<{
    solver: Solver;
    H0: (step: Step) => number;
    member: (b: number, h: number, n: number) => [number, number];
    learned?: (step: Step) => Step;
  }>([
    { solver: ssbfgs(), H0: shortScale, member: (b: number): [number, number] => [1, Math.min(1, 1 / b)] },
    { solver: ssbroyden(), H0: () => 1, member: selfScaled },
    { solver: ssbroyden({ modifiedSecant: true }), H0: () => 1, member: selfScaled, learned: bySecant },
  ])('$solver.name: H is that of its formula and takes y to s', (method) => {
    const { solver, H0, member, learned = (step) => step } = method;
    // Of 64 unknowns and more, Hy is a difference of products; of 512 and more, H is a sum.
    for (const problem of [wood, osborne, blocks(17, wood), blocks(128, wood)]) {
      const start = observe(solver, problem, 0);
      expect(start.direction).toEqual(start.gradient.map((value) => -value));
      const { state, steps, direction, gradient } = observe(solver, problem, 12);
      const H = denseOracle(H0(steps[0]), steps.map(learned), member);
      const { inverse } = memoryOf<DenseMemory>(state);
      const rows = rowsOf(inverse.matrix);
      expect(distance(rows.flat(), H.flat())).toBeLessThan(1e-6);
      const expected = times(H, gradient).map((value) => -value);
      expect(distance(direction, expected)).toBeLessThan(1e-6);
      const { s, y } = learned(steps[11]);
      expect(distance(times(rows, y), s)).toBeLessThan(1e-8);
    }
  });

  it('SSBroyden chooses its parameters by the formulas, also where no run gets', () => {
    const random = uniform(9);
    const power = (decades: number) => 10 ** (decades * (2 * random() - 1));
    for (let trial = 0; trial < 4000; trial++) {
      const n = 1 + Math.floor(6 * random());
      const b = [power(3), 1, 0.5][trial % 3];
      // bh ≥ 1, by Cauchy and Schwarz; nearly so for eigenvectors.
      const h = (1 + [power(4), 1e-13, 1e-15, 0][trial % 4]) / b;
      const { phi, tau } = ssbroydenMember({ n, b, h });
      const [expected, expectedTau] = n > 1 ? selfScaled(b, h, n) : [phi, oneUnknown(b, h)];
      expect([trial, phi, tau]).toEqual([trial, expected, expectedTau]);
    }
    /** τ without the root of σ. */
    function oneUnknown(b: number, h: number): number {
      const a = Math.max(b * h - 1, 0);
      const rho = Math.min(1, h * (1 - Math.sqrt(a / (1 + a))));
      const theta = Math.max(a < 1e-14 ? -Infinity : (rho - 1) / a, Math.min(1 / rho, (1 - b) / b));
      const tau1 = Math.min(1, 1 / b);
      return theta <= 0 ? Math.min(tau1, 1 + a * theta) : tau1 * Math.min(1, 1 / theta);
    }
  });

  it.each([
    [1e-3, 1, 1],
    [1e-8, 1, 1],
    [1e-10, 1, 1e-10],
    [1e8, 1, 1],
    [1e10, 1, 1e10],
    [6, 3e-12, 2e12],
  ])('SSBroyden starts from 1, unless sᵀy/yᵀy leaves 1e±9: %d/%d', (sy, yy, expected) =>
    expect(startingDiagonal(sy, yy)).toBe(expected),
  );

  it.each(['long', 'short', 'geometric', 'none'] as const)(
    'bfgs with the scale %s: H is BFGS from γI of the newest pair through all pairs',
    (initialScaling) => {
      const scale = ({ s, y }: Step) =>
        ({
          long: dot(s, s) / dot(s, y),
          short: dot(s, y) / dot(y, y),
          geometric: Math.sqrt(dot(s, s) / dot(y, y)),
          none: 1,
        })[initialScaling];
      for (const modifiedSecant of [false, true]) {
        for (const problem of modifiedSecant ? [wood, osborne] : [wood, osborne, blocks(128, wood)]) {
          const { state, steps, direction, gradient } = observe(
            bfgs({ initialScaling, modifiedSecant }),
            problem,
            12,
          );
          const taken = modifiedSecant ? steps.map(bySecant) : steps;
          const expected = denseOracle(scale(steps[11]), taken, () => [1, 1]);
          const { gamma, scaled, added } = memoryOf<RescaledMemory>(state);
          const H = add([gamma, rowsOf(scaled.matrix)], [1, rowsOf(added.matrix)]);
          expect(distance(H.flat(), expected.flat())).toBeLessThan(1e-6);
          const { s, y } = taken[11];
          expect(distance(times(H, y), s)).toBeLessThan(1e-8);
          const minus = times(H, gradient).map((value) => -value);
          expect(distance(direction, minus)).toBeLessThan(1e-8);
        }
      }
    },
  );

  it('SSBroyden of one unknown needs no family, and still ends', () => {
    const cosh: Problem = {
      p0: Float64Array.of(3),
      fg(x, g) {
        g?.set([Math.sinh(x[0] - 1)]);
        return Math.cosh(x[0] - 1);
      },
    };
    const { state } = observe(ssbroyden(), cosh, 4);
    expect(Math.abs(state.gradient[0])).toBeLessThan(1e-6);
  });
});

describe('SLBFGS', () => {
  /** Ĥ = (λγI + SYᵀ)(λI + YYᵀ)⁻¹, the minimizer of ‖HY − S‖² + λ‖H − γI‖². */
  function estimate(steps: Step[], lambda: number, gamma: number) {
    const n = steps[0].s.length;
    const sum = (pairs: Matrix[]) => pairs.reduce((a, b) => add([1, a], [1, b]));
    const left = add([lambda * gamma, identity(n)], [1, sum(steps.map(({ s, y }) => outer(s, y)))]);
    const right = add([lambda, identity(n)], [1, sum(steps.map(({ y }) => outer(y, y)))]);
    return { left, right };
  }

  it('takes −Ĥ∇f by default', () => {
    const { steps, direction, gradient } = observe(slbfgs({ memory: 3, lambda: 1e-3 }), osborne, 9);
    const kept = steps.slice(-3);
    const lambda = (1e-3 * kept.reduce((sum, { y }) => sum + dot(y, y), 0)) / 3;
    const { s, y } = kept[2];
    const { left, right } = estimate(kept, lambda, dot(s, y) / dot(y, y));
    const expected = times(left, solve(right, gradient)).map((value) => -value);
    // Where Ĥ is not positive on ∇f, λ has grown.
    expect(dot(expected, gradient)).toBeLessThan(0);
    expect(distance(direction, expected)).toBeLessThan(1e-6);
  });

  it('takes −Ĥᵀ∇f where transposed, reflected if that points uphill', () => {
    const { steps, direction, gradient } = observe(
      slbfgs({ memory: 3, lambda: 0.5, transposed: true }),
      osborne,
      6,
    );
    const { left, right } = estimate(steps.slice(-3), 0.5, 1);
    const plain = solve(right, times(transpose(left), gradient)).map((value) => -value);
    const reflection = 2 * Math.max(0, dot(plain, gradient) / dot(gradient, gradient));
    const expected = plain.map((value, i) => value - reflection * gradient[i]);
    expect(distance(direction, expected)).toBeLessThan(1e-9);
  });
});
