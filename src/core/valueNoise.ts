/** Number of equal parts of the line on which noise is estimated, at one sample more. */
export const NOISE_PARTS = 8;

/** Orders of the differences: lower ones contain the trend, higher ones rest on few samples. */
const ORDERS: readonly number[] = [3, 4, 5];

/**
 * Estimates the standard deviation of noise in samples of a smooth function at equal distances, from their higher
 * differences: these are small if values follow a curve, and large if values scatter.
 *
 * @see Moré & Wild (2011), Estimating computational noise, SIAM J. Sci. Comput. 33(3), doi:10.1137/100786125
 */
export function noiseOf(samples: readonly number[], orders = ORDERS): number {
  let [differences, noise, gamma] = [samples, 0, 1];
  for (let order = 1; order <= Math.max(...orders); order++) {
    differences = differences.slice(1).map((value, i) => value - differences[i]);
    gamma *= order / (4 * order - 2); // (k!)² / (2k)!
    if (!orders.includes(order)) continue;
    const square = differences.reduce((sum, value) => sum + value * value, 0) / differences.length;
    noise = Math.max(noise, Math.sqrt(gamma * square));
  }
  return noise;
}
