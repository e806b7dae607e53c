import { askResiduals } from '../../core/jacobian.ts';
import { metered, startMeter, type Meter } from '../../core/meter.ts';
import { levenbergMarquardt } from '../levenbergMarquardt.ts';
import {
  exactness,
  isWithin,
  linearModel,
  plusStep,
  precisionOf,
  roundInto,
  roundingOf,
} from './linearized.ts';
import { isFar } from '../leastSquares/linearModel.ts';
import type { LevenbergMarquardtState } from '../leastSquares/state.ts';
import type { Asks } from '../../core/question.ts';
import type { Solver } from '../../core/solver.ts';
import type { Termination } from '../../core/termination.ts';
import type { Accuracy, FitProblem, Linearized } from './linearized.ts';

/** Two successive decreases of f below this part of it end the approach, by accuracy of the Jacobian. */
const FTOL: Record<Accuracy, number> = { rough: 1e-7, fine: 1e-12 };
/** Gauss–Newton steps that promise less than this part of f may converge by themselves. */
const NEAR = 1e-3;
/** Fraction of its promised decrease that a step must reach before Gauss–Newton takes over. */
const NEARER = 0.1;
/** Factor between two promises that leaves Gauss–Newton a chance. */
const FALLING = 0.9;

/**
 * Damping so small that rounding of the normal equations determines the step, for columns of length 1. If several such steps
 * lower f by less than this part of what Gauss–Newton promises by QR, that takes over.
 */
const ROUNDED = 1e-13;
const STALLED = 0.01;
const MAX_STALLS = 4;

/** Point where Levenberg–Marquardt ended. */
export interface Approach {
  readonly x: Float64Array;
  readonly termination: Termination;
  /** Linear model there, where Gauss–Newton steps are to go on from it. */
  readonly near: Linearized | null;
  /** Factor by which the promised decrease falls from step to step. */
  readonly ratio: number;
}

/**
 * Runs Levenberg–Marquardt until a Gauss–Newton step does as it promises, f hardly changes, no step lowers it, or a
 * limit is met.
 *
 * @param p0 - start, `[n]`
 */
export function* approach(fit: FitProblem, p0: Float64Array, accuracy: Accuracy): Asks<Approach> {
  const { problem, limits } = fit;
  const solver = solverFor(fit, accuracy);
  const m = problem.residualCount ?? 0;
  const isRounded = precisionOf(fit) === 'float32';
  const state = solver.init({
    n: p0.length,
    precision: precisionOf(fit),
    residualCount: m,
  }) as LevenbergMarquardtState;
  state.x.set(p0);
  if (isRounded) roundInto(fit, state.x);
  const meter: Meter = startMeter(limits);
  const ended = (termination: Termination): Approach => ({ x: state.x, termination, near: null, ratio: 1 });
  let near = NEAR;
  let small = 0;
  let promised = 0;
  let stalls = 0;
  for (let iteration = 0; iteration < limits.maxIterations; iteration++) {
    const outcome = yield* metered(solver.step(state), meter, limits.signal);
    if (outcome.kind === 'failed') return ended(outcome.termination);
    const decrease = state.before - state.f;
    small = decrease <= (isRounded ? FTOL.rough : FTOL[accuracy]) * state.before ? small + 1 : 0;
    // To look for less than the rounding of y would only take time.
    if (state.f <= exactness(fit)) return ended('functionTolerance');
    const model = linearModel(fit, state, accuracy);
    if (iteration === 0 && accuracy === 'rough' && bendsSoon(fit, model))
      return yield* approach(fit, p0, 'fine');
    const ratio = model.decrease / Math.max(decrease, promised);
    promised = model.decrease;
    if (promised <= near * model.f && ratio < FALLING) {
      const keeps = yield* metered(keepsPromise(fit, model), meter, limits.signal);
      if (typeof keeps !== 'boolean') return ended(keeps.termination);
      if (keeps) return { ...ended('functionTolerance'), near: model, ratio };
      near = NEARER * (promised / model.f);
    }
    const isStalled = state.damping < ROUNDED && decrease < STALLED * model.decrease;
    stalls = isStalled ? stalls + 1 : 0;
    if (stalls === MAX_STALLS) return { ...ended('functionTolerance'), near: model, ratio };
    if (small === 2) return ended('functionTolerance');
  }
  return ended('maxIterations');
}

function solverFor({ lower, upper }: FitProblem, accuracy: Accuracy): Solver {
  const isBounded = lower.some(Number.isFinite) || upper.some(Number.isFinite);
  return levenbergMarquardt({
    scaling: 'columns',
    acceleration: 'auto',
    control: 'radius',
    differences: accuracy === 'rough' ? '2-point' : '3-point',
    ...(isBounded && { lower, upper }),
  });
}

/** True if a step of forward differences in some parameter may be longer than the model is straight. */
const bendsSoon = ({ size }: FitProblem, { x, qr, free }: Linearized): boolean =>
  isFar(
    free.map((j) => x[j]),
    qr.norms,
    size,
  );

/** True if a Gauss–Newton step lowers f by a tenth of what it promises. */
function* keepsPromise(fit: FitProblem, model: Linearized): Asks<boolean> {
  const x = plusStep(model);
  if (!isWithin(fit, x)) return false;
  const f = yield askResiduals(x, new Float64Array(fit.problem.residualCount ?? 0), null);
  return f <= model.f - 0.1 * model.decrease + roundingOf(fit, model.f);
}
