import type { AxisScale, FigureAttributes } from './attributes.ts';
import type { Filled } from '../../core/options.ts';

/** Attributes of {@link fitPlot}. */
export interface FitAttributes extends FigureAttributes {
  /** Probability of the bands. @defaultValue `0.95` */
  level?: number | undefined;
  /**
   * Shades the confidence band of the curve and the prediction band of new observations.
   *
   * @defaultValue `true`
   */
  band?: boolean | undefined;
  /** Scale of x; with `'log'`, every x must be positive. @defaultValue `'linear'` */
  xscale?: AxisScale | undefined;
  /** Number of points for drawing the curve. @defaultValue `200` */
  npoints?: number | undefined;
}

/** Lower and upper ends of a band. */
export interface Band {
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

/** The parts of a fit that are drawn; the result of `curveFit` contains them all. */
export interface FittedCurve {
  readonly points: readonly (number | ArrayLike<number>)[];
  readonly y: Float64Array;
  readonly fitted: Float64Array;
  /** Standard deviation of each y. */
  readonly sigma: Float64Array;
  /** Returns the curve and its bands at points, as `predict` of a curve fit does. */
  predict(
    points: ArrayLike<number>,
    options?: { readonly level?: number },
  ): { readonly values: Float64Array; readonly confidence: Band; readonly prediction: Band | null };
}

/** Data, curve and bands, ready to be drawn. */
export interface FitCurves {
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** (y − f)/σ, with the label for the axis. */
  readonly residuals: readonly number[];
  readonly residualName: string;
  readonly at: readonly number[];
  readonly values: readonly number[];
  readonly confidence: Band | null;
  readonly prediction: Band | null;
}

export type FilledFit = Filled<FitAttributes>;

/** Colors of the curve and of the data. */
export const colors = { curve: '#1f6fb4', data: '#333333' };

/** Fraction of the height used for the residuals. */
export const residualShare = 0.26;
