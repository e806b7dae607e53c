import { boolean, checkOptions, either, oneOf, show, string, type Rules } from '../../core/options.ts';
import { axesOf, axisOf, clipped, domainOf, frameOf, gridLines, labelsWidth, pictureOf } from './axes.ts';
import { lineColour } from './colour.ts';
import { plotOf, type Plot, type PlotlyFigure, type VegaSpec } from './plot.ts';
import { plotlyAxis, plotlyLayout } from './plotly.ts';
import { axisScale, figureRules, limits, recipe, theme } from './recipe.ts';
import type { AxisScale, FigureAttributes } from './recipe.ts';
import { fiveNumbers, quantileSorted, sortedFinite, type FiveNumbers } from './statistics.ts';
import { el, escapeXml, textWidth } from './svg.ts';

/** One column of a box plot. */
export interface Sample {
  readonly name: string;
  readonly values: ArrayLike<number>;
  /** Any CSS colour. @defaultValue one of eight, by position */
  readonly color?: string;
}

/** What {@link boxplot} may be told. */
export interface BoxplotAttributes extends FigureAttributes {
  /** Divide everything by the median of the sample of this name: relative times. @defaultValue none */
  relativeTo?: string;
  /** @defaultValue `'linear'` */
  yscale?: AxisScale;
  /** @defaultValue from the data */
  ylims?: readonly [number, number] | 'data';
  /** Draw every value as a dot beside its box. @defaultValue `true` */
  points?: boolean;
}

type Attributes = Required<BoxplotAttributes>;

const rules: Rules<BoxplotAttributes> = {
  ...figureRules,
  relativeTo: string,
  yscale: axisScale,
  ylims: either(limits, oneOf('data')),
  points: boolean,
};

const defaults: Attributes = { ...theme, relativeTo: '', yscale: 'linear', ylims: 'data', points: true };

interface Column {
  readonly name: string;
  readonly color: string;
  readonly values: readonly number[];
  readonly five: FiveNumbers;
}

/**
 * A box for each sample: median, quartiles, whiskers at the last values within 1.5 interquartile ranges, and
 * every value as a dot. Values that are not finite are left out.
 *
 * @param samples - columns in order, or an object from names to values
 * @throws RangeError for unknown or bad attributes, and where `relativeTo` names no sample
 * @example
 * ```ts
 * boxplot({ Adam: [3.1, 2.9, 3.3], 'L-BFGS': [1.0, 1.1, 0.9] }, { relativeTo: 'L-BFGS', ylabel: 'relative time' });
 * ```
 */
export function boxplot(
  samples: readonly Sample[] | Readonly<Record<string, ArrayLike<number>>>,
  attributes: BoxplotAttributes = {},
): Plot {
  checkOptions('boxplot', attributes, rules);
  const list = sampleList(samples);
  const final = recipe(defaults, attributes);
  const unit = unitOf(list, final.relativeTo);
  const columns = list.map(({ name, values, color }, k): Column => {
    const scaled = Array.from(values, (value) => value / unit).filter(Number.isFinite);
    return { name, color: color ?? lineColour(k), values: scaled, five: fiveNumbers(scaled) };
  });
  return plotOf(final.title || 'Box plot', {
    toSVG: () => svg(columns, final),
    toPlotly: () => plotly(columns, final),
    toVega: () => vega(columns, final),
  });
}

function sampleList(
  samples: readonly Sample[] | Readonly<Record<string, ArrayLike<number>>>,
): readonly Sample[] {
  if (typeof samples !== 'object' || samples === null) {
    throw new TypeError(
      `boxplot: samples must be [{ name, values }] or { name: values }, got ${show(samples)}.`,
    );
  }
  const list = isList(samples)
    ? samples
    : Object.entries(samples).map(([name, values]) => ({ name, values }));
  if (list.length === 0) throw new RangeError('boxplot: samples must hold at least one sample, got none.');
  return list;
}

const isList = (samples: object): samples is readonly Sample[] => Array.isArray(samples);

function unitOf(samples: readonly Sample[], relativeTo: string): number {
  if (relativeTo === '') return 1;
  const reference = samples.find(({ name }) => name === relativeTo);
  if (reference === undefined) {
    const names = samples.map(({ name }) => show(name)).join(', ');
    throw new RangeError(`boxplot: relativeTo must name a sample, one of ${names}; got ${show(relativeTo)}.`);
  }
  return quantileSorted(sortedFinite(Array.from(reference.values)), 0.5);
}

/** How far names that are too long are turned. */
const turn = (35 / 180) * Math.PI;

function svg(columns: readonly Column[], attributes: Attributes): string {
  const { fontSize, yscale, ylims } = attributes;
  const domain =
    ylims === 'data'
      ? domainOf(
          columns.flatMap(({ values }) => values),
          yscale,
          0.06,
        )
      : ylims;
  const leftLabels = labelsWidth(yscale, domain, attributes);
  const wide = frameOf(attributes, leftLabels, 0);
  const longest = Math.max(...columns.map(({ name }) => textWidth(name, fontSize)));
  // Names that would run into each other are turned; the frame then ends higher, and starts further right.
  const turned = longest > ((wide.right - wide.left) / columns.length) * 0.94;
  const first = textWidth(columns[0].name, fontSize) * Math.cos(turn);
  const box = turned
    ? {
        ...wide,
        bottom: Math.round(wide.bottom - longest * Math.sin(turn) + 0.4 * fontSize),
        left: Math.max(wide.left, Math.round(first - (wide.right - wide.left) / (2 * columns.length))),
      }
    : wide;
  const slot = (box.right - box.left) / columns.length;
  const y = axisOf(yscale, domain, [box.bottom, box.top]);
  const boxes = columns.map((column, k) => {
    return boxOf(column, box.left + (k + 0.5) * slot, Math.min(64, slot * 0.5), y.at, attributes.points);
  });
  const names = columns.map(({ name }, k) => {
    const x = box.left + (k + 0.5) * slot;
    const place = turned
      ? {
          transform: `translate(${(x + 4).toFixed(1)} ${box.bottom + 8 + fontSize / 2}) rotate(-35)`,
          textAnchor: 'end',
        }
      : { x, y: box.bottom + 8 + fontSize, textAnchor: 'middle' };
    return el('text', { ...place, fill: '#222' }, escapeXml(name));
  });
  return pictureOf(
    attributes,
    gridLines(box, null, y),
    clipped(box, ...boxes),
    axesOf({ ...attributes, xlabel: '' }, box, null, y),
    ...names,
    xlabelOf(attributes, (box.left + box.right) / 2),
  );
}

function xlabelOf({ xlabel, fontSize, height }: Attributes, x: number): string {
  if (xlabel === '') return '';
  return el(
    'text',
    { x, y: height - 0.6 * fontSize, textAnchor: 'middle', fontSize: fontSize * 1.1, fill: '#222' },
    escapeXml(xlabel),
  );
}

function boxOf(
  { five, values, color }: Column,
  x: number,
  width: number,
  at: (value: number) => number,
  points: boolean,
): string {
  if (values.length === 0) return '';
  const half = width / 2;
  const row = (value: number) => at(value).toFixed(1);
  const whiskers = [
    `M${x},${row(five.low)}V${row(five.q1)}M${x},${row(five.q3)}V${row(five.high)}`,
    `M${x - half / 2},${row(five.low)}h${half}M${x - half / 2},${row(five.high)}h${half}`,
  ];
  const dots = points ? values : five.outliers;
  return el(
    'g',
    { stroke: color, strokeWidth: 1.5, fill: 'none' },
    el('path', { d: whiskers.join('') }),
    el('rect', {
      x: x - half,
      y: at(five.q3),
      width,
      height: Math.max(0.5, at(five.q1) - at(five.q3)),
      fill: color,
      fillOpacity: 0.2,
    }),
    el('path', { d: `M${x - half},${row(five.median)}h${width}`, strokeWidth: 3 }),
    ...dots.map((value, i) => {
      // Spread by the golden ratio: even, and the same in every drawing.
      const aside = points ? (((i * 0.618034) % 1) - 0.5) * width * 0.7 : 0;
      return el('circle', {
        cx: x + aside,
        cy: at(value),
        r: 2.4,
        fill: color,
        fillOpacity: 0.55,
        stroke: 'none',
      });
    }),
  );
}

function plotly(columns: readonly Column[], attributes: Attributes): PlotlyFigure {
  const data = columns.map(({ name, color, values }) => ({
    type: 'box',
    name,
    y: values,
    marker: { color, opacity: 0.6 },
    line: { color },
    boxpoints: attributes.points ? 'all' : 'outliers',
    pointpos: 0,
    jitter: 0.6,
    quartilemethod: 'linear',
  }));
  const layout = {
    ...plotlyLayout(attributes),
    showlegend: false,
    xaxis: { ...plotlyAxis(attributes.xlabel, 'linear', 'data'), type: 'category', tickangle: 'auto' },
    yaxis: plotlyAxis(attributes.ylabel, attributes.yscale, attributes.ylims),
  };
  return { data, layout };
}

function vega(
  columns: readonly Column[],
  { title, width, height, xlabel, ylabel, yscale, ylims }: Attributes,
): VegaSpec {
  const scale = {
    type: yscale,
    ...(yscale === 'linear' && { zero: false }),
    ...(ylims !== 'data' && { domain: ylims }),
  };
  const names = columns.map(({ name }) => name);
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title,
    width,
    height,
    data: { values: columns.flatMap(({ name, values }) => values.map((value) => ({ name, value }))) },
    mark: { type: 'boxplot', extent: 1.5 },
    encoding: {
      x: { field: 'name', type: 'nominal', sort: null, title: xlabel || null },
      y: { field: 'value', type: 'quantitative', title: ylabel, scale },
      color: {
        field: 'name',
        type: 'nominal',
        legend: null,
        scale: { domain: names, range: columns.map(({ color }) => color) },
      },
    },
  };
}
