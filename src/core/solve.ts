import { takeAnswer } from './answer.ts';
import { bestPoint, type BestPoint } from './best.ts';
import { convergenceTests, freshConvergence } from './convergence.ts';
import { inspect, trapezoid, type Inspection } from './disagreement.ts';
import { atStart, mismatchEnding } from './endings.ts';
import { metered, startMeter, type Meter } from './meter.ts';
import { evaluate, type Asks } from './question.ts';
import { saysStop } from './later.ts';
import { rescaling } from './rescale.ts';
import { solveResult, type SolveResult } from './result.ts';
import { checkResume, comeBack, markOf } from './resume.ts';
import { copyPlain, type RunState } from './runState.ts';
import { checkStart, checkStartValues } from './start.ts';
import { terminations, type Termination } from './termination.ts';
import { traceHeading, traceLine, type TraceEntry } from './trace.ts';
import { watch } from './validation.ts';
import { normInf, sameNumbers } from './vector.ts';
import { measureOf, type View } from './view.ts';
import type { Precision } from './problem.ts';
import type { CompleteSolveOptions } from './solveOptions.ts';
import type { Iterate, Measured, Setting, Solver } from './solver.ts';
import type { Task } from './task.ts';
import type { Filter } from './transform.ts';

/**
 * Iterates `solver` from `task.p0` until a termination rule holds: the loop of every solver.
 *
 * However it ends, also by a throw, `task.params` hold the best finite point afterwards. With mini-batches, whose
 * values do not compare, they hold the last one.
 *
 * @param filter - transform of f that the solver sees
 * @throws RangeError if p0 is empty or not finite, or f or ∇f is not finite there
 */
export function* solve(
  solver: Solver,
  task: Task,
  options: CompleteSolveOptions,
  filter: Filter | null,
): Asks<SolveResult> {
  options.signal?.throwIfAborted();
  checkStart(options.where, task);
  const { resume } = options;
  if (resume) checkResume(resume, solver, markOf(task, settingOf(task)), filter?.name ?? 'none');
  const best = resume
    ? bestPoint(resume.best.x ?? resume.iterate.x, solver, resume.best)
    : bestPoint(task.p0, solver);
  solver.admit?.(best.x, settingOf(task));
  // A solver may ask for residuals, which keep their scale.
  const rescales = solver.anyScale && task.residuals === undefined;
  const scale = rescaling(resume?.factor);
  const filters = [...(filter === null ? [] : [filter]), ...(rescales ? [scale] : [])];
  const view = { name: filter?.name ?? 'none', factor: scale.factor, measure: measureOf(solver, filters) };
  const run = iterate(solver, task, options, best, view);
  try {
    // The last filter is nearest to the solver: it sees f as the others have changed it.
    return yield* filters.reduceRight((asks, by) => by.pass(asks), run);
  } finally {
    task.params?.copyFrom(best.x);
    if (best.statistics !== null) task.statistics?.write(best.statistics);
  }
}

function* iterate(
  solver: Solver,
  task: Task,
  options: CompleteSolveOptions,
  best: BestPoint,
  { measure, ...view }: View,
): Asks<SolveResult> {
  const { resume } = options;
  const setting = settingOf(task);
  const { n, precision, stochastic: batches } = setting;
  const meter = startMeter(options);
  const state = resume
    ? (solver.initLike?.(setting, resume.iterate) ?? solver.init(setting))
    : solver.init(setting);
  const trace: TraceEntry[] = [];
  if (options.showTrace) console.log(traceHeading);

  let sameFunction = false;
  if (resume) sameFunction = yield* comeBack(resume, state, solver, { task, setting, meter });
  else {
    state.x.set(best.x);
    // What fg leaves unwritten, or adds to, then shows.
    state.gradient.fill(NaN);
    yield* refresh(state, meter);
  }
  checkStartValues(options.where, state, task);
  let now = measure(state);
  if (resume && !sameFunction) best.keep(state.x, now);
  const memory = resume && sameFunction ? copyPlain(resume.convergence) : freshConvergence(now);
  const descends = solver.descends && !batches;
  const convergence = convergenceTests(options, memory, state.x, precision, descends);
  const watched =
    options.validation && watch(options.validation, task, copyPlain(resume?.validation) ?? undefined);
  const stateNow = (): RunState => ({
    format: 1,
    solver: solver.name,
    transform: view.name,
    problem: markOf(task, setting),
    iterate: state,
    best: {
      x: sameNumbers(best.x, state.x) ? null : best.x.slice(),
      f: best.f,
      gradientNorm: best.gradientNorm,
    },
    convergence: memory,
    validation: watched?.memory ?? null,
    statistics: task.statistics?.read(state.x) ?? null,
    factor: view.factor(),
    highest,
    alpha,
  });

  /** Compares values and gradients around the iterate, see {@link inspect}; null if a limit forbids evaluations. */
  function* inspectHere(): Asks<Inspection | null> {
    const admit = solver.admit && ((x: Float64Array) => solver.admit?.(x, setting));
    const standstill = { at: state, p0: task.p0, precision, highest, admit };
    const found = yield* metered(inspect(standstill), meter, options.signal);
    if ('kind' in found) return null;
    const { lower } = found;
    if (lower !== null) {
      const measured = measure({ ...state, ...lower });
      if (measured.f < best.f) best.keep(lower.x, measured);
    }
    return found;
  }

  /**
   * Returns true if no earlier point lies below the current one: by values, or by slopes if the difference of the
   * values may be noise. Then the best point is evaluated once more, for its gradient.
   */
  function* isLowest({ f }: Measured): Asks<boolean> {
    if (f <= best.f + ROUNDING[precision] * Math.abs(best.f)) return true;
    if (!solver.descends || meter.exhausted() !== null) return false;
    best.secure();
    const lower = { ...state, x: best.x, gradient: new Float64Array(n) };
    yield* refresh(lower, meter);
    if (state.f - lower.f > NOISE[precision] * Math.abs(lower.f)) return false;
    // The other terms, such as a penalty, are exact.
    const rest = (at: Iterate) => (solver.measure?.(at).f ?? at.f) - at.f;
    const rise = trapezoid(lower, state) + rest(state) - rest(lower);
    return rise <= ROUNDING[precision] * Math.abs(state.f);
  }

  /** Returns the end of the run if a test holds at the current point. */
  function* testHere(askedToStop: boolean, isOverfit: boolean): Asks<End | null> {
    let termination = convergence.met(now.f, now.gradientNorm);
    let message: string | null = null;
    // A test that holds at a point above an earlier one is no success.
    const isSuccess = termination !== null && terminations[termination].outcome === 'converged';
    if (isSuccess && !batches && !(yield* isLowest(now))) {
      termination = solver.descends ? 'precisionFloor' : null;
    }
    if (termination === 'precisionFloor') {
      const found = yield* inspectHere();
      if (found?.mismatch) return mismatchEnding(found.mismatch);
      if (found?.descends) {
        convergence.goOn();
        termination = null;
      }
    }
    if (termination === 'gradientTolerance' && iteration === 0) {
      message = atStart(now, options);
      // A gradient of zeros may be one that was never computed.
      const found = !batches && normInf(state.gradient) === 0 ? yield* inspectHere() : null;
      if (found?.mismatch) return mismatchEnding(found.mismatch);
    }
    if (termination === null && askedToStop) termination = 'callback';
    if (termination === null && isOverfit) return ['validation', watched?.reason() ?? null];
    if (termination === null && iteration >= options.maxIterations) termination = 'maxIterations';
    termination ??= meter.exhausted();
    return termination === null ? null : [termination, message];
  }

  /** Draws the next mini-batch, if there are any, and makes a step; returns the end of the run if it fails. */
  function* advance(): Asks<End | null> {
    if (batches) {
      yield { kind: 'nextBatch' };
      yield* refresh(state, meter);
      now = measure(state);
      if (!isFinite(now)) return ['nonFinite', null];
      best.keep(state.x, now);
    }
    const before = now.f;
    const outcome = yield* metered(solver.step(state), meter, options.signal);
    if (outcome.kind === 'failed') {
      const { termination } = outcome;
      // A mini-batch without an acceptable step is skipped: x stays, and the next batch is tried.
      if (batches && termination === 'lineSearchFailed') {
        alpha = 0;
        return null;
      }
      const standsStill = termination === 'precisionFloor' || termination === 'lineSearchFailed';
      const found = standsStill && !batches ? yield* inspectHere() : null;
      if (found?.mismatch) return mismatchEnding(found.mismatch);
      if (found?.descends) return ['lineSearchFailed', null];
      return [found?.atFloor ? 'precisionFloor' : termination, null];
    }
    now = measure(state, outcome.gradientNorm);
    if (!isFinite(now)) return ['nonFinite', null];
    alpha = outcome.alpha;
    convergence.observe(before, now.f, outcome.moved, state.x);
    return null;
  }

  let alpha = resume?.alpha ?? 0;
  /** The largest |f| so far, as the solver sees it. */
  let highest = resume?.highest ?? 0;
  let iteration = 0;
  let end: End | null = null;
  for (; ; iteration++) {
    const { f, gradientNorm } = now;
    // With mini-batches, a point is kept once the next batch has a finite loss there.
    if (!batches) {
      if (f < best.f) best.keep(state.x, now);
      else best.secure();
    }
    highest = Math.max(highest, Math.abs(state.f));
    const entry = { iteration, f, gradientNorm, alpha, evaluations: meter.f, elapsed: meter.elapsed() };
    if (options.storeTrace) trace.push(entry);
    if (options.showTrace && iteration % options.showEvery === 0) console.log(traceLine(entry));
    const isValidated = watched !== undefined && (iteration > 0 || resume === undefined);
    const isOverfit = isValidated && (yield* watched.observe(iteration, state, now, false));
    const validation = watched?.valueAt(iteration);
    const askedToStop = yield* saysStop(
      options.callback?.({
        ...entry,
        x: state.x,
        ...(validation !== undefined && { validation }),
        state: () => copyPlain(stateNow()),
      }),
    );
    options.signal?.throwIfAborted();

    end = yield* testHere(askedToStop, isOverfit);
    // If the gradient test holds, this point is the answer, though an earlier f may be lower by its rounding. Values of
    // different batches do not compare; the last point is the answer.
    if (end !== null && (batches || end[0] === 'gradientTolerance')) best.keep(state.x, now);
    end ??= yield* advance();
    if (end !== null) break;
  }

  yield* takeAnswer(solver, state, best, meter, { batches, measure });
  best.secure();
  const finalState = stateNow();
  let [termination, message] = end;
  if (watched) {
    yield* watched.observe(iteration, best, best, true);
    const chosen = watched.chosen();
    if (chosen !== null && !sameNumbers(chosen.x, best.x)) {
      best.keep(chosen.x.slice(), chosen);
      if (termination !== 'validation')
        message = `${message ?? terminations[termination].sentence} ${ELSEWHERE}`;
      if (terminations[termination].outcome === 'converged') termination = 'validation';
    }
    best.statistics = chosen?.statistics ?? null;
  }
  const { x, f, gradientNorm } = best;
  return solveResult({
    x,
    f,
    gradientNorm,
    iterations: iteration,
    evaluations: { f: meter.f, gradient: meter.gradient, hessianVector: meter.hessianVector },
    termination,
    message,
    elapsed: meter.elapsed(),
    trace,
    method: solver.describe(n, state),
    measures: convergence.measures(gradientNorm),
    ...(watched && { validation: watched.result() }),
    state: finalState,
  });
}

/** Addition to a message if the point returned is not where the run ended. */
const ELSEWHERE = 'The point returned is the one whose validation loss was least.';

/** End of a run; the message replaces the sentence of the termination. */
type End = readonly [termination: Termination, message: string | null];

/** Values of f with a smaller relative difference are equal to rounding. */
const ROUNDING: Record<Precision, number> = { float64: 2 ** -50, float32: 2 ** -21 };

/** Values of f with a larger relative difference differ by more than noise. */
const NOISE: Record<Precision, number> = { float64: 2 ** -44, float32: 2 ** -20 };

/** Returns the facts that the solver is told. */
function settingOf(task: Task) {
  return {
    n: task.p0.length,
    precision: task.precision ?? 'float64',
    stochastic: task.nextBatch !== undefined,
    overlap: task.overlap !== undefined,
    residualCount: task.residuals === undefined ? 0 : (task.residualCount ?? 0),
    jacobianProducts: task.jacobianVector !== undefined && task.vectorJacobian !== undefined,
    hessianVector: task.hessianVector !== undefined,
    ...(task.params && { layout: task.params.layout }),
  } satisfies Setting;
}

const isFinite = ({ f, gradientNorm }: Measured): boolean =>
  Number.isFinite(f) && Number.isFinite(gradientNorm);

/** Evaluates f and ∇f at the current point. */
function* refresh(state: Iterate, meter: Meter): Asks<void> {
  const question = evaluate(state.x, state.gradient);
  state.f = yield question;
  meter.count(question);
}
