import { boolean, string, type Rules, type Filled } from '../../core/options.ts';
import {
  axisScale,
  figureRules,
  limitsOrData,
  theme,
  type AxisScale,
  type FigureAttributes,
} from './attributes.ts';

/** Attributes of `boxplot`. */
export interface BoxplotAttributes extends FigureAttributes {
  /**
   * Divides everything by the median of the sample of this name, for example for relative times.
   *
   * @defaultValue none
   */
  relativeTo?: string | undefined;
  /** Scale of the value axis. @defaultValue `'linear'` */
  yscale?: AxisScale | undefined;
  /** Limits of the value axis. @defaultValue from the data */
  ylims?: readonly [number, number] | 'data' | undefined;
  /** Draws every value as a dot beside its box. @defaultValue `true` */
  points?: boolean | undefined;
  /** Name of the samples' references in the legend. @defaultValue `'reference'` */
  reference?: string | undefined;
}

export const boxplotRules: Rules<BoxplotAttributes> = {
  ...figureRules,
  relativeTo: string,
  yscale: axisScale,
  ylims: limitsOrData,
  points: boolean,
  reference: string,
};

export const boxplotDefaults: Filled<BoxplotAttributes> = {
  ...theme,
  relativeTo: '',
  yscale: 'linear',
  ylims: 'data',
  points: true,
  reference: 'reference',
};
