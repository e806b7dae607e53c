import { EPSILON } from './epsilon.ts';
import { evaluate, type Asks } from './question.ts';
import { sizeAt, type Scale } from './scale.ts';
import { addScaled, normInf, roundToFloat32 } from './vector.ts';
import type { Precision } from './problem.ts';

/** The point at which gradients are differenced, with scratch vectors, `[n]` each. */
export interface DifferenceAt {
  readonly x: Float64Array;
  /** ∇f(x), for one-sided differences at one evaluation each; null for central ones at two each. */
  readonly gradient: Float64Array | null;
  /** Scratch. */
  readonly point: Float64Array;
  /** Scratch for central differences; one-sided ones do not use it. */
  readonly behind: Float64Array;
  /** True if the problem sees x rounded to float32. */
  readonly rounded: boolean;
  /** Typical sizes of the unknowns, if they differ. */
  readonly scale: Scale | undefined;
}

/**
 * `product ← ∇²f(x)·v` by differences of gradients: (∇f(x + tv) − ∇f(x − tv)) / 2t, or (∇f(x + tv) − ∇f(x)) / t.
 *
 * @param t - step, in units of v
 */
export function* differenceAlong(
  at: DifferenceAt,
  v: Float64Array,
  t: number,
  product: Float64Array,
): Asks<void> {
  const { x, gradient, point, behind, rounded } = at;
  addScaled(x, t, v, point);
  if (rounded) roundToFloat32(point);
  yield evaluate(point, product);
  if (gradient !== null) {
    for (let i = 0; i < x.length; i++) product[i] = (product[i] - gradient[i]) / t;
    return;
  }
  addScaled(x, -t, v, point);
  if (rounded) roundToFloat32(point);
  yield evaluate(point, behind);
  for (let i = 0; i < x.length; i++) product[i] = (product[i] - behind[i]) / (2 * t);
}

/** Returns ‖a‖∞ of a gradient or a product, each element times the size of its unknown. */
function scaledNorm(a: Float64Array, scale: Scale | undefined): number {
  if (scale === undefined) return normInf(a);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value) * sizeAt(scale, i)), 0);
}

/** Returns ‖a − b‖∞ relative to the larger of both, each element times the size of its unknown. */
export function apart(a: Float64Array, b: Float64Array, scale: Scale | undefined): number {
  const difference = a.map((value, i) => value - b[i]);
  return scaledNorm(difference, scale) / Math.max(scaledNorm(a, scale), scaledNorm(b, scale));
}

/**
 * Returns the relative change of the gradient over a step of {@link differenceAlong}.
 *
 * @param gradient - one of the gradients, `[n]`
 * @param t - the step
 */
export const changeOf = (
  product: Float64Array,
  gradient: Float64Array,
  t: number,
  scale: Scale | undefined,
): number => (scaledNorm(product, scale) * t) / scaledNorm(gradient, scale);

/** Returns true if a relative change of gradients is so small that it may be mostly rounding. */
export const isDrowned = (change: number, precision: Precision): boolean =>
  !(change > 10 * EPSILON[precision]);
