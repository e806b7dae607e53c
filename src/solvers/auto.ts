import { withBoundsOf } from '../core/boundedSolver.ts';
import { isUnbounded, type Bound } from '../core/bounds.ts';
import { adam } from './adam.ts';
import { bfgs } from './bfgs.ts';
import { lbfgs } from './lbfgs.ts';
import { levenbergMarquardt } from './levenbergMarquardt.ts';
import { warmup } from './schedules.ts';
import { soap } from './soap.ts';
import type { Bounds } from '../core/question.ts';
import type { Iterate, Measured, Setting, Solver } from '../core/solver.ts';

/**
 * Largest number of unknowns for dense BFGS, which stores n² numbers. On small networks with n = 1933, BFGS reaches the loss
 * that L-BFGS has after 400 evaluations in half of its evaluations and of its time, with 50, 200 and 500 samples
 * (`npm run bench -- scaling`). On classical problems, whose f costs next to nothing, it takes 1.1 × the evaluations there,
 * and an iteration of several milliseconds after n/3 iterations.
 */
const DENSE_LIMIT = 2000;

/**
 * Largest work per step, m·n·min(m, n) multiplications, for which {@link levenbergMarquardt} is chosen: about
 * half a second. If the problem provides JJᵀ, the work is that of its factorization, m³/6: a network with 4929 weights and
 * 1000 samples then reaches 1e-26 in the time in which {@link lbfgs} reaches 3e-5 (`npm run bench -- onnxLeastSquares`).
 */
const WORK_LIMIT = 5e8;

/** Constant rate on mini-batches, after a warm-up; between the best rates of large and small networks. */
const BATCH_RATE = 0.01;
const WARMUP_STEPS = 20;

/**
 * Chooses a solver, with its defaults: on mini-batches schedule-free {@link soap} at a rate of 0.01; {@link
 * levenbergMarquardt} for a sum of squares whose Jacobian is small enough; otherwise {@link bfgs} for n ≤
 * 2000 and {@link lbfgs} above. With bounds of the solve (`minimize(problem, auto(), { lower })`), {@link lbfgs} takes the place
 * of {@link bfgs}, and schedule-free {@link adam} that of {@link soap}.
 *
 * @throws TypeError if options are given
 */
export function auto(...options: readonly never[]): Solver {
  if (options.length > 0) {
    throw new TypeError(
      'auto: takes no options; give them to bfgs(), lbfgs(), levenbergMarquardt() or soap().',
    );
  }
  return autoWithin({});
}

/** Bounds of a solve by {@link auto}. */
interface AutoBounds {
  readonly lower?: Bound | undefined;
  readonly upper?: Bound | undefined;
}

function autoWithin(bounds: AutoBounds): Solver {
  const isFree = isUnbounded(bounds.lower, bounds.upper);
  const squares: Solver = levenbergMarquardt(bounds);
  const rates = { learningRate: warmup({ steps: WARMUP_STEPS, after: BATCH_RATE }), scheduleFree: true };
  const batches: Solver = isFree ? soap(rates) : adam({ ...rates, ...bounds });
  const large: Solver = lbfgs(bounds);
  const small: Solver = isFree ? bfgs() : large;
  const bySize = (n: number): Solver => (n <= DENSE_LIMIT ? small : large);
  const chosen = (state: Iterate): Solver =>
    isOnBatches(state) ? batches : isSquares(state) ? squares : bySize(state.x.length);
  return {
    name: 'auto',
    descends: true,
    leavesPoint: true,
    anyScale: true,
    describe(n, state) {
      if (state !== undefined && isOnBatches(state)) {
        return `schedule-free ${isFree ? 'SOAP' : 'Adam'} (learning rate ${BATCH_RATE}), chosen for mini-batches`;
      }
      return state !== undefined && isSquares(state)
        ? `${squares.describe(n)}, chosen for a sum of squares`
        : `${bySize(n).describe(n)}, chosen for n = ${n}`;
    },
    asksBesides: (setting) =>
      !setting.stochastic && isSmallSumOfSquares(setting) ? squares.asksBesides?.(setting) : undefined,
    init(setting) {
      if (setting.stochastic) return batches.init(setting);
      return (isSmallSumOfSquares(setting) ? squares : bySize(setting.n)).init(setting);
    },
    step(state, overwrites) {
      // SOAP and Adam work in place, but the point where a step begins must stay unchanged.
      if (isOnBatches(state)) state.x = Float64Array.from(state.x);
      return chosen(state).step(state, overwrites);
    },
    answer: (state, out) => chosen(state).answer?.(state, out) ?? false,
    direction: (state, out) => chosen(state).direction?.(state, out),
    ...(!isFree && {
      admit: (x: Float64Array, setting: Setting) => large.admit?.(x, setting),
      bounds: (setting: Setting) => large.bounds?.(setting) as Bounds,
      measure: (state: Iterate) => chosen(state).measure?.(state) as Measured,
    }),
    withBounds: withBoundsOf('auto', bounds, (_where, within) => autoWithin(within)),
  };
}

const isOnBatches = (state: Iterate): boolean => 'averaging' in state;

const isSquares = (state: Iterate): boolean => 'jacobian' in state;

const isSmallSumOfSquares = (setting: Setting): boolean => {
  const { n, residualCount: m = 0, jacobianGram = false, jacobianProducts = false } = setting;
  const isDual = jacobianGram && jacobianProducts && m <= n && m ** 3 / 6 <= WORK_LIMIT;
  return m > 0 && (isDual || m * n * Math.min(m, n) <= WORK_LIMIT);
};
