/**
 * A landscape as it is drawn: its values transformed, the range of its colors, its levels.
 *
 * @module
 */
import {
  boolean,
  integerFrom,
  objectWith,
  oneOf,
  show,
  string,
  type Rule,
  type Rules,
} from '../../core/options.ts';
import { axisOf, type Axis } from './axes.ts';
import { colorMap, colorRule, type ColorMap, type ColorMapName } from './color.ts';
import { figureRules, limits, recipe, theme, type FigureAttributes } from './attributes.ts';
import { drawableSize, quantileSorted, sortedFinite } from './statistics.ts';
import { automaticScale, symlogTicks, transformOf, type ValueScale } from './valueScale.ts';
import type { Tick } from './ticks.ts';
import type { LandscapeData } from '../data.ts';
import type { PathOnPlane } from '../trajectory.ts';
import type { Grid } from './upsample.ts';

/** A path drawn on a landscape. */
export interface PathOverlay {
  readonly name: string;
  /** From `onPlane`. */
  readonly path: PathOnPlane;
  /** Of its line, any CSS color; its markers show the true loss. @defaultValue one of eight, by position */
  readonly color?: string;
}

/** Attributes that all drawings of landscapes have. */
export interface LandscapeAttributes extends FigureAttributes {
  /** A color map by name, or a function from [0, 1] to a color. @defaultValue `'turbo'` */
  color?: ColorMapName | ColorMap;
  /** Draw this metric instead of the loss. @defaultValue the loss */
  metric?: string;
  /** `'auto'` chooses by the values: log where they span decades, symlog if they do with both signs. @defaultValue `'linear'` */
  zscale?: ValueScale | 'auto';
  /** Name of the values. @defaultValue `'loss'`, or the metric */
  zlabel?: string;
  /** The values at both ends of the colors; what lies beyond takes the color of the end. @defaultValue all */
  clims?: readonly [number, number];
  /** Number of bands of color, or the values between them, ascending. @defaultValue `20` */
  levels?: number | readonly number[];
  /** Bands of equal height, or of equal area. @defaultValue `'uniform'` */
  levelSpacing?: 'uniform' | 'quantile';
  /** Factor by which a cubic spline refines each cell before contours are drawn. @defaultValue `4` */
  upsample?: number;
  /** @defaultValue `true` */
  colorbar?: boolean;
  /** Mark where the parameters are. @defaultValue `true` */
  mark?: boolean;
  /** Paths from `onPlane`; in a surface they lie on it. @defaultValue none */
  paths?: readonly PathOverlay[];
}

/** Attributes once defaults are in; clims stays open until the data are known. */
export type FilledLandscapeAttributes = Required<Omit<LandscapeAttributes, 'clims' | 'metric' | 'zscale'>> &
  Pick<LandscapeAttributes, 'clims' | 'metric'> & { zscale: ValueScale };

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
  zscale: oneOf('linear', 'log', 'log1p', 'symlog', 'auto'),
  zlabel: string,
  clims: limits,
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

/** Data → defaults → user. */
export function fillAttributes(data: LandscapeData, user: LandscapeAttributes): FilledLandscapeAttributes {
  const [xlabel, ylabel] = data.plane.labels;
  const { zscale, ...rest } = user;
  const sorted = () => sortedFinite(columnOf(data, user.metric));
  return recipe<FilledLandscapeAttributes>(
    {
      ...theme,
      xlabel,
      ylabel,
      color: 'turbo',
      zscale: 'linear',
      zlabel: user.metric ?? 'loss',
      levels: 20,
      levelSpacing: 'uniform',
      upsample: 4,
      colorbar: true,
      mark: true,
      paths: [],
    },
    rest,
    zscale === undefined ? {} : { zscale: zscale === 'auto' ? automaticScale(sorted()) : zscale },
  );
}

/** The values that are drawn, transformed. */
export interface Field extends Grid {
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** Transformed values; NaN where they are not finite or have no logarithm. */
  readonly values: Float64Array;
  /** Transformed values at both ends of the colors. */
  readonly low: number;
  readonly high: number;
  /** Name of the transformed values. */
  readonly label: string;
  readonly color: ColorMap;
  /** A value as it is drawn: its transform. */
  readonly transform: (value: number) => number;
  /** Constant of the transform, see {@link ValueScale}. */
  readonly threshold: number;
}

/**
 * The field of a landscape, or of one of its metrics.
 *
 * @throws RangeError if there is no such metric, or no value that can be drawn
 */
export function fieldOf(data: LandscapeData, attributes: FilledLandscapeAttributes): Field {
  const { metric, zscale, zlabel, clims, color } = attributes;
  const raw = columnOf(data, metric);
  const { apply: transform, threshold } = transformOf(zscale, sortedFinite(raw));
  // Beyond 1e300, differences overflow: such values count as infinite.
  const values = raw.map((value) => (Math.abs(value) <= drawableSize ? transform(value) : NaN));
  const finite = sortedFinite(values);
  if (finite.length === 0) {
    const hint = zscale === 'linear' ? '' : ` under zscale '${zscale}'`;
    throw new RangeError(`there is nothing to draw: no value of this landscape is finite${hint}.`);
  }
  const [low, high] = clims === undefined ? [finite[0], finite[finite.length - 1]] : clims.map(transform);
  if (!Number.isFinite(low)) {
    throw new RangeError(`clims: must lie where zscale '${zscale}' is defined, got ${clims?.join(', ')}.`);
  }
  // A loss of 0 has the lowest color on a log scale; what is infinite or no number has none.
  for (let cell = 0; cell < values.length; cell++) {
    if (values[cell] === -Infinity && Number.isFinite(raw[cell])) values[cell] = Math.min(low, finite[0]);
    else if (!Number.isFinite(values[cell])) values[cell] = NaN;
  }
  // A landscape that is flat still has a range, of one color; below its rounding there is nothing to tell.
  const size = Math.max(Math.abs(low), Math.abs(high), 1e-270);
  const flat = !(high - low > 1e-10 * size);
  return {
    nx: data.x.length,
    ny: data.y.length,
    x: data.x,
    y: data.y,
    values,
    low,
    high: flat ? low + (size > 1e-270 ? 1e-3 * size : 1) : high,
    label: zscale === 'log1p' ? `log₁₀(1 + ${zlabel})` : zlabel,
    color: colorMap(color),
    transform,
    threshold,
  };
}

/** The loss, or the metric of this name. */
function columnOf(data: LandscapeData, metric: string | undefined): Float64Array {
  const column = metric === undefined ? data.z : data.metrics[metric];
  if (column !== undefined) return column;
  const names = Object.keys(data.metrics).join(', ') || 'none';
  throw new RangeError(`metric: there is no ${show(metric)} in this landscape; there are ${names}.`);
}

/** The transformed values that part the bands, ascending: those inside (low, high). */
export function levelsOf(field: Field, { levels, levelSpacing }: FilledLandscapeAttributes): number[] {
  const { low, high, values, transform } = field;
  if (typeof levels !== 'number') return levels.map(transform).filter(Number.isFinite);
  const inner = Array.from({ length: levels - 1 }, (_, k) => (k + 1) / levels);
  if (levelSpacing === 'uniform') return inner.map((t) => low + t * (high - low));
  const sorted = sortedFinite(values);
  const quantiles = inner.map((t) => quantileSorted(sorted, t));
  return quantiles.filter((level, k) => level > low && level < high && (k === 0 || level > quantiles[k - 1]));
}

/** Color of a transformed value. */
export function colorAt({ low, high, color }: Field, value: number): string {
  return color(Math.min(1, Math.max(0, (value - low) / (high - low))));
}

/** A scale of the field's values over `range`, px: of transformed values, with ticks in the user's units. */
export function valueAxis(
  { low, high, threshold }: Field,
  zscale: ValueScale,
  range: readonly [number, number],
  fontSize = 14,
): Axis {
  if (zscale === 'symlog') {
    const most = Math.max(3, Math.round(Math.abs(range[1] - range[0]) / (3 * fontSize)));
    return { ...axisOf('linear', [low, high], range), ticks: symlogTicks(low, high, threshold, most) };
  }
  if (zscale !== 'log') return axisOf('linear', [low, high], range, { fontSize });
  const { ticks, at } = axisOf('log', [10 ** low, 10 ** high], range, { fontSize });
  return {
    kind: 'linear',
    domain: [low, high],
    range,
    ticks: ticks.map(({ value, label }): Tick => ({ value: Math.log10(value), label })),
    at: (v) => at(10 ** v),
  };
}

/**
 * The values with missing ones replaced by the mean of their neighbors, layer by layer from the edge of a gap inwards,
 * so that contours run straight into a gap; a mark covers it afterwards.
 */
export function withoutGaps({ nx, ny, values }: Grid): Grid {
  const filled = Float64Array.from(values);
  let open = Array.from(filled.keys()).filter((cell) => Number.isNaN(filled[cell]));
  while (open.length > 0) {
    const means = open.map((cell) => neighborMean(filled, nx, ny, cell));
    const before = open;
    open = [];
    before.forEach((cell, k) => {
      filled[cell] = means[k];
      if (Number.isNaN(means[k])) open.push(cell);
    });
    if (open.length === before.length) break;
  }
  return { nx, ny, values: filled };
}

/** Mean of the neighbors that have a value; NaN if none has. */
function neighborMean(values: Float64Array, nx: number, ny: number, cell: number): number {
  const i = cell % nx;
  const j = Math.floor(cell / nx);
  let sum = 0;
  let count = 0;
  const add = (inGrid: boolean, neighbor: number) => {
    if (!inGrid || Number.isNaN(values[neighbor])) return;
    sum += values[neighbor];
    count++;
  };
  add(i > 0, cell - 1);
  add(i < nx - 1, cell + 1);
  add(j > 0, cell - nx);
  add(j < ny - 1, cell + nx);
  return count === 0 ? NaN : sum / count;
}
