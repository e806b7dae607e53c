import { checkJacobian } from '../../core/checkJacobian.ts';
import { showPoint, type FitData } from './data.ts';
import type { Problem, Residuals } from '../../core/problem.ts';
import type { ParameterSet } from './parameters.ts';

/**
 * Compares the user's derivatives with differences of the model at the start.
 *
 * @param problem - weighted residuals of the model, which write their Jacobian
 * @throws RangeError naming the point and the parameter of the largest disagreement, or of a value that is not finite
 */
export function checkSlopes(
  problem: Problem & { readonly residuals: Residuals },
  { x, y, rootWeights }: FitData,
  { names, varied }: ParameterSet,
): void {
  const n = varied.length;
  const jacobian = new Float64Array(y.length * n);
  problem.residuals(problem.p0, new Float64Array(y.length), jacobian);
  const place = (row: number, column: number): string =>
    `the derivative by ${names[varied[column]]} at point ${row} (x = ${showPoint(x[row])})`;
  const bad = jacobian.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new RangeError(
      `curveFit: jacobian gives ${jacobian[bad]} for ${place(Math.floor(bad / n), bad % n)} at p0; start where all derivatives are finite.`,
    );
  }
  const { ok, wrong } = checkJacobian(problem);
  if (ok) return;
  const { row, column, jacobian: given, difference } = wrong[0];
  const unit = rootWeights[row];
  throw new RangeError(
    `curveFit: jacobian gives ${given / unit} for ${place(row, column)}; by differences of the model it is ${(difference / unit).toPrecision(6)}. Correct it, or leave it out.`,
  );
}
