import { takeAnswer } from './returnedPoint.ts';
import { bestPoint, type BestPoint } from './best.ts';
import { differencedBy } from './differenced.ts';
import { confirm, endOfFailed, stopHere, type End } from './endings.ts';
import { errorAfter } from './putBack.ts';
import { metered, type Meter } from './meter.ts';
import { saysStop } from './userAnswers.ts';
import { rescaling } from './rescale.ts';
import { solveResult, type SolveResult } from './result.ts';
import { checkResume, markOf } from './resume.ts';
import { isFiniteAt, refresh, settingOf, startRun, stateOf, type Run } from './run.ts';
import { copyPlain, type RunState } from './runState.ts';
import { checkStart } from './start.ts';
import { terminations } from './termination.ts';
import { traceLine, type TraceEntry } from './trace.ts';
import { sameNumbers } from './vector.ts';
import { measureOf, type View } from './view.ts';
import type { Watch } from './validation.ts';
import { adaptAnswers, type Asks, type Bounds } from './question.ts';
import type { CompleteSolveOptions, Progress } from './solveOptions.ts';
import type { Solver } from './solver.ts';
import type { Task } from './task.ts';
import { checkTransformed, type Filter } from './transform.ts';

/**
 * Iterates `solver` from `task.p0` until a termination rule holds: the loop of every solver.
 *
 * However it ends, even by an exception, `task.params` hold the best finite point afterwards. With
 * mini-batches, whose values cannot be compared, they hold the last one accepted.
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
  checkTransformed(options.where, filter?.name, solver, settingOf(task));
  const { resume } = options;
  if (resume)
    checkResume(options.where, resume, solver, markOf(task, settingOf(task)), filter?.name ?? 'none');
  const best = resume
    ? bestPoint(resume.best.x ?? resume.iterate.x, solver, resume.best)
    : bestPoint(task.p0, solver);
  solver.admit?.(best.x, settingOf(task));
  const scale = rescaling(resume?.factor);
  const filters = [...(filter === null ? [] : [filter]), ...(solver.anyScale ? [scale] : [])];
  const view = { name: filter?.name ?? 'none', factor: scale.factor, measure: measureOf(solver, filters) };
  const bounds = differencedBy(task.fg) && solver.bounds?.(settingOf(task));
  const plain = iterate(solver, task, options, best, view);
  const asks = bounds === undefined ? plain : within(bounds, plain);
  const putBack = () => {
    const x = best.next ?? best.x;
    task.params?.copyFrom(x);
    if (best.statistics !== null) task.statistics?.write(best.statistics);
    else if (best.f < Infinity) bringUpToDate(task, x);
  };
  let result: SolveResult;
  try {
    // The last filter is nearest to the solver: it sees f as the others have changed it.
    result = yield* filters.reduceRight((inner, by) => by.pass(inner), asks);
  } catch (error) {
    throw errorAfter(error, putBack);
  }
  putBack();
  return result;
}

/** Computes the statistics at x. If that fails, as f has, they are those of an earlier point. */
function bringUpToDate({ statistics }: Task, x: Float64Array): void {
  try {
    statistics?.read(x);
  } catch {}
}

/** Adds the bounds of the solver to questions for gradients, which come from differences. */
const within = <Result>(bounds: Bounds, asks: Asks<Result>): Asks<Result> =>
  adaptAnswers(
    asks,
    (_, answer) => answer,
    (question) => {
      if (question.kind === 'evaluate') question.bounds = bounds;
    },
  );

function* iterate(
  solver: Solver,
  task: Task,
  options: CompleteSolveOptions,
  best: BestPoint,
  view: View,
): Asks<SolveResult> {
  const run = yield* startRun(solver, task, options, best, view);
  const { stochastic } = run.setting;
  const copyState = (): RunState => copyPlain(stateOf(run));
  for (; ; run.iteration++) {
    const entry = note(run);
    const isOverfit = run.watched ? yield* validate(run, run.watched) : false;
    const answer = run.options.callback?.(progressOf(run, entry, copyState));
    const toStop = answer instanceof Promise ? yield* saysStop(answer) : answer === true;
    run.options.signal?.throwIfAborted();
    // The helpers below are generators only if they ask questions: a generator costs as much as a small f.
    const met = run.convergence.met(run.now.f, run.now.gradientNorm);
    let end = (met === null ? null : yield* confirm(run, met)) ?? stopHere(run, toStop, isOverfit);
    // If the gradient test holds, this point is returned, even if an earlier f is lower by rounding. Values
    // of different batches cannot be compared, so the last point is returned.
    if (end !== null && (stochastic || end[0] === 'gradientTolerance')) best.keep(run.state.x, run.now);
    end ??= yield* advance(run);
    if (end !== null) return yield* finish(run, end);
  }
}

/** Records the current point in the best point, the trace and the printed output. */
function note(run: Run): TraceEntry {
  const { options, best, state, now, meter, iteration, alpha } = run;
  const { f, gradientNorm } = now;
  // With mini-batches, a point is kept once the next batch has a finite loss there.
  if (run.setting.stochastic) best.next = state.x;
  else if (f < best.f) best.keep(state.x, now);
  else best.secure();
  const size = Math.abs(state.f);
  run.highest = Math.max(run.highest, size);
  if (size > 0) run.smallest = Math.min(run.smallest || size, size);
  const entry = { iteration, f, gradientNorm, alpha, evaluations: meter.f, elapsed: meter.elapsed() };
  if (options.storeTrace) run.trace.push(entry);
  if (options.showTrace && iteration % options.showEvery === 0) console.log(traceLine(entry));
  return entry;
}

/** Evaluates the validation loss if it is due; returns true if it has not improved for too long. */
const validate = ({ state, now, iteration }: Run, watched: Watch): Asks<boolean> =>
  watched.observe(iteration, state, now, false);

/** Returns the argument of the callback. Written out, since spreads take as long as a small f. */
function progressOf(
  { watched, state, iteration }: Run,
  { f, gradientNorm, alpha, evaluations, elapsed }: TraceEntry,
  copyState: () => RunState,
): Progress {
  const progress = { iteration, f, gradientNorm, alpha, evaluations, elapsed, x: state.x, state: copyState };
  const validation = watched?.valueAt(iteration);
  return validation === undefined ? progress : { ...progress, validation };
}

/**
 * Draws the next mini-batch, if there are any, and takes a step; returns the end of the run if the step
 * fails.
 */
function* advance(run: Run): Asks<End | null> {
  const { solver, state, best, meter, view } = run;
  if (run.setting.stochastic) {
    yield { kind: 'nextBatch' };
    yield* refresh(state, meter);
    run.now = view.measure(state);
    if (!isFiniteAt(run.now)) return ['nonFinite', null];
    best.keep(state.x, run.now);
  }
  const before = run.now.f;
  const evaluated = meter.f;
  // A lower point becomes the best one. A transform may round two values to one, and batches are not comparable.
  const overwrites = !run.setting.stochastic && view.name === 'none' && view.factor() === 1;
  const outcome = yield* metered(solver.step(state, overwrites), meter, run.options.signal);
  if (outcome.kind === 'failed') {
    const end = yield* endOfFailed(run, outcome);
    if (end === null) run.alpha = 0;
    return end;
  }
  run.now = view.measure(state, outcome.gradientNorm);
  if (!isFiniteAt(run.now)) return ['nonFinite', null];
  run.alpha = outcome.alpha;
  // On mini-batches, first-order methods evaluate f only before their step, so its change is unknown.
  const isKnown = !run.setting.stochastic || meter.f > evaluated;
  run.convergence.observe(isKnown ? before : NaN, run.now.f, outcome.moved, state.x);
  return null;
}

/** Returns the result, at the best point or at the one whose validation loss was least. */
function* finish(run: Run, end: End): Asks<SolveResult> {
  const { solver, state, best, meter, view, setting, watched, iteration } = run;
  best.next = null;
  yield* takeAnswer(solver, state, best, meter, { batches: setting.stochastic, measure: view.measure });
  best.secure();
  const finalState = stateOf(run);
  const [termination, message] = watched ? yield* restoreValidated(run, watched, end) : end;
  const { x, f, gradientNorm } = best;
  return solveResult({
    x,
    f,
    gradientNorm,
    iterations: iteration,
    evaluations: countsOf(meter),
    termination,
    message,
    elapsed: meter.elapsed(),
    trace: run.trace,
    method: solver.describe(setting.n, state),
    measures: run.convergence.measures(gradientNorm),
    ...(watched && { validation: watched.result() }),
    state: finalState,
  });
}

/**
 * Restores the point with the lowest validation loss, if requested; returns the end with its message adapted.
 */
function* restoreValidated({ best, iteration }: Run, watched: Watch, [termination, message]: End): Asks<End> {
  yield* watched.observe(iteration, best, best, true);
  const chosen = watched.chosen();
  if (chosen !== null && !sameNumbers(chosen.x, best.x)) {
    best.keep(chosen.x.slice(), chosen);
    if (termination !== 'validation')
      message = `${message ?? terminations[termination].sentence} ${ELSEWHERE}`;
    if (terminations[termination].outcome === 'converged') termination = 'validation';
  }
  best.statistics = chosen?.statistics ?? null;
  return [termination, message];
}

/** Addition to a message if the point returned is not where the run ended. */
const ELSEWHERE = 'The point returned is the one whose validation loss was least.';

const countsOf = ({ f, gradient, hessianVector, jacobianVector, vectorJacobian }: Meter) => ({
  f,
  gradient,
  hessianVector,
  jacobianVector,
  vectorJacobian,
});
