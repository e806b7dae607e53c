import type { Asks } from '../../core/question.ts';
import type { Box } from '../../core/bounds.ts';
import type { LevenbergMarquardtState } from './state.ts';

/** A way to evaluate the linear model r + Jδ at x, and to solve min ‖r + Jδ‖² + λ‖Dδ‖² over the free unknowns. */
export interface LinearSolver {
  /**
   * Evaluates r, ∇f and J, or what stands for it, at x.
   *
   * @param known - true if `residuals` and `f` are those of x already
   * @returns false if J is not finite
   */
  linearize(state: LevenbergMarquardtState, box: Box | null, known: boolean): Asks<boolean>;
  /** Returns the norms of the columns of J, `[n]`. */
  columnNorms(state: LevenbergMarquardtState): Asks<Float64Array>;
  /** Prepares for steps at x over the unknowns that are free. */
  prepare(state: LevenbergMarquardtState): void;
  /**
   * `step ← δ₁` and `slope ← Jδ₁` at the damping λ of the state.
   *
   * @returns the decrease ‖r‖² − ‖r + Jδ₁‖² of the linear model; NaN where there is no step
   */
  solve(state: LevenbergMarquardtState): Asks<number>;
  /** `slope ← J·step`. */
  multiply(state: LevenbergMarquardtState): Asks<void>;
  /** `second ← δ₂`, of the same system with `curvature` in the place of r. */
  solveAgain(state: LevenbergMarquardtState): Asks<void>;
}
