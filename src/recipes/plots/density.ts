import { boolean, checkOptions, either, oneOf, positive, show, type Rules } from '../../core/options.ts';
import { axisScale, figureRules, limits, recipe, theme } from './attributes.ts';
import type { AxisScale, FigureAttributes } from './attributes.ts';
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
  /** Numbers of which the density is estimated, or the result of `spectralDensity`. */
  readonly values: ArrayLike<number> | SpectralDensity;
  /** Any CSS color. @defaultValue one of eight, by position */
  readonly color?: string;
}

/** Attributes of {@link density}. */
export interface DensityAttributes extends FigureAttributes {
  /**
   * Standard deviation of the Gaussian kernel, in units of x; in decades on a log axis. Spectra have their own.
   *
   * @defaultValue `'auto'`: Silverman's rule
   */
  bandwidth?: number | 'auto';
  /** On a log axis, the density is that of log₁₀ x; values ≤ 0 are left out and counted. @defaultValue `'linear'` */
  xscale?: AxisScale;
  /** @defaultValue `'linear'`, and `'log'` where all curves are spectra */
  yscale?: AxisScale;
  /** @defaultValue from the data */
  xlims?: readonly [number, number] | 'data';
  /** @defaultValue from the data; on a log axis, six decades below the highest peak */
  ylims?: readonly [number, number] | 'data';
  /** Shade the area below each curve. @defaultValue `true` */
  fill?: boolean;
  /** Draw each value of a sample as a stroke at the foot. @defaultValue `true` */
  points?: boolean;
  /** @defaultValue `true` where there are several curves */
  legend?: boolean | 'auto';
}

/** Attributes once defaults are in. */
export type FilledDensity = Required<DensityAttributes>;

const limitsOrData = either(limits, oneOf('data'));
const rules: Rules<DensityAttributes> = {
  ...figureRules,
  bandwidth: either(positive, oneOf('auto')),
  xscale: axisScale,
  yscale: axisScale,
  xlims: limitsOrData,
  ylims: limitsOrData,
  fill: boolean,
  points: boolean,
  legend: either(boolean, oneOf('auto')),
};

/**
 * The densities of samples, such as final losses or times of many runs, and of spectra from `spectralDensity`.
 *
 * Of samples by a Gaussian kernel estimate, of area 1. Values that are not finite, or have no place on the axis, are
 * left out and counted beside the name.
 *
 * @param samples - `{ name: values }`, a list of `{ name, values }`, or one spectrum
 * @throws RangeError for unknown or bad attributes, and where there are no samples
 * @throws TypeError where a sample has no values
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
  checkOptions('density', attributes, rules);
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
  // What is no spectrum is checked as the samples of a box plot are.
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

/** A spectrum as it is, or on a log axis per decade. */
function spectrumOn(xscale: AxisScale, { x, y }: SpectralDensity): DensityColumns {
  if (xscale === 'linear') return { x, y };
  return { x, y: y.map((value, i) => (x[i] > 0 ? value * x[i] * Math.LN10 : NaN)) };
}
