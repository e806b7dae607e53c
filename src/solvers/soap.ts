import {
  boolean,
  checkOptions,
  finitePositive,
  integerFrom,
  nonNegative,
  numberIn,
  positive,
} from '../core/options.ts';
import { evaluate, type Asks } from '../core/question.ts';
import { norm2, roundToFloat32 } from '../core/vector.ts';
import { scheduleOf, scheduleRule, showSchedule, type Schedule } from './schedules.ts';
import { blocksOf, type Block } from './soap/blocks.ts';
import { move, refresh, scratchFor, type Scratch } from './soap/move.ts';
import type { Iterate, Solver, StepOutcome } from '../core/solver.ts';

/** Options of {@link soap}. */
export interface SoapOptions {
  /** A number, or a schedule such as `cosineDecay({ from, steps })`. @defaultValue `0.003` */
  readonly learningRate?: number | Schedule;
  /** Decay of the first moment, in [0, 1). @defaultValue `0.9` */
  readonly beta1?: number;
  /** Decay of the second moment and of the curvature factors, in [0, 1). @defaultValue `0.95` */
  readonly beta2?: number;
  /** Added to the root of the second moment. @defaultValue `1e-8` */
  readonly epsilon?: number;
  /** Decoupled weight decay (AdamW): x shrinks by learningRate·weightDecay·x each step. @defaultValue `0` */
  readonly weightDecay?: number;
  /** Gradients longer than this, in the Euclidean norm, are cut to it. @defaultValue `Infinity` */
  readonly clipNorm?: number;
  /** Steps from one refresh of the eigenbases to the next. @defaultValue `10` */
  readonly frequency?: number;
  /** Sides longer than this are not rotated: a side k of a matrix costs about 4·k operations per element. @defaultValue `128` */
  readonly maxSide?: number;
  /** Rotate the shorter side of each matrix only. @defaultValue `false` */
  readonly oneSided?: boolean;
}

/** The moments, the curvature of each tensor, and the number of steps. */
export interface SoapState extends Iterate {
  /** Mean gradient, `[n]`. */
  readonly firstMoment: Float64Array;
  /** Mean squared gradient in the eigenbases, `[n]`. */
  readonly secondMoment: Float64Array;
  readonly blocks: readonly Block[];
  /** Number of steps taken. */
  steps: number;
  /** Number of steps refused because the gradient, or its norm, was not finite. */
  skipped: number;
  readonly rounded: boolean;
  readonly stochastic: boolean;
}

/**
 * SOAP: Adam in the eigenbasis of Shampoo's curvature factors. One evaluation a step, no line search; for mini-batches.
 *
 * It needs the shapes of the tensors, which a problem's `params` give; vectors, and all of x where there are no `params`,
 * get Adam. A gradient that is not finite, or so large that its square is not, moves nothing: the step fails with
 * `nonFinite` and is counted in `skipped`.
 *
 * Departures from the paper: the first step moves x, in the eigenbasis of its own gradient, and a power step adds 2⁻³⁶ of
 * the mean eigenvalue to the factor, so that directions without a gradient keep their basis vectors.
 *
 * @throws RangeError naming every option that is wrong; at the start of a solve, if the layout of the tensors does not add
 *   up
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
  checkOptions('soap', options, {
    learningRate: scheduleRule,
    beta1: decay,
    beta2: decay,
    epsilon: finitePositive,
    weightDecay: nonNegative,
    clipNorm: positive,
    frequency: integerFrom(1),
    maxSide: integerFrom(1),
    oneSided: boolean,
  });
  const { learningRate = 0.003, beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8 } = options;
  const { weightDecay = 0, clipNorm = Infinity, frequency = 10, maxSide = 128, oneSided = false } = options;
  const rateAt = scheduleOf(learningRate);
  // Shared by all problems of this solver: nothing in it outlasts the synchronous part of a step.
  let scratch: Scratch | null = null;

  function* step(state: SoapState): Asks<StepOutcome> {
    const { x, gradient, blocks } = state;
    const norm = norm2(gradient);
    if (!Number.isFinite(norm)) {
      state.skipped++;
      return { kind: 'failed', termination: 'nonFinite' };
    }
    const rate = rateAt(state.steps);
    scratch = scratchFor(blocks, scratch);
    if (state.steps > 0 && state.steps % frequency === 0) {
      for (const block of blocks) refresh(block, scratch);
    }
    const t = ++state.steps;
    const numbers = {
      clip: norm > clipNorm ? clipNorm / norm : 1,
      rate,
      beta1,
      beta2,
      epsilon,
      weightDecay,
      correction1: 1 - beta1 ** t,
      correction2: 1 - beta2 ** t,
    };
    let moved = 0;
    for (const block of blocks) moved = Math.max(moved, move(block, state, numbers, scratch));
    if (state.rounded) roundToFloat32(x);
    // The next mini-batch will be evaluated here anyway.
    if (!state.stochastic) state.f = yield evaluate(x, gradient);
    return { kind: 'accepted', alpha: rate, moved };
  }

  return {
    name: 'soap',
    descends: false,
    describe: () => `SOAP (learning rate ${showSchedule(learningRate)})`,
    init: ({ n, precision, stochastic = false, layout }) => ({
      x: new Float64Array(n),
      gradient: new Float64Array(n),
      f: NaN,
      firstMoment: new Float64Array(n),
      secondMoment: new Float64Array(n),
      blocks: blocksOf(layout, n, { maxSide, oneSided }),
      steps: 0,
      skipped: 0,
      rounded: precision === 'float32',
      stochastic,
    }),
    step,
  };
}

/** A number in [0, 1). */
const decay = numberIn(0, 1 - Number.EPSILON);
