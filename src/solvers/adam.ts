import { checkOptions, numberBetween, positive } from '../core/options.ts';
import { evaluate, type Asks } from '../core/question.ts';
import { roundToFloat32 } from '../core/vector.ts';
import type { Iterate, Solver, StepOutcome } from '../core/solver.ts';

/** Options of {@link adam}. */
export interface AdamOptions {
  /** @defaultValue `0.001` */
  readonly learningRate?: number;
  /** Decay of the first moment. @defaultValue `0.9` */
  readonly beta1?: number;
  /** Decay of the second moment. @defaultValue `0.999` */
  readonly beta2?: number;
  /** Added to the root of the second moment. @defaultValue `1e-8` */
  readonly epsilon?: number;
}

/** The two moments and the number of steps. */
export interface AdamState extends Iterate {
  /** m, `[n]` */
  readonly firstMoment: Float64Array;
  /** v, `[n]` */
  readonly secondMoment: Float64Array;
  steps: number;
  readonly rounded: boolean;
}

/**
 * Adam: one evaluation a step, no line search; what to use on mini-batches, and to begin a run that
 * BFGS finishes.
 *
 * @throws RangeError naming every option that is wrong
 * @see Kingma & Ba (2015), Adam: a method for stochastic optimization, Algorithm 1, arXiv:1412.6980
 */
export function adam(options: AdamOptions = {}): Solver<AdamState> {
  checkOptions('adam', options, {
    learningRate: positive,
    beta1: numberBetween(0, 1),
    beta2: numberBetween(0, 1),
    epsilon: positive,
  });
  const { learningRate = 0.001, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;

  function* step(state: AdamState): Asks<StepOutcome> {
    const { x, gradient, firstMoment, secondMoment } = state;
    const t = ++state.steps;
    const correction1 = 1 - beta1 ** t;
    const correction2 = 1 - beta2 ** t;
    let moved = 0;
    for (let i = 0; i < x.length; i++) {
      const g = gradient[i];
      firstMoment[i] = beta1 * firstMoment[i] + (1 - beta1) * g;
      secondMoment[i] = beta2 * secondMoment[i] + (1 - beta2) * g * g;
      const s =
        (learningRate * (firstMoment[i] / correction1)) /
        (Math.sqrt(secondMoment[i] / correction2) + epsilon);
      moved = Math.max(moved, Math.abs(s));
      x[i] -= s;
    }
    if (state.rounded) roundToFloat32(x);
    state.f = yield evaluate(x, gradient);
    return { kind: 'accepted', alpha: learningRate, moved };
  }

  return {
    name: 'adam',
    descends: false,
    describe: () => `Adam (learning rate ${learningRate})`,
    init: ({ n, precision }) => ({
      x: new Float64Array(n),
      gradient: new Float64Array(n),
      f: NaN,
      firstMoment: new Float64Array(n),
      secondMoment: new Float64Array(n),
      steps: 0,
      rounded: precision === 'float32',
    }),
    step,
  };
}
