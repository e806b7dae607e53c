import { distance, norm2 } from '../../core/vector.ts';
import { columnNorms } from '../leastSquares/linearModel.ts';
import { isWithin, type FitProblem } from './linearized.ts';

/** The longest step of a difference suits if residuals change over it by this fraction of the largest term of the model. */
const LONGEST = 0.5;
/** Number of steps, each half as long as the previous one. */
const STEPS = 26;
/** Number of extrapolations: the error is of order 2·(ORDER + 1) in the step. */
const ORDER = 6;
/** A column with a smaller relative error has all the digits that there are. */
const COMPLETE = 1e-14;
/** A column this accurate is taken if further steps, `PATIENCE` of them, do not improve it. */
const ACCURATE = 1e-11;
const PATIENCE = 5;
/** Largest relative change of a column: steps over which all residuals level off agree, too, but not with short ones. */
const CHANGE = 0.5;

/** Returns first steps that suit a Jacobian, `[n]`; `largestTerm` is the size of the model's largest term. */
export const longestSteps = (jacobian: Float64Array, n: number, largestTerm: number): Float64Array =>
  columnNorms(jacobian, n).map((norm) => (LONGEST * largestTerm) / norm);

/** Residuals, and the bounds that differences stay within. */
export type WithinBounds = Pick<FitProblem, 'problem' | 'lower' | 'upper'>;

/**
 * Improves a Jacobian by central differences extrapolated to steps of 0. With a long first step, residuals that are linear
 * in a parameter lose no digit to rounding.
 *
 * @param steps - longest step in each parameter, `[n]`
 * @param jacobian - approximate one, overwritten, `[m, n]` row by row; columns that cannot be improved are kept
 * @returns relative error of the columns, the largest of all; Infinity if one of them was kept
 * @see Ridders (1982), Accurate computation of F'(x) and F''(x), Advances in Engineering Software 4(2), 75-76
 */
export function extrapolatedJacobian(
  fit: WithinBounds,
  x: Float64Array,
  steps: Float64Array,
  jacobian: Float64Array,
): number {
  const n = x.length;
  let largest = 0;
  for (let j = 0; j < n; j++) {
    const given = Float64Array.from({ length: jacobian.length / n }, (_, i) => jacobian[i * n + j]);
    const { values, error } = columnOf(fit, { x, j, given }, steps[j]);
    values.forEach((value, i) => (jacobian[i * n + j] = value));
    largest = Math.max(largest, error);
  }
  return largest;
}

/** The derivatives by a parameter. */
interface Place {
  readonly x: Float64Array;
  readonly j: number;
  /** Approximate derivatives, `[m]`. */
  readonly given: Float64Array;
}

interface Column {
  /** `[m]` */
  readonly values: Float64Array;
  /** Relative error. */
  readonly error: number;
}

/**
 * Returns the entry of Neville's table that differs least from those that it is made of; the given column if none is near it,
 * and zeros as they are.
 */
function columnOf(fit: WithinBounds, place: Place, longest: number): Column {
  const { given } = place;
  const change = CHANGE * norm2(given);
  if (change === 0) return { values: given, error: 0 };
  let best: Column = { values: given, error: Infinity };
  let before: Float64Array[] = [];
  let [step, idle] = [longest, 0];
  for (let k = 0; k < STEPS && best.error > COMPLETE; k++, step /= 2) {
    const slopes = centralDifference(fit, place, step);
    // Only the first steps reach beyond the bounds: nothing stands before them in the table.
    const row = slopes === null ? [] : [slopes];
    for (let i = 0; i < Math.min(before.length, ORDER); i++) {
      const [coarse, fine] = [before[i], row[i]];
      const weight = 1 / (4 ** (i + 1) - 1);
      const next = fine.map((value, at) => value + weight * (value - coarse[at]));
      const error = Math.max(distance(next, fine), distance(next, coarse)) / norm2(next);
      if (error < best.error && distance(next, given) <= change) [best, idle] = [{ values: next, error }, 0];
      row.push(next);
    }
    if (best.error <= ACCURATE && idle++ === PATIENCE) break;
    before = row;
  }
  return best;
}

/**
 * Returns the central difference of all residuals, `[m]`; null if a point is beyond the bounds. Where residuals are not finite,
 * or the step is lost in x, neither is the difference, and no entry made of it is taken.
 */
function centralDifference(fit: WithinBounds, { x, j }: Place, step: number): Float64Array | null {
  const { problem } = fit;
  const at = (move: number): { x: number; r: Float64Array } | null => {
    const point = x.slice();
    point[j] += move;
    if (!isWithin(fit, point)) return null;
    const r = new Float64Array(problem.residualCount ?? 0);
    problem.residuals(point, r, null);
    return { x: point[j], r };
  };
  const [above, below] = [at(step), at(-step)];
  if (above === null || below === null) return null;
  return above.r.map((value, i) => (value - below.r[i]) / (above.x - below.x));
}
