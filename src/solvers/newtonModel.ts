/**
 * The quadratic model of Newton-CG in units of the typical sizes S of the unknowns: slope S∇f, products
 * S∇²fS·d, and steps x + Sz.
 *
 * @module
 */
import { checkProduct } from '../core/checkProduct.ts';
import { differenceAlong } from '../core/gradientDifference.ts';
import { addScaled, normInf, roundToFloat32 } from '../core/vector.ts';
import type { Precision } from '../core/problem.ts';
import type { Asks } from '../core/question.ts';
import type { Iterate } from '../core/solver.ts';

/** Trust region, with the vectors of its conjugate gradients, `[n]` each. */
export interface NewtonCGState extends Iterate {
  trial: Float64Array;
  trialGradient: Float64Array;
  readonly slope: Float64Array;
  readonly step: Float64Array;
  readonly residual: Float64Array;
  readonly direction: Float64Array;
  readonly product: Float64Array;
  /** Direction in units of x; empty if the sizes are all 1. */
  readonly scaled: Float64Array;
  /** Typical sizes of the unknowns; null if they are all 1. */
  readonly sizes: Float64Array | null;
  /** 0 before the first product. */
  radius: number;
  /** ‖S∇f‖ and |f| at the first point; 0 before. */
  firstNorm: number;
  firstValue: number;
  /** Factor applied to the usual step of differences. */
  reach: number;
  /** True if the problem has Hessian products; otherwise they are differences of gradients. */
  readonly exact: boolean;
  /** True once its first product has been compared with a difference. */
  checked: boolean;
  readonly precision: Precision;
  readonly stochastic: boolean;
}

/** Relative step of differences: one-sided in float64, central in float32. */
const DIFFERENCE: Record<Precision, number> = { float64: 2 ** -26, float32: Math.cbrt(2 ** -23) };
/** Largest step of differences, in radii, so that the model holds in the region. */
const LARGEST_DIFFERENCE: Record<Precision, number> = { float64: 1e-3, float32: 0.3 };
/** Smallest factor of the usual step of differences, so that steps exceed the rounding of x. */
const LEAST_REACH = 1e-5;

/** `slope ← S∇f / u`, u = ‖S∇f‖∞; returns u. */
export function scaleSlope({ gradient, slope, sizes }: NewtonCGState): number {
  if (sizes === null) slope.set(gradient);
  else for (let i = 0; i < slope.length; i++) slope[i] = sizes[i] * gradient[i];
  const unit = normInf(slope);
  // Divided, since 1 / unit may be infinite.
  if (unit > 0) for (let i = 0; i < slope.length; i++) slope[i] /= unit;
  return unit;
}

/** Returns ‖S⁻¹x‖∞. */
export function sizeOfX({ x, sizes }: NewtonCGState): number {
  if (sizes === null) return normInf(x);
  return x.reduce((most, value, i) => Math.max(most, Math.abs(value) / sizes[i]), 0);
}

/** `trial ← x + αSz`; returns ‖trial − x‖∞. */
export function move({ x, step, sizes, trial, precision }: NewtonCGState, alpha: number): number {
  if (sizes === null) addScaled(x, alpha, step, trial);
  else for (let i = 0; i < x.length; i++) trial[i] = x[i] + alpha * sizes[i] * step[i];
  if (precision === 'float32') roundToFloat32(trial);
  let moved = 0;
  for (let i = 0; i < x.length; i++) moved = Math.max(moved, Math.abs(trial[i] - x[i]));
  return moved;
}

/** Returns the step of differences in units of S: relative to x, and small within the region. */
function differenceStep(state: NewtonCGState): number {
  const { radius, precision, reach } = state;
  const largest = radius > 0 ? LARGEST_DIFFERENCE[precision] * radius : Infinity;
  return Math.min(reach * DIFFERENCE[precision] * (sizeOfX(state) || 1), largest);
}

/**
 * Shortens the steps of differences if they are longer than the step itself, and therefore see curvature
 * elsewhere; returns false if they are not.
 */
export function shortenDifferences(state: NewtonCGState, length: number): boolean {
  if (state.exact || state.reach < LEAST_REACH || differenceStep(state) <= length) return false;
  state.reach *= 1e-3;
  return true;
}

/** `product ← SHS·direction / unit`, from the problem's own product or by differences. */
export function* multiply(state: NewtonCGState, unit: number): Asks<void> {
  const { x, gradient, direction, product, scaled, sizes, precision } = state;
  if (sizes !== null) for (let i = 0; i < x.length; i++) scaled[i] = sizes[i] * direction[i];
  const v = sizes === null ? direction : scaled;
  const rounded = precision === 'float32';
  const scale = sizes ?? undefined;
  const work = { x, point: state.trial, behind: state.trialGradient, rounded, scale };
  const length = normInf(direction);
  if (state.exact) {
    yield { kind: 'hessianVector', x, v, product };
    const size = sizeOfX(state) || 1;
    if (!state.checked) yield* checkProduct({ ...work, gradient }, v, size / length, product, precision);
    state.checked = true;
  } else {
    const t = differenceStep(state) / length;
    yield* differenceAlong({ ...work, gradient: rounded ? null : gradient }, v, t, product);
  }
  for (let i = 0; i < x.length; i++)
    product[i] = (sizes === null ? product[i] : product[i] * sizes[i]) / unit;
}
