/**
 * Integrals of slopes along a line, from samples.
 *
 * @module
 */

/** Slope of f at a point `t` of a line. */
export interface Sample {
  readonly t: number;
  readonly slope: number;
}

/** Nodes and weights of the Gauss–Legendre rule on [−1, 1], exact up to degree 5. */
const GAUSS = [
  [-Math.sqrt(0.6), 5 / 9],
  [0, 8 / 9],
  [Math.sqrt(0.6), 5 / 9],
] as const;

/** Returns the integral from `a` to `b` of the polynomial through at most six samples at different `t`. */
export function integralOf(samples: readonly Sample[], a: number, b: number): number {
  const half = (b - a) / 2;
  let sum = 0;
  for (const [node, weight] of GAUSS) sum += weight * interpolated(samples, a + half * (1 + node));
  return half * sum;
}

/** Returns the value at `t` of the polynomial through the samples, by Lagrange's formula. */
function interpolated(samples: readonly Sample[], t: number): number {
  let value = 0;
  for (const own of samples) {
    let basis = 1;
    for (const other of samples) if (other !== own) basis *= (t - other.t) / (own.t - other.t);
    value += basis * own.slope;
  }
  return value;
}

/** Returns the integral over [0, 1] from five values at equal distances, exact up to degree 5 (Boole's rule). */
export const booleRule = ([a, b, c, d, e]: readonly number[]): number =>
  (7 * (a + e) + 32 * (b + d) + 12 * c) / 90;
