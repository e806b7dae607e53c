import { describe, expect, it } from 'vitest';
import {
  bfgs,
  fixedStep,
  loadState,
  minimize,
  saveState,
  ssbfgs,
  ssbroyden,
  strongWolfe,
  type BfgsOptions,
  type Iterate,
  type Problem,
  type SavedState,
  type Setting,
  type Solver,
} from 'quasi-newton';
import { bowl, difference, hills, rootMeanSquare, started, stepFrom } from './walk.ts';
import { dot, plus, timesH, type Pair } from './vectors.ts';

/** The pairs of some steps and the direction after them. */
function follow<State extends Iterate>(solver: Solver<State>, problem: Problem, count: number) {
  const state = started(solver, problem);
  const pairs = Array.from({ length: count }, (): Pair => {
    const { before, x, gradient } = stepFrom(solver, state, problem);
    return { s: plus(x, -1, before.x), y: plus(gradient, -1, before.gradient) };
  });
  const out = new Float64Array(problem.p0.length);
  solver.direction?.(state, out);
  return { state, pairs, direction: [...out], gradient: [...state.gradient] };
}

describe('bfgs', () => {
  it.each<[string, BfgsOptions, Partial<Setting>, boolean]>([
    ['by default in float64', {}, {}, true],
    ['by default not in float32', {}, { precision: 'float32' }, false],
    ['where asked', { modifiedSecant: true }, { precision: 'float32' }, true],
    ['not where refused', { modifiedSecant: false }, {}, false],
  ])('multiplies each y by Biggs’s factor %s', (_name, options, setting, isModified) => {
    const solver = bfgs({ initialScaling: 'none', ...options });
    const state = started(solver, hills, setting);
    const factors: number[] = [];
    const pairs = Array.from({ length: 5 }, (): Pair => {
      const { before, x, gradient, f } = stepFrom(solver, state, hills);
      const [s, y] = [plus(x, -1, before.x), plus(gradient, -1, before.gradient)];
      const t = Math.min(2, Math.max(0.1, (6 * (before.f - f + dot(s, gradient))) / dot(s, y) - 2));
      factors.push(t);
      return { s, y: y.map((value) => (isModified ? t * value : value)) };
    });
    expect(factors.some((t) => Math.abs(t - 1) > 0.1)).toBe(true);
    expect(pairs.every(({ s, y }) => dot(s, y) > 0)).toBe(true);
    const out = new Float64Array(4);
    solver.direction?.(state, out);
    const expected = timesH(pairs, 1, [...state.gradient]).map((value) => -value);
    expect(difference([...out], expected)).toBeLessThan(1e-9);
  });

  it.each<[NonNullable<BfgsOptions['initialScaling']>, (pair: Pair) => number]>([
    ['short', ({ s, y }) => dot(s, y) / dot(y, y)],
    ['long', ({ s, y }) => dot(s, s) / dot(s, y)],
    ['geometric', ({ s, y }) => Math.sqrt(dot(s, s) / dot(y, y))],
    ['none', () => 1],
  ])('takes all pairs into γI, γ %s of the newest', (initialScaling, gammaOf) => {
    const solver = bfgs({ initialScaling, modifiedSecant: false });
    for (const count of [1, 2, 6]) {
      const { pairs, direction, gradient } = follow(solver, bowl, count);
      const expected = timesH(pairs, gammaOf(pairs[count - 1]), gradient).map((value) => -value);
      expect(difference(direction, expected)).toBeLessThan(1e-9);
    }
  });

  it('has the direction at any gradient, not only where its step ended', () => {
    const solver = bfgs({ modifiedSecant: false });
    const { state, pairs } = follow(solver, bowl, 3);
    const out = new Float64Array(5);
    const { s, y } = pairs[2];
    for (let k = 0; k < 3; k++) {
      const g = [1, -2, k, 0.5, 1 - k];
      state.gradient.set(g);
      solver.direction?.(state, out);
      const expected = timesH(pairs, dot(s, s) / dot(s, y), g).map((value) => -value);
      expect(difference([...out], expected)).toBeLessThan(1e-9);
    }
  });
});

describe.each([
  ['bfgs', bfgs, 'BFGS'],
  ['ssbfgs', ssbfgs, 'SSBFGS'],
  ['ssbroyden', ssbroyden, 'SSBroyden'],
] as const)('%s', (name, make, title) => {
  const solver = (options: object = {}) => make(options);

  it('names itself and its line search, and descends', () => {
    expect(solver()).toMatchObject({ name, descends: true, leavesPoint: true });
    expect(solver().describe(3)).toBe(`${title} (Moré–Thuente)`);
    expect(solver({ lineSearch: fixedStep() }).describe(3)).toBe(`${title} (fixed step)`);
  });

  it('begins along −∇f with min(1, rms(x)/‖∇f‖∞), and then tries 1 or three times its last step', () => {
    const state = started(solver({ lineSearch: fixedStep() }), bowl);
    const first = stepFrom(solver({ lineSearch: fixedStep() }), state, bowl);
    const largest = Math.max(...first.before.gradient.map(Math.abs));
    expect(first.alpha).toBeCloseTo(rootMeanSquare(first.before.x) / largest, 14);
    const expected = plus(first.before.x, -first.alpha, first.before.gradient);
    expect(difference(first.x, expected)).toBeLessThan(1e-14);
    const second = stepFrom(solver({ lineSearch: fixedStep() }), state, bowl);
    expect(second.alpha).toBeCloseTo(name === 'bfgs' ? 1 : Math.min(1, 3 * first.alpha), 14);
  });

  it('learns nothing of a pair without curvature, and −∇f is its direction then', () => {
    const hill: Problem = {
      p0: Float64Array.of(0.1, 0.2),
      fg(x, gradient) {
        gradient?.set(x.map((value) => -Math.sin(value)));
        return Math.cos(x[0]) + Math.cos(x[1]);
      },
    };
    const { direction, gradient } = follow(solver({ lineSearch: fixedStep({ alpha: 0.5 }) }), hill, 2);
    expect(direction).toEqual(gradient.map((value) => -value));
  });

  it('refuses wrong options', () => {
    for (const [message, options] of [
      ['lineSearch: must be a line search such as strongWolfe(), got 1.', { lineSearch: 1 }],
      ['initialStep: must be a function, got 1.', { initialStep: 1 }],
      ['modifiedSecant: must be true or false, got 1.', { modifiedSecant: 1 }],
    ] as const) {
      expect(() => solver(options)).toThrow(`${name}: ${message}`);
    }
  });

  it('uses the line search that it is given', () => {
    const near = follow(solver({ lineSearch: strongWolfe({ c2: 0.01 }) }), hills, 3);
    const far = follow(solver({ lineSearch: strongWolfe({ c2: 0.9 }) }), hills, 3);
    expect(near.gradient).not.toEqual(far.gradient);
  });
});

it('ssbroyden searches nearly exactly by default', () => {
  const [given, plain] = [ssbroyden({ lineSearch: strongWolfe({ c2: 0.05 }) }), ssbroyden()];
  expect(follow(given, hills, 6).gradient).toEqual(follow(plain, hills, 6).gradient);
  const loose = ssbroyden({ lineSearch: strongWolfe() });
  expect(follow(loose, hills, 6).gradient).not.toEqual(follow(plain, hills, 6).gradient);
});

describe('of 512 unknowns', () => {
  const n = 512;
  const valley: Problem = {
    p0: new Float64Array(n),
    fg(x, gradient) {
      let f = 0;
      for (let i = 0; i < n; i++) {
        const curvature = 10 ** ((6 * i) / n);
        const d = x[i] - 1;
        f += 0.5 * curvature * d * d + 0.1 * d ** 4;
        if (gradient) gradient[i] = curvature * d + 0.4 * d ** 3;
      }
      return f;
    },
  };
  const options = { maxIterations: 185, gtol: 0 };

  it.each([bfgs(), ssbfgs(), ssbroyden()])('a saved run of $name goes on bit for bit', (solver) => {
    // H is a sum at 60 and at 170, its largest; then it becomes a triangle.
    const whole = minimize(valley, solver, options);
    expect(whole.iterations).toBe(185);
    for (const stop of [60, 170, 180]) {
      const first = minimize(valley, solver, { ...options, maxIterations: stop });
      const state = loadState(JSON.parse(JSON.stringify(saveState(first.state))) as SavedState);
      const rest = minimize(valley, solver, { ...options, maxIterations: 185 - stop, resume: state });
      expect(rest.x).toEqual(whole.x);
      expect(rest.f).toBe(whole.f);
    }
  });
});
