/**
 * Operators to use instead of the whole Hessian: the Gauss-Newton matrix, and blocks of some tensors.
 *
 * @module
 */
import { show } from '../../core/options.ts';
import { dot } from '../../core/vector.ts';
import type { Hessian } from '../../core/hessian.ts';
import type { Layout } from '../../core/layout.ts';
import type { Asks } from '../../core/question.ts';

/** Largest Jacobian that is kept, in numbers: 1 GiB. */
const largestJacobian = 2 ** 27;

/**
 * Returns the Gauss-Newton matrix 2 JᵀJ of f = Σ rᵢ² at x: the Hessian without the curvature of the
 * residuals, which is positive semidefinite. For normal errors, it is proportional to the Fisher information.
 *
 * The Jacobian, `[m, n]`, is asked for once, at the first product.
 *
 * @throws RangeError if the Jacobian would be larger than 1 GiB
 */
export function gaussNewtonAt(where: string, x: Float64Array, m: number, signal?: AbortSignal): Hessian {
  const n = x.length;
  if (m * n > largestJacobian) {
    throw new RangeError(
      `${where}: matrix 'gauss-newton' needs the Jacobian of ${m} residuals by ${n} parameters, more than 1 GiB; use fewer samples.`,
    );
  }
  let rows: Float64Array[] | undefined;
  const operator = {
    n,
    products: 0,
    gradients: 0,
    agreement: 0,
    *times(v: Float64Array, product: Float64Array): Asks<void> {
      signal?.throwIfAborted();
      if (rows === undefined) {
        const jacobian = new Float64Array(m * n);
        yield { kind: 'residuals', x, residuals: new Float64Array(m), jacobian };
        rows = Array.from({ length: m }, (_, i) => jacobian.subarray(i * n, (i + 1) * n));
      }
      operator.products++;
      product.fill(0);
      for (const row of rows) {
        const along = 2 * dot(row, v);
        for (let i = 0; i < n; i++) product[i] += along * row[i];
      }
    },
  };
  return operator;
}

/** Returns a Hessian of size n whose products are made from those of another, and whose counts are the other's. */
export function madeFrom(hessian: Hessian, n: number, times: Hessian['times']): Hessian {
  return {
    n,
    get products() {
      return hessian.products;
    },
    get gradients() {
      return hessian.gradients;
    },
    get agreement() {
      return hessian.agreement;
    },
    times,
  };
}

/** Returns the block of a Hessian for some elements of the vector. */
export function blockOf(hessian: Hessian, elements: Uint32Array): Hessian {
  const whole = new Float64Array(hessian.n);
  const wholeProduct = new Float64Array(hessian.n);
  return madeFrom(hessian, elements.length, function* (v, product) {
    elements.forEach((element, i) => (whole[element] = v[i]));
    yield* hessian.times(whole, wholeProduct);
    elements.forEach((element, i) => (product[i] = wholeProduct[element]));
  });
}

/** The tensors of a block: their names, or a pattern of names. */
export type TensorChoice = readonly string[] | RegExp;

/**
 * Returns the elements of the chosen tensors, in ascending order.
 *
 * @throws RangeError for an unknown name, or a pattern that matches no tensor
 */
export function elementsOf(where: string, { tensors }: Layout, only: TensorChoice): Uint32Array {
  const chosen =
    only instanceof RegExp
      ? tensors.filter(({ name }) => name.search(only) >= 0)
      : tensors.filter(({ name }) => only.includes(name));
  const missing =
    only instanceof RegExp ? [] : only.filter((name) => !tensors.some((tensor) => tensor.name === name));
  if (chosen.length === 0 || missing.length > 0) {
    const wanted = missing.length > 0 ? missing.map(show).join(', ') : String(only);
    throw new RangeError(
      `${where}: only: no tensor is called ${wanted}; the tensors are ${tensors.map(({ name }) => show(name)).join(', ')}.`,
    );
  }
  return Uint32Array.from(
    chosen.flatMap(({ offset, size }) => Array.from({ length: size }, (_, i) => offset + i)),
  );
}
