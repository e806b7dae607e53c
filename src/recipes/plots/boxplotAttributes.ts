import { boolean, string, type Rules } from '../../core/options.ts';
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
  relativeTo?: string;
  /** Scale of the value axis. @defaultValue `'linear'` */
  yscale?: AxisScale;
  /** Limits of the value axis. @defaultValue from the data */
  ylims?: readonly [number, number] | 'data';
  /** Draws every value as a dot beside its box. @defaultValue `true` */
  points?: boolean;
  /** Name of the samples' references in the legend. @defaultValue `'reference'` */
  reference?: string;
}

export const boxplotRules: Rules<BoxplotAttributes> = {
  ...figureRules,
  relativeTo: string,
  yscale: axisScale,
  ylims: limitsOrData,
  points: boolean,
  reference: string,
};

export const boxplotDefaults: Required<BoxplotAttributes> = {
  ...theme,
  relativeTo: '',
  yscale: 'linear',
  ylims: 'data',
  points: true,
  reference: 'reference',
};
