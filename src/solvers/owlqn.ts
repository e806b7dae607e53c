import { callable, checkOptions, integerFrom, nonNegative, numberBetween } from '../core/options.ts';
import { evaluate, type Asks } from '../core/question.ts';
import { addScaled, normInf, roundToFloat32 } from '../core/vector.ts';
import { defaultMemory, memoryRule } from './pairRing.ts';
import { limitedMemory, type LbfgsMemory } from './limitedMemory.ts';
import { acceptTrial, lineState, type LineState } from './searchAlong.ts';
import type { Solver, StepOutcome } from '../core/solver.ts';

/** Options of {@link owlqn}. */
export interface OwlqnOptions {
  /** Weight λ of ‖x‖₁. @defaultValue `1` */
  readonly l1?: number | undefined;
  /** Returns true for the elements of x to penalize; use it to leave out biases. @defaultValue all */
  readonly penalized?: ((index: number) => boolean) | undefined;
  /** Number m of curvature pairs. @defaultValue as for {@link lbfgs} */
  readonly memory?: number | undefined;
  /** Sufficient decrease. @defaultValue `1e-4` */
  readonly c1?: number | undefined;
  /** Largest number of evaluations of a step. @defaultValue `40` */
  readonly maxEvaluations?: number | undefined;
}

/** Iterate, pairs and pseudo-gradient, `[n]`. */
export interface OwlqnState extends LineState {
  readonly memory: LbfgsMemory;
  readonly pseudoGradient: Float64Array;
}

/**
 * Orthant-wise L-BFGS: minimizes f(x) + λ‖x‖₁ for smooth f. Elements that do not matter become exactly 0.
 *
 * Curvature is learned only from f. Each step stays in one orthant, where the penalty is linear, and is
 * found by backtracking. `result.f` is f + λ‖x‖₁, and `gradientNorm` the norm of the pseudo-gradient, the
 * smallest subgradient.
 *
 * @throws RangeError naming every option that is wrong
 *
 * @example
 * ```js
 * import { minimize, owlqn } from 'quasi-newton';
 *
 * const target = [3, 0.5, -2];
 * const problem = {
 *   p0: new Float64Array(3),
 *   fg(x, gradient) {
 *     gradient?.set(x.map((value, i) => value - target[i]));
 *     return x.reduce((sum, value, i) => sum + (value - target[i]) ** 2 / 2, 0);
 *   },
 * };
 * minimize(problem, owlqn({ l1: 1 })).x; // [2, 0, -1]
 * ```
 *
 * @see Andrew & Gao (2007), Scalable training of L1-regularized log-linear models, ICML,
 *   doi:10.1145/1273496.1273501
 */
export function owlqn(options: OwlqnOptions = {}): Solver {
  checkOptions('owlqn', options, {
    l1: nonNegative,
    penalized: callable,
    memory: memoryRule,
    c1: numberBetween(0, 1),
    maxEvaluations: integerFrom(1),
  });
  const { l1 = 1, penalized, c1 = 1e-4, maxEvaluations = 40 } = options;
  const weight = penalized === undefined ? () => l1 : (i: number) => (penalized(i) ? l1 : 0);
  const memoryFor = (n: number) => options.memory ?? defaultMemory(n);
  const inverse = limitedMemory(memoryFor);

  function* step(state: OwlqnState): Asks<StepOutcome> {
    const { memory, pseudoGradient } = state;
    writePseudoGradient(state, weight, pseudoGradient);
    const value = state.f + penalty(state.x, weight);
    for (;;) {
      setDirection(state);
      const fresh = inverse.isFresh(memory);
      let alpha = fresh ? Math.min(1, 1 / normInf(pseudoGradient)) : 1;
      for (let evaluations = 1; evaluations <= maxEvaluations; evaluations++) {
        addScaled(state.x, alpha, state.direction, state.trial);
        keepOrthant(state, weight);
        if (state.rounded) roundToFloat32(state.trial);
        state.trialF = yield evaluate(state.trial, state.trialGradient);
        const decrease = c1 * slopeTo(state);
        const slack = ROUNDING * Math.abs(value);
        if (state.trialF + penalty(state.trial, weight) <= value + decrease + slack) {
          return accept(state, alpha);
        }
        alpha *= 0.5;
      }
      if (fresh || state.stochastic) return { kind: 'failed', termination: 'lineSearchFailed' };
      inverse.reset(memory);
    }
  }

  function setDirection({ memory, pseudoGradient, direction }: OwlqnState): void {
    inverse.apply(memory, pseudoGradient, direction);
    // Elements without a penalty have no orthant to leave, and may move against their gradient.
    for (let i = 0; i < direction.length; i++) {
      if (weight(i) > 0 && direction[i] * pseudoGradient[i] >= 0) direction[i] = 0;
    }
  }

  function accept(state: OwlqnState, alpha: number): StepOutcome {
    inverse.learn(state.memory, { ...state, alpha, appliedTo: state.pseudoGradient });
    let moved = 0;
    for (let i = 0; i < state.x.length; i++) moved = Math.max(moved, Math.abs(state.trial[i] - state.x[i]));
    acceptTrial(state);
    return { kind: 'accepted', alpha, moved };
  }

  const solver: Solver<OwlqnState> = {
    name: 'owlqn',
    descends: true,
    leavesPoint: true,
    describe: (n) => `OWL-QN (memory ${memoryFor(n)}, λ = ${l1})`,
    init: (setting) => ({
      ...lineState(setting),
      memory: inverse.init(setting),
      pseudoGradient: new Float64Array(setting.n),
    }),
    step,
    addsPenalty: true,
    measure(state) {
      writePseudoGradient(state, weight, state.pseudoGradient);
      return { f: state.f + penalty(state.x, weight), gradientNorm: normInf(state.pseudoGradient) };
    },
  };
  return solver;
}

/** A smaller relative rise of f is rounding. */
const ROUNDING = 2 ** -50;

type Weight = (index: number) => number;

/** Returns Σ λᵢ|xᵢ|. */
function penalty(x: Float64Array, weight: Weight): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += weight(i) * Math.abs(x[i]);
  return sum;
}

/** `out ←` the smallest subgradient of f + λ‖x‖₁; Andrew & Gao, eq. (4). */
function writePseudoGradient({ x, gradient }: LineState, weight: Weight, out: Float64Array): void {
  for (let i = 0; i < x.length; i++) {
    const g = gradient[i];
    const w = weight(i);
    if (x[i] !== 0) out[i] = g + w * Math.sign(x[i]);
    else out[i] = g + w < 0 ? g + w : g - w > 0 ? g - w : 0;
  }
}

/** Sets elements of the trial to 0 that have left the orthant of x. Directions at 0 point into the orthant of −∇f. */
function keepOrthant({ x, trial }: OwlqnState, weight: Weight): void {
  for (let i = 0; i < x.length; i++) {
    if (weight(i) > 0 && trial[i] * Math.sign(x[i]) < 0) trial[i] = 0;
  }
}

/** Returns the product of the pseudo-gradient with the step to the trial point. */
function slopeTo({ x, trial, pseudoGradient }: OwlqnState): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += pseudoGradient[i] * (trial[i] - x[i]);
  return sum;
}
