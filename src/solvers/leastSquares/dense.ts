/* oxlint-disable require-yield -- it asks nothing but the Jacobian */
import { dot } from '../../core/vector.ts';
import { factorDamped, formNormal, scaledSquare, solveDamped, timesJacobian } from './dampedSystem.ts';
import { columnNorms, linearize } from './linearModel.ts';
import type { LinearSolver } from './linearSolver.ts';

/** Solves the damped system by Cholesky factors of JᵀJ + λD², or of JD⁻²Jᵀ + λI where m < n. */
export const dense: LinearSolver = {
  linearize,
  *columnNorms({ jacobian, x }) {
    return columnNorms(jacobian, x.length);
  },
  prepare: formNormal,
  *solve(state) {
    const { step, slope, residuals, jacobian, scale, damping } = state;
    if (!factorDamped(state, damping)) return NaN;
    solveDamped(state, residuals, step);
    timesJacobian(jacobian, step, slope);
    // −2rᵀJδ₁ is 2‖Jδ₁‖² + 2λ‖Dδ₁‖², which does not cancel.
    return dot(slope, slope) + 2 * damping * scaledSquare(scale, step);
  },
  *multiply({ jacobian, step, slope }) {
    timesJacobian(jacobian, step, slope);
  },
  *solveAgain(state) {
    solveDamped(state, state.curvature, state.second);
  },
};
