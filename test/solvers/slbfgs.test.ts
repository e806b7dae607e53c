import { describe, expect, it } from 'vitest';
import { backtracking, fixedStep, runSync, slbfgs, type Problem } from 'quasi-newton';
import { bowl, difference, hills, rootMeanSquare, started, stepFrom, walk } from './walk.ts';
import { memoryOf } from './internals.ts';
import type { SlbfgsMemory } from '../../src/solvers/slbfgs.ts';
import { dot, type Vector } from './vectors.ts';

type Matrix = number[][];

/** The solution of Ax = b, A symmetric and positive definite, by conjugate gradients to the last digit. */
function solve(A: Matrix, b: Vector): Vector {
  let x = b.map(() => 0);
  let r = [...b];
  let p = [...b];
  for (let k = 0; k < 50 && dot(r, r) > 1e-32 * dot(b, b); k++) {
    const Ap = A.map((row) => dot(row, p));
    const alpha = dot(r, r) / dot(p, Ap);
    x = x.map((value, i) => value + alpha * p[i]);
    const next = r.map((value, i) => value - alpha * Ap[i]);
    const beta = dot(next, next) / dot(r, r);
    p = next.map((value, i) => value + beta * p[i]);
    r = next;
  }
  return x;
}

/** −Ĥg with Ĥ = (λγI + SYᵀ)(λI + YYᵀ)⁻¹, the minimizer of ‖HY − S‖² + λ‖H − γI‖². */
function estimateTimes(pairs: [Vector, Vector][], lambda: number, gamma: number, g: Vector): Vector {
  const yy = g.map((_, i) =>
    g.map((_, j) => pairs.reduce((sum, [, y]) => sum + y[i] * y[j], i === j ? lambda : 0)),
  );
  const v = solve(yy, g);
  return v.map(
    (value, i) => -lambda * gamma * value - pairs.reduce((sum, [s, y]) => sum + s[i] * dot(y, v), 0),
  );
}

/** A solver after some steps, with the pairs it has seen. */
function afterSteps(options: Parameters<typeof slbfgs>[0], count: number, problem = hills) {
  const solver = slbfgs(options);
  const state = started(solver, problem);
  const pairs = Array.from({ length: count }, (): [Vector, Vector] => {
    const { before, x, gradient } = stepFrom(solver, state, problem);
    return [x.map((v, i) => v - before.x[i]), gradient.map((v, i) => v - before.gradient[i])];
  });
  return { solver, state, pairs };
}

/** Compares directions after six steps of a length with the estimate; returns how often λ was raised for each. */
function raisesAfter(alpha: number): number[] {
  const { solver, state, pairs } = afterSteps(
    { memory: 3, lambda: 0.01, lineSearch: fixedStep({ alpha }) },
    6,
  );
  const kept = pairs.filter(([s, y]) => dot(s, y) > 0).slice(-3);
  const [s, y] = kept[kept.length - 1];
  const gamma = dot(s, y) / dot(y, y);
  const unit = kept.reduce((sum, [, y]) => sum + dot(y, y), 0) / kept.length;
  const out = new Float64Array(4);
  const raised: number[] = [];
  for (let k = 0; k < 200; k++) {
    const g = [Math.sin(k), Math.cos(2 * k), Math.sin(3 * k + 1), Math.cos(5 * k)];
    let lambda = 0.01 * unit;
    let expected = estimateTimes(kept, lambda, gamma, g);
    while (dot(expected, g) > -0.1 * gamma * dot(g, g)) {
      lambda *= 10;
      expected = estimateTimes(kept, lambda, gamma, g);
    }
    raised.push(Math.round(Math.log10(lambda / (0.01 * unit))));
    state.gradient.set(g);
    solver.direction?.(state, out);
    expect(difference([...out], expected)).toBeLessThan(1e-8);
  }
  return raised;
}

describe('SLBFGS', () => {
  it('raises λ tenfold until its direction falls at least a tenth as steeply as −γg', () => {
    const raised: number[] = [];
    for (const alpha of [0.05, 0.2, 0.5, 1]) raised.push(...raisesAfter(alpha));
    expect(raised).toContain(0);
    expect(Math.max(...raised)).toBeGreaterThan(0);
  });
  it('transposed, is −Ĥᵀg, and reflected on g where that leads uphill', () => {
    // Cosines, concave where they begin: y points against s.
    const summit: Problem = {
      p0: Float64Array.of(0.1, 0.2, -0.1, 0.15),
      fg(x, gradient) {
        gradient?.set(x.map((value, i) => -(i + 1) * Math.sin(value)));
        return x.reduce((sum, value, i) => sum + (i + 1) * Math.cos(value), 0);
      },
    };
    const options = { memory: 3, lambda: 1e-3, transposed: true, lineSearch: fixedStep({ alpha: 0.1 }) };
    const { solver, state, pairs } = afterSteps(options, 3, summit);
    const kept = pairs.slice(-3);
    const out = new Float64Array(4);
    let reflected = 0;
    for (let k = 0; k < 100; k++) {
      const g = [Math.sin(k), Math.cos(2 * k), Math.sin(3 * k + 1), Math.cos(5 * k)];
      const right = g.map(
        (value, i) => 1e-3 * value + kept.reduce((sum, [s, y]) => sum + y[i] * dot(s, g), 0),
      );
      const yy = g.map((_, i) =>
        g.map((_, j) => kept.reduce((sum, [, y]) => sum + y[i] * y[j], i === j ? 1e-3 : 0)),
      );
      const plain = solve(yy, right).map((value) => -value);
      const uphill = Math.max(0, dot(plain, g) / dot(g, g));
      if (uphill > 0) reflected++;
      state.gradient.set(g);
      solver.direction?.(state, out);
      const expected = plain.map((value, i) => value - 2 * uphill * g[i]);
      expect(difference([...out], expected)).toBeLessThan(1e-8);
    }
    expect(reflected).toBeGreaterThan(5);
  });

  it('backtracks by parabolas by default', () => {
    const wall: Problem = {
      p0: Float64Array.of(1),
      fg(x, gradient) {
        gradient?.set([x[0] < 1 ? -1 : 1]);
        return x[0] === 1 ? 1 : 1 + 3 * (1 - x[0]) ** 3 + 0.2 * (1 - x[0]);
      },
    };
    const ending = (options: object) => {
      const asked: number[] = [];
      const noted: Problem = { ...wall, fg: (x, gradient) => (asked.push(x[0]), wall.fg(x, gradient)) };
      const solver = slbfgs(options);
      runSync(solver.step(started(solver, noted)), noted);
      return asked.slice(0, 12);
    };
    const lineSearch = (interpolation: 'quadratic' | 'cubic') => ({
      lineSearch: backtracking({ interpolation }),
    });
    expect(ending({})).toEqual(ending(lineSearch('quadratic')));
    expect(ending({})).not.toEqual(ending(lineSearch('cubic')));
  });

  it('regularizes the more, the noisier the gradients are', () => {
    const lambda = (options: object, setting: object) =>
      memoryOf<SlbfgsMemory>(slbfgs(options).init({ n: 3, precision: 'float64', ...setting })).lambda;
    expect(lambda({}, {})).toBe(1e-4);
    expect(lambda({}, { precision: 'float32' })).toBe(1e-2);
    expect(lambda({}, { stochastic: true })).toBe(0.1);
    expect(lambda({}, { stochastic: true, precision: 'float32' })).toBe(0.1);
    expect(lambda({ transposed: true }, { stochastic: true })).toBe(1e-4);
    expect(lambda({ lambda: 0.7 }, { precision: 'float32' })).toBe(0.7);
    expect(lambda({ lambda: 0.7, transposed: true }, {})).toBe(0.7);
  });

  it('begins along −g, by alphaMax·min(1, rms(x)/‖g‖∞), and then tries alphaMax', () => {
    for (const transposed of [true, false]) {
      const [first, second] = walk(slbfgs({ lineSearch: fixedStep(), alphaMax: 0.2, transposed }), bowl, 2);
      const largest = Math.max(...first.before.gradient.map(Math.abs));
      expect(first.alpha).toBeCloseTo((0.2 * rootMeanSquare(first.before.x)) / largest, 14);
      const expected = first.before.x.map((value, i) => value - first.alpha * first.before.gradient[i]);
      expect(difference(first.x, expected)).toBeLessThan(1e-14);
      expect(second.alpha).toBe(0.2);
    }
  });

  it('SLBFGS on mini-batches tries twice the last step, up to alphaMax', () => {
    const solver = slbfgs({ lineSearch: fixedStep(), alphaMax: 0.2 });
    const alphas = walk(solver, hills, 6, { stochastic: true }).map(({ alpha }) => alpha);
    expect(alphas[0]).toBeLessThan(0.05);
    alphas.slice(1).forEach((alpha, k) => expect(alpha).toBe(Math.min(0.2, 2 * alphas[k])));
    expect(alphas[5]).toBe(0.2);
  });

  it('keeps pairs of positive curvature alone; transposed, all of which y is not 0', () => {
    // A cosine from its hill down: concave, then convex.
    const cosine: Problem = {
      p0: Float64Array.of(0.4),
      fg(x, gradient) {
        gradient?.set([-Math.sin(x[0])]);
        return Math.cos(x[0]);
      },
    };
    const count = (options: object, problem: Problem) => {
      const solver = slbfgs({ ...options, lineSearch: fixedStep({ alpha: 0.5 }) });
      const state = started(solver, problem);
      stepFrom(solver, state, problem);
      return memoryOf(state).count;
    };
    const line: Problem = { p0: Float64Array.of(1), fg: (x, g) => (g?.set([1]), x[0]) };
    expect(count({}, cosine)).toBe(0);
    expect(count({ transposed: true }, cosine)).toBe(1);
    expect(count({}, line)).toBe(0);
    expect(count({ transposed: true }, line)).toBe(0);
    expect(count({}, hills)).toBe(1);
  });

  it('points along −g where rounding makes its matrix indefinite, and comes to an end at a gradient of NaN', () => {
    for (const transposed of [false, true]) {
      const { solver, state } = afterSteps({ memory: 3, transposed }, 4);
      const out = new Float64Array(state.x.length);
      // The products of the newest pair come with the first direction.
      solver.direction?.(state, out);
      const memory = memoryOf<SlbfgsMemory>(state);
      memory.gram.yy.fill(-1e3);
      solver.direction?.(state, out);
      expect(dot(out, state.gradient)).toBeLessThan(0);
      const cosine =
        dot(out, state.gradient) / Math.sqrt(dot(out, out) * dot(state.gradient, state.gradient));
      // Transposed, without a λ to raise.
      expect(cosine).toBeLessThan(transposed ? -1 + 1e-15 : 0);
      state.gradient.fill(NaN);
      solver.direction?.(state, out);
      expect(out.every(Number.isNaN)).toBe(true);
    }
  });

  it('takes γ from its newest pair, and 1 where transposed', () => {
    const { state, pairs } = afterSteps({ memory: 3 }, 4);
    const [s, y] = pairs.filter(([s, y]) => dot(s, y) > 0).slice(-1)[0];
    expect(memoryOf<SlbfgsMemory>(state).gamma).toBeCloseTo(dot(s, y) / dot(y, y), 12);
    expect(memoryOf<SlbfgsMemory>(afterSteps({ memory: 3, transposed: true }, 4).state).gamma).toBe(1);
  });
});

describe('SLBFGS transposed accepts a rise of less than a tenth', () => {
  /** A problem of one unknown, slope 0.5, that gives these values one after the other from p0 on, the last again and again. */
  function scripted(...values: number[]) {
    const asked: number[] = [];
    const problem: Problem = {
      p0: Float64Array.of(0),
      fg(x, gradient) {
        gradient?.set([0.5]);
        return values[Math.min(asked.push(x[0]), values.length) - 1];
      },
    };
    return { asked, problem };
  }

  it.each([
    [10, 11, 10.99],
    [-10, -9, -9.01],
    [1, NaN, -5],
    [1, Infinity, 1],
  ])(
    'SLBFGS transposed accepts a rise of less than a tenth: from %d not to %d, but to %d',
    (f0, refused, accepted) => {
      const { problem, asked } = scripted(f0, refused, refused, accepted);
      const [step] = walk(slbfgs({ transposed: true, shrink: 0.25 }), problem, 1);
      expect(step.alpha).toBe(1 / 16);
      expect(step.f).toBe(accepted);
      expect(asked).toEqual([0, -0.5, -0.5 / 4, -0.5 / 16]);
    },
  );

  it('halves by default, and 40 times at most', () => {
    const { problem, asked } = scripted(1, 2);
    const solver = slbfgs({ transposed: true });
    const state = started(solver, problem);
    expect(runSync(solver.step(state), problem).kind).toBe('failed');
    expect(asked.slice(1, 6)).toEqual([-0.5, -0.25, -0.125, -0.0625, -0.03125]);
    expect(asked[40]).toBe(-(0.5 ** 40));
    expect(asked[41]).not.toBe(-(0.5 ** 41));
  });

  it('goes down only with a line search that does', () => {
    expect(slbfgs({ transposed: true })).toMatchObject({ name: 'slbfgs', descends: false });
    expect(slbfgs().descends).toBe(true);
    expect(slbfgs({ memory: 7 }).describe(3)).toBe('SLBFGS (memory 7)');
    expect(slbfgs({ transposed: true }).describe(3)).toBe('SLBFGS (memory 20, transposed)');
  });

  it.each([
    ['memory: must be a whole number in [1, 10000], got 0', { memory: 0 }],
    ['lambda: must be a finite number > 0, got 0', { lambda: 0 }],
    ['transposed: must be true or false, got 1', { transposed: 1 }],
    ['shrink: must be a number in (0, 1), got 1', { shrink: 1 }],
    ['lineSearch: must be a line search such as strongWolfe()', { lineSearch: 'no' }],
  ])('refuses: %s', (message, options) => {
    expect(() => slbfgs(options as never)).toThrow(`slbfgs: ${message}`);
  });
});
