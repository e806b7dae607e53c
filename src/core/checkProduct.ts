import { apart, changeOf, differenceAlong, isDrowned, type DifferenceAt } from './gradientDifference.ts';
import type { Precision } from './problem.ts';
import type { Asks } from './question.ts';

/** Relative steps to compare with; the first nearly always suffices. */
const STEPS: Record<Precision, readonly number[]> = {
  float64: [1e-5, 1e-4, 1e-6, 1e-7, 1e-3],
  float32: [1e-2, 3e-3, 3e-2, 1e-3],
};
/** A product and a difference whose relative distance exceeds this belong to different functions. */
const APART = 0.1;
/** Differences at two steps that agree this well show the curvature. */
const CERTAIN = 0.01;

/**
 * Compares a problem's own Hessian-vector product with differences of its gradients, and refuses it if the
 * differences agree with each other but not with it. Usually one step suffices, which takes one or two
 * evaluations; a disagreement is verified at other steps.
 *
 * @param size - multiple of v that moves x by its typical size
 * @returns the number of evaluations
 * @throws TypeError if hessianVector does not belong to fg
 */
export function* checkProduct(
  at: DifferenceAt,
  v: Float64Array,
  size: number,
  product: Float64Array,
  precision: Precision,
): Asks<number> {
  const each = at.gradient === null ? 2 : 1;
  const differences: Float64Array[] = [];
  if (!product.every(Number.isFinite)) return 0;
  let isLost = false;
  const isSettled = () => isLost || !(apart(product, differences[differences.length - 1], at.scale) > APART);
  function* take(step: number): Asks<void> {
    const difference = new Float64Array(v.length);
    yield* differenceAlong(at, v, step * size, difference);
    const gradient = at.gradient ?? at.behind;
    const change = Math.max(
      ...[difference, product].map((a) => changeOf(a, gradient, step * size, at.scale)),
    );
    isLost = isDrowned(change, precision);
    differences.push(difference);
  }
  for (const step of STEPS[precision]) {
    yield* take(step);
    if (isSettled()) return each * differences.length;
  }
  if (!differences.some((a, i) => differences.some((b, j) => j > i && apart(a, b, at.scale) <= CERTAIN))) {
    return each * differences.length;
  }
  // The differences may agree on the curvature of a coarser scale.
  for (let step = 1e-8; !isLost && step > 1e-40; step /= 10) {
    yield* take(step);
    if (!isLost && isSettled()) return each * differences.length;
  }
  throw contradiction(product, differences[0]);
}

function contradiction(product: Float64Array, difference: Float64Array): TypeError {
  const index = product.reduce(
    (worst, value, i) =>
      Math.abs(value - difference[i]) > Math.abs(product[worst] - difference[worst]) ? i : worst,
    0,
  );
  return new TypeError(
    `hessianVector gives ${product[index]} for element ${index} of a product where differences of fg's gradients give ${difference[index].toPrecision(5)}: they belong to two functions, or one of them is wrong; checkGradient can tell which. A problem made by { ...problem, fg } keeps the other methods of the old one: give it its own hessianVector, or hessianVector: undefined.`,
  );
}
