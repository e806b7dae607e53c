import { boolean, oneOf, type Rules, type Filled } from '../../core/options.ts';
import {
  fillAttributes,
  landscapeAttributeRules,
  type FilledLandscapeAttributes,
  type LandscapeAttributes,
} from './landscapeAttributes.ts';
import type { Field } from './field.ts';
import type { LandscapeData } from '../grid/data.ts';

/** Attributes of landscapes seen from above. */
export interface MapAttributes extends LandscapeAttributes {
  /**
   * `'equal'`: a unit has the same length on both axes. `'fill'`: the map fills the available space.
   * `'auto'`: equal if both axes have the same unit, as random directions and principal axes do, unless the
   * map would lose more than half of its width or height.
   *
   * @defaultValue `'auto'`
   */
  aspect?: 'auto' | 'equal' | 'fill' | undefined;
}

/** Attributes of maps with contours. */
export interface ContourAttributes extends MapAttributes {
  /**
   * Writes the values on the lines; a number of `levels` then means about that many round values.
   *
   * @defaultValue `false`
   */
  labels?: boolean | undefined;
}

export const mapRules: Rules<MapAttributes> = {
  ...landscapeAttributeRules,
  aspect: oneOf('auto', 'equal', 'fill'),
};

export const contourRules: Rules<ContourAttributes> = { ...mapRules, labels: boolean };

/** Attributes with the defaults filled in. */
export type FilledMapAttributes = FilledLandscapeAttributes &
  Filled<Pick<ContourAttributes, 'aspect' | 'labels'>>;

export const fillMapAttributes = (
  data: LandscapeData,
  { aspect = 'auto', labels = false, ...user }: ContourAttributes,
): FilledMapAttributes => ({ ...fillAttributes(data, user), aspect, labels });

/**
 * Returns width / height of the plotting area, or null if it fills the available space.
 *
 * @param room - available width and height, px
 * @param cells - true if the axes extend half a cell beyond the outer points, as in a heatmap
 */
export function shapeOf(
  { x, y, oneUnit }: Pick<Field, 'x' | 'y' | 'oneUnit'>,
  { aspect }: Pick<FilledMapAttributes, 'aspect'>,
  [width, height]: readonly [number, number],
  cells: boolean,
): number | null {
  if (aspect === 'fill' || (aspect === 'auto' && !oneUnit)) return null;
  const span = (axis: Float64Array) =>
    (axis[axis.length - 1] - axis[0]) * (cells ? axis.length / (axis.length - 1) : 1);
  const ratio = span(x) / span(y);
  const lost = (ratio * height) / width;
  return aspect === 'equal' || (lost > 0.5 && lost < 2) ? ratio : null;
}
