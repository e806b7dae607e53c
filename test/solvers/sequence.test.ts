import { describe, expect, it } from 'vitest';
import {
  adam,
  auto,
  bfgs,
  fixedStep,
  gradientDescent,
  lbfgs,
  leastSquares,
  levenbergMarquardt,
  minimize,
  newtonCG,
  owlqn,
  runSync,
  sequence,
  ssbroyden,
  type Iterate,
  type Problem,
  type Solver,
} from 'quasi-newton';
import { hills, started, stepFrom, walk } from './walk.ts';
import { inside } from './internals.ts';
import type { SequenceState } from '../../src/solvers/sequence.ts';

const slow = adam({ learningRate: 0.05 });
const rolling = gradientDescent({ learningRate: 0.01, momentum: 0.5 });

/** Where each solver leaves x after its iterations, starting afresh where the one before ended. */
function oneAfterTheOther(...stages: [Solver, number][]): number[][] {
  let p0 = hills.p0;
  return stages.flatMap(([solver, iterations]) => {
    const points = walk(solver, { ...hills, p0 }, iterations).map(({ x }) => x);
    p0 = Float64Array.from(points[iterations - 1]);
    return points;
  });
}

/** Fails in every step. */
const stuck: Solver = {
  name: 'stuck',
  descends: true,
  describe: () => 'Stuck',
  init: ({ n }) => ({ x: new Float64Array(n), gradient: new Float64Array(n), f: NaN }),
  *step() {
    yield* [];
    return { kind: 'failed', termination: 'lineSearchFailed' };
  },
};

describe('sequence', () => {
  it('runs each stage for its iterations, each starting afresh from where the last one ended', () => {
    const solver = sequence({ solver: slow, iterations: 4 }, { solver: rolling, iterations: 3 }, slow);
    const points = walk(solver, hills, 12).map(({ x }) => x);
    expect(points).toEqual(oneAfterTheOther([slow, 4], [rolling, 3], [slow, 5]));
  });

  it('hands over after 500 iterations by default', () => {
    const solver = sequence(slow, rolling);
    const state = started(solver, hills);
    for (let k = 0; k < 500; k++) {
      stepFrom(solver, state, hills);
      expect(inside<SequenceState>(state).stage).toBe(0);
    }
    stepFrom(solver, state, hills);
    expect(state).toMatchObject({ stage: 1, iterations: 1 });
  });

  it('never leaves a stage of infinitely many iterations, nor the last', () => {
    const solver = sequence({ solver: slow, iterations: Infinity }, rolling);
    const points = walk(solver, hills, 6).map(({ x }) => x);
    expect(points).toEqual(oneAfterTheOther([slow, 6]));
    const last = sequence({ solver: slow, iterations: 2 });
    expect(walk(last, hills, 6).map(({ x }) => x)).toEqual(points);
  });

  it('goes on at once with the next stage where one fails, and says so where the last does', () => {
    const solver = sequence(
      stuck,
      { solver: stuck, iterations: 1 },
      { solver: rolling, iterations: 2 },
      stuck,
    );
    const state = started(solver, hills);
    const points = [stepFrom(solver, state, hills).x, stepFrom(solver, state, hills).x];
    expect(points).toEqual(oneAfterTheOther([rolling, 2]));
    expect(state).toMatchObject({ stage: 2, iterations: 2 });
    const x = [...state.x];
    const failed = { kind: 'failed', termination: 'lineSearchFailed' };
    expect(runSync(solver.step(state), hills)).toEqual(failed);
    expect(inside<SequenceState>(state).stage).toBe(3);
    expect([...state.x]).toEqual(x);
  });

  it('sequence lets a stage go on after a step that failed on mini-batches', () => {
    const solver = sequence({ solver: stuck, iterations: 2 }, rolling);
    const state = started(solver, hills, { stochastic: true });
    const kinds = [1, 2, 3].map(() => runSync(solver.step(state), hills).kind);
    expect(kinds).toEqual(['failed', 'failed', 'accepted']);
    expect(inside<SequenceState>(state).stage).toBe(1);
  });

  it('passes the facts about the problem to every stage', () => {
    const settings: unknown[] = [];
    const asking: Solver = {
      ...rolling,
      init(setting) {
        settings.push(setting);
        return rolling.init(setting);
      },
    };
    const solver = sequence({ solver: asking, iterations: 1 }, asking);
    walk(solver, hills, 2, { precision: 'float32', residualCount: 3 });
    const setting = { n: 4, precision: 'float32', residualCount: 3 };
    expect(settings).toEqual([setting, setting]);
  });

  it('has the direction of the stage at work, at its own point', () => {
    const dense = lbfgs({ lineSearch: fixedStep({ alpha: 0.01 }) });
    const solver = sequence({ solver: dense, iterations: 3 }, rolling);
    const state = started(solver, hills);
    stepFrom(solver, state, hills);
    const [out, expected] = [new Float64Array(4), new Float64Array(4)];
    solver.direction?.(state, out);
    dense.direction?.(inside<SequenceState>(state).inner, expected);
    expect(out).toEqual(expected);
    expect(out[0]).not.toBe(0);
    const gradients = sequence(rolling);
    const none = new Float64Array(4);
    gradients.direction?.(started(gradients, hills), none);
    expect([...none]).toEqual([0, 0, 0, 0]);
  });

  it('names its stages in order, and goes down only if all of them do', () => {
    expect(sequence(slow, rolling).describe(4)).toBe(
      'Adam (learning rate 0.05), then Gradient descent (learning rate 0.01, momentum 0.5)',
    );
    expect(sequence(slow).name).toBe('sequence');
    expect([sequence(slow, lbfgs()), sequence(lbfgs(), stuck)].map(({ descends }) => descends)).toEqual([
      false,
      true,
    ]);
  });

  it('takes f of any scale only if all stages do', () => {
    const scales = [sequence(lbfgs(), bfgs()), sequence(lbfgs(), stuck), sequence(slow, lbfgs())];
    expect(scales.map(({ anyScale }) => anyScale)).toEqual([true, false, false]);
  });

  it.each([
    ['there must be at least one stage.', []],
    ['stage 1 must be a solver or { solver, iterations }, got null.', [null]],
    ['stage 2 must be a solver or { solver, iterations }, got "adam".', [slow, 'adam']],
    ['stage 1: solver: must be a solver such as adam(), got 3.', [{ solver: 3 }]],
    ['stage 1: iterations: must be a whole number ≥ 1, got 0.', [{ solver: slow, iterations: 0 }]],
    ['stage 2: iterations: must be a whole number ≥ 1, got 1.5.', [slow, { solver: slow, iterations: 1.5 }]],
    ['stage 1: iterations: must be a whole number ≥ 1, got "3".', [{ solver: slow, iterations: '3' }]],
    ['stage 2: owlqn adds a penalty or has constraints of its own', [slow, owlqn()]],
    ['stage 2: adam has no bounds, but stage 1 has', [lbfgs({ lower: 0 }), slow]],
  ])('refuses: %s', (message, stages) => {
    expect(() => sequence(...(stages as Solver[]))).toThrow(message);
    expect(() => sequence(...(stages as Solver[]))).toThrow(/^sequence: /);
  });

  it.each([
    ['bfgs', bfgs(), { ...hills, p0: new Float64Array(3e6) }],
    ['ssbroyden', ssbroyden(), { ...hills, p0: new Float64Array(3e6) }],
    [
      'levenbergMarquardt',
      levenbergMarquardt(),
      leastSquares({ p0: new Float64Array(3e6), residualCount: 1e7, residuals() {} }),
    ],
  ])(
    'refuses a later %s that needs more memory than there is before the first evaluation',
    (_, late, problem) => {
      let evaluations = 0;
      const counting: Problem = { ...problem, fg: () => ++evaluations };
      expect(() => minimize(counting, sequence({ solver: slow, iterations: 2 }, late))).toThrow(
        /needs .* GB, more than can be allocated/,
      );
      expect(evaluations).toBe(0);
    },
  );

  it('refuses bounds of which only the lower ones differ', () => {
    const solver = sequence(
      adam({ lower: [0, 1, 1, 0], upper: 9 }),
      lbfgs({ lower: [0, 1, 2, 0], upper: 9 }),
    );
    expect(() => minimize(hills, solver)).toThrow(
      'sequence: stage 2: lbfgs has other bounds than stage 1: element 2 may be in [2, 9], there in [1, 9].',
    );
  });

  it('refuses a solver that only moves its start', () => {
    const admitting: Solver = { ...rolling, admit() {} };
    expect(() => sequence(slow, admitting)).toThrow(/^sequence: stage 2: gradientDescent adds a penalty/);
  });

  it('hands over x, its gradient and f, even if the stages use arrays of their own', () => {
    const seen: Iterate[] = [];
    const looking: Solver = {
      ...rolling,
      *step(state) {
        seen.push({ x: state.x.slice(), gradient: state.gradient.slice(), f: state.f });
        return yield* rolling.step(state);
      },
    };
    const problem: Problem = hills;
    const solver = sequence({ solver: lbfgs(), iterations: 3 }, looking);
    const steps = walk(solver, problem, 5);
    for (const [k, { x, gradient, f }] of seen.entries()) {
      expect([...x]).toEqual(steps[2 + k].x);
      expect([...gradient]).toEqual(steps[2 + k].gradient);
      expect(f).toBe(steps[2 + k].f);
    }
    expect(seen.length).toBe(2);
  });
});

describe('a stage that cannot run on the problem is refused before the first evaluation', () => {
  const counted = (problem: Problem) => {
    let evaluations = 0;
    const fg: Problem['fg'] = (x, gradient) => {
      evaluations++;
      return problem.fg(x, gradient);
    };
    return { problem: { ...problem, fg }, evaluations: () => evaluations };
  };
  const bowl: Problem = {
    p0: Float64Array.of(2, -1),
    fg(x, gradient) {
      gradient?.set(x.map((value) => 2 * value));
      return 1 + x.reduce((sum, value) => sum + value ** 2, 0);
    },
  };
  const squares = leastSquares({
    p0: Float64Array.of(2, -1),
    residualCount: 2,
    residuals(x, r, J) {
      r.set([x[0] - 1, x[1] + 3]);
      J?.set([1, 0, 0, 1]);
    },
  });

  it.each([
    ['newtonCG()', newtonCG(), bowl, /products with the Hessian in stage 2, newtonCG/],
    ['levenbergMarquardt()', levenbergMarquardt(), squares, /residuals and their Jacobian in stage 2/],
    ['auto() for squares', auto(), squares, /residuals and their Jacobian in stage 2, auto/],
    [
      'a sequence',
      sequence(adam(), newtonCG()),
      bowl,
      /products with the Hessian in stage 2, newtonCG in stage 2/,
    ],
  ] as const)(
    'a stage that cannot run on the problem is refused before the first evaluation with a transform: %s',
    (_name, last, problem, message) => {
      for (const transform of ['log', 'sqrt'] as const) {
        const { problem: asked, evaluations } = counted(problem);
        const run = () => minimize(asked, sequence(adam(), last), { transform });
        expect(run).toThrow(TypeError);
        expect(run).toThrow(message);
        expect(run).toThrow(/no more than f and its gradient/);
        expect(evaluations()).toBe(0);
      }
    },
  );

  it('a stage that cannot run on the problem is refused before the first evaluation with a transform: the first stage, too', () => {
    const { problem, evaluations } = counted(bowl);
    const run = () => minimize(problem, sequence(newtonCG(), lbfgs()), { transform: 'log' });
    expect(run).toThrow(/products with the Hessian in stage 1, newtonCG/);
    expect(evaluations()).toBe(0);
  });

  it('a stage that cannot run on the problem is refused before the first evaluation without residuals: levenbergMarquardt(), also in a sequence of its own', () => {
    for (const last of [levenbergMarquardt(), sequence(lbfgs(), levenbergMarquardt())]) {
      const { problem, evaluations } = counted(bowl);
      expect(() => minimize(problem, sequence(adam(), last))).toThrow(/the problem has no residuals/);
      expect(evaluations()).toBe(0);
    }
  });

  it('a stage that cannot run on the problem is refused before the first evaluation without batches: pairs on overlaps', () => {
    const { problem, evaluations } = counted(bowl);
    const run = () => minimize(problem, sequence(adam(), lbfgs({ pairs: 'overlap' })));
    expect(run).toThrow(/pairs 'overlap' needs a problem with nextBatch/);
    expect(evaluations()).toBe(0);
  });

  it('but auto() goes with a transform where it takes a method of gradients', () => {
    const result = minimize(bowl, sequence({ solver: adam(), iterations: 3 }, auto()), { transform: 'log' });
    expect(result.termination).toBe('gradientTolerance');
  });
});
