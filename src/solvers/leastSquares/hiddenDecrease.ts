import { EPSILON } from '../../core/epsilon.ts';
import { askResiduals } from '../../core/jacobian.ts';
import { moveBy } from './geodesicStep.ts';
import { standstill, type FailedStep } from './standstill.ts';
import type { Box } from '../../core/bounds.ts';
import type { Asks } from '../../core/question.ts';
import type { LinearSolver } from './linearSolver.ts';
import type { LevenbergMarquardtState } from './state.ts';

/** A decrease of more than this many roundings of f is not caused by rounding. */
export const RESOLVED = 256;
/** A single unknown must promise this many times what a step does: norms of columns may be estimates. */
const FAR = 4;
/** Factor of a damping or of a radius that hides a decrease. */
const REVEAL = 1e3;

const UNITS =
  "The unknowns are of such different units that steps measured by ‖δ‖ do not move some of them: scaling: 'columns', without method: 'dual', measures each unknown by its own column of the Jacobian.";

interface Promises {
  /** Decrease that the linear model promises for the step. */
  readonly whole: number;
  /** Largest one of a step that was tried at x; 0 if none was. */
  readonly promised: number;
  readonly leastDamping: number;
}

/**
 * Decides what a step is worth that promises less than 256 roundings of f. Far above ‖Jeⱼ‖², as the columns of other
 * unknowns may need it, a damping hides what xⱼ could gain. If f falls along xⱼ, the damping is lowered, or the radius
 * extended, which it follows; after rejected steps, or at the limit, the run fails: f has not reached its precision.
 */
export function* judgePromise(
  state: LevenbergMarquardtState,
  solver: LinearSolver,
  box: Box | null,
  { whole, promised, leastDamping }: Promises,
): Asks<FailedStep | 'try' | 'again'> {
  const rounding = EPSILON[state.rounded ? 'float32' : 'float64'] * state.f;
  // Units of columns treat all unknowns alike. From a short radius in them, a jump leads most fits of data in large units astray.
  const isHidden =
    !(state.byRadius && state.byColumns) &&
    (yield* fallsAlongOne(state, solver, box, RESOLVED * rounding, FAR * whole));
  if (!isHidden) {
    if (whole > rounding) return 'try';
    return standstill(state, promised > rounding ? 'lineSearchFailed' : 'precisionFloor');
  }
  // The factor of the damping grows with each rejection.
  const isFirst = promised === 0 && state.growth === 2 && (state.byRadius || state.damping <= state.first);
  if (!isFirst || state.damping <= (state.byRadius ? state.least : leastDamping)) {
    return standstill(state, 'lineSearchFailed', state.byColumns ? '' : UNITS);
  }
  if (state.byRadius) state.radius *= REVEAL;
  else state.damping = Math.max(state.damping / REVEAL, leastDamping);
  return 'again';
}

/**
 * True if f falls by more than `rounding` along the free unknown from which the linear model expects most: (½∇fⱼ)²/‖Jeⱼ‖²,
 * for δⱼ = −½∇fⱼ/‖Jeⱼ‖². If that is not more than `more` above rounding, f is not evaluated.
 */
function* fallsAlongOne(
  state: LevenbergMarquardtState,
  solver: LinearSolver,
  box: Box | null,
  rounding: number,
  more: number,
): Asks<boolean> {
  const { gradient, free, x, trial, trialResiduals } = state;
  const norms = yield* solver.columnNorms(state);
  const gains = norms.map((norm, j) => (norm > 0 ? free[j] * ((0.5 * gradient[j]) / norm) ** 2 : 0));
  const most = Math.max(...gains);
  if (!(most > rounding + more)) return false;
  const j = gains.indexOf(most);
  const direction = new Float64Array(x.length);
  direction[j] = (-0.5 * gradient[j]) / norms[j] ** 2;
  moveBy(state, 1, direction, box);
  return state.f - (yield askResiduals(trial, trialResiduals, null)) > rounding;
}
