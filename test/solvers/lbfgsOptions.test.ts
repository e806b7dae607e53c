import { describe, expect, it } from 'vitest';
import {
  bfgs,
  fixedStep,
  lbfgs,
  minimize,
  runSync,
  staticStep,
  strongWolfe,
  unitStep,
  type LbfgsOptions,
  type Problem,
  type Setting,
} from 'quasi-newton';
import { modelMatrix } from '../../src/solvers/boxDirection.ts';
import { limitedMemory } from '../../src/solvers/limitedMemory.ts';
import { bowl, difference, started, stepFrom } from './walk.ts';
import { memoryOf } from './internals.ts';
import { dot, plus, timesH, type Pair, type Vector } from './vectors.ts';

// Oracles: what each option of L-BFGS changes, with the pairs taken into H one by one.

/** The pairs of some steps, as they were observed, and the direction after them. */
function follow(options: LbfgsOptions, problem: Problem, count: number, setting: Partial<Setting> = {}) {
  const solver = lbfgs({ modifiedSecant: false, ...options });
  const state = started(solver, problem, setting);
  const steps = Array.from({ length: count }, () => {
    const { before, x, gradient, alpha } = stepFrom(solver, state, problem);
    return { s: plus(x, -1, before.x), y: plus(gradient, -1, before.gradient), g: before.gradient, alpha };
  });
  const direction = new Float64Array(problem.p0.length);
  solver.direction?.(state, direction);
  return { steps, state, direction: [...direction], gradient: [...state.gradient] };
}

/** As the bowl, of more unknowns than the fast kernels need. */
const wide: Problem = {
  p0: Float64Array.from({ length: 300 }, (_, i) => Math.sin(i)),
  fg(x, gradient) {
    gradient?.set(x.map((value, i) => (1 + (i % 7)) * value + value ** 3));
    return x.reduce((sum, value, i) => sum + ((1 + (i % 7)) * value ** 2) / 2 + value ** 4 / 4, 0);
  },
};

const negative = (v: Vector) => v.map((value) => -value);

describe('the scale γ of H₀', () => {
  it.each<[NonNullable<LbfgsOptions['initialScaling']>, (pair: Pair) => number]>([
    ['short', ({ s, y }) => dot(s, y) / dot(y, y)],
    ['long', ({ s, y }) => dot(s, s) / dot(s, y)],
    ['geometric', ({ s, y }) => Math.sqrt(dot(s, s) / dot(y, y))],
    ['none', () => 1],
  ])('the scale γ of H₀: %s', (initialScaling, gammaOf) => {
    for (const problem of [bowl, wide]) {
      const { steps, direction, gradient } = follow({ initialScaling, memory: 3 }, problem, 5);
      const kept = steps.slice(-3);
      const expected = negative(timesH(kept, gammaOf(kept[2]), gradient));
      expect(difference(direction, expected)).toBeLessThan(1e-10);
    }
  });

  it('is short by default', () => {
    const [plain, short] = [{}, { initialScaling: 'short' as const }].map(
      (o) => follow(o, bowl, 4).direction,
    );
    expect(plain).toEqual(short);
  });

  it('self-scaled, is that of the oldest pair, and every pair divides H by τ = min(1, sᵀy/sᵀBs)', () => {
    for (const problem of [bowl, wide]) {
      const { steps, direction, gradient } = follow({ selfScaling: true, memory: 3 }, problem, 5);
      const kept = steps.slice(-3);
      const gamma = dot(kept[0].s, kept[0].y) / dot(kept[0].y, kept[0].y);
      const timesScaled = (count: number, v: Vector): Vector => {
        if (count === 0) return v.map((value) => gamma * value);
        const { s, y, g, alpha } = kept[count - 1];
        const rho = 1 / dot(s, y);
        const tau = Math.min(1, dot(s, y) / (-alpha * dot(s, g)));
        const inner = timesScaled(count - 1, plus(v, -rho * dot(s, v), y)).map((value) => value / tau);
        return plus(inner, rho * dot(s, v) - rho * dot(y, inner), s);
      };
      expect(difference(direction, negative(timesScaled(3, gradient)))).toBeLessThan(1e-10);
    }
  });
});

/** Concave where it begins, and convex in its valleys. */
const waves = (n: number): Problem => ({
  p0: Float64Array.from({ length: n }, (_, i) => 0.3 + 0.1 * Math.sin(i)),
  fg(x, gradient) {
    gradient?.set(x.map((value, i) => -(1 + (i % 3)) * Math.sin(value) + 0.1 * value));
    return x.reduce((sum, value, i) => sum + (1 + (i % 3)) * Math.cos(value) + 0.05 * value ** 2, 0);
  },
});

describe('Powell’s damping', () => {
  it.each([waves(4), waves(300)])('draws y towards Bs until sᵀy is a fifth of sᵀBs', (problem) => {
    const options = { damping: true, memory: 20, lineSearch: fixedStep({ alpha: 0.3 }) };
    const { steps, direction, gradient, state } = follow(options, problem, 6);
    const damped = steps.map(({ s, y, g, alpha }): Pair & { theta: number } => {
      const Bs = g.map((value) => -alpha * value);
      const sBs = dot(s, Bs);
      const theta = dot(s, y) >= 0.2 * sBs ? 1 : (0.8 * sBs) / (sBs - dot(s, y));
      return {
        s,
        y: plus(
          y.map((value) => theta * value),
          1 - theta,
          Bs,
        ),
        theta,
      };
    });
    expect(damped.some(({ theta }) => theta < 1)).toBe(true);
    expect(memoryOf(state).count).toBe(6);
    const { s, y } = damped[5];
    const expected = negative(timesH(damped, dot(s, y) / dot(y, y), gradient));
    expect(difference(direction, expected)).toBeLessThan(1e-9);
  });

  it.each([1e-3, 1, 1e3])('raises sᵀy to a fifth of sᵀBs, and no higher, where ‖g‖ is %d', (size) => {
    for (const ratio of [-3, 0.1, 0.19, 0.21, 1, 30]) {
      const inverse = limitedMemory(() => 3, { damping: true, modifiedSecant: false });
      const memory = inverse.init({ n: 2, precision: 'float64' });
      const gradient = Float64Array.of(0.6 * size, -0.8 * size);
      const [x, alpha] = [new Float64Array(2), 0.5];
      const direction = gradient.map((g) => -g);
      // B is the identity: sᵀBs = sᵀs = α²‖g‖², and sᵀy is `ratio` times as much.
      const trial = direction.map((d) => alpha * d);
      const trialGradient = gradient.map((g, i) => g + ratio * trial[i]);
      inverse.learn(memory, { x, f: 0, gradient, trial, trialF: 0, trialGradient, direction, alpha });
      const sBs = (alpha * size) ** 2;
      expect(1 / (memory.rho[0] * sBs)).toBeCloseTo(Math.max(0.2, ratio), 12);
    }
  });

  it('is off by default: pairs of negative curvature are left out', () => {
    const options = { memory: 20, lineSearch: fixedStep({ alpha: 0.3 }) };
    const { steps, direction, gradient, state } = follow(options, waves(4), 6);
    const kept = steps.filter(({ s, y }) => dot(s, y) > 0);
    expect(kept.length).toBeLessThan(6);
    expect(memoryOf(state).count).toBe(kept.length);
    const { s, y } = kept[kept.length - 1];
    const expected = negative(timesH(kept, dot(s, y) / dot(y, y), gradient));
    expect(difference(direction, expected)).toBeLessThan(1e-10);
  });
});

describe('a preconditioner P⁻¹', () => {
  it.each([1, 4])('makes H₀ = γP⁻¹ with γ = sᵀy/yᵀP⁻¹y, at memory %d', (memory) => {
    const scales = (i: number) => 1 + (i % 7);
    for (const problem of [bowl, wide]) {
      const times = (v: Vector) => v.map((value, i) => value / scales(i));
      const preconditioner = (v: Float64Array, out: Float64Array) => out.set(times([...v]));
      const { steps, direction, gradient } = follow({ preconditioner, memory }, problem, 5);
      const kept = steps.slice(-memory);
      const { s, y } = kept[kept.length - 1];
      const gamma = dot(s, y) / dot(y, times(y));
      const timesPreconditioned = (count: number, v: Vector): Vector => {
        if (count === 0) return times(v).map((value) => gamma * value);
        const { s, y } = kept[count - 1];
        const rho = 1 / dot(s, y);
        const inner = timesPreconditioned(count - 1, plus(v, -rho * dot(s, v), y));
        return plus(inner, rho * dot(s, v) - rho * dot(y, inner), s);
      };
      expect(difference(direction, negative(timesPreconditioned(kept.length, gradient)))).toBeLessThan(1e-10);
    }
  });
});

describe('defaults of L-BFGS', () => {
  const memoryFor = (options: LbfgsOptions, setting: Partial<Setting>) =>
    memoryOf(lbfgs(options).init({ n: 10, precision: 'float64', ...setting }));

  it('keep 100 pairs up to 500 unknowns, 50 up to 2000, 10 from a million on, and 20 between', () => {
    const described = [1, 500, 501, 2000, 2001, 999_999, 1e6].map((n) => lbfgs().describe(n));
    expect(described).toEqual(
      [100, 100, 50, 50, 20, 20, 10].map((memory) => `L-BFGS (memory ${memory}, Moré–Thuente)`),
    );
    expect(lbfgs({ memory: 3 }).describe(1e6)).toBe('L-BFGS (memory 3, Moré–Thuente)');
    expect(memoryFor({ memory: 3 }, {}).rows.length).toBe(8);
  });

  it.each([
    ['lbfgs', lbfgs],
    ['bfgs', bfgs],
  ] as const)('search by the weak Wolfe conditions, as %s documents', (_name, make) => {
    const valley: Problem = {
      p0: Float64Array.of(-1.2, 1),
      fg([x, y], gradient) {
        gradient?.set([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)]);
        return (1 - x) ** 2 + 100 * (y - x * x) ** 2;
      },
    };
    const fallOf = (options: object) => minimize(valley, make(options)).trace.map(({ f }) => f);
    const documented = strongWolfe({ c2: 0.99, maxRise: Infinity, extrapolation: 10 });
    expect(fallOf({})).toEqual(fallOf({ lineSearch: documented }));
    expect(fallOf({})).not.toEqual(fallOf({ lineSearch: strongWolfe() }));
  });

  it('learn from the values of f where they are exact', () => {
    expect(memoryFor({}, {}).modifiedSecant).toBe(true);
    expect(memoryFor({}, { precision: 'float32' }).modifiedSecant).toBe(false);
    expect(memoryFor({}, { stochastic: true }).modifiedSecant).toBe(false);
    expect(memoryFor({ modifiedSecant: false }, {}).modifiedSecant).toBe(false);
    expect(memoryFor({ modifiedSecant: true }, { stochastic: true }).modifiedSecant).toBe(true);
  });

  it('store float32 pairs of float32 losses where they are many, without bounds and preconditioner', () => {
    const isSingle = (options: LbfgsOptions, setting: Partial<Setting>) =>
      memoryFor(options, setting).rows.every((row) => row instanceof Float32Array);
    const float32 = { precision: 'float32', n: 75_000 } as const; // m = 20
    const preconditioner = (v: Float64Array, out: Float64Array) => out.set(v);
    expect(isSingle({}, float32)).toBe(true);
    expect(isSingle({}, { ...float32, n: 74_999 })).toBe(false);
    expect(isSingle({ memory: 19 }, float32)).toBe(false);
    expect(isSingle({}, { n: 75_000 })).toBe(false);
    expect(isSingle({ lower: 0 }, float32)).toBe(false);
    expect(isSingle({ preconditioner }, float32)).toBe(false);
    expect(isSingle({ storage: 'float64' }, float32)).toBe(false);
    expect(isSingle({ storage: 'float32' }, {})).toBe(true);
    expect(isSingle({ storage: 'float32', lower: 0 }, {})).toBe(true);
  });

  it('keep products of pairs where these are long or float32, and room for a vector only where it is needed', () => {
    const preconditioner = (v: Float64Array, out: Float64Array) => out.set(v);
    const rooms = ([options, n]: [LbfgsOptions, number]) => {
      const { gram, scratch } = memoryFor(options, { n });
      return [gram !== null, scratch.length];
    };
    expect(
      (
        [
          [{}, 255],
          [{}, 256],
          [{ storage: 'float32' }, 10],
          [{ preconditioner }, 300],
          [{ lower: 0 }, 300],
          [{ lower: 0, storage: 'float32' }, 300],
        ] as [LbfgsOptions, number][]
      ).map(rooms),
    ).toEqual([
      [false, 0],
      [true, 0],
      [true, 0],
      [false, 300],
      [false, 0],
      [false, 300],
    ]);
  });

  it('refuses wrong options', () => {
    for (const [message, options] of [
      ['memory: must be a whole number in [1, 10000], got 10001.', { memory: 10001 }],
      ['lineSearch: must be a line search such as strongWolfe(), got 1.', { lineSearch: 1 }],
      ['initialStep: must be a function, got 1.', { initialStep: 1 }],
      ['modifiedSecant: must be true or false', { modifiedSecant: 1 }],
      ['selfScaling: must be true or false', { selfScaling: 1 }],
      ["initialScaling: must be 'short' or 'long' or 'geometric' or 'none'", { initialScaling: 'wide' }],
      ['preconditioner: must be a function', { preconditioner: 1 }],
      ['damping: must be true or false', { damping: 1 }],
      ["storage: must be 'float64' or 'float32'", { storage: 'float16' }],
      [
        "storage 'float32' cannot be combined with a preconditioner; leave one of the two options out.",
        { storage: 'float32', preconditioner: () => {} },
      ],
    ] as const) {
      expect(() => lbfgs(options as never)).toThrow(RangeError);
      expect(() => lbfgs(options as never)).toThrow(`lbfgs: ${message}`);
    }
  });
});

describe('pairs that are taken in one after the other, with no direction between', () => {
  it.each([10, 300])('count as any others, at n = %d', (n) => {
    const descent = limitedMemory(() => 3, { modifiedSecant: false });
    const memory = descent.init({ n, precision: 'float64' });
    const vector = (seed: number) => Array.from({ length: n }, (_, i) => Math.sin(seed * (i + 1)));
    const pairs = [1, 2, 3, 4].map((seed): Pair => {
      const s = vector(seed);
      return { s, y: s.map((value, i) => (2 + (i % 3)) * value) };
    });
    const start = vector(9);
    let [x, gradient] = [vector(8), start];
    for (const { s, y } of pairs) {
      const [trial, trialGradient] = [plus(x, 1, s), plus(gradient, 1, y)];
      const step = { x, gradient, trial, trialGradient };
      const [from, g, to, gNext] = Object.values(step).map((v) => Float64Array.from(v));
      const move = { x: from, gradient: g, trial: to, trialGradient: gNext };
      descent.learn(memory, { ...move, direction: to, f: 1, trialF: 0, alpha: 1 });
      [x, gradient] = [trial, trialGradient];
    }
    const out = new Float64Array(n);
    descent.apply(memory, Float64Array.from(gradient), out);
    const kept = pairs.slice(-3);
    const { s, y } = kept[2];
    const expected = negative(timesH(kept, dot(s, y) / dot(y, y), gradient));
    expect(difference([...out], expected)).toBeLessThan(1e-10);
  });
});

describe('bounds of L-BFGS', () => {
  const box = { lower: [0, -2.5, -10, 1, -10], upper: [10, 10, 1, 10, 10] };
  const inBox: Problem = { ...bowl, p0: Float64Array.of(1.5, -2, 0, 3, 0.5) };

  it('begin each search at 1, and without them where unitStep() does', () => {
    const fallOf = (options: LbfgsOptions) => minimize(inBox, lbfgs(options)).trace.map(({ f }) => f);
    expect(fallOf(box)).toEqual(fallOf({ ...box, initialStep: staticStep(1) }));
    expect(fallOf({})).toEqual(fallOf({ initialStep: unitStep() }));
    expect(fallOf({})).not.toEqual(fallOf({ initialStep: staticStep(1) }));
  });

  it('bounds of L-BFGS of few unknowns give the step to the minimum of the model, in the elements that stay inside', () => {
    const solver = lbfgs({ ...box, modifiedSecant: false });
    const state = started(solver, inBox);
    for (let k = 0; k < 3; k++) {
      stepFrom(solver, state, inBox);
      const p = new Float64Array(5);
      solver.direction?.(state, p);
      const B = modelMatrix(memoryOf(state), 5, false);
      const ends = [...p].map((value, i) => state.x[i] + value);
      const inside = [...ends.keys()].filter((i) => ends[i] > box.lower[i] && ends[i] < box.upper[i]);
      expect(inside.length).toBeGreaterThan(1);
      for (const i of inside) {
        const slope = state.gradient[i] + dot([...B.subarray(5 * i, 5 * i + 5)], p);
        expect(Math.abs(slope)).toBeLessThan(1e-9);
      }
    }
  });

  it('far away leave the direction of a preconditioner as it is', () => {
    const preconditioner = (v: Float64Array, out: Float64Array) =>
      out.set(v.map((value, i) => value / (1 + i)));
    // Where no element of −∇f exceeds 1, it is not shortened within bounds.
    const near: Problem = { ...bowl, p0: minimize(bowl, lbfgs()).x.map((value) => value + 0.01) };
    const directions = [{}, { lower: -1e9 }].map((bounds) => {
      const lineSearch = fixedStep({ alpha: 0.1 });
      const options = { preconditioner, modifiedSecant: false, lineSearch, initialStep: staticStep(0.1) };
      return follow({ ...options, ...bounds }, near, 2).direction;
    });
    expect(difference(directions[1], directions[0])).toBeLessThan(1e-12);
  });

  it('begin anew where a search fails', () => {
    const solver = lbfgs({ ...box, memory: 1 });
    const state = started(solver, inBox);
    for (let k = 0; k < 3; k++) stepFrom(solver, state, inBox);
    const wall: Problem = { ...inBox, fg: (_x, gradient) => (gradient?.fill(1), 1e9) };
    expect(runSync(solver.step(state), wall).kind).toBe('failed');
    const fresh = started(lbfgs(box), { ...inBox, p0: state.x });
    fresh.gradient.set(state.gradient);
    const [out, expected] = [new Float64Array(5), new Float64Array(5)];
    solver.direction?.(state, out);
    solver.direction?.(fresh, expected);
    expect([...out]).toEqual([...expected]);
  });

  it('null and infinite bounds mean unbounded', () => {
    for (const options of [{ lower: null }, { upper: null }, { lower: -Infinity, upper: Infinity }]) {
      expect('admit' in lbfgs(options)).toBe(false);
    }
    expect('admit' in lbfgs({ lower: null, upper: 3 })).toBe(true);
    expect('admit' in lbfgs({ lower: 3, upper: null })).toBe(true);
  });

  it.each([
    ['nextBatch and no overlap', {}],
    ['nextBatch', { overlap: true }],
    ['overlap', { stochastic: true }],
  ])('overlapping pairs need a problem with batches that overlap; this has no %s', (missing, setting) => {
    const solver = lbfgs({ pairs: 'overlap' });
    const begin = () => solver.init({ n: 3, precision: 'float64', ...setting });
    expect(begin).toThrow(
      new RangeError(
        `lbfgs: pairs 'overlap' needs a problem with nextBatch(), and overlap(x, gradient) for the samples that a batch shares with the one before; this one has no ${missing}.`,
      ),
    );
  });
});
