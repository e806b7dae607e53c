/**
 * Quantiles of Student's t distribution, and of the normal one.
 *
 * @module
 */

/** ln Γ(x) for x > 0, to 15 digits: Stirling's series above 10, the recurrence below. */
function logGamma(x: number): number {
  let shift = 0;
  let z = x;
  for (; z < 10; z++) shift += Math.log(z);
  const series =
    1 / (12 * z) - 1 / (360 * z ** 3) + 1 / (1260 * z ** 5) - 1 / (1680 * z ** 7) + 1 / (1188 * z ** 9);
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - shift;
}

/**
 * Regularized incomplete beta function I_x(a, b), by its continued fraction.
 *
 * @param y - 1 − x
 * @see Abramowitz & Stegun (1964), Handbook of Mathematical Functions, 26.5.8 and 26.5.2
 */
function incompleteBeta(x: number, y: number, a: number, b: number): number {
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(y, x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  // Lentz's method; for these x, denominators stay positive: the first is at least 2/(a + b + 2).
  let c = 1;
  let d = 1 / (1 - ((a + b) * x) / (a + 1));
  let value = d;
  for (let m = 1; m < 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / (1 + even * d);
    c = 1 + even / c;
    value *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / (1 + odd * d);
    c = 1 + odd / c;
    value *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return (front * value) / a;
}

/** Beyond this, the tail of the normal distribution is computed by itself. */
const FAR = 3;
/** Number of terms that give its continued fraction to 15 digits there. */
const TERMS = 80;

/**
 * P(|z| > t) of the normal distribution, by the series of the incomplete gamma function, and far out by Laplace's continued
 * fraction.
 */
function normalTail(t: number): number {
  if (t > FAR) {
    let rest = t;
    for (let k = TERMS; k > 0; k--) rest = t + k / rest;
    return (Math.sqrt(2 / Math.PI) * Math.exp((-t * t) / 2)) / rest;
  }
  const x = (t * t) / 2;
  let term = 2 * Math.exp(0.5 * Math.log(x / Math.PI) - x);
  let sum = term;
  for (let k = 1; term > 1e-18 * sum; k++) {
    term *= x / (k + 0.5);
    sum += term;
  }
  return 1 - sum;
}

/**
 * Returns the t with P(|T| ≤ t) = level.
 *
 * @param level - in (0, 1)
 * @param degrees - degrees of freedom; Infinity for the normal distribution. The limit of t at 0 is Infinity
 */
export function studentQuantile(level: number, degrees: number): number {
  if (degrees === 0) return Infinity;
  const tail = (t: number): number => {
    if (degrees === Infinity) return normalTail(t);
    const sum = degrees + t * t;
    return incompleteBeta(degrees / sum, (t * t) / sum, degrees / 2, 0.5);
  };
  let low = 0;
  let high = 1;
  for (; tail(high) > 1 - level; high *= 2) low = high;
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) return middle;
    if (tail(middle) > 1 - level) low = middle;
    else high = middle;
  }
}
