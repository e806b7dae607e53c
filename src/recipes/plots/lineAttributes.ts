import { boolean, either, oneOf, string, type Rules, type Filled } from '../../core/options.ts';
import { axisScale, figureRules, type AxisScale, type FigureAttributes } from './attributes.ts';

/** Attributes of `line`. */
export interface LineAttributes extends FigureAttributes {
  /** Draws this metric instead of the loss. @defaultValue the loss */
  metric?: string | undefined;
  /** Another metric, such as the accuracy, to draw dashed on an axis at the right. @defaultValue none */
  right?: string | undefined;
  /** Name of the right axis. @defaultValue `right` */
  rightlabel?: string | undefined;
  /** Scale of y. @defaultValue `'linear'` */
  yscale?: AxisScale | undefined;
  /** Marks the position of the parameters. @defaultValue `true` */
  mark?: boolean | undefined;
  /** Shows the legend. @defaultValue `true` if there are several lines */
  legend?: boolean | 'auto' | undefined;
}

/** Attributes with the defaults filled in. */
export type FilledLine = Filled<LineAttributes>;

export const lineRules: Rules<LineAttributes> = {
  ...figureRules,
  metric: string,
  right: string,
  rightlabel: string,
  yscale: axisScale,
  mark: boolean,
  legend: either(boolean, oneOf('auto')),
};
