import { boolean, oneOf, string, type Rules, type Filled } from '../../core/options.ts';
import {
  axisScale,
  figureRules,
  limitsOrData,
  theme,
  type AxisScale,
  type FigureAttributes,
} from './attributes.ts';
import type { Against } from './traces.ts';

/** Attributes of `convergence`. */
export interface ConvergenceAttributes extends FigureAttributes {
  /** Abscissa of solver traces; other runs have their own x. @defaultValue `'iterations'` */
  against?: Against | undefined;
  /** Scale of x. @defaultValue `'linear'` */
  xscale?: AxisScale | undefined;
  /** Scale of y; values ≤ 0 are left out on a log axis. @defaultValue `'log'` */
  yscale?: AxisScale | undefined;
  /** Limits of the axis. @defaultValue from the data */
  xlims?: readonly [number, number] | 'data' | undefined;
  /** Limits of the axis. @defaultValue from the data */
  ylims?: readonly [number, number] | 'data' | undefined;
  /** Draws the individual runs faintly behind the median. @defaultValue `true` */
  runs?: boolean | undefined;
  /** Shades the band from the first to the third quartile. @defaultValue `true` */
  band?: boolean | undefined;
  /** Shows the legend. @defaultValue `true` */
  legend?: boolean | undefined;
  /** Name of the traces' references in the legend. @defaultValue `'reference'` */
  reference?: string | undefined;
}

export const convergenceRules: Rules<ConvergenceAttributes> = {
  ...figureRules,
  against: oneOf('iterations', 'evaluations', 'seconds'),
  xscale: axisScale,
  yscale: axisScale,
  xlims: limitsOrData,
  ylims: limitsOrData,
  runs: boolean,
  band: boolean,
  legend: boolean,
  reference: string,
};

export const convergenceDefaults: Filled<ConvergenceAttributes> = {
  ...theme,
  ylabel: 'loss',
  against: 'iterations',
  xscale: 'linear',
  yscale: 'log',
  xlims: 'data',
  ylims: 'data',
  runs: true,
  band: true,
  legend: true,
  reference: 'reference',
};
