import type { Schedule } from '../../../solvers/schedules.ts';
import { checkOptions } from '../../../core/options.ts';
import { commonRules, ratedRules } from './optimizerOptions.ts';

/** Learning rate of a solver, which reads it at each step; null if the solver has a line search instead. */
export interface SolverRate {
  value: number | Schedule | null;
}

/** Bound on the change of a parameter where there is no rate to derive it from. */
const DEFAULT_BOUND = 0.03;
/** Bound on the change of a parameter in learning rates of its solver: Adam's longest steps are a few of them. */
const RATES = 10;

/**
 * The learning rate of an optimizer class and the bound on the change of a parameter. For most classes these are one
 * number; for a class whose solver has a learning rate, the bound is ten times that, or `maxChange`.
 */
export class LearningRate {
  readonly #className: string;
  readonly #solver: SolverRate | null;
  readonly #maxChange: number | undefined;
  #bound: number;

  /**
   * Reads the rate from the options of an optimizer.
   *
   * @param solver - the rate of a solver that has one, or null
   */
  constructor(
    className: string,
    options: {
      readonly learningRate?: number | Schedule | undefined;
      readonly maxChange?: number | undefined;
    },
    solver: SolverRate | null,
  ) {
    const { learningRate, maxChange } = options;
    this.#className = className;
    this.#solver = solver;
    this.#maxChange = maxChange;
    this.#bound = solver === null && typeof learningRate === 'number' ? learningRate : DEFAULT_BOUND;
  }

  get value(): number | Schedule | null {
    return this.#solver === null ? this.#bound : this.#solver.value;
  }

  /** Changes the rate. @throws RangeError for what the option `learningRate` does not allow, or if there is a line search */
  set(learningRate: number | Schedule): void {
    const { learningRate: rule } = this.#solver === null ? commonRules : ratedRules;
    checkOptions<object>(this.#className, { learningRate }, { learningRate: rule });
    if (this.#solver === null) {
      this.#bound = Number(learningRate);
      return;
    }
    if (this.#solver.value === null) {
      throw new RangeError(
        `${this.#className}: this one has a line search; pass learningRate when it is made to have a fixed one.`,
      );
    }
    this.#solver.value = learningRate;
  }

  /** Largest change of a parameter per mini-batch. */
  get maxChange(): number {
    const rate = this.#solver?.value;
    return this.#maxChange ?? (typeof rate === 'number' ? RATES * rate : this.#bound);
  }

  /** Rate of a step of `applyGradients`. */
  get ofGradients(): number {
    return typeof this.value === 'number' ? this.value : this.maxChange;
  }
}
