/**
 * Densities as curves: samples by a kernel estimate, spectra unchanged.
 *
 * @module
 */
import { drawableSize, evenlyTaken, fiveNumbers } from '../grid/statistics.ts';
import type { AxisScale } from './attributes.ts';

/** A density as a curve. */
export interface DensityColumns {
  /** Abscissas, ascending. */
  readonly x: Float64Array;
  /** Fraction of the values per unit of x, or per decade on a log axis; the area below the curve is 1. */
  readonly y: Float64Array;
}

/** Most values that the estimate sums over; more are represented by evenly spaced quantiles. */
const mostValues = 20_000;
/** Number of places at which the density is estimated; more if values lie far apart. */
const places = 800;
/** Bandwidths beyond which a kernel counts as 0. */
const reach = 6;

/**
 * Computes the Gaussian kernel estimate of a density.
 *
 * @param sorted - ascending values; all > 0 on a log axis, where the estimate is that of log₁₀ x
 * @param bandwidth - standard deviation of the kernel in units of x, on a log axis in decades
 * @see Silverman (1986), Density Estimation for Statistics and Data Analysis, section 2.4
 */
export function kernelDensity(
  sorted: readonly number[],
  xscale: AxisScale,
  bandwidth: number,
): DensityColumns {
  if (sorted.length === 0) return { x: new Float64Array(0), y: new Float64Array(0) };
  const all = xscale === 'log' ? sorted.map(Math.log10) : sorted;
  const values = evenlyTaken(all, mostValues);
  const at = placesFor(values, bandwidth);
  const scale = 1 / (values.length * Math.sqrt(2 * Math.PI));
  const y = new Float64Array(at.length);
  let [from, to] = [0, 0];
  at.forEach((place, k) => {
    while (from < values.length && values[from] < place - reach * bandwidth) from++;
    while (to < values.length && values[to] <= place + reach * bandwidth) to++;
    let sum = 0;
    for (let i = from; i < to; i++) sum += Math.exp(-0.5 * ((place - values[i]) / bandwidth) ** 2);
    y[k] = (scale * sum) / bandwidth;
  });
  const x = at.map((value) => (xscale === 'log' ? 10 ** value : value));
  // Only tails lie beyond the values that can be drawn.
  return { x: x.map((value) => Math.max(-drawableSize, Math.min(drawableSize, value))), y };
}

/**
 * Returns evenly spaced places in the regions where the density is not 0, so that no narrow, distant peak is missed and
 * no gap is bridged.
 */
function placesFor(values: readonly number[], bandwidth: number): Float64Array {
  const margin = (reach + 0.01) * bandwidth;
  const ranges: [number, number][] = [];
  for (const value of values) {
    const last = ranges[ranges.length - 1];
    if (last !== undefined && value - margin <= last[1]) last[1] = value + margin;
    else ranges.push([value - margin, value + margin]);
  }
  const covered = ranges.reduce((sum, [low, high]) => sum + (high - low), 0);
  const step = Math.max(bandwidth / 4, covered / places);
  return Float64Array.from(
    ranges.flatMap(([low, high]) => {
      const count = Math.max(2, Math.ceil((high - low) / step));
      return Array.from({ length: count + 1 }, (_, k) => low + (high - low) * (k / count));
    }),
  );
}

/** Below, a bandwidth may be 0, and its density infinite. */
const smallest = 1e-300;

/**
 * Silverman's rule: 0.9 min(σ, IQR / 1.34) n^(−1/5).
 *
 * @param sorted - ascending; all > 0 on a log axis
 * @param span - range of all samples of the figure; values without spread get a hundredth of it
 * @see Silverman (1986), equation 3.31
 */
export function silvermanBandwidth(sorted: readonly number[], xscale: AxisScale, span: number): number {
  const values = xscale === 'log' ? sorted.map(Math.log10) : sorted;
  const count = values.length;
  const size = Math.max(Math.abs(values[0] ?? 0), Math.abs(values[count - 1] ?? 0));
  const least = Math.max(smallest, 0.01 * (span > 1e-9 * size ? span : size || 1));
  if (count < 2) return least;
  const { q1, q3 } = fiveNumbers(values);
  // Divided by the size, to avoid overflow of squares.
  const unit = size || 1;
  const mean = values.reduce((sum, value) => sum + value / unit / count, 0);
  const variance = values.reduce((sum, value) => sum + (value / unit - mean) ** 2, 0) / (count - 1);
  const sigma = unit * Math.sqrt(variance);
  const spread = q3 > q1 ? Math.min(sigma, (q3 - q1) / 1.34) : sigma;
  const bandwidth = 0.9 * spread * count ** -0.2;
  return bandwidth > 1e-12 * size ? Math.max(smallest, bandwidth) : least;
}
