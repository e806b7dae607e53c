import { boolean, either, oneOf, string, type Rules } from '../../core/options.ts';
import { axisScale, figureRules, type AxisScale, type FigureAttributes } from './attributes.ts';

/** Attributes of `line`. */
export interface LineAttributes extends FigureAttributes {
  /** Draw this metric instead of the loss. @defaultValue the loss */
  metric?: string;
  /** A metric that is drawn as well, dashed, on an axis at the right: the accuracy beside the loss. @defaultValue none */
  right?: string;
  /** Name of the right axis. @defaultValue `right` */
  rightlabel?: string;
  /** @defaultValue `'linear'` */
  yscale?: AxisScale;
  /** Mark where the parameters are. @defaultValue `true` */
  mark?: boolean;
  /** @defaultValue `true` where there are several lines */
  legend?: boolean | 'auto';
}

/** Attributes once defaults are in. */
export type FilledLine = Required<LineAttributes>;

export const lineRules: Rules<LineAttributes> = {
  ...figureRules,
  metric: string,
  right: string,
  rightlabel: string,
  yscale: axisScale,
  mark: boolean,
  legend: either(boolean, oneOf('auto')),
};
