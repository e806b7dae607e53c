/**
 * Products of the Hessian with vectors: the problem's own where it has them, else central differences of
 * gradients, Hv ≈ (∇f(x + εv) − ∇f(x − εv)) / 2ε with ‖v‖ = 1.
 *
 * ε matters: too small and rounding drowns the difference, too large and third derivatives, or the kinks of a
 * ReLU network, enter it. The first product is therefore tried with a ladder of ε, and the one is kept whose
 * result agrees best with that of the next smaller; how well is told as `agreement`.
 *
 * @module
 */
import { evaluate, type Asks } from './question.ts';
import { addScaled, norm2, scaleInto } from './vector.ts';
import type { Precision } from './problem.ts';

/** The Hessian at one point, as something to multiply by. */
export interface Hessian {
  readonly n: number;
  /** Multiplies done so far. */
  readonly products: number;
  /** Gradients evaluated so far. */
  readonly gradients: number;
  /**
   * Relative difference of the first product at two neighbouring ε: 0 for exact products, about 1e-4 or less on a
   * smooth loss in float32; above 0.1 the loss is too rough or too noisy here for its curvature to mean much.
   */
  readonly agreement: number;
  /** `product ← H v`. */
  times(v: Float64Array, product: Float64Array): Asks<void>;
}

/** Steps that the first product is tried with, as multiples of max(1, ‖x‖), by precision. */
const ladders: Readonly<Record<Precision, readonly number[]>> = {
  float64: [1e-3, 1e-4, 1e-5, 1e-6],
  float32: [1e-2, 3e-3, 1e-3, 3e-4, 1e-4],
};

export interface HessianOptions {
  readonly precision: Precision;
  /** Whether the problem answers `hessianVector`. */
  readonly exact: boolean;
  /** Step in units of max(1, ‖x‖), or the best of a ladder. */
  readonly epsilon: number | 'auto';
  readonly signal: AbortSignal | undefined;
}

/** The Hessian at `x`, `[n]`, which is kept and not written. */
export function hessianAt(x: Float64Array, { precision, exact, epsilon, signal }: HessianOptions): Hessian {
  const n = x.length;
  const scale = Math.max(1, norm2(x));
  let step = epsilon === 'auto' ? NaN : epsilon * scale;
  const forward = new Float64Array(n);
  const backward = new Float64Array(n);
  const point = new Float64Array(n);
  const ahead = evaluate(point, forward);
  const behind = evaluate(point, backward);

  function* difference(v: Float64Array, size: number, product: Float64Array): Asks<void> {
    // ‖v‖ = `size`: the step is along the unit vector.
    signal?.throwIfAborted();
    addScaled(x, step / size, v, point);
    yield ahead;
    addScaled(x, -step / size, v, point);
    yield behind;
    hessian.gradients += 2;
    for (let i = 0; i < n; i++) product[i] = ((forward[i] - backward[i]) / (2 * step)) * size;
  }

  function* calibrate(v: Float64Array, size: number, product: Float64Array): Asks<void> {
    const ladder = ladders[precision];
    const coarser = new Float64Array(n);
    const finer = new Float64Array(n);
    let best = Infinity;
    let bestStep = ladder[0] * scale;
    step = bestStep;
    yield* difference(v, size, coarser);
    product.set(coarser);
    for (const rung of ladder.slice(1)) {
      step = rung * scale;
      yield* difference(v, size, finer);
      const apart = distance(coarser, finer) / Math.max(norm2(coarser), norm2(finer), Number.MIN_VALUE);
      if (apart < best) {
        best = apart;
        bestStep = step;
        product.set(finer);
      }
      coarser.set(finer);
    }
    step = bestStep;
    hessian.agreement = best;
  }

  const hessian = {
    n,
    products: 0,
    gradients: 0,
    agreement: exact ? 0 : NaN,
    *times(v: Float64Array, product: Float64Array): Asks<void> {
      hessian.products++;
      const size = norm2(v);
      if (size === 0) {
        product.fill(0);
      } else if (exact) {
        signal?.throwIfAborted();
        yield { kind: 'hessianVector', x, v, product };
      } else if (Number.isNaN(step)) {
        yield* calibrate(v, size, product);
      } else {
        yield* difference(v, size, product);
      }
    },
  };
  return hessian;
}

function distance(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return Math.sqrt(sum);
}

/** `v ← v / ‖v‖`; returns ‖v‖. */
export function normalise(v: Float64Array): number {
  const size = norm2(v);
  if (size > 0) scaleInto(1 / size, v, v);
  return size;
}
