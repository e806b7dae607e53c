import { checkOptions, show } from '../../core/options.ts';
import { recipe, theme, type AxisScale } from './attributes.ts';
import { densityRules, type DensityAttributes, type FilledDensity } from './densityAttributes.ts';
import { lineColor, lineDash } from './color.ts';
import { kernelDensity, silvermanBandwidth, type DensityColumns } from './densityCurves.ts';
import { densityPlotly, densityVega } from './densityForms.ts';
import { densitySvg, type DensityCurve } from './densitySvg.ts';
import { plotOf, type Plot } from './plot.ts';
import { nameWithCount, samplesOf } from './samples.ts';
import { drawableSize, sortedFinite } from '../grid/statistics.ts';
import type { SpectralDensity } from '../curvature/spectralDensity.ts';

/** One curve of {@link density}: a sample, or a spectrum. */
export interface DensitySample {
  readonly name: string;
  /** Numbers whose density to estimate, or the result of `spectralDensity`. */
  readonly values: ArrayLike<number> | SpectralDensity;
  /** Any CSS color. @defaultValue one of eight, by position */
  readonly color?: string | undefined;
}

/**
 * Draws the densities of samples, such as final losses or times of many runs, and of spectra from
 * `spectralDensity`.
 *
 * Densities of samples are Gaussian kernel estimates with area 1. Values that are not finite, or cannot be
 * shown on the axis, are left out, and their number is shown beside the name.
 *
 * @param samples - `{ name: values }`, a list of `{ name, values }`, or one spectrum
 * @throws RangeError for unknown or invalid attributes, or if there are no samples
 * @throws TypeError if a sample has no values
 * @see Silverman (1986), Density Estimation for Statistics and Data Analysis
 * @example
 * ```ts
 * density({ Adam: [3.1, 2.9, 3.3], 'L-BFGS': [1.0, 1.1, 0.9] }, { xlabel: 'seconds' });
 * density(spectralDensity(problem)).toSVG();
 * ```
 */
export function density(
  samples:
    | readonly DensitySample[]
    | Readonly<Record<string, ArrayLike<number> | SpectralDensity>>
    | SpectralDensity,
  attributes: DensityAttributes = {},
): Plot {
  checkOptions('density', attributes, densityRules);
  const list = listOf(samples);
  const areSpectra = list.every(({ values }) => isSpectrum(values));
  const defaults: FilledDensity = {
    ...theme,
    xlabel: areSpectra ? 'eigenvalue' : '',
    ylabel: attributes.xscale === 'log' ? 'density per decade' : 'density',
    bandwidth: 'auto',
    xscale: 'linear',
    yscale: areSpectra ? 'log' : 'linear',
    xlims: 'data',
    ylims: 'data',
    fill: true,
    points: true,
    legend: 'auto',
  };
  const final = recipe(defaults, attributes);
  const curves = curvesOf(list, final);
  return plotOf(final.title || 'Density', {
    toSVG: () => densitySvg(curves, final),
    toPlotly: () => densityPlotly(curves, final),
    toVega: () => densityVega(curves, final),
  });
}

const isSpectrum = (value: unknown): value is SpectralDensity =>
  typeof value === 'object' && value !== null && 'nodes' in value && 'weights' in value;

function listOf(samples: Parameters<typeof density>[0]): readonly DensitySample[] {
  if (isSpectrum(samples)) return [{ name: 'spectrum', values: samples }];
  const isArray = Array.isArray(samples);
  if (isArray && samples.length > 0 && typeof samples[0] === 'number') {
    throw new TypeError(
      `density: samples must be [{ name, values }] or { name: values }, got ${show(samples)}.`,
    );
  }
  // Everything except spectra is checked like the samples of a box plot.
  const plain = isArray
    ? samples.map((sample) => (isSpectrum(sample?.values) ? { ...sample, values: [] } : sample))
    : typeof samples === 'object' && samples !== null
      ? Object.fromEntries(Object.entries(samples).map(([name, v]) => [name, isSpectrum(v) ? [] : v]))
      : samples;
  samplesOf('density', plain);
  return isArray
    ? samples
    : Object.entries(samples).map(([name, values]): DensitySample => ({ name, values }));
}

function curvesOf(
  list: readonly DensitySample[],
  { xscale, bandwidth }: FilledDensity,
): readonly DensityCurve[] {
  const kept = list.map(({ values }) => {
    if (isSpectrum(values)) return [];
    const finite = sortedFinite(Array.from(values));
    return xscale === 'log' ? finite.filter((value) => value >= 1 / drawableSize) : finite;
  });
  const place = xscale === 'log' ? Math.log10 : (value: number) => value;
  const ends = kept.flatMap((values) => (values.length === 0 ? [] : [values[0], values[values.length - 1]]));
  const span = ends.length === 0 ? 0 : place(Math.max(...ends)) - place(Math.min(...ends));
  return list.map(({ name, values, color }, k): DensityCurve => {
    const look = { color: color ?? lineColor(k), dash: lineDash(k) };
    if (isSpectrum(values)) return { name, ...look, values: [], ...spectrumOn(xscale, values) };
    const width = bandwidth === 'auto' ? silvermanBandwidth(kept[k], xscale, span) : bandwidth;
    const kind = xscale === 'log' ? 'finite and > 0' : 'finite';
    return {
      name: nameWithCount(name, kept[k].length, values.length, kind),
      ...look,
      values: kept[k],
      ...kernelDensity(kept[k], xscale, width),
    };
  });
}

/** Returns a spectrum unchanged, or per decade on a log axis. */
function spectrumOn(xscale: AxisScale, { x, y }: SpectralDensity): DensityColumns {
  if (xscale === 'linear') return { x, y };
  return { x, y: y.map((value, i) => (x[i] > 0 ? value * x[i] * Math.LN10 : NaN)) };
}
