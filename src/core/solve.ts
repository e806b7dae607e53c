import { bestPoint, type BestPoint } from './best.ts';
import { convergenceTests } from './convergence.ts';
import { metered, startMeter, type Meter } from './meter.ts';
import { evaluate, type Asks } from './question.ts';
import { solveResult, type SolveResult } from './result.ts';
import { checkStart, checkStartValues, checkUnwritten } from './start.ts';
import { traceHeading, traceLine, type TraceEntry } from './trace.ts';
import { normInf } from './vector.ts';
import type { ProblemFacts } from './problem.ts';
import type { CompleteSolveOptions } from './solveOptions.ts';
import type { Iterate, Measured, Setting, Solver } from './solver.ts';
import type { Termination } from './termination.ts';
import type { Filter } from './transform.ts';

/** A problem as the loop sees it: everything but the answers. */
export interface Task extends ProblemFacts {
  /** Present where f changes from batch to batch. */
  readonly nextBatch?: unknown;
  /** Present where the problem answers for what a batch shares with the one before. */
  readonly overlap?: unknown;
  /** Present where the problem answers for residuals and for products with its Hessian. */
  readonly residuals?: unknown;
  readonly hessianVector?: unknown;
}

/**
 * Iterates `solver` from `task.p0` until a termination rule holds: the loop of every solver.
 *
 * However it ends, also by a throw, `task.params` then hold the best finite point; where f changes from
 * batch to batch and values do not compare, the last one.
 *
 * @param filter - what the solver is to see of f
 * @throws RangeError if p0 is empty or not finite, or f or ∇f is not finite there
 */
export function* solve(
  solver: Solver,
  task: Task,
  options: CompleteSolveOptions,
  filter: Filter | null,
): Asks<SolveResult> {
  options.signal?.throwIfAborted();
  checkStart(task);
  const best = bestPoint(task.p0, solver);
  solver.admit?.(best.x);
  const run = iterate(solver, task, options, best, measureOf(solver, filter));
  try {
    return yield* filter === null ? run : filter.pass(run);
  } finally {
    task.params?.copyFrom(best.x);
  }
}

function* iterate(
  solver: Solver,
  task: Task,
  options: CompleteSolveOptions,
  best: BestPoint,
  measure: Measure,
): Asks<SolveResult> {
  const setting = settingOf(task);
  const { n, precision, stochastic: batches } = setting;
  const meter = startMeter(options);
  const state = solver.init(setting);
  const trace: TraceEntry[] = [];
  if (options.showTrace) console.log(traceHeading);

  state.x.set(best.x);
  // What fg leaves unwritten, or adds to, then shows.
  state.gradient.fill(NaN);
  yield* refresh(state, meter);
  checkUnwritten(state.x, best.x);
  checkStartValues(state, task);
  let now = measure(state);
  const convergence = convergenceTests(options, now, precision, solver.descends && !batches);

  let alpha = 0;
  let iteration = 0;
  let termination: Termination | null;
  for (; ; iteration++) {
    const { f, gradientNorm } = now;
    // Of a mini-batch the point is kept once it is known that the next batch has a loss there.
    if (!batches) {
      if (f < best.f) best.keep(state.x, now);
      else best.secure();
    }
    const entry = { iteration, f, gradientNorm, alpha, evaluations: meter.f, elapsed: meter.elapsed() };
    if (options.storeTrace) trace.push(entry);
    if (options.showTrace && iteration % options.showEvery === 0) console.log(traceLine(entry));
    const askedToStop = saysStop(options.callback?.({ ...entry, x: state.x }));
    options.signal?.throwIfAborted();

    termination = convergence.met(f, gradientNorm);
    if (termination === null && askedToStop) termination = 'callback';
    if (termination === null && iteration >= options.maxIterations) termination = 'maxIterations';
    termination ??= meter.exhausted();
    // Where the gradient test holds, this is the answer, though an earlier f may be lower by its noise; values of
    // different batches do not compare, and the last point is the answer.
    const isAnswer = termination === 'gradientTolerance' || (batches && termination !== null);
    if (isAnswer) best.keep(state.x, now);
    if (termination !== null) break;

    if (batches) {
      yield { kind: 'nextBatch' };
      yield* refresh(state, meter);
      now = measure(state);
      if (!isFinite(now)) {
        termination = 'nonFinite';
        break;
      }
      best.keep(state.x, now);
    }
    const before = now.f;
    const outcome = yield* metered(solver.step(state), meter, options.signal);
    // A mini-batch that allows no step is passed over: x stays, and the next one is tried.
    if (batches && outcome.kind === 'failed' && outcome.termination === 'lineSearchFailed') {
      alpha = 0;
      continue;
    }
    if (outcome.kind === 'failed') {
      termination = outcome.termination;
      break;
    }
    now = measure(state, outcome.gradientNorm);
    if (!isFinite(now)) {
      termination = 'nonFinite';
      break;
    }
    alpha = outcome.alpha;
    convergence.observe(before, now.f, outcome.moved, state.x);
  }

  best.secure();
  const { x, f, gradientNorm } = best;
  return solveResult({
    x,
    f,
    gradientNorm,
    iterations: iteration,
    evaluations: { f: meter.f, gradient: meter.gradient, hessianVector: meter.hessianVector },
    termination,
    elapsed: meter.elapsed(),
    trace,
    method: solver.describe(n),
    measures: convergence.measures(gradientNorm),
  });
}

/** What the solver is told of the task. */
function settingOf(task: Task) {
  return {
    n: task.p0.length,
    precision: task.precision ?? 'float64',
    stochastic: task.nextBatch !== undefined,
    overlap: task.overlap !== undefined,
    residualCount: task.residuals === undefined ? 0 : (task.residualCount ?? 0),
    hessianVector: task.hessianVector !== undefined,
  } satisfies Setting;
}

const isFinite = ({ f, gradientNorm }: Measured): boolean =>
  Number.isFinite(f) && Number.isFinite(gradientNorm);

/** Whether a callback's answer is to stop. */
function saysStop(answer: unknown): boolean {
  if (answer instanceof Promise) {
    throw new TypeError(
      'minimize: callback must answer at once, got a Promise, which nobody waits for; begin there what takes time, and return true to stop.',
    );
  }
  return answer === true;
}

/** f and ‖∇f‖∞ of a state; `norm` is what the solver sees as the latter, where that is known. */
type Measure = (state: Iterate, norm?: number) => Measured;

/** How states are measured: as the solver says, and without the filter. */
function measureOf(solver: Solver, filter: Filter | null): Measure {
  const measure: Measure = (state, norm) =>
    solver.measure?.(state) ?? { f: state.f, gradientNorm: norm ?? normInf(state.gradient) };
  return filter === null ? measure : (state, norm) => filter.undo(measure(state, norm));
}

/** Evaluates f and ∇f at the current point. */
function* refresh(state: Iterate, meter: Meter): Asks<void> {
  const question = evaluate(state.x, state.gradient);
  state.f = yield question;
  meter.count(question);
}
