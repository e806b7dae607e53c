import { describe, expect, it, vi } from 'vitest';
import { minimize, newtonCG, type Problem, type SolveResult } from 'quasi-newton';
import { runSync } from '../../src/core/drive.ts';
import { rosenbrock } from '../core/functions.ts';
import { inside } from './internals.ts';
import type { NewtonCGState } from '../../src/solvers/newtonModel.ts';
import { dot, type Vector } from './vectors.ts';

type Matrix = (x: Vector) => number[][];

const add = (a: Vector, t: number, b: Vector) => a.map((value, i) => value + t * b[i]);
const norm = (a: Vector) => Math.sqrt(dot(a, a));
const normInf = (a: Vector) => Math.max(...a.map(Math.abs));
const times = (m: number[][], v: Vector) => m.map((row) => dot(row, v));

interface Smooth {
  readonly p0: Vector;
  readonly f: (x: Vector) => number;
  readonly gradient: (x: Vector) => Vector;
  readonly hessian: Matrix;
}

const problemOf = ({ p0, f, gradient, hessian }: Smooth): Problem => ({
  p0: Float64Array.from(p0),
  fg(x, g) {
    g?.set(gradient(Array.from(x)));
    return f(Array.from(x));
  },
  hessianVector(x, v, product) {
    product.set(times(hessian(Array.from(x)), Array.from(v)));
  },
});

const valley: Smooth = {
  p0: [-1.2, 1],
  f: ([x, y]) => 100 * (y - x * x) ** 2 + (1 - x) ** 2,
  gradient: ([x, y]) => [-400 * x * (y - x * x) - 2 * (1 - x), 200 * (y - x * x)],
  hessian: ([x, y]) => [
    [1200 * x * x - 400 * y + 2, -400 * x],
    [-400 * x, 200],
  ],
};

/** Saddles, valleys and negative curvature: Σ(xᵢ²−1)² + cos(Σ i·xᵢ) + x₀x₁. */
const saddles: Smooth = {
  p0: [0.1, -0.2, 0.3, 0.05, -0.1],
  f: (x) => x.reduce((s, v) => s + (v * v - 1) ** 2, 0) + Math.cos(phase(x)) + x[0] * x[1],
  gradient: (x) =>
    x.map((v, i) => 4 * v * (v * v - 1) - (i + 1) * Math.sin(phase(x)) + (i < 2 ? x[1 - i] : 0)),
  hessian: (x) =>
    x.map((v, i) =>
      x.map(
        (_, j) =>
          (i === j ? 12 * v * v - 4 : 0) - (i + 1) * (j + 1) * Math.cos(phase(x)) + (i + j === 1 ? 1 : 0),
      ),
    ),
};
const phase = (x: Vector) => x.reduce((s, v, i) => s + (i + 1) * v, 0);

/** Long steps are refused: √(1 + x²) summed, whose Newton steps overshoot. */
const overshooting: Smooth = {
  p0: [3, -4],
  f: (x) => x.reduce((s, v) => s + Math.sqrt(1 + v * v), 0) + 0.01 * dot(x, x),
  gradient: (x) => x.map((v) => v / Math.sqrt(1 + v * v) + 0.02 * v),
  hessian: (x) => x.map((v, i) => x.map((_, j) => (i === j ? (1 + v * v) ** -1.5 + 0.02 : 0))),
};

interface Plain {
  x: Vector;
  radius: number;
}

/** One iteration written once more, from the formulas, in units of x / sizes. */
function plainStep(
  { f, gradient, hessian }: Smooth,
  { x, radius: given }: Plain,
  first: { norm: number },
  {
    sizes,
    maxRadius = Infinity,
    acceptance = 1e-4,
  }: { sizes: Vector; maxRadius?: number; acceptance?: number },
): Plain & { alpha: number } {
  let radius = given;
  const g = gradient(x).map((value, i) => sizes[i] * value);
  const product = (d: Vector) =>
    times(
      hessian(x),
      d.map((value, i) => sizes[i] * value),
    ).map((value, i) => sizes[i] * value);
  if (first.norm === 0) first.norm = norm(g);
  const tolerance = Math.min(0.5, Math.sqrt(norm(g) / first.norm)) * norm(g);
  for (;;) {
    // Steihaug's conjugate gradients.
    let z = g.map(() => 0);
    let r = g;
    let d = g.map((value) => -value);
    let onBoundary = false;
    for (let k = 0; k < Math.min(x.length, 200); k++) {
      const Hd = product(d);
      const curvature = dot(d, Hd);
      if (radius === 0) {
        const cauchy = norm(g) ** 3 / dot(g, product(g));
        radius = Math.max(normInf(x.map((value, i) => value / sizes[i])), cauchy > 0 ? cauchy : 0);
        radius = Math.min(radius, maxRadius);
      }
      const alpha = dot(r, r) / curvature;
      if (curvature <= 0 || norm(add(z, alpha, d)) >= radius) {
        // ‖z + τd‖ = Δ, the larger root.
        const [a, b, c] = [dot(d, d), 2 * dot(z, d), dot(z, z) - radius ** 2];
        z = add(z, (-b + Math.sqrt(b * b - 4 * a * c)) / (2 * a), d);
        onBoundary = true;
        break;
      }
      z = add(z, alpha, d);
      const next = add(r, alpha, Hd);
      if (norm(next) <= tolerance) break;
      d = add(
        next.map((value) => -value),
        dot(next, next) / dot(r, r),
        d,
      );
      r = next;
    }
    const slope = dot(g, z);
    const model = (t: number) => -(t * slope + (t * t * dot(z, product(z))) / 2);
    const at = (t: number) => x.map((value, i) => value + t * sizes[i] * z[i]);
    const length = onBoundary ? radius : norm(z);
    let alpha = 1;
    for (let k = 0; k < 5; k++) {
      const gained = f(x) - f(at(alpha));
      const ratio = gained / model(alpha);
      if (ratio < 0.25) radius = 0.25 * alpha * length;
      else if (alpha < 1) radius = alpha * length;
      else if (ratio > 0.75 && onBoundary) radius = Math.min(2 * length, maxRadius);
      if (ratio > acceptance) return { x: at(alpha), radius, alpha };
      const parabola = (-slope * alpha ** 2) / (2 * (-gained - slope * alpha));
      alpha = Math.min(0.5 * alpha, Math.max(0.1 * alpha, parabola));
    }
  }
}

interface Case {
  readonly name: string;
  readonly smooth: Smooth;
  readonly options?: { radius?: number; maxRadius?: number; acceptance?: number; scale?: number[] };
  readonly steps: number;
}

const cases: Case[] = [
  { name: 'a valley', smooth: valley, steps: 18 },
  { name: 'a valley, small radius', smooth: valley, options: { radius: 0.05, maxRadius: 0.15 }, steps: 18 },
  { name: 'a valley, no poor step', smooth: valley, options: { radius: 10, acceptance: 0.2 }, steps: 18 },
  { name: 'saddles', smooth: saddles, steps: 10 },
  { name: 'saddles, small radius', smooth: saddles, options: { radius: 0.1 }, steps: 10 },
  { name: 'saddles in other units', smooth: saddles, options: { scale: [2, 0.5, 1, 3, 0.1] }, steps: 10 },
  { name: 'steps that are too long', smooth: overshooting, options: { radius: 1e3 }, steps: 5 },
];

describe('each step is that of the formulas', () => {
  it.each(cases)('each step is that of the formulas on $name', ({ smooth, options = {}, steps }) => {
    const solver = newtonCG(options);
    const problem = problemOf(smooth);
    const n = smooth.p0.length;
    const state = inside<NewtonCGState>(solver.init({ n, precision: 'float64', hessianVector: true }));
    state.x.set(smooth.p0);
    state.f = problem.fg(state.x, state.gradient);
    const sizes = options.scale ?? smooth.p0.map(() => 1);
    const first = { norm: 0 };
    const seen = { shortened: 0, radii: new Set<number>() };
    let plain = { x: smooth.p0, radius: options.radius ?? 0, alpha: NaN };
    for (let k = 0; k < steps; k++) {
      plain = plainStep(smooth, plain, first, { ...options, sizes });
      const outcome = runSync(solver.step(state), problem);
      expect(outcome).toMatchObject({ kind: 'accepted' });
      if (outcome.kind !== 'accepted') return;
      expect(relative(outcome.alpha, plain.alpha)).toBeLessThan(1e-12);
      expect(relative(state.radius, plain.radius)).toBeLessThan(1e-12);
      expect(normInf(add(Array.from(state.x), -1, plain.x)) / normInf(plain.x)).toBeLessThan(1e-12);
      expect(outcome.moved).toBeGreaterThan(0);
      if (plain.alpha < 1) seen.shortened++;
      seen.radii.add(plain.radius);
      // From the same point on: rounding is not to add up.
      plain.x = Array.from(state.x);
      plain.radius = state.radius;
    }
    expect(seen.radii.size).toBeGreaterThan(1);
  });

  it('among them steps that are shortened, that end on the boundary and that grow the radius', () => {
    const { trace } = minimize(problemOf(overshooting), newtonCG({ radius: 1e3 }));
    expect(trace.some(({ alpha }) => alpha > 0 && alpha < 1)).toBe(true);
  });
});

const relative = (a: number, b: number) => Math.abs(a - b) / Math.abs(b);

describe('differences', () => {
  it('take the same steps as exact products, at one evaluation a product', () => {
    for (const smooth of [valley, saddles, overshooting]) {
      const { p0, fg } = problemOf(smooth);
      const exact = minimize(problemOf(smooth), newtonCG());
      const differences = minimize({ p0, fg }, newtonCG());
      expect(differences.converged).toBe(true);
      expect(Math.abs(differences.f - exact.f)).toBeLessThan(1e-12);
      expect(Math.abs(differences.iterations - exact.iterations)).toBeLessThanOrEqual(2);
      const products = exact.evaluations.hessianVector;
      expect(Math.abs(differences.evaluations.f - exact.evaluations.f - products)).toBeLessThanOrEqual(8);
    }
  });

  it('count one evaluation for the comparison of an exact product', () => {
    const problem = problemOf(valley);
    const fg = vi.fn<Problem['fg']>((x, gradient) => problem.fg(x, gradient));
    const { evaluations, trace } = minimize({ ...problem, fg }, newtonCG());
    expect(fg).toHaveBeenCalledTimes(evaluations.f);
    expect(evaluations.f).toBeLessThanOrEqual(trace.length + 10);
  });

  it('respect maxEvaluations', () => {
    for (let limit = 1; limit < 30; limit++) {
      const { p0, fg } = rosenbrock();
      for (const problem of [{ p0, fg }, problemOf(valley)]) {
        expect(minimize(problem, newtonCG(), { maxEvaluations: limit }).evaluations.f).toBeLessThanOrEqual(
          limit,
        );
      }
    }
  });
});

/** f times `size`, x in units of `unit`. */
function inUnits({ p0, fg }: Problem, unit: number, size: number): Problem {
  return {
    p0: p0.map((value) => value * unit),
    fg(x, gradient) {
      const f = fg(
        x.map((value) => value / unit),
        gradient,
      );
      gradient?.forEach((value, i) => (gradient[i] = (value * size) / unit));
      return f * size;
    },
  };
}

describe('units', () => {
  const count = ({ iterations, evaluations }: SolveResult) => [iterations, evaluations.f];

  it.each([1e-160, 1e-80, 1, 1e80, 1e160])('f times %d takes the same steps', (size) => {
    // Powers of 2, so that rounding is the same.
    const factor = 2 ** Math.round(Math.log2(size));
    const plain = minimize(rosenbrock(), newtonCG(), { gtol: 0, gRel: 1e-10 });
    const scaled = minimize(inUnits(rosenbrock(), 1, factor), newtonCG(), { gtol: 0, gRel: 1e-10 });
    expect(scaled.termination).toBe('gradientTolerance');
    expect(count(scaled)).toEqual(count(plain));
    expect(scaled.x).toEqual(plain.x);
  });

  it.each([1e-60, 1e-12, 1e12, 1e60])('unknowns of size %d take the same steps', (size) => {
    const unit = 2 ** Math.round(Math.log2(size));
    const plain = minimize(rosenbrock(), newtonCG(), { gtol: 0, gRel: 1e-10 });
    const scaled = minimize(inUnits(rosenbrock(), unit, 1), newtonCG(), { gtol: 0, gRel: 1e-10 });
    expect(count(scaled)).toEqual(count(plain));
    expect(scaled.x).toEqual(plain.x.map((value) => value * unit));
  });

  it('the option scale makes the units of all unknowns alike', () => {
    const scale = [2 ** -40, 2 ** 40];
    const { p0, fg } = rosenbrock();
    const mixed: Problem = {
      p0: p0.map((value, i) => value * scale[i]),
      fg(x, gradient) {
        const f = fg(
          x.map((value, i) => value / scale[i]),
          gradient,
        );
        gradient?.forEach((value, i) => (gradient[i] = value / scale[i]));
        return f;
      },
    };
    const plain = minimize({ p0, fg }, newtonCG(), { gtol: 0, maxIterations: 15 });
    const scaled = minimize(mixed, newtonCG({ scale }), { gtol: 0, maxIterations: 15 });
    expect(count(scaled)).toEqual(count(plain));
    expect(scaled.x).toEqual(plain.x.map((value, i) => value * scale[i]));
    expect(() => minimize({ p0, fg }, newtonCG({ scale: [1, 2, 3] }))).toThrow(
      /newtonCG: scale: must be a finite number > 0, or an array of 2 of them, got Array\(3\)/,
    );
    expect(() => newtonCG({ scale: -1 })).toThrow(/newtonCG: scale: must be a finite number > 0/);
  });

  it.each([1, 1e-4, 1e-6, 1e-12, 1e6, 1e12])('a sine of period %d is minimized', (s) => {
    const sine: Problem = {
      p0: Float64Array.of(0.7 * s),
      fg([x], g) {
        g?.fill(Math.cos(x / s) / s);
        return Math.sin(x / s);
      },
    };
    const result = minimize(sine, newtonCG(), { gtol: 1e-8 / s });
    expect(result.converged).toBe(true);
    expect(result.f).toBeCloseTo(-1, 12);
  });

  it.each([1e12, 1.7e12, -1e9])('an unknown near %d, where f varies over 1, is found', (offset) => {
    const far: Problem = {
      p0: Float64Array.of(offset + 3, offset - 5),
      fg(x, g) {
        const z = x.map((value) => value - offset);
        g?.set([4 * z[0] ** 3 + z[0], 2 * z[1]]);
        return z[0] ** 4 + z[0] ** 2 / 2 + z[1] ** 2;
      },
    };
    const { f, termination } = minimize(far, newtonCG());
    expect(f).toBeLessThan(1e-5);
    expect(termination).not.toBe('lineSearchFailed');
  });
});

describe('the ending', () => {
  /** ARWHEAD of CUTEst: terms of size 1 that cancel to f = 0. */
  function arwhead(n: number): Problem {
    return {
      p0: new Float64Array(n).fill(1),
      fg(x, gradient) {
        const last = n - 1;
        gradient?.fill(0);
        let f = 0;
        for (let i = 0; i < last; i++) {
          const square = x[i] ** 2 + x[last] ** 2;
          f += 3 - 4 * x[i] + square ** 2;
          if (gradient) {
            gradient[i] += 4 * square * x[i] - 4;
            gradient[last] += 4 * square * x[last];
          }
        }
        return f;
      },
    };
  }

  it.each([10, 100, 500])('beside a solution of n = %d that rounding of f hides is success', (n) => {
    const result = minimize(arwhead(n), newtonCG());
    expect(result).toMatchObject({ termination: 'gradientTolerance', converged: true });
    expect(Math.abs(result.f)).toBeLessThan(1e-12 * n);
  });

  it('is precisionFloor where only rounding is left, and the best point is returned', () => {
    const result = minimize(arwhead(100), newtonCG(), { gtol: 0 });
    expect(['precisionFloor', 'gradientTolerance']).toContain(result.termination);
    expect(Math.abs(result.f)).toBeLessThan(1e-12);
    expect(result.f).toBeLessThanOrEqual(Math.min(...result.trace.map(({ f }) => f)) + 1e-13);
  });

  it('is lineSearchFailed where the gradient is wrong', () => {
    const { p0, fg } = rosenbrock();
    const lying: Problem = {
      p0,
      fg(x, g) {
        const f = fg(x, g);
        g?.forEach((value, i) => (g[i] = -value));
        return f;
      },
    };
    const result = minimize(lying, newtonCG());
    expect(result.converged).toBe(false);
    expect(result.termination).not.toBe('precisionFloor');
    expect(result.f).toBeLessThanOrEqual(fg(p0, null));
  });

  it('never ends above the start, even with a large constant added to f', () => {
    for (const offset of [0, 1e4, -1e8, 1e12]) {
      for (let seed = 0; seed < 40; seed++) {
        const p0 = Float64Array.of(Math.sin(seed) * 2, Math.cos(3 * seed) * 2);
        const { fg } = rosenbrock();
        const problem: Problem = { p0, fg: (x, g) => offset + fg(x, g) };
        const result = minimize(problem, newtonCG(), { maxIterations: 60 });
        const start = problem.fg(p0, null);
        expect(result.f).toBeLessThanOrEqual(start + 4 * 2 ** -52 * Math.abs(start));
      }
    }
  });
});
