import { boxFor, startsWithin, withBoundsOf } from '../core/boundedSolver.ts';
import { boundRule, boxesOf, project, projectFrom, type Bound } from '../core/bounds.ts';
import { boolean, checkOptions, finitePositive, nonNegative, numberIn, positive } from '../core/options.ts';
import { evaluate, type Asks } from '../core/question.ts';
import { adamStep } from '../core/kernels/elementwise.ts';
import { newVectors } from '../core/kernels/vectorMemory.ts';
import { normInf } from '../core/vector.ts';
import { clipTo, LARGEST_NORM, refuse } from './clip.ts';
import { scheduleOf, scheduleRule, showSchedule, type Schedule } from './schedules.ts';
import { averageBase, followShift, newAveraging, writeAverage, type Averaging } from './scheduleFree.ts';
import type { Iterate, Solver, StepOutcome } from '../core/solver.ts';

/** Options of {@link adam}. */
export interface AdamOptions {
  /** A number, or a schedule such as `cosineDecay({ from, steps })`. @defaultValue `0.001` */
  readonly learningRate?: number | Schedule | undefined;
  /** Decay of the first moment, in [0, 1). @defaultValue `0.9` */
  readonly beta1?: number | undefined;
  /** Decay of the second moment, in [0, 1). @defaultValue `0.999` */
  readonly beta2?: number | undefined;
  /** Added to the root of the second moment. @defaultValue `1e-8` */
  readonly epsilon?: number | undefined;
  /** Decoupled weight decay (AdamW): x shrinks by learningRate·weightDecay·x each step. @defaultValue `0` */
  readonly weightDecay?: number | undefined;
  /** Divide by the largest second moment so far (AMSGrad). @defaultValue `false` */
  readonly amsgrad?: boolean | undefined;
  /** Gradients with a larger Euclidean norm are scaled down to it. @defaultValue `Infinity` */
  readonly clipNorm?: number | undefined;
  /**
   * Average the iterates instead of lowering the rate, and return the average: the number of steps need not
   * be known. `beta1` then sets how close to the average gradients are evaluated. Use a constant rate with a
   * warm-up.
   *
   * @defaultValue `false`
   */
  readonly scheduleFree?: boolean | undefined;
  /**
   * Lower bound of x, one number or `[n]`; null means unbounded. Each step ends at the nearest point within the bounds.
   *
   * @defaultValue `-Infinity`
   */
  readonly lower?: Bound | undefined;
  /** Upper bound of x, one number or `[n]`; null means unbounded. @defaultValue `Infinity` */
  readonly upper?: Bound | undefined;
}

/** The moments and the number of steps. */
export interface AdamState extends Iterate {
  /** m, `[n]` */
  readonly firstMoment: Float64Array;
  /** v, `[n]` */
  readonly secondMoment: Float64Array;
  /** The largest v so far, `[n]`; empty without amsgrad. */
  readonly largestMoment: Float64Array;
  /** Averages, with `scheduleFree`; otherwise null. */
  readonly averaging: Averaging | null;
  /** With bounds: the point where the last step began, `[n]`. */
  readonly start?: Float64Array;
  steps: number;
  /** Number of steps refused because the gradient, or its square, was not finite. */
  skipped: number;
  readonly rounded: boolean;
  readonly stochastic: boolean;
}

/**
 * Adam: one evaluation per step, without a line search. Use it on mini-batches, or to begin a run that BFGS
 * finishes.
 *
 * A gradient that is not finite, or has an element of 2⁵¹¹ or more, whose square would overflow, moves nothing: the step fails
 * with `nonFinite` and is counted in `skipped`.
 *
 * With `lower` or `upper`, the point of each step is moved to the nearest one within the bounds (projected Adam): x never
 * leaves them, and `gradientNorm` is the largest slope among the elements that no bound holds.
 *
 * @throws RangeError naming every option that is wrong
 *
 * @example
 * ```js
 * import { adam, cosineDecay } from 'quasi-newton';
 *
 * const solver = adam({ learningRate: cosineDecay({ from: 0.01, steps: 2000 }), weightDecay: 1e-4 });
 * ```
 *
 * @see Kingma & Ba (2015), Adam: a method for stochastic optimization, Algorithm 1, arXiv:1412.6980;
 *   Loshchilov & Hutter (2019), arXiv:1711.05101; Reddi, Kale & Kumar (2018), arXiv:1904.09237; Defazio et al. (2024), arXiv:2405.15682
 */
export function adam(options: AdamOptions = {}): Solver {
  checkOptions('adam', options, {
    learningRate: scheduleRule,
    beta1: decay,
    beta2: decay,
    epsilon: finitePositive,
    weightDecay: nonNegative,
    amsgrad: boolean,
    clipNorm: positive,
    scheduleFree: boolean,
    lower: boundRule,
    upper: boundRule,
  });
  return adamFor('adam', options);
}

/** As {@link adam}, of options that follow the rules; errors of bounds are in the name of the function called. */
function adamFor(where: string, options: AdamOptions): Solver {
  const boxes = boxesOf(where, options.lower, options.upper);
  const { learningRate = 0.001, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  const { weightDecay = 0, amsgrad = false, clipNorm = Infinity, scheduleFree = false } = options;
  const decay1 = scheduleFree ? 0 : beta1;
  const rateAt = scheduleOf(learningRate);

  function* step(state: AdamState): Asks<StepOutcome> {
    const { x, gradient, averaging, rounded } = state;
    // Without a limit, the largest element tells as much as the norm, for less time.
    const { clip, norm } =
      clipNorm === Infinity ? { clip: 1, norm: normInf(gradient) } : clipTo(gradient, clipNorm);
    if (!(norm < LARGEST_NORM.float64)) return refuse(state, gradient);
    if (averaging) followShift(averaging, x, beta1, rounded);
    /** Start of the step. */
    const base = averaging?.base ?? x;
    state.start?.set(x);
    const rate = rateAt(state.steps);
    const t = ++state.steps;
    let moved = adamStep(state, base, {
      clip,
      beta1: decay1,
      beta2,
      scale1: rate / (1 - decay1 ** t),
      scale2: 1 / Math.sqrt(1 - beta2 ** t),
      epsilon,
      shrink: rate * weightDecay,
      rounds: rounded && !averaging,
    });
    const box = boxes && boxFor(boxes, rounded);
    if (averaging) {
      if (box) project(box, base);
      moved = averageBase(averaging, x, rate, beta1, rounded);
    }
    if (box && state.start) moved = projectFrom(box, x, state.start);
    // The next mini-batch will be evaluated here anyway.
    if (!state.stochastic) state.f = yield evaluate(x, gradient);
    return { kind: 'accepted', alpha: rate, moved };
  }

  const solver: Solver<AdamState> = {
    name: 'adam',
    descends: false,
    describe: () =>
      `${scheduleFree ? 'schedule-free Adam' : 'Adam'} (learning rate ${showSchedule(learningRate)})`,
    init({ n, precision, stochastic = false }) {
      const vectors = newVectors(n, 4 + (amsgrad ? 1 : 0) + (scheduleFree ? 2 : 0));
      const [x, gradient, firstMoment, secondMoment] = vectors;
      return {
        x,
        gradient,
        f: NaN,
        firstMoment,
        secondMoment,
        largestMoment: amsgrad ? vectors[4] : new Float64Array(0),
        averaging: scheduleFree ? newAveraging(vectors.slice(-2)) : null,
        ...(boxes && { start: new Float64Array(n) }),
        steps: 0,
        skipped: 0,
        rounded: precision === 'float32',
        stochastic,
      };
    },
    step,
    answer({ averaging, rounded }, out) {
      if (averaging === null || !writeAverage(averaging, out, rounded)) return false;
      if (boxes) project(boxFor(boxes, rounded), out);
      return true;
    },
    ...(boxes && startsWithin(boxes)),
    withBounds: withBoundsOf('adam', options, adamFor),
  };
  return solver;
}

/** A number in [0, 1). */
const decay = numberIn(0, 1 - Number.EPSILON);
