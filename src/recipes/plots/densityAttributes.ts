import { boolean, either, oneOf, positive, type Rules } from '../../core/options.ts';
import { axisScale, figureRules, limitsOrData, type AxisScale, type FigureAttributes } from './attributes.ts';

/** Attributes of `density`. */
export interface DensityAttributes extends FigureAttributes {
  /**
   * Standard deviation of the Gaussian kernel, in units of x, or in decades on a log axis. Does not apply to
   * spectra.
   *
   * @defaultValue `'auto'`: Silverman's rule
   */
  bandwidth?: number | 'auto';
  /** On a log axis, the density is that of log₁₀ x; values ≤ 0 are left out and counted. @defaultValue `'linear'` */
  xscale?: AxisScale;
  /** Scale of the density axis. @defaultValue `'linear'`, or `'log'` if all curves are spectra */
  yscale?: AxisScale;
  /** Limits of the axis. @defaultValue from the data */
  xlims?: readonly [number, number] | 'data';
  /** Limits of the density axis. @defaultValue from the data; on a log axis, six decades below the highest peak */
  ylims?: readonly [number, number] | 'data';
  /** Shades the area below each curve. @defaultValue `true` */
  fill?: boolean;
  /** Draws each value of a sample as a tick at the bottom. @defaultValue `true` */
  points?: boolean;
  /** Shows the legend. @defaultValue `true` if there are several curves */
  legend?: boolean | 'auto';
}

/** Attributes with the defaults filled in. */
export type FilledDensity = Required<DensityAttributes>;

export const densityRules: Rules<DensityAttributes> = {
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
