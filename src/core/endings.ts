/**
 * Decides if a run ends and with which message: convergence tests, limits, and contradictions between f and
 * ∇f.
 *
 * @module
 */
import { differencedBy } from './differenced.ts';
import { inspect, type Inspection } from './disagreement.ts';
import { trapezoid, type Mismatch } from './lineChange.ts';
import { metered } from './meter.ts';
import { changeUnseen, neverMoved } from './neverMoved.ts';
import { isFiniteAt, refresh, type Run } from './run.ts';
import { terminations, type Termination } from './termination.ts';
import { normInf } from './vector.ts';
import type { Precision } from './problem.ts';
import type { Asks } from './question.ts';
import type { ConvergenceMeasures } from './result.ts';
import type { CompleteSolveOptions } from './solveOptions.ts';
import type { Iterate, Measured, StepOutcome } from './solver.ts';
import type { Standstill } from './standstill.ts';

/** End of a run; the message replaces the sentence of the termination. */
export type End = readonly [termination: Termination, message: string | null];

/** Values of f with a smaller relative difference are equal to rounding. */
const ROUNDING: Record<Precision, number> = { float64: 2 ** -50, float32: 2 ** -21 };

/** Values of f with a larger relative difference differ by more than noise. */
const NOISE: Record<Precision, number> = { float64: 2 ** -44, float32: 2 ** -20 };

/**
 * Returns the end of the run if it is asked for, or at a limit; otherwise null.
 *
 * @param toStop - true if the callback asked to stop
 * @param isOverfit - true if the validation loss has not improved for too long
 */
export function stopHere(
  { options, watched, iteration, meter }: Run,
  toStop: boolean,
  isOverfit: boolean,
): End | null {
  if (toStop) return ['callback', null];
  if (isOverfit) return ['validation', watched?.reason() ?? null];
  const limit = iteration >= options.maxIterations ? 'maxIterations' : meter.exhausted();
  return limit === null ? null : [limit, null];
}

/**
 * Verifies a convergence test that holds at the current point; returns the end of the run, or null to
 * continue.
 */
export function* confirm(run: Run, met: Termination): Asks<End | null> {
  const { solver, setting, convergence, now, options, iteration } = run;
  let termination: Termination | null = met;
  // A test that holds at a point above an earlier one is not a success.
  const isSuccess = terminations[met].outcome === 'converged';
  if (isSuccess && !setting.stochastic && !(yield* isLowest(run))) {
    termination = solver.descends ? 'precisionFloor' : null;
  }
  if (termination === 'precisionFloor') {
    const found = yield* inspectHere(run);
    if (typeof found === 'string') return [found, null];
    if (found.mismatch) return mismatchEnding(found.mismatch);
    if (found.descends) {
      convergence.goOn();
      return null;
    }
  }
  if (termination === null) return null;
  if (termination === 'gradientTolerance') {
    const unresolved = unresolvedGradient(run);
    if (unresolved !== null) return ['precisionFloor', unresolved];
  }
  const mismatch = isSuccess && !setting.stochastic ? yield* unseenMismatch(run) : null;
  if (mismatch !== null) return mismatchEnding(mismatch);
  if (termination !== 'gradientTolerance' || iteration > 0) return [termination, null];
  const message = options.resume
    ? atResumed(now, convergence.measures(now.gradientNorm))
    : atStart(now, options);
  return [termination, message];
}

/**
 * Returns a contradiction where derivatives of 0 may never have been computed: all at the start, or those by unknowns that
 * have never moved; null if there is none, or a limit forbids the evaluations.
 */
function* unseenMismatch(run: Run): Asks<Mismatch | null> {
  const { state, task, iteration } = run;
  if (iteration === 0) {
    const found = normInf(state.gradient) === 0 ? yield* inspectHere(run) : null;
    return found === null || typeof found === 'string' ? null : found.mismatch;
  }
  if (isInexact(run)) return null;
  const unmoved = neverMoved(state, task.p0);
  const found = yield* metered(changeUnseen(standstillOf(run), unmoved), run.meter, run.options.signal);
  return found !== null && 'kind' in found ? null : found;
}

/** True if derivatives are differences: inexact, but not wrong. */
const isInexact = ({ task }: Run): boolean =>
  task.gradientError !== undefined || differencedBy(task.fg)?.isDifferenced() === true;

type Failure = Partial<Extract<StepOutcome, { kind: 'failed' }>> & { readonly termination: Termination };

/** Returns the end of a run whose step failed; null if the run continues with the next mini-batch. */
export function* endOfFailed(run: Run, failed: Failure): Asks<End | null> {
  const { termination, cause = '', falls = false } = failed;
  const { stochastic } = run.setting;
  // A mini-batch without an acceptable step is skipped: x stays, and the next batch is tried.
  if (stochastic && termination === 'lineSearchFailed') return null;
  const standsStill = termination === 'precisionFloor' || termination === 'lineSearchFailed';
  const found = standsStill && !stochastic ? yield* inspectHere(run) : null;
  if (typeof found === 'string') return [found, null];
  if (found?.mismatch) return mismatchEnding(found.mismatch);
  const kind =
    found?.descends || falls ? 'lineSearchFailed' : found?.atFloor ? 'precisionFloor' : termination;
  if (kind === 'nonFinite' && cause !== '') return [kind, cause];
  const message =
    kind === 'lineSearchFailed' && cause !== '' ? `${terminations[kind].sentence} ${cause}` : null;
  return [kind, message];
}

/**
 * Compares values and gradients around the iterate (see {@link inspect}); returns the limit if one forbids the
 * evaluations, because without them a standstill has no known cause.
 */
function* inspectHere(run: Run): Asks<Inspection | Termination> {
  const { state, best, view } = run;
  const found = yield* metered(inspect(standstillOf(run)), run.meter, run.options.signal);
  if ('kind' in found) return found.termination;
  const { lower } = found;
  if (lower !== null) {
    const measured = view.measure({ ...state, ...lower });
    if (measured.f < best.f && isFiniteAt(measured)) best.keep(lower.x, measured);
  }
  return isInexact(run) ? { ...found, mismatch: null } : found;
}

function standstillOf({ solver, task, setting, state, highest, smallest }: Run): Standstill {
  const { precision } = setting;
  const admit = solver.admit && ((x: Float64Array) => solver.admit?.(x, setting));
  return { at: state, p0: task.p0, precision, highest, smallest, admit };
}

/**
 * Returns true if no earlier point lies below the current one, judged by values, or by slopes if the
 * difference of the values may be noise. For the slopes, the best point is evaluated once more.
 */
function* isLowest({ solver, setting, state, best, meter, now }: Run): Asks<boolean> {
  const { precision, n } = setting;
  if (now.f <= best.f + ROUNDING[precision] * Math.abs(best.f)) return true;
  // A transform may hide a difference of the values: those of f itself are compared.
  const isAbove = now.f - best.f > NOISE[precision] * Math.abs(best.f);
  if (isAbove || !solver.descends || meter.exhausted() !== null) return false;
  best.secure();
  const lower = { ...state, x: best.x, gradient: new Float64Array(n) };
  yield* refresh(lower, meter);
  if (state.f - lower.f > NOISE[precision] * Math.abs(lower.f)) return false;
  // The other terms, such as a penalty, are exact.
  const rest = (at: Iterate) => (solver.measure?.(at).f ?? at.f) - at.f;
  const rise = trapezoid(lower, state) + rest(state) - rest(lower);
  return rise <= ROUNDING[precision] * Math.abs(state.f);
}

/** Returns the message for a gradient that is known less exactly than its tolerance; null for others. */
function unresolvedGradient({ task, state, convergence, now }: Run): string | null {
  const error = task.gradientError?.(state.x, now.f) ?? 0;
  const { tolerance } = convergence.measures(now.gradientNorm).gradient;
  if (error <= tolerance) return null;
  return `The gradient is as small as differences of f can tell: its elements are known to ${error.toExponential(1)} here, its tolerance is ${tolerance.toExponential(1)}. A larger gtol, or a gradient of your own, would make this a success.`;
}

/** Returns the message of a run that converged at its start. */
function atStart({ gradientNorm }: Measured, { gtol, gRel }: CompleteSolveOptions): string {
  const tolerance = gRel > 0 ? 'gtol + gRel·‖∇f(p0)‖∞' : `gtol = ${gtol}`;
  return `The start already meets the tolerance: ‖∇f(p0)‖∞ = ${gradientNorm.toExponential(2)} is within ${tolerance}. If the loss or its gradient is that small because of its units, set gtol: 0 and gRel: 1e-6, which is relative to the start.`;
}

/** Returns the message of a run that was resumed where an earlier one had converged. */
const atResumed = ({ gradientNorm }: Measured, { gradient }: ConvergenceMeasures): string =>
  `The state to resume from already meets the tolerance: ‖∇f‖∞ = ${gradientNorm.toExponential(2)} is within ${gradient.tolerance.toExponential(2)}.`;

/** Returns the termination for values and gradients that contradict each other, and its message. */
function mismatchEnding({ byValues, byGradients }: Mismatch): End {
  const [measured, promised] = [byValues, byGradients].map((change) => change.toExponential(3));
  return [
    'gradientMismatch',
    `The gradient contradicts the values of f: near the end f changes by ${measured} along a line where its gradients predict ${promised}. checkGradient(problem) names the elements that are wrong.`,
  ];
}
