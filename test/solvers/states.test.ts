import { describe, expect, it } from 'vitest';
import {
  adam,
  bfgs,
  conjugateGradient,
  gradientDescent,
  lbfgs,
  leastSquares,
  levenbergMarquardt,
  minimize,
  minimizeAsync,
  newtonCG,
  owlqn,
  runSync,
  sequence,
  slbfgs,
  soap,
  ssbfgs,
  ssbroyden,
  type Problem,
  type Solver,
} from 'quasi-newton';
import { mgh } from '../../bench/problems/mgh/index.js';

const kowalik = mgh.find(({ name }) => name === 'mgh15_kowalik_osborne')!;
const problem: Problem = leastSquares({
  p0: kowalik.p0,
  residualCount: kowalik.m,
  residuals: kowalik.residuals,
});

const solvers: Solver[] = [
  lbfgs(),
  lbfgs({ memory: 3, selfScaling: true, damping: true }),
  lbfgs({ lower: 0.1, upper: 1 }),
  bfgs(),
  ssbfgs(),
  ssbroyden(),
  conjugateGradient(),
  conjugateGradient({ beta: 'polakRibiere' }),
  gradientDescent(),
  gradientDescent({ learningRate: 0.01, momentum: 0.9, nesterov: true }),
  slbfgs(),
  slbfgs({ transposed: true }),
  newtonCG(),
  levenbergMarquardt(),
  owlqn({ l1: 1e-3 }),
  adam({ learningRate: 0.01, amsgrad: true }),
  soap({ learningRate: 0.01 }),
  sequence({ solver: adam({ learningRate: 0.01 }), iterations: 5 }, ssbroyden()),
];
const cases = solvers.map((solver) => ({ name: solver.describe(4), solver }));

function start(solver: Solver) {
  const { p0, fg } = problem;
  const setting = { n: p0.length, precision: 'float64' as const, residualCount: kowalik.m };
  const state = solver.init(setting);
  state.x.set(p0);
  solver.admit?.(state.x, setting);
  state.f = fg(state.x, state.gradient);
  return state;
}

describe.each(cases)('$name', ({ solver }) => {
  it('goes on from a clone of its state as if nothing had happened: states are plain data', () => {
    const straight = start(solver);
    let cloned = start(solver);
    for (let k = 0; k < 12; k++) {
      runSync(solver.step(straight), problem);
      cloned = structuredClone(cloned);
      runSync(solver.step(cloned), problem);
      expect(cloned).toEqual(straight);
    }
  });

  it('takes the same steps whether answers come now or later, to the last bit', async () => {
    const now = minimize(problem, solver, { maxIterations: 30 });
    const later = await minimizeAsync(
      {
        p0: problem.p0,
        residualCount: kowalik.m,
        fg: async (x, gradient) => problem.fg(x, gradient),
        residuals: async (x, r, jacobian) => problem.residuals?.(x, r, jacobian),
      },
      solver,
      { maxIterations: 30 },
    );
    const timeless = (trace: typeof now.trace) => trace.map((entry) => ({ ...entry, elapsed: 0 }));
    expect(timeless(later.trace)).toEqual(timeless(now.trace));
    expect(later.x).toEqual(now.x);
  });

  it('can be used for problem after problem, and keeps nothing of them', () => {
    const first = minimize(problem, solver, { maxIterations: 20 });
    minimize(mgh[0], solver.name === 'levenbergMarquardt' ? lbfgs() : solver.admit ? lbfgs() : solver, {
      maxIterations: 20,
    });
    expect(minimize(problem, solver, { maxIterations: 20 }).x).toEqual(first.x);
  });
});

describe('on mini-batches', () => {
  /** A line through points, two batches of them, that counts which batch each evaluation saw. */
  function batches() {
    const seen: { batch: number; x: number[] }[] = [];
    let batch = 0;
    const line: Problem = {
      p0: Float64Array.of(0, 0),
      nextBatch: () => {
        batch++;
      },
      fg(x, gradient) {
        seen.push({ batch, x: [...x] });
        const shift = batch % 2 === 0 ? 0.1 : -0.1;
        gradient?.set([2 * (x[0] - 1 - shift), 20 * (x[1] - 2)]);
        return (x[0] - 1 - shift) ** 2 + 10 * (x[1] - 2) ** 2;
      },
    };
    return { line, seen };
  }

  it.each([lbfgs(), slbfgs(), lbfgs({ damping: true })])(
    '$name evaluates one batch in a step, and the next one in the next',
    (solver) => {
      const { line, seen } = batches();
      const result = minimize(line, solver, { maxIterations: 10, gtol: 0 });
      expect(result.iterations).toBe(10);
      expect(new Set(seen.map(({ batch }) => batch)).size).toBe(11);
      // Every batch begins at the point where the one before has ended: pairs never mix two of them.
      for (let b = 2; b <= 10; b++) {
        const first = seen.find(({ batch }) => batch === b)!;
        expect(
          seen.filter(({ batch }) => batch === b - 1).some(({ x }) => x.every((v, i) => v === first.x[i])),
        ).toBe(true);
      }
    },
  );

  it('adam takes one evaluation a step', () => {
    const { line, seen } = batches();
    const { evaluations } = minimize(line, adam({ learningRate: 0.1 }), { maxIterations: 10, gtol: 0 });
    // One at the start, which is not of a batch drawn, and one for each.
    expect(evaluations.f).toBe(11);
    expect(seen.map(({ batch }) => batch)).toEqual(Array.from({ length: 11 }, (_, k) => k));
  });

  it('a batch that allows no step is passed over, x as it was', () => {
    let batch = 0;
    const hostile: Problem = {
      p0: Float64Array.of(3),
      nextBatch: () => {
        batch++;
      },
      fg(x, gradient) {
        const slope = batch % 3 === 2 ? -1 : 1; // every third batch lies about its gradient
        gradient?.set([slope * 2 * x[0]]);
        return x[0] ** 2;
      },
    };
    const result = minimize(hostile, lbfgs(), { maxIterations: 30, gtol: 1e-6 });
    expect(result.termination).toBe('gradientTolerance');
  });
});

describe('Levenberg–Marquardt', () => {
  it('Levenberg–Marquardt and other solvers report the same value of f', () => {
    const { f, x } = minimize(problem, levenbergMarquardt());
    expect(problem.fg(x, null)).toBe(f);
  });
});

describe('sequence', () => {
  it('refuses stages whose minimum is another one', () => {
    expect(() => sequence(adam(), lbfgs({ lower: 0 }))).toThrow(
      'stage 1: adam has no bounds, but stage 2 has',
    );
    expect(() => sequence(adam(), owlqn())).toThrow('stage 2: owlqn adds a penalty');
  });

  it('tells later stages all that it knows of the problem', () => {
    const line = leastSquares({
      p0: Float64Array.of(0, 0),
      residualCount: 3,
      residuals(x, r, jacobian) {
        [0, 1, 2].forEach((t) => (r[t] = x[0] + x[1] * t - (1 + 2 * t)));
        jacobian?.set([1, 0, 1, 1, 1, 2]);
      },
    });
    const solver = sequence({ solver: adam(), iterations: 5 }, levenbergMarquardt());
    expect(minimize(line, solver).x[1]).toBeCloseTo(2, 6);
  });
});
