import { checkOptions, show } from '../../core/options.ts';
import { recipe, theme } from './attributes.ts';
import { reaches } from './landscapeAttributes.ts';
import { lineRules, type FilledLine, type LineAttributes } from './lineAttributes.ts';
import { lineColor, lineDash } from './color.ts';
import { linePlotly, lineVega } from './lineForms.ts';
import { lineSvg, type LineCurve } from './lineSvg.ts';
import { plotOf, type Plot } from './plot.ts';
import type { LandscapeData } from '../grid/data.ts';

/** A line with a name. */
export interface NamedLandscape {
  readonly name: string;
  readonly data: LandscapeData;
  /** Any CSS color. @defaultValue one of eight, by position */
  readonly color?: string | undefined;
  /** As the attribute of this name, for this landscape only, for example the loss on held-out data. */
  readonly metric?: string | undefined;
  /** As the attribute of this name, for this landscape only. */
  readonly right?: string | undefined;
}

/**
 * Draws the loss along a line: one or several one-dimensional landscapes, optionally with a second quantity
 * on an axis at the right.
 *
 * @throws RangeError for unknown or invalid attributes or metrics, or a landscape in two dimensions
 * @example
 * ```ts
 * line(landscape(loss, params, { dimensions: 1, directions: between(a, b) }), { yscale: 'log' }).toSVG();
 * line([{ name: 'training', data: onTraining }, { name: 'held-out', data: onHeldOut }], { right: 'accuracy' });
 * ```
 */
export function line(data: LandscapeData | readonly NamedLandscape[], attributes: LineAttributes = {}): Plot {
  checkOptions('line', attributes, lineRules);
  const list = isList(data) ? data : [{ name: '', data }];
  if (list.length === 0) throw new RangeError('line: needs at least one landscape, got none.');
  const curves = list.map((one, k) => curveOf(one, attributes, k));
  const { metric = '', right = list.find((one) => one.right !== undefined)?.right ?? '' } = attributes;
  const defaults: FilledLine = {
    ...theme,
    xlabel: list[0].data.plane.labels[0],
    ylabel: metric || 'loss',
    metric,
    right,
    rightlabel: right,
    yscale: 'linear',
    mark: true,
    legend: 'auto',
  };
  const final = recipe(defaults, attributes, list.some((one) => reaches(one.data.x)) ? {} : { mark: false });
  return plotOf(final.title || 'Loss along a line', {
    toSVG: () => lineSvg(curves, final),
    toPlotly: () => linePlotly(curves, final),
    toVega: () => lineVega(curves, final),
  });
}

const isList = (data: object): data is readonly NamedLandscape[] => Array.isArray(data);

function curveOf(
  { name, data, color, ...own }: NamedLandscape,
  { metric, right }: LineAttributes,
  k: number,
): LineCurve {
  if (typeof data !== 'object' || data === null || !('plane' in data)) {
    throw new TypeError(
      `line: data must be a landscape, such as landscape(problem, { dimensions: 1 }), or an array of { name, data }; got ${show(data)}.`,
    );
  }
  if (data.y.length > 1) {
    throw new RangeError(
      'line: this landscape has two dimensions; draw it with contourf(data) or surface(data).',
    );
  }
  const second = own.right ?? right;
  return {
    name,
    color: color ?? lineColor(k),
    dash: lineDash(k),
    x: data.x,
    y: columnOf('metric', data, own.metric ?? metric),
    right: second === undefined ? undefined : columnOf('right', data, second),
  };
}

function columnOf(option: string, { z, metrics }: LandscapeData, metric = ''): Float64Array {
  const column = metric === '' ? z : metrics[metric];
  if (column !== undefined) return column;
  const names = Object.keys(metrics).join(', ') || 'none';
  throw new RangeError(
    `line: ${option}: there is no metric ${show(metric)} in this landscape; there are ${names}.`,
  );
}
