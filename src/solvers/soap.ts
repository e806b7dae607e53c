import { checkOptions } from '../core/options.ts';
import { evaluate, type Asks } from '../core/question.ts';
import { clipTo, LARGEST_NORM, refuse } from './clip.ts';
import { scheduleOf, showSchedule } from './schedules.ts';
import { blocksOf, type Block } from './soap/blocks.ts';
import { moveBlocks } from './soap/move.ts';
import { clearBasis } from './soap/side.ts';
import { newMemory } from './soap/workspace.ts';
import { soapRules, type SoapOptions } from './soapOptions.ts';
import { averageBase, followShift, newAveraging, writeAverage, type Averaging } from './scheduleFree.ts';
import type { Heap } from '../core/kernels/matrices.ts';
import type { Precision } from '../core/problem.ts';
import type { Iterate, Solver, StepOutcome } from '../core/solver.ts';

/** The moments, the curvature of each tensor, and the number of steps. */
export interface SoapState extends Iterate {
  readonly blocks: readonly Block[];
  /** Factors, bases and moments of the blocks. */
  memory: Heap;
  /** Averages, with `scheduleFree`; else null. */
  readonly averaging: Averaging | null;
  /** Number of steps taken. */
  steps: number;
  /** Number of steps refused because the gradient, or its norm, was not finite. */
  skipped: number;
  readonly precision: Precision;
  readonly stochastic: boolean;
}

/**
 * SOAP: Adam in the eigenbasis of Shampoo's curvature factors. One evaluation a step, no line search; for mini-batches.
 *
 * It needs the shapes of the tensors, which a problem's `params` give; for vectors, and for all of x
 * without `params`, it is Adam. A gradient that is not finite, or so large that its square is not, moves nothing: the step fails with
 * `nonFinite` and is counted in `skipped`.
 *
 * Departures from the paper: bases begin as the axes and mix ever longer parts of a side; their first refreshes come sooner and
 * estimate the second moments; and a power step adds 2⁻³⁶ of the mean eigenvalue to the factor, so that directions without
 * a gradient keep their basis vectors.
 *
 * @throws RangeError naming every option that is wrong; at the start of a solve, if the tensors of the layout do not
 *   fill x
 *
 * @example
 * ```js
 * import { cosineDecay, soap, warmup } from 'quasi-newton';
 *
 * const steps = 2000;
 * const solver = soap({
 *   learningRate: warmup({ steps: 50, after: cosineDecay({ from: 0.02, steps: steps - 50 }) }),
 * });
 * ```
 *
 * @see Vyas et al. (2024), SOAP: improving and stabilizing Shampoo using Adam, Algorithms 3 and 4, arXiv:2409.11321
 */
export function soap(options: SoapOptions = {}): Solver {
  checkOptions('soap', options, soapRules);
  const { learningRate = 0.003, beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8 } = options;
  const { weightDecay = 0, clipNorm = Infinity, frequency = 10 } = options;
  const { maxSide, oneSided, joinBias = false, scheduleFree = false } = options;
  const decay1 = scheduleFree ? 0 : beta1;
  const rateAt = scheduleOf(learningRate);

  function* step(state: SoapState): Asks<StepOutcome> {
    const { x, gradient, precision, averaging } = state;
    const { norm, clip } = clipTo(gradient, clipNorm);
    if (!(norm < LARGEST_NORM[precision])) return refuse(state, gradient);
    const rounds = precision === 'float32';
    if (averaging) followShift(averaging, x, beta1, rounds);
    const rate = rateAt(state.steps);
    const t = state.steps + 1;
    const numbers = {
      clip,
      rate,
      beta1: decay1,
      beta2,
      epsilon: Math.max(epsilon, LEAST_EPSILON[precision]),
      weightDecay,
      correction1: 1 / (1 - decay1 ** t),
      correction2: 1 / (1 - beta2 ** t),
    };
    let moved = moveBlocks(state, averaging?.base ?? x, numbers, frequency);
    if (averaging) moved = averageBase(averaging, x, rate, beta1, rounds);
    state.steps = t;
    // The next mini-batch will be evaluated here anyway.
    if (!state.stochastic) state.f = yield evaluate(x, gradient);
    return { kind: 'accepted', alpha: rate, moved };
  }

  const solver: Solver<SoapState> = {
    name: 'soap',
    descends: false,
    describe: () =>
      `${scheduleFree ? 'schedule-free SOAP' : 'SOAP'} (learning rate ${showSchedule(learningRate)})`,
    init({ n, precision, stochastic = false, layout }) {
      const { blocks, length } = blocksOf(layout, n, precision, { maxSide, oneSided, joinBias });
      const { memory, vectors } = newMemory(blocks, length, precision, n, scheduleFree ? 4 : 2);
      for (const { left, right } of blocks) {
        if (left) clearBasis(left, memory);
        if (right) clearBasis(right, memory);
      }
      const [x, gradient] = vectors;
      return {
        x,
        gradient,
        f: NaN,
        blocks,
        memory,
        averaging: scheduleFree ? newAveraging(vectors.slice(2)) : null,
        steps: 0,
        skipped: 0,
        precision,
        stochastic,
      };
    },
    step,
    answer: ({ averaging, precision }, out) =>
      averaging !== null && writeAverage(averaging, out, precision === 'float32'),
  };
  return solver;
}

/** Smaller ones would be lost beside second moments that have underflowed, and steps would have no bound. */
const LEAST_EPSILON: Record<Precision, number> = { float64: 2 ** -511, float32: 2 ** -63 };
