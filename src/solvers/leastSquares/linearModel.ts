import { gradientOfSquares } from '../../core/leastSquares.ts';
import {
  askResiduals,
  differenceJacobian,
  jacobianSource,
  noteSizes,
  type JacobianSource,
  type Scheme,
} from '../../core/jacobian.ts';
import { firstNonFinite, normInf } from '../../core/vector.ts';
import { obstacleIn, obstacleOfColumn } from './obstacle.ts';
import type { Asks } from '../../core/question.ts';
import type { Iterate } from '../../core/solver.ts';
import type { Box } from '../../core/bounds.ts';

/** The linear model r + Jδ of the residuals at x. */
export interface LinearModel extends Iterate {
  /** r(x), `[m]` */
  residuals: Float64Array;
  /** J(x), `[m, n]` row by row */
  readonly jacobian: Float64Array;
  /** D, `[n]`: a step is measured by ‖Dδ‖ */
  readonly scale: Float64Array;
  /** Largest |xⱼ| so far, `[n]` */
  readonly sizes: Float64Array;
  /** Origin of J. */
  source: JacobianSource;
  /** Formula of differences in use. */
  scheme: Scheme;
  /** D follows the columns of J, or is the identity. */
  byColumns: boolean;
  /** Sentence on the last place where r or J was not finite; empty if there was none. */
  obstacle: string;
  /** True if r and J are those of x. */
  ready: boolean;
  readonly rounded: boolean;
}

/**
 * Evaluates r, J and ∇f at x.
 *
 * @param known - true if `residuals` and `f` are those of x already
 * @returns false if J is not finite
 * @throws TypeError if the Jacobian is written in part
 */
export function* linearize(model: LinearModel, box: Box | null, known: boolean): Asks<boolean> {
  const { x, residuals, jacobian, gradient, sizes } = model;
  model.ready = false;
  noteSizes(sizes, x);
  if (model.source !== 'differences') {
    jacobian.fill(NaN); // shows what is left unwritten
    model.f = yield askResiduals(x, residuals, jacobian);
    // A function may stop to write its Jacobian after the first one; that it writes a part is found then.
    if (model.source === 'unknown' || jacobian.every(Number.isNaN)) {
      model.source = jacobianSource('levenbergMarquardt', residuals, jacobian);
    }
  } else if (!known) {
    model.f = yield askResiduals(x, residuals, null);
  }
  if (model.source === 'differences') {
    const { scheme, rounded } = model;
    const precision = rounded ? 'float32' : 'float64';
    const failed = yield* differenceJacobian(x, residuals, jacobian, {
      scheme,
      precision,
      sizes,
      bounds: box,
      shortens: rounded ? undefined : 0,
    });
    if (failed >= 0) {
      model.obstacle = obstacleOfColumn(failed, x);
      return false;
    }
  }
  gradientOfSquares(residuals, jacobian, gradient);
  if (firstNonFinite(gradient) >= 0) {
    model.obstacle = obstacleIn('jacobian', jacobian, x);
    return false;
  }
  model.ready = true;
  return true;
}

/**
 * Chooses D: by the columns of J where that is wanted, or where their norms differ by far.
 *
 * @param norms - of the columns of J, `[n]`
 * @param spread - ratio of norms from which on they decide
 * @returns the largest of them
 */
export function chooseScale(
  model: LinearModel,
  norms: Float64Array,
  scaling: 'auto' | 'identity' | 'columns',
  spread = SPREAD,
): number {
  const largest = normInf(norms);
  const least = norms.reduce((a, norm) => (norm > 0 ? Math.min(a, norm) : a), Infinity);
  model.byColumns = scaling === 'columns' || (scaling === 'auto' && largest >= spread * least);
  if (model.byColumns) model.scale.set(norms);
  return largest;
}

/** Column norms that differ by this factor come from units, not from the random weights of a network. */
const SPREAD = 5000;
/** As `SPREAD`, if the problem has the cheaper dual form, which only D = I allows. */
export const WIDE_SPREAD = 1e6;

/** `scale ← max(scale, column norms of J)` */
export function raiseScale({ scale }: LinearModel, norms: Float64Array): void {
  for (let j = 0; j < norms.length; j++) scale[j] = Math.max(scale[j], norms[j]);
}

/** ‖J eⱼ‖ for each column, `[n]`. */
export function columnNorms(jacobian: Float64Array, n: number): Float64Array {
  const norms = new Float64Array(n);
  for (let row = 0; row < jacobian.length; row += n) {
    for (let j = 0; j < n; j++) norms[j] += jacobian[row + j] * jacobian[row + j];
  }
  return norms.map(Math.sqrt);
}

/** Central differences are needed if a relative change of 1 in an unknown would change the values by this many times their size. */
const FAR = 1e5;

/**
 * True if a step of forward differences in some unknown may be longer than the values are straight, as at a position that is
 * large compared with the width of its peak.
 *
 * @param x - the unknowns, `[n]`
 * @param norms - of the columns of J, `[n]`
 * @param size - norm of the values whose derivatives J holds; of 0, nothing can be told
 */
export const isFar = (x: ArrayLike<number>, norms: Float64Array, size: number): boolean =>
  size > 0 && norms.some((norm, j) => Math.abs(x[j]) * norm > FAR * size);
