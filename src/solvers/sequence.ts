import { boundedSolver, BOUNDED_SOLVERS } from '../core/boundedSolver.ts';
import { checkOptions, integerFrom, objectWith, show, type Filled } from '../core/options.ts';
import { evaluate, type Asks, type Bounds } from '../core/question.ts';
import type { Iterate, Measured, Setting, Solver, StepOutcome } from '../core/solver.ts';

/** A solver of a {@link sequence}, with its number of iterations. */
export interface Stage {
  readonly solver: Solver;
  /** Number of iterations until the next stage takes over. @defaultValue `500` */
  readonly iterations?: number | undefined;
}

/** Current stage, and the state of its solver. */
export interface SequenceState extends Iterate {
  /** Index of the current stage. */
  stage: number;
  /** Number of iterations done in the current stage. */
  iterations: number;
  /** State of its solver. */
  inner: Iterate;
  /** Facts of the problem, for later stages. */
  readonly setting: Setting;
}

const DEFAULT_ITERATIONS = 500;

/**
 * Runs solvers one after the other, each from the point reached by the previous one: for example Adam to find
 * a valley, then a quasi-Newton method to follow it down.
 *
 * A stage ends after its iterations, or earlier if its solver finds no step; the last stage has no limit. A
 * bare solver means `{ solver, iterations: 500 }`.
 *
 * Bounds are those of the solve, `minimize(problem, sequence(adam(), lbfgs()), { lower, upper })`, or the same `lower` and
 * `upper` in each stage. A solver with a penalty, `owlqn()`, cannot be a stage.
 *
 * @throws TypeError naming a stage that is not a solver
 * @throws RangeError naming a stage whose iterations are not a whole number ≥ 1, that has a penalty, or that has no bounds
 *   where others have; at the start of a solve, if the bounds of two stages differ
 *
 * @example
 * ```js
 * import { adam, sequence, ssbroyden } from 'quasi-newton';
 *
 * const solver = sequence({ solver: adam({ learningRate: 5e-3 }), iterations: 1000 }, ssbroyden());
 * ```
 */
export function sequence(...stages: readonly (Solver | Stage)[]): Solver {
  const plan = stages.map(completeStage);
  if (plan.length === 0) throw new RangeError('sequence: there must be at least one stage.');
  const isBounded = checkBounds(plan);

  function* step(state: SequenceState): Asks<StepOutcome> {
    const last = plan.length - 1;
    if (state.stage < last && state.iterations >= plan[state.stage].iterations) yield* advance(state);
    for (;;) {
      const inner = handOver(state);
      const outcome = yield* plan[state.stage].solver.step(inner);
      [state.x, state.gradient, state.f] = [inner.x, inner.gradient, inner.f];
      if (outcome.kind === 'accepted' || state.stage === last || state.setting.stochastic) {
        state.iterations++;
        return outcome;
      }
      yield* advance(state);
    }
  }

  function stateOf(stage: number, setting: Setting): SequenceState {
    const inner = plan[stage].solver.init(setting);
    const { x, gradient, f } = inner;
    return { x, gradient, f, stage, iterations: 0, inner, setting };
  }

  function* advance(state: SequenceState): Asks<void> {
    const x = new Float64Array(state.x.length);
    if (plan[state.stage].solver.answer?.(handOver(state), x)) {
      // The next stage starts where this one would have ended.
      state.x = x;
      state.f = yield evaluate(x, state.gradient);
    }
    state.stage++;
    state.iterations = 0;
    state.inner = plan[state.stage].solver.init(state.setting);
  }

  const solver: Solver<SequenceState> = {
    name: 'sequence',
    descends: plan.every(({ solver }) => solver.descends),
    anyScale: plan.every(({ solver }) => solver.anyScale === true),
    describe: (n) => plan.map(({ solver }) => solver.describe(n)).join(', then '),
    asksBesides(setting) {
      const asked = plan.map(({ solver }) => solver.asksBesides?.(setting));
      const stage = asked.findIndex((besides) => besides !== undefined);
      return stage < 0 ? undefined : `${asked[stage]} in stage ${stage + 1}, ${plan[stage].solver.name}`;
    },
    check(setting) {
      for (const { solver } of plan) solver.check?.(setting);
    },
    init(setting) {
      for (const { solver } of plan) solver.check?.(setting);
      return stateOf(0, setting);
    },
    initLike(setting, earlier) {
      const { stage } = earlier as SequenceState;
      if (plan[stage] === undefined) {
        throw new RangeError(
          `sequence: resume: the state is of stage ${show(stage + 1)} of a sequence; this one has ${plan.length}.`,
        );
      }
      return stateOf(stage, setting);
    },
    step,
    answer: (state, out) => plan[state.stage].solver.answer?.(handOver(state), out) ?? false,
    direction(state, out) {
      plan[state.stage].solver.direction?.(handOver(state), out);
    },
    ...(isBounded && {
      admit(x: Float64Array, setting: Setting) {
        for (const { solver: stage } of plan) stage.admit?.(x, setting);
        checkSameBounds(plan, setting);
      },
      bounds: (setting: Setting) => plan[0].solver.bounds?.(setting) as Bounds,
      measure: (state: SequenceState) => plan[state.stage].solver.measure?.(handOver(state)) as Measured,
    }),
    withBounds: (where, lower, upper) =>
      sequence(
        ...plan.map(({ solver: stage, iterations }, i) => ({
          solver: boundedSolver(`${where}: stage ${i + 1} of the sequence`, stage, lower, upper),
          iterations,
        })),
      ),
  };
  return solver;
}

/** Returns the state of the current solver, moved to the point of the sequence. */
function handOver({ inner, x, gradient, f }: SequenceState): Iterate {
  return Object.assign(inner, { x, gradient, f });
}

const isStage = (stage: Solver | Stage): stage is Stage =>
  typeof stage === 'object' && stage !== null && 'solver' in stage;

function completeStage(stage: Solver | Stage, index: number): Filled<Stage> {
  const { solver, iterations = DEFAULT_ITERATIONS } = isStage(stage) ? stage : { solver: stage };
  const where = `sequence: stage ${index + 1}`;
  if (typeof solver?.step !== 'function') {
    throw new TypeError(
      isStage(stage)
        ? `${where}: solver: must be a solver such as adam(), got ${show(solver)}.`
        : `${where} must be a solver or { solver, iterations }, got ${show(stage)}.`,
    );
  }
  if (solver.bounds === undefined && (solver.admit !== undefined || solver.measure !== undefined)) {
    throw new RangeError(
      `${where}: ${solver.name} adds a penalty or has constraints of its own, which the other stages do not; run it by itself, with result.x of the other stages as p0.`,
    );
  }
  if (isStage(stage))
    checkOptions(where, stage, { solver: objectWith('a solver'), iterations: integerFrom(1) });
  return { solver, iterations };
}

type Plan = readonly Filled<Stage>[];

/**
 * Returns true if all stages have bounds, false if none has.
 *
 * @throws RangeError naming a stage without bounds among others
 */
function checkBounds(plan: Plan): boolean {
  const first = plan.findIndex(({ solver }) => solver.bounds !== undefined);
  if (first < 0) return false;
  const free = plan.findIndex(({ solver }) => solver.bounds === undefined);
  if (free < 0) return true;
  const { solver } = plan[free];
  const advice = solver.withBounds
    ? 'give it the same lower and upper, or give them to the solve instead'
    : `it cannot keep any; use ${BOUNDED_SOLVERS}`;
  throw new RangeError(
    `sequence: stage ${free + 1}: ${solver.name} has no bounds, but stage ${first + 1} has; ${advice}.`,
  );
}

/**
 * Compares the bounds of all stages, without a text for each element: `admit` is called at every point of an inspection.
 *
 * @throws RangeError naming the first stage whose bounds of x, `[n]`, are not those of stage 1
 */
function checkSameBounds(plan: Plan, setting: Setting): void {
  const [first, ...others] = plan.map(({ solver }) => solver.bounds?.(setting));
  others.forEach((box, k) => {
    for (let i = 0; i < setting.n; i++) {
      if (box?.lower(i) === first?.lower(i) && box?.upper(i) === first?.upper(i)) continue;
      throw new RangeError(
        `sequence: stage ${k + 2}: ${plan[k + 1].solver.name} has other bounds than stage 1: element ${i} may be in [${box?.lower(i)}, ${box?.upper(i)}], there in [${first?.lower(i)}, ${first?.upper(i)}]. Give all stages the same lower and upper, or give them to the solve instead.`,
      );
    }
  });
}
