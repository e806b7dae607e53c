import { boolean, oneOf, show, string, type Rules, checkOptions } from '../../core/options.ts';
import { axisOf, domainOf } from './axes.ts';
import { axesOf, clipped, fitted, frameOf, gridLines, labelsWidth, pictureOf } from './frame.ts';
import { lineColor, lineDash, vegaDash } from './color.ts';
import { inkOn } from './ink.ts';
import { legendOf, legendWidth } from './legend.ts';
import { plotOf, type Plot } from './plot.ts';
import { finiteOrNull, plotlyAxis, plotlyLayout } from './plotly.ts';
import {
  axisScale,
  figureRules,
  recipe,
  theme,
  type AxisScale,
  type FigureAttributes,
} from './attributes.ts';
import { el, polyline } from './svg.ts';
import { partsOf } from './traces.ts';
import type { LandscapeData } from '../data.ts';

/** Attributes of {@link line}. */
export interface LineAttributes extends FigureAttributes {
  /** Draw this metric instead of the loss. @defaultValue the loss */
  metric?: string;
  /** @defaultValue `'linear'` */
  yscale?: AxisScale;
  /** Mark where the parameters are. @defaultValue `true` */
  mark?: boolean;
  /** @defaultValue `true` where there are several lines */
  legend?: boolean | 'auto';
}

type Attributes = Required<LineAttributes>;

const rules: Rules<LineAttributes> = {
  ...figureRules,
  metric: string,
  yscale: axisScale,
  mark: boolean,
  legend: {
    allowed: "true, false or 'auto'",
    accepts: (v) => boolean.accepts(v) || oneOf('auto').accepts(v),
  },
};

/** A line with a name. */
export interface NamedLandscape {
  readonly name: string;
  readonly data: LandscapeData;
  /** Any CSS color. @defaultValue one of eight, by position */
  readonly color?: string;
}

interface Curve {
  readonly name: string;
  readonly color: string;
  readonly x: Float64Array;
  readonly y: Float64Array;
}

/**
 * The loss along a line: landscapes in one dimension, one or several.
 *
 * @throws RangeError for unknown or bad attributes, and for a landscape in two dimensions
 * @example
 * ```ts
 * line(landscape(loss, params, { dimensions: 1, directions: between(a, b) }), { yscale: 'log' }).toSVG();
 * ```
 */
export function line(data: LandscapeData | readonly NamedLandscape[], attributes: LineAttributes = {}): Plot {
  checkOptions('line', attributes, rules);
  const list = isList(data) ? data : [{ name: '', data }];
  if (list.length === 0) throw new RangeError('line: needs at least one landscape, got none.');
  const { metric = '' } = attributes;
  const curves = list.map((one, k): Curve => curveOf(one, metric, k));
  const xlabel = list[0].data.plane.labels[0];
  const defaults: Attributes = {
    ...theme,
    xlabel,
    ylabel: metric || 'loss',
    metric,
    yscale: 'linear',
    mark: true,
    legend: 'auto',
  };
  const final = recipe(defaults, attributes);
  return plotOf(final.title || 'Loss along a line', {
    toSVG: () => svg(curves, final),
    toPlotly: () => ({
      data: curves.map(({ name, color, x, y }, k) => ({
        type: 'scatter',
        mode: 'lines',
        name,
        x: finiteOrNull(x),
        y: finiteOrNull(y),
        line: { color, width: 2.4, dash: lineDash(k).plotly },
      })),
      layout: {
        ...plotlyLayout(final),
        showlegend: hasLegend(curves, final),
        xaxis: plotlyAxis(final.xlabel, 'linear', 'data'),
        yaxis: plotlyAxis(final.ylabel, final.yscale, 'data'),
      },
    }),
    toVega: () => ({
      $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
      title: final.title,
      width: final.width,
      height: final.height,
      data: {
        values: curves.flatMap(({ name, x, y }) =>
          partsOf(x, y, { x: 'linear', y: final.yscale }).map(({ i, part }) => ({
            name,
            part,
            x: x[i],
            y: y[i],
          })),
        ),
      },
      mark: { type: 'line', strokeWidth: 2.4 },
      encoding: {
        x: { field: 'x', type: 'quantitative', title: final.xlabel },
        y: {
          field: 'y',
          type: 'quantitative',
          title: final.ylabel,
          scale: { type: final.yscale, ...(final.yscale === 'linear' && { zero: false }) },
        },
        color: {
          field: 'name',
          type: 'nominal',
          sort: null,
          title: null,
          scale: { range: curves.map(({ color }) => color) },
          ...(!hasLegend(curves, final) && { legend: null }),
        },
        strokeDash: vegaDash(curves.map(({ name }) => name)),
        detail: { field: 'part' },
      },
    }),
  });
}

const isList = (data: object): data is readonly NamedLandscape[] => Array.isArray(data);

const hasLegend = (curves: readonly Curve[], { legend }: Attributes) =>
  legend === 'auto' ? curves.length > 1 : legend;

function curveOf({ name, data, color }: NamedLandscape, metric: string, k: number): Curve {
  if (typeof data !== 'object' || data === null || !('plane' in data)) {
    throw new TypeError(
      `line: needs a landscape, such as landscape(problem, { dimensions: 1 }) gives, or an array of { name, data }; got ${show(data)}.`,
    );
  }
  if (data.y.length > 1) {
    throw new RangeError(
      'line: this landscape has two dimensions; draw it with contourf(data) or surface(data).',
    );
  }
  const y = metric === '' ? data.z : data.metrics[metric];
  if (y === undefined) throw new RangeError(`line: there is no metric ${show(metric)} in this landscape.`);
  return { name, color: color ?? lineColor(k), x: data.x, y };
}

function svg(curves: readonly Curve[], given: Attributes): string {
  const attributes = fitted(given);
  const { yscale, fontSize } = attributes;
  const yDomain = domainOf(
    curves.flatMap(({ y }) => Array.from(y)),
    yscale,
  );
  const xDomain = domainOf(
    curves.flatMap(({ x }) => Array.from(x)),
    'linear',
    0,
  );
  const entries = hasLegend(curves, attributes)
    ? curves.map(({ name, color }, k) => ({ name, color, dash: lineDash(k).svg }))
    : [];
  const box = frameOf(attributes, labelsWidth(yscale, yDomain, attributes), legendWidth(entries, attributes));
  const x = axisOf('linear', xDomain, [box.left, box.right], { fontSize, horizontal: true });
  const y = axisOf(yscale, yDomain, [box.bottom, box.top], { fontSize });
  const lines = curves.map((curve, k) => {
    const d = polyline(Array.from(curve.x, x.at), Array.from(curve.y, y.at));
    const stroke = { stroke: curve.color, strokeWidth: 2.4, strokeDasharray: lineDash(k).svg };
    return el('path', { d, fill: 'none', strokeLinejoin: 'round', strokeLinecap: 'round', ...stroke });
  });
  const zero = x.at(0).toFixed(1);
  const center = el('path', {
    d: `M${zero},${box.top}V${box.bottom}`,
    stroke: inkOn(attributes.background).frame,
    strokeDasharray: '4 4',
  });
  return pictureOf(
    attributes,
    gridLines(attributes, box, x, y),
    clipped(box, attributes.mark ? center : '', ...lines),
    axesOf(attributes, box, x, y),
    legendOf(entries, box, attributes),
  );
}
