import { addScaled, dot } from '../../core/vector.ts';
import { gaussian } from '../landscape/random.ts';
import { symmetricEigen } from '../../core/symmetricEigen.ts';

/** A box around a point, in parameter space or in a subspace through the point, as [−1, 1]ᵖ. */
export interface UnitBox {
  /** Dimension p of the box. */
  readonly dimensions: number;
  /** `point ←` the parameters, `[n]`, at t, `[p]`. */
  readonly place: (t: Float64Array, point: Float64Array) => void;
  /** `slope ←` the gradient with respect to t, `[p]`, from that with respect to the parameters, `[n]`. */
  readonly pullBack: (gradient: Float64Array, slope: Float64Array) => void;
}

/** Returns the box xᵢ ± ρ(|xᵢ| + 1) in all parameters. */
export function wholeSpace(center: Float64Array, rho: number): UnitBox {
  const half = center.map((value) => rho * (Math.abs(value) + 1));
  return {
    dimensions: center.length,
    place: (t, point) => {
      for (let i = 0; i < t.length; i++) point[i] = center[i] + half[i] * t[i];
    },
    pullBack: (gradient, slope) => {
      for (let i = 0; i < slope.length; i++) slope[i] = half[i] * gradient[i];
    },
  };
}

/** Returns the box x + Az with |zₖ| ≤ ρ(|(A⁺x)ₖ| + 1), where A has p columns of standard normal numbers. */
export function randomSubspace(center: Float64Array, rho: number, p: number, seed: number): UnitBox {
  const draw = gaussian(seed);
  const columns = Array.from({ length: p }, () => new Float64Array(center.length).map(draw));
  const half = leastSquares(columns, center).map((value) => rho * (Math.abs(value) + 1));
  return {
    dimensions: p,
    place: (t, point) => {
      point.set(center);
      columns.forEach((column, k) => addScaled(point, half[k] * t[k], column, point));
    },
    pullBack: (gradient, slope) =>
      columns.forEach((column, k) => (slope[k] = half[k] * dot(column, gradient))),
  };
}

/** A⁺x = (AᵀA)⁻¹Aᵀx, `[p]`, computed with the eigenvectors of AᵀA. */
function leastSquares(columns: readonly Float64Array[], x: Float64Array): Float64Array {
  const p = columns.length;
  const gram = Float64Array.from(columns.flatMap((a) => columns.map((b) => dot(a, b))));
  const right = Float64Array.from(columns, (column) => dot(column, x));
  const { values, vectors } = symmetricEigen(gram, p);
  const solution = new Float64Array(p);
  values.forEach((value, k) => {
    const vector = vectors.subarray(k * p, (k + 1) * p);
    addScaled(solution, dot(vector, right) / value, vector, solution);
  });
  return solution;
}
