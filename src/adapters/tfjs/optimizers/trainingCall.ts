import { atFloor, noFloor } from '../../../core/convergence.ts';
import { terminations } from '../../../core/termination.ts';
import { thenPutBack } from '../../../core/putBack.ts';
import { normInf } from '../../../core/vector.ts';
import { evaluate, type Asks, type Question } from '../../../core/question.ts';
import type { Iterate, Solver, StepOutcome } from '../../../core/solver.ts';
import {
  DRAWS_ANEW,
  LEVEL,
  NONE_ALLOWED,
  NOT_FINITE,
  noBatchHelps,
  type OptimizerProgress,
} from './progress.ts';
import { projectStep } from './projectedStep.ts';
import {
  copyOf,
  isInDoubt,
  isSameEvaluation,
  isSameLoss,
  isSameToRounding,
  OtherFunction,
  type Known,
} from './sameFunction.ts';
import type { Call, RunContext } from './runContext.ts';

/** Number of consecutive mini-batches without a step after which to tell the user. */
const IDLE_BATCHES = 10;

/**
 * Runs solver iterations on one function. However it ends, the variables then hold the best point.
 *
 * The driver evaluates the function at the requested points.
 */
export function* callSteps(context: RunContext, call: Call): Asks<OptimizerProgress> {
  const { run, params } = context;
  context.readVariables();
  run.applied = null;
  const iterations = new CallIterations(context, call);
  yield* thenPutBack(iterations.run(), () => {
    const answer = context.answer();
    params.copyFrom(answer);
    // An average of feasible points may be infeasible.
    if (answer !== run.state.x) call.project?.();
  });
  context.fit.note(call.model());
  if ((call.fullBatch && call.varies()) || run.changes !== 'same') run.known = false;
  return iterations.progress();
}

/** The iterations of one call. */
class CallIterations {
  private readonly context: RunContext;
  private readonly call: Call;
  private evaluations = 0;
  private stepLength = 0;
  /** The loss at the start of the call. */
  private startLoss = NaN;
  /** Start of its first step. */
  private start: Known;
  /** True if the previous call met another function than the one before it. */
  private wasReplaced = false;
  /**
   * True until the solver is known to work from weights, or on a function, that its own steps did not lead
   * to.
   */
  private isElsewhere = false;
  /** True while the values at the start are taken from the previous call. */
  private isTrusting = false;

  constructor(context: RunContext, call: Call) {
    this.context = context;
    this.call = call;
    this.start = context.run.state;
  }

  /**
   * Moves the start into the feasible set, and runs the iterations.
   *
   * @throws Error if the function changes from call to call although `fullBatch` is set
   */
  *run(): Asks<void> {
    const { run } = this.context;
    const { project } = this.call;
    try {
      if (project && this.context.projected(run.state.x, project)) run.known = false;
      yield* this.runTwice();
    } catch (error) {
      run.known = false;
      throw error;
    }
  }

  /** Runs the iterations; a second time, without the memory, if it belongs to another function. */
  private *runTwice(): Asks<void> {
    const { run } = this.context;
    this.wasReplaced = run.replaced;
    run.replaced = false;
    try {
      yield* this.begin();
      yield* this.iterate();
    } catch (error) {
      if (!(error instanceof OtherFunction)) throw error;
      if (this.wasReplaced) throw error.refusal();
      // The memory belongs to another function.
      run.state.x.set(this.start.x);
      this.context.restart('same');
      Object.assign(run, { known: false, replaced: true });
      yield* this.begin();
      yield* this.iterate();
    }
  }

  progress(): OptimizerProgress {
    const { run } = this.context;
    const isSame = run.changes === 'same';
    const isFinite = run.stopped !== NOT_FINITE;
    run.idle = isSame || this.stepLength > 0 ? 0 : run.idle + 1;
    let { stopped } = run;
    if (!isSame && isFinite) {
      // The next batch may allow a step.
      run.stopped = null;
      stopped = run.idle >= IDLE_BATCHES ? noBatchHelps(run.idle) : null;
    }
    return {
      startLoss: this.startLoss,
      loss: run.state.f,
      gradientNorm: normInf(isSame ? run.state.gradient : this.start.gradient),
      step: this.stepLength,
      evaluations: this.evaluations,
      stopped,
    };
  }

  /** Determines f and ∇f at the start of the call, and compares this function with the last. */
  private *begin(): Asks<void> {
    const { run } = this.context;
    const expected = run.known ? run.state.f : NaN;
    // A loaded run must first check that these are the data that it was trained on.
    this.isTrusting = this.call.fullBatch && run.known && !this.isNewFit() && this.context.previous !== null;
    if (!this.isTrusting) {
      yield* this.evaluateHere();
      const { f } = run.state;
      this.startLoss = f;
      if (!isSameToRounding(f, expected)) {
        run.stopped = null;
        run.floor = noFloor();
        this.isElsewhere = run.changes === 'same';
      }
      const isOther = !Number.isNaN(expected) && !isSameLoss(f, expected, run.largest);
      if (isOther && run.changes === 'same') {
        // Another fit may have other data; if that happens repeatedly, they are mini-batches after all.
        const isReplaced = this.call.fullBatch || (this.isNewFit() && !this.wasReplaced);
        run.replaced = isReplaced;
        if (!isReplaced) yield* this.withdraw();
        this.context.restart(isReplaced ? 'same' : 'batches');
      }
      if (!run.checked) yield* this.checkRepeats();
    }
    this.start = copyOf(run.state);
    if (this.isTrusting) this.startLoss = this.start.f;
    this.context.previous = this.start.x;
    // A non-finite start gives no direction, so the variables are not changed.
    if (!Number.isFinite(this.start.f + normInf(this.start.gradient))) run.stopped = NOT_FINITE;
  }

  private *iterate(): Asks<void> {
    const { context, call, start } = this;
    const { run } = context;
    for (let k = 0; k < call.iterations && run.stopped === null; k++) {
      const { state } = run;
      const before = this.evaluations;
      const onBatch = run.changes === 'batches';
      const from = call.project || onBatch ? copyOf(state) : start;
      const outcome = yield* this.step(context.solver());
      if (outcome.kind === 'failed' && this.isElsewhere) {
        // The solver's estimates of noise and step lengths belong to another point or function.
        this.isElsewhere = false;
        context.restart('same');
        k--;
        continue;
      }
      if (outcome.kind === 'failed') {
        const isLevel = normInf(state.gradient) === 0;
        run.stopped = isLevel ? LEVEL : terminations[outcome.termination].sentence;
        break;
      }
      const share = onBatch ? shorten(state, from, context.maxChange) : 1;
      const isLast = k + 1 === call.iterations;
      // Solvers on mini-batches leave the evaluation to the next batch.
      if (!isLast && (share < 1 || this.evaluations === before)) yield* this.evaluateHere();
      else if (share < 1) state.f = yield* this.at(state.x, null);
      if (call.project && !(yield* this.project(call.project, from))) {
        run.stopped = NONE_ALLOWED;
        break;
      }
      this.stepLength = share * outcome.alpha;
      if (this.isExhausted()) run.stopped = terminations.precisionFloor.sentence;
    }
    // Also, the closure must run once in each call, because it computes the metrics.
    if (this.isTrusting) yield* this.verify();
  }

  /** Takes one step of the solver, and inspects the answers that it receives. */
  private *step(solver: Solver): Asks<StepOutcome> {
    const questions = solver.step(this.context.run.state);
    let turn = questions.next();
    while (!turn.done) {
      let answer: number;
      try {
        answer = yield* this.answer(turn.value);
      } catch (error) {
        turn = questions.throw(error);
        continue;
      }
      turn = questions.next(answer);
    }
    return turn.value;
  }

  private *answer(question: Question): Asks<number> {
    if (question.kind !== 'evaluate') return yield question;
    const { x, gradient } = question;
    const f = yield* this.at(x, gradient);
    if (this.isTrusting && gradient !== null) {
      this.isTrusting = false;
      if (this.isNewFit() || isInDoubt(this.start, { x, f, gradient })) yield* this.verify();
    }
    return f;
  }

  private *at(x: Float64Array, gradient: Float64Array | null): Asks<number> {
    this.evaluations++;
    return yield evaluate(x, gradient);
  }

  /**
   * Returns true if the function belongs to another `fit` than the previous call; certain only once it has
   * been evaluated.
   */
  private isNewFit(): boolean {
    return this.context.fit.isNew(this.call.model());
  }

  private *evaluateHere(): Asks<void> {
    const { run } = this.context;
    run.state.f = yield* this.at(run.state.x, run.state.gradient);
    run.known = true;
    if (Number.isFinite(run.state.f)) run.largest = Math.max(run.largest, Math.abs(run.state.f));
  }

  /**
   * Shortens the last call's step to the learning rate: it was the step of the first mini-batch, which was
   * not recognized as one.
   */
  private *withdraw(): Asks<void> {
    const { run, previous, maxChange } = this.context;
    if (previous === null) return;
    const share = shorten(run.state, { x: previous }, maxChange);
    if (share < 1) yield* this.evaluateHere();
  }

  /**
   * Verifies the values at the start.
   *
   * @throws OtherFunction if the loss differs from that of the previous call
   */
  private *verify(): Asks<void> {
    this.isTrusting = false;
    const f = yield* this.at(this.start.x, null);
    if (!isSameLoss(f, this.start.f, this.context.run.largest)) throw new OtherFunction(f, this.start.f);
  }

  /** Compares two evaluations at one point, once per run. */
  private *checkRepeats(): Asks<void> {
    const { context } = this;
    const { run, params } = context;
    run.checked = true;
    const gradient = params.zeros();
    const f = yield* this.at(run.state.x, gradient);
    if (!Number.isFinite(f) || isSameEvaluation({ x: run.state.x, f, gradient }, run.state)) return;
    context.warn(DRAWS_ANEW);
    context.restart('evaluations');
  }

  /** Moves the state to a feasible point; returns false if none is lower than `from`. */
  private *project(project: () => void, from: Known): Asks<boolean> {
    return yield* projectStep(this.context.run.state, from, {
      project: (x) => this.context.projected(x, project),
      evaluate: () => this.evaluateHere(),
    });
  }

  /** Returns true if neither f nor its gradient can improve further in float32. */
  private isExhausted(): boolean {
    const { run } = this.context;
    const solver = this.context.solver();
    if (run.changes !== 'same' || !solver.descends) return false;
    const { f, gradientNorm } = solver.measure?.(run.state) ?? {
      f: run.state.f,
      gradientNorm: normInf(run.state.gradient),
    };
    return atFloor(run.floor, 'float32', f, gradientNorm);
  }
}

/** Shortens a step on one mini-batch to the learning rate; returns the remaining fraction. */
function shorten({ x }: Iterate, start: Pick<Known, 'x'>, maxChange: number): number {
  let moved = 0;
  for (let i = 0; i < x.length; i++) moved = Math.max(moved, Math.abs(x[i] - start.x[i]));
  const share = Math.min(1, maxChange / moved);
  if (share < 1) {
    for (let i = 0; i < x.length; i++) x[i] = Math.fround(start.x[i] + share * (x[i] - start.x[i]));
  }
  return share;
}
