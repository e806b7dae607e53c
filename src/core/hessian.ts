/**
 * Products of the Hessian with vectors: the problem's own if it has them, otherwise central differences of
 * gradients, Hv ≈ (∇f(x + εv) − ∇f(x − εv)) / 2ε with ‖v‖ = 1.
 *
 * The choice of ε matters: if it is too small, the difference is mostly rounding; if it is too large, third
 * derivatives or the kinks of a ReLU network enter. The first product is therefore computed for a ladder of
 * ε, and the ε whose product agrees best with that of the next smaller one is kept (`agreement`). The ladder
 * is extended if none agrees, since the scale of f may be far from that of x.
 *
 * @module
 */
import { checkProduct } from './checkProduct.ts';
import { apart, changeOf, differenceAlong, isDrowned } from './gradientDifference.ts';
import { sizeAt, type Scale } from './scale.ts';
import { norm2, scaleInto } from './vector.ts';
import type { Precision } from './problem.ts';
import type { Asks } from './question.ts';

/** The Hessian at one point, as a product. */
export interface Hessian {
  readonly n: number;
  /** Number of products so far. */
  readonly products: number;
  /** Number of gradients evaluated so far. */
  readonly gradients: number;
  /**
   * Relative difference of the first product at two neighboring ε: 0 for exact products, about 1e-4 or less on a
   * smooth loss in float32; above 0.1 the loss is too rough or too noisy here for its curvature to be meaningful.
   */
  readonly agreement: number;
  /**
   * `product ← H v`.
   *
   * @throws TypeError if the problem's own first product contradicts its gradients
   */
  times(v: Float64Array, product: Float64Array): Asks<void>;
}

/** Steps of the first product, as multiples of the size of x. */
const ladders: Readonly<Record<Precision, readonly number[]>> = {
  float64: [1e-3, 1e-4, 1e-5, 1e-6],
  float32: [1e-2, 3e-3, 1e-3, 3e-4, 1e-4],
};

/** Agreement that is good enough not to extend the ladder. */
const GOOD: Record<Precision, number> = { float64: 1e-3, float32: 0.03 };
/**
 * Largest number of decades by which the ladder is extended.
 */
const MOST_DECADES = 30;
const SMALL = 0.1;

/** Options of {@link hessianAt}. */
export interface HessianOptions {
  readonly precision: Precision;
  /** True if the problem answers `hessianVector`. */
  readonly exact: boolean;
  /** Step in units of max(1, ‖x‖) or of `scale`, or `'auto'` for the best of a ladder. */
  readonly epsilon: number | 'auto';
  /** Typical sizes of the unknowns. @defaultValue ‖x‖ in all directions */
  readonly scale?: Scale | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Returns the Hessian at `x`, `[n]`. It keeps a reference to `x` and does not write to it. */
export function hessianAt(x: Float64Array, options: HessianOptions): Hessian {
  const { precision, exact, epsilon, scale, signal } = options;
  const n = x.length;
  const rounded = precision === 'float32';
  const work = { x, gradient: null, point: new Float64Array(n), behind: new Float64Array(n), rounded, scale };
  /** Step in units of the size along v; NaN until it is known. */
  let step = epsilon === 'auto' ? NaN : epsilon;
  let isChecked = false;

  /**
   * Returns the multiple of v that moves x by its own norm or, with `scale`, one of the unknowns by its
   * typical size.
   */
  function sizeAlong(v: Float64Array, length: number): number {
    if (scale === undefined) return (epsilon === 'auto' ? norm2(x) || 1 : Math.max(1, norm2(x))) / length;
    return 1 / v.reduce((most, value, i) => Math.max(most, Math.abs(value) / sizeAt(scale, i)), 0);
  }

  function* takeDifference(v: Float64Array, size: number, product: Float64Array): Asks<void> {
    signal?.throwIfAborted();
    yield* differenceAlong(work, v, step * size, product);
    hessian.gradients += 2;
  }

  function* calibrate(v: Float64Array, size: number, product: Float64Array): Asks<void> {
    const ladder = ladders[precision];
    const last = new Float64Array(n);
    const next = new Float64Array(n);
    let best = Infinity;
    let bestStep = ladder[0];
    const isGood = () => best <= GOOD[precision];
    /** Tries a step; returns the relative change of the gradient over it. */
    function* attempt(rung: number): Asks<number> {
      step = rung;
      yield* takeDifference(v, size, next);
      const change = changeOf(next, work.behind, step * size, scale);
      // If a difference is mostly rounding, agreement is a coincidence.
      const difference = isDrowned(change, precision) ? Infinity : apart(last, next, scale);
      if (difference < best) {
        best = difference;
        bestStep = step;
        product.set(next);
      }
      last.set(next);
      return change;
    }
    last.fill(NaN);
    const first = yield* attempt(ladder[0]);
    const coarsest = Float64Array.from(last);
    product.set(last);
    let change = first;
    for (const rung of ladder.slice(1)) change = yield* attempt(rung);
    let rung = ladder[ladder.length - 1];
    for (let k = 0; k < MOST_DECADES && !isGood() && !isDrowned(change, precision); k++) {
      change = yield* attempt((rung /= 10));
    }
    last.set(coarsest);
    change = first;
    rung = ladder[0];
    for (let k = 0; k < MOST_DECADES && !isGood() && change < SMALL; k++) {
      change = yield* attempt((rung *= 10));
    }
    step = bestStep;
    // If all gradients are equal, f is linear along v.
    hessian.agreement = best === Infinity && norm2(last) === 0 ? 0 : best;
  }

  const hessian = {
    n,
    products: 0,
    gradients: 0,
    agreement: exact ? 0 : NaN,
    *times(v: Float64Array, product: Float64Array): Asks<void> {
      hessian.products++;
      const length = norm2(v);
      if (length === 0) {
        product.fill(0);
        return;
      }
      const size = sizeAlong(v, length);
      if (exact) {
        signal?.throwIfAborted();
        yield { kind: 'hessianVector', x, v, product };
        if (!isChecked) hessian.gradients += yield* checkProduct(work, v, size, product, precision);
        isChecked = true;
      } else if (Number.isNaN(step)) {
        yield* calibrate(v, size, product);
      } else {
        yield* takeDifference(v, size, product);
      }
    },
  };
  return hessian;
}

/** `v ← v / ‖v‖`; returns ‖v‖. */
export function normalize(v: Float64Array): number {
  const size = norm2(v);
  if (size > 0) scaleInto(1 / size, v, v);
  return size;
}
