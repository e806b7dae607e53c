import { boolean, either, oneOf, positive, type Rules, type Filled } from '../../core/options.ts';
import { axisScale, figureRules, limitsOrData, type AxisScale, type FigureAttributes } from './attributes.ts';

/** Attributes of `density`. */
export interface DensityAttributes extends FigureAttributes {
  /**
   * Standard deviation of the Gaussian kernel, in units of x, or in decades on a log axis. Does not apply to
   * spectra.
   *
   * @defaultValue `'auto'`: Silverman's rule
   */
  bandwidth?: number | 'auto' | undefined;
  /** On a log axis, the density is that of log₁₀ x; values ≤ 0 are left out and counted. @defaultValue `'linear'` */
  xscale?: AxisScale | undefined;
  /** Scale of the density axis. @defaultValue `'linear'`, or `'log'` if all curves are spectra */
  yscale?: AxisScale | undefined;
  /** Limits of the axis. @defaultValue from the data */
  xlims?: readonly [number, number] | 'data' | undefined;
  /** Limits of the density axis. @defaultValue from the data; on a log axis, six decades below the highest peak */
  ylims?: readonly [number, number] | 'data' | undefined;
  /** Shades the area below each curve. @defaultValue `true` */
  fill?: boolean | undefined;
  /** Draws each value of a sample as a tick at the bottom. @defaultValue `true` */
  points?: boolean | undefined;
  /** Shows the legend. @defaultValue `true` if there are several curves */
  legend?: boolean | 'auto' | undefined;
}

/** Attributes with the defaults filled in. */
export type FilledDensity = Filled<DensityAttributes>;

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
