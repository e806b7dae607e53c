import {
  boolean,
  either,
  integerFrom,
  limits,
  objectWith,
  oneOf,
  show,
  string,
  type Rule,
  type Rules,
  type Filled,
} from '../../core/options.ts';
import { colorRule, type ColorMap, type ColorMapName } from './color.ts';
import { figureRules, recipe, theme, type FigureAttributes } from './attributes.ts';
import { sortedFinite } from '../grid/statistics.ts';
import { automaticScale, valueScaleRule, type ValueScale } from '../grid/valueScale.ts';
import type { LandscapeData } from '../grid/data.ts';
import type { PathOnPlane } from '../grid/trajectory.ts';

/** A path drawn on a landscape. */
export interface PathOverlay {
  readonly name: string;
  /** From `onPlane`. */
  readonly path: PathOnPlane;
  /**
   * Color of its line, any CSS color; the markers show the true loss.
   *
   * @defaultValue one of eight, by position
   */
  readonly color?: string | undefined;
}

/** Attributes common to all figures of landscapes. */
export interface LandscapeAttributes extends FigureAttributes {
  /** A color map by name, or a function from [0, 1] to a color. @defaultValue `'turbo'` */
  color?: ColorMapName | ColorMap | undefined;
  /** Draws this metric instead of the loss. @defaultValue the loss */
  metric?: string | undefined;
  /**
   * Scale of heights and colors. `'auto'` chooses from the values: log if they span decades, symlog if they
   * do so with both signs, otherwise linear.
   *
   * @defaultValue `'auto'`
   */
  zscale?: ValueScale | 'auto' | undefined;
  /** Name of the values. @defaultValue `'loss'`, or the metric */
  zlabel?: string | undefined;
  /**
   * The values at both ends of the color scale. Values beyond have the color of that end, and the color bar
   * has an arrow there. `'robust'` uses the smallest and the largest value, but no farther from the middle 96
   * % than that range is wide, so that a single peak does not use up all colors. `'data'` uses the smallest
   * and the largest value.
   *
   * @defaultValue `'robust'`
   */
  clims?: readonly [number, number] | 'robust' | 'data' | undefined;
  /** Number of bands of color, or the values between them, ascending. @defaultValue `20` */
  levels?: number | readonly number[] | undefined;
  /** Bands of equal height, or of equal area. @defaultValue `'uniform'` */
  levelSpacing?: 'uniform' | 'quantile' | undefined;
  /**
   * Factor by which a cubic spline refines each cell before drawing.
   *
   * @defaultValue `4`; for a surface, enough to give about sixty cells per side
   */
  upsample?: number | undefined;
  /** Shows the color bar. @defaultValue `true` */
  colorbar?: boolean | undefined;
  /** Marks the position of the parameters, (0, 0), if the axes reach it. @defaultValue `true` */
  mark?: boolean | undefined;
  /** Paths from `onPlane`; on a surface, they follow it. @defaultValue none */
  paths?: readonly PathOverlay[] | undefined;
}

/** Attributes with the defaults filled in and the scale chosen. */
export type FilledLandscapeAttributes = Filled<Omit<LandscapeAttributes, 'metric' | 'zscale'>> &
  Pick<LandscapeAttributes, 'metric'> & { zscale: ValueScale };

const ascending = (list: readonly unknown[]) =>
  list.every((v, i) => i === 0 || Number(v) > Number(list[i - 1]));
const levelCount = integerFrom(1);
const fromOnPlane = objectWith('a path from onPlane', 'x', 'y', 'loss', 'inPlane', 'residual');
const pathRule: Rule = {
  allowed: 'an array of { name, path }, each path from onPlane',
  accepts: (v) => Array.isArray(v) && v.every((overlay) => fromOnPlane.accepts(overlay?.path)),
};

export const landscapeAttributeRules: Rules<LandscapeAttributes> = {
  ...figureRules,
  color: colorRule,
  metric: string,
  zscale: valueScaleRule,
  zlabel: string,
  clims: either(limits, oneOf('robust', 'data')),
  levels: {
    allowed: 'a whole number ≥ 1, or an array of ascending numbers',
    accepts: (v) =>
      Array.isArray(v)
        ? v.length > 0 && v.every(Number.isFinite) && ascending(v)
        : levelCount.accepts(v) && Number(v) <= 1000,
  },
  levelSpacing: oneOf('uniform', 'quantile'),
  upsample: {
    allowed: 'a whole number from 1 to 16',
    accepts: (v) => Number.isInteger(v) && Number(v) >= 1 && Number(v) <= 16,
  },
  colorbar: boolean,
  mark: boolean,
  paths: pathRule,
};

/** Returns the attributes of a figure: those of the user, and defaults that depend on the data. */
export function fillAttributes(data: LandscapeData, user: LandscapeAttributes): FilledLandscapeAttributes {
  const [xlabel, ylabel] = data.plane.labels;
  const { zscale = 'auto', ...rest } = user;
  const chosen = zscale === 'auto' ? automaticScale(sortedFinite(columnOf(data, user.metric))) : zscale;
  return recipe<FilledLandscapeAttributes>(
    {
      ...theme,
      xlabel,
      ylabel,
      color: 'turbo',
      zscale: chosen,
      zlabel: user.metric ?? 'loss',
      clims: 'robust',
      levels: 20,
      levelSpacing: 'uniform',
      upsample: 4,
      colorbar: true,
      mark: true,
      paths: [],
    },
    rest,
    reaches(data.x) && reaches(data.y) ? {} : { mark: false },
  );
}

/** True if an axis contains 0; the second one of a landscape in one dimension does. */
export const reaches = (axis: Float64Array): boolean => axis[0] <= 0 && axis[axis.length - 1] >= 0;

/** Returns the loss, or the metric of this name. */
export const columnOf = (data: LandscapeData, metric: string | undefined): Float64Array =>
  metric === undefined ? data.z : data.metrics[metric];

/**
 * Checks the attribute `metric`.
 *
 * @throws RangeError if the landscape has no metric of this name
 */
export function checkMetric(where: string, { metrics }: LandscapeData, metric: string | undefined): void {
  if (metric === undefined || Object.hasOwn(metrics, metric)) return;
  const names = Object.keys(metrics).join(', ') || 'none';
  throw new RangeError(
    `${where}: metric: there is no ${show(metric)} in this landscape; there are ${names}.`,
  );
}
