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
  /** Divide everything by the median of the sample of this name: relative times. @defaultValue none */
  relativeTo?: string;
  /** @defaultValue `'linear'` */
  yscale?: AxisScale;
  /** @defaultValue from the data */
  ylims?: readonly [number, number] | 'data';
  /** Draw every value as a dot beside its box. @defaultValue `true` */
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
