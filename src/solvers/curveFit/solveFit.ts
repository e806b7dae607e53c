import { runSync } from '../../core/drive.ts';
import { EPSILON } from '../../core/epsilon.ts';
import { differenceJacobian, type Scheme } from '../../core/jacobian.ts';
import { gradientOfSquares } from '../../core/leastSquares.ts';
import { metered, startMeter } from '../../core/meter.ts';
import { dot } from '../../core/vector.ts';
import { levenbergMarquardt } from '../levenbergMarquardt.ts';
import type { LevenbergMarquardtState } from '../leastSquares/state.ts';
import { pivotedQr, solveByQr, type PivotedQr } from './qr.ts';
import type { Problem, Residuals } from '../../core/problem.ts';
import type { Asks } from '../../core/question.ts';
import type { CompleteSolveOptions } from '../../core/solveOptions.ts';
import type { Termination } from '../../core/termination.ts';

/** A problem with bounds, and how far it may be solved. */
export interface FitProblem {
  readonly problem: Problem & { readonly residuals: Residuals };
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  /** ‖y/σ‖: rounding errors of residuals are relative to it */
  readonly size: number;
  readonly limits: CompleteSolveOptions;
}

/** A solution, and the Jacobian there. */
export interface FitSolution {
  readonly x: Float64Array;
  readonly f: number;
  /** Factors of the Jacobian over the unknowns that no bound holds. */
  readonly qr: PivotedQr;
  /** Indices of these, and of those that a bound holds. */
  readonly free: readonly number[];
  readonly held: readonly number[];
  readonly converged: boolean;
  /** Ending of the first stage. */
  readonly termination: Termination;
}

/** Two successive decreases of f below this end the first stage. */
const FTOL = 1e-7;
/** The same where that was too early. */
const FINE_FTOL = 1e-12;
/** A Gauss–Newton step that promises more than this part of f is left to Levenberg–Marquardt. */
const FAR = 1e-6;
/** Part of f that the second stage leaves, by its own estimate. */
const SETTLED = 1e-15;
/** Greatest part of f that a Gauss–Newton step may still promise at a point that counts as converged. */
const CONVERGED = 1e-10;
/** A diagonal element of R below this, for columns of length 1, is rounding of differences. */
const RANK_TOLERANCE = 1e-9;
const MAX_ROUNDS = 30;

/**
 * Minimizes a sum of squares to full precision: Levenberg–Marquardt with forward differences, then Gauss–Newton steps
 * with central differences and QR, mixed where they converge slowly.
 *
 * @throws whatever the residuals throw
 */
export function solveFit(given: FitProblem): FitSolution {
  // Residuals alone are asked for: there is nothing to compare them with.
  const problem = { ...given.problem, fg: () => NaN };
  const fit = { ...given, problem };
  let stage = runSync(descend(fit, problem.p0, '2-point', FTOL), problem);
  let state = linearizeAt(fit, stage.x);
  for (let round = 0; round < 2 && state.decrease > FAR * state.f && !isLimit(stage); round++) {
    stage = runSync(descend(fit, stage.x, '3-point', FINE_FTOL), problem);
    state = linearizeAt(fit, stage.x);
  }
  return settle(fit, state, stage);
}

/** Point where a stage ended, and why. */
interface Stage {
  readonly x: Float64Array;
  readonly termination: Termination;
}

/** Runs Levenberg–Marquardt until f changes by less than `ftol`, twice in a row, no step lowers it, or a limit is met. */
function* descend(fit: FitProblem, p0: Float64Array, differences: Scheme, ftol: number): Asks<Stage> {
  const { problem, lower, upper, limits } = fit;
  const isBounded = lower.some(Number.isFinite) || upper.some(Number.isFinite);
  const solver = levenbergMarquardt({ scaling: 'columns', differences, ...(isBounded && { lower, upper }) });
  const state = solver.init({
    n: p0.length,
    precision: 'float64',
    residualCount: problem.residualCount ?? 0,
  }) as LevenbergMarquardtState;
  state.x.set(p0);
  const meter = startMeter(limits);
  let small = 0;
  for (let iteration = 0; iteration < limits.maxIterations; iteration++) {
    const outcome = yield* metered(solver.step(state), meter, limits.signal);
    if (outcome.kind === 'failed') return { x: state.x, termination: outcome.termination };
    small = state.before - state.f <= ftol * state.before ? small + 1 : 0;
    // To look for less than the rounding of y would only take time.
    if (small === 2 || state.f <= exactness(fit)) return { x: state.x, termination: 'functionTolerance' };
  }
  return { x: state.x, termination: 'maxIterations' };
}

/** f that is only rounding of y: residuals of 100 ε‖y/σ‖. */
const exactness = ({ size }: FitProblem): number => (100 * EPSILON.float64 * size) ** 2;

const isLimit = ({ termination }: Stage): boolean =>
  termination === 'maxIterations' || termination === 'maxEvaluations' || termination === 'maxTime';

interface Linearized extends Pick<FitSolution, 'x' | 'f' | 'qr' | 'free' | 'held'> {
  /** Gauss–Newton step of the free unknowns, `[n]`, and the decrease of f that it promises */
  readonly step: Float64Array;
  readonly decrease: number;
}

/** Computes and factors J at a solution, by central differences. */
function linearizeAt({ problem, lower, upper }: FitProblem, x: Float64Array): Linearized {
  const n = x.length;
  const m = problem.residualCount ?? 0;
  const residuals = new Float64Array(m);
  const jacobian = new Float64Array(m * n);
  problem.residuals(x, residuals, null);
  const bounds = { lower: (j: number) => lower[j], upper: (j: number) => upper[j] };
  const steps = { scheme: '3-point', precision: 'float64', sizes: x.map(Math.abs), bounds } as const;
  const failed = runSync(differenceJacobian(x, residuals, jacobian, steps), problem);
  if (failed >= 0) jacobian.fill(0);
  const gradient = new Float64Array(n);
  gradientOfSquares(residuals, jacobian, gradient);
  const isHeld = (_: unknown, j: number): boolean =>
    (x[j] <= lower[j] && gradient[j] > 0) || (x[j] >= upper[j] && gradient[j] < 0);
  const indices = Array.from(x, (_, j) => j);
  const held = indices.filter(isHeld);
  const free = indices.filter((j) => !isHeld(null, j));
  const columns = Float64Array.from({ length: m * free.length }, (_, at) => {
    const [row, k] = [Math.floor(at / free.length), at % free.length];
    return jacobian[row * n + free[k]];
  });
  const qr = pivotedQr(columns, m, free.length, RANK_TOLERANCE);
  return { x, f: dot(residuals, residuals), qr, free, held, ...gaussNewton(qr, free, residuals, n) };
}

function gaussNewton(
  qr: PivotedQr,
  free: readonly number[],
  residuals: Float64Array,
  n: number,
): { step: Float64Array; decrease: number } {
  const { x, decrease } = solveByQr(qr, residuals);
  const step = new Float64Array(n);
  free.forEach((j, k) => (step[j] = -x[k]));
  return { step, decrease };
}

/**
 * Takes Gauss–Newton steps until the estimate of what is left falls below rounding. The steps converge linearly where
 * residuals are large; mixing each with the one before (Anderson's method of depth 1) takes out the slowest part.
 *
 * @see Walker & Ni (2011), Anderson acceleration for fixed-point iterations, SIAM J. Numer. Anal. 49(4),
 *   doi:10.1137/10078356X
 */
function settle(fit: FitProblem, start: Linearized, stage: Stage): FitSolution {
  let now = start;
  let before: Linearized | null = null;
  let end: Pick<FitSolution, 'x' | 'f'> = start;
  let rate = 0;
  for (let round = 0; round < MAX_ROUNDS && !isLimit(stage) && now.decrease > 0; round++) {
    // Of plain steps; mixing makes a single one look better than the next will be.
    if (before !== null) rate = Math.max(rate, Math.min(0.999, Math.sqrt(now.decrease / before.decrease)));
    const left = now.decrease * (Math.max(0.1, rate) / (1 - rate)) ** 2;
    const isLast = left <= SETTLED * now.f;
    const x = isLast || before === null ? plus(now.x, now.step) : mixed(now, before);
    const f = valueWithin(fit, x);
    if (!(f < Infinity && f <= end.f + roundingOf(fit, f))) break;
    end = { x, f };
    if (isLast) break;
    const next = linearizeAt(fit, x);
    if (!(next.decrease < 4 * now.decrease)) break;
    [before, now] = [now, next];
  }
  const { x, f } = end;
  const { qr, free, held, step, decrease } = now;
  const isStill = step.every((move, j) => Math.abs(move) <= 1e-8 * Math.abs(x[j]));
  // Where no step changes the model, nothing is known of a minimum.
  const isFlat = qr.rank === 0 && free.length > 0;
  const isExact = f <= exactness(fit);
  const converged = !isLimit(stage) && (isExact || (!isFlat && (decrease <= CONVERGED * f || isStill)));
  return { x, f, qr, free, held, converged, termination: stage.termination };
}

const plus = (x: Float64Array, step: Float64Array): Float64Array => x.map((value, j) => value + step[j]);

/** x + δ, mixed with the same of the round before so that the difference of their steps is least. */
function mixed(now: Linearized, before: Linearized): Float64Array {
  let [along, square] = [0, 0];
  now.free.forEach((j, k) => {
    const weight = now.qr.norms[k] ** 2;
    const change = now.step[j] - before.step[j];
    along += weight * now.step[j] * change;
    square += weight * change * change;
  });
  const share = square > 0 ? along / square : 0;
  const [end, endBefore] = [plus(now.x, now.step), plus(before.x, before.step)];
  return end.map((value, j) => value - share * (value - endBefore[j]));
}

/** f(x); Infinity outside the bounds. */
function valueWithin({ problem, lower, upper }: FitProblem, x: Float64Array): number {
  if (x.some((value, j) => !(value >= lower[j] && value <= upper[j]))) return Infinity;
  const residuals = new Float64Array(problem.residualCount ?? 0);
  problem.residuals(x, residuals, null);
  return dot(residuals, residuals);
}

/** By this much f may rise because of rounding. */
const roundingOf = ({ size }: FitProblem, f: number): number =>
  64 * EPSILON.float64 * (f + size * Math.sqrt(f));
