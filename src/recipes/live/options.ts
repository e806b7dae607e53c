import { callable, nonNegative, numberBetween, string, type Rules } from '../../core/options.ts';
import { landscapeRules, type LandscapeOptions } from '../landscape/options.ts';
import { targetRule, type LiveTarget } from './output.ts';
import type { LandscapeData } from '../grid/data.ts';
import type { LandscapeAttributes } from '../plots/landscapeAttributes.ts';
import type { Plot } from '../plots/plot.ts';

/** Options of `liveLandscape`. */
export interface LiveOptions {
  /**
   * Destination of the figures: an element of a page, a function, or the path of an `.svg` or `.html` file.
   */
  to: LiveTarget;
  /** Points of the surface along each axis; an adaptive grid evaluates a part of them. @defaultValue `25` */
  npoints?: NonNullable<LandscapeOptions['npoints']> | undefined;
  /**
   * A fixed plane.
   *
   * @defaultValue the principal axes of the path so far, updated as it grows
   */
  directions?: NonNullable<LandscapeOptions['directions']> | undefined;
  /** With `directions`: their origin, `[n]`. @defaultValue the parameters at the start */
  center?: Float64Array | undefined;
  /** Minimum number of milliseconds between figures. @defaultValue `200` */
  interval?: number | undefined;
  /** Largest fraction of the time that surface and figures may take. @defaultValue `0.5` */
  share?: number | undefined;
  /** Draws a figure: for example `surface`, or a function that adds attributes. @defaultValue `contourf` */
  draw?: ((data: LandscapeData, attributes: LandscapeAttributes) => Plot) | undefined;
  /** Name of the path. @defaultValue `'training'` */
  name?: string | undefined;
}

export const liveRules: Rules<LiveOptions> = {
  to: targetRule,
  npoints: landscapeRules.npoints,
  directions: landscapeRules.directions,
  center: landscapeRules.center,
  interval: nonNegative,
  share: numberBetween(0, 1),
  draw: callable,
  name: string,
};
