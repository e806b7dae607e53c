/**
 * Factor that widens a standard error from `samples` values so that ±2 standard errors cover 95.45 %, as for a normal
 * distribution: half a quantile of Student's t with samples − 1 degrees of freedom.
 *
 * @param samples - whole number ≥ 2
 */
export function studentWidening(samples: number): number {
  const freedom = samples - 1;
  const coverage = 0.954499736103642;
  let low = 0;
  let high = 1;
  while (centralProbability(high, freedom) < coverage) high *= 2;
  for (let k = 0; k < 60; k++) {
    const middle = (low + high) / 2;
    if (centralProbability(middle, freedom) < coverage) low = middle;
    else high = middle;
  }
  return high / 2;
}

/**
 * P(|T| ≤ t) of Student's t, by the finite sums in θ = atan(t/√ν).
 *
 * @see Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4
 */
export function centralProbability(t: number, freedom: number): number {
  const theta = Math.atan(t / Math.sqrt(freedom));
  const [sine, square] = [Math.sin(theta), Math.cos(theta) ** 2];
  const odd = freedom % 2 === 1;
  let term = odd ? Math.cos(theta) : 1;
  let sum = freedom === 1 ? 0 : term;
  for (let k = odd ? 3 : 2; k <= freedom - 2; k += 2) {
    term *= ((k - 1) / k) * square;
    sum += term;
  }
  return odd ? (2 / Math.PI) * (theta + sine * sum) : sine * sum;
}
