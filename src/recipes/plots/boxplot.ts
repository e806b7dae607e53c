import { checkOptions, show, type Filled } from '../../core/options.ts';
import { boxplotSvg, domainAcross, type Column } from './boxplotSvg.ts';
import { lineColor } from './color.ts';
import { plotOf, type Plot, type VegaSpec } from './plot.ts';
import { attributesLess, hoveredLess, less, pageOffsets } from './pageOffsets.ts';
import { plotlyAxis, plotlyLayout, type PlotlyFigure } from './plotly.ts';
import { recipe } from './attributes.ts';
import { boxplotDefaults, boxplotRules, type BoxplotAttributes } from './boxplotAttributes.ts';
import { referencesPlotly, referencesVega, type Reference } from './reference.ts';
import { fiveNumbers, quantileSorted, sortedFinite } from '../grid/statistics.ts';
import { samplesOf, nameWithCount, type Sample, type Samples } from './samples.ts';

/**
 * Draws a box for each sample: median, quartiles, whiskers at the last values within 1.5 interquartile
 * ranges, and every value as a dot. Non-finite values are left out, and their number is shown beside the
 * name.
 *
 * @param samples - columns in order, or an object from names to values
 * @throws RangeError for unknown or invalid attributes, or if `relativeTo` names no sample
 * @throws TypeError if a sample has no values
 * @example
 * ```ts
 * boxplot({ Adam: [3.1, 2.9, 3.3], 'L-BFGS': [1.0, 1.1, 0.9] }, { relativeTo: 'L-BFGS', ylabel: 'relative time' });
 * ```
 */
export function boxplot(samples: Samples, attributes: BoxplotAttributes = {}): Plot {
  checkOptions('boxplot', attributes, boxplotRules);
  const list = samplesOf('boxplot', samples);
  const final = recipe(boxplotDefaults, attributes);
  const unit = unitOf(list, final.relativeTo);
  const columns = list.map(({ name, values, color, reference }, k): Column => {
    const scaled = sortedFinite(Array.from(values, (value) => value / unit));
    return {
      name: nameWithCount(name, scaled.length, values.length, 'finite'),
      color: color ?? lineColor(k),
      values: scaled,
      five: fiveNumbers(scaled),
      reference,
    };
  });
  return plotOf(final.title || 'Box plot', {
    toSVG: () => boxplotSvg(columns, final),
    toPlotly: () => plotly(columns, final),
    toVega: () => vega(columns, final),
  });
}

function unitOf(samples: readonly Sample[], relativeTo: string): number {
  if (relativeTo === '') return 1;
  const reference = samples.find(({ name }) => name === relativeTo);
  if (reference === undefined) {
    const names = samples.map(({ name }) => show(name)).join(', ');
    throw new RangeError(`boxplot: relativeTo must name a sample, one of ${names}; got ${show(relativeTo)}.`);
  }
  return quantileSorted(sortedFinite(Array.from(reference.values)), 0.5);
}

const referencesOf = (columns: readonly Column[]): Reference[] =>
  columns.flatMap(({ name, color, reference }) =>
    reference === undefined ? [] : [{ x: name, y: reference, color }],
  );

/** Returns the columns and their attributes less the offset of the values. */
function lessOffset(given: readonly Column[], attributes: Filled<BoxplotAttributes>) {
  const offsets = pageOffsets(null, domainAcross(given, attributes));
  const columns = given.map((column): Column => {
    const values = Array.from(less(column.values, offsets.y));
    const { reference } = column;
    return {
      ...column,
      values,
      five: fiveNumbers(values),
      reference: reference === undefined ? undefined : less([reference], offsets.y)[0],
    };
  });
  return { columns, offsets, attributes: attributesLess(attributes, offsets) };
}

function plotly(given: readonly Column[], final: Filled<BoxplotAttributes>): PlotlyFigure {
  const { columns, offsets, attributes } = lessOffset(given, final);
  // The statistics are passed, because plotly computes quartiles by another rule.
  const data = columns.map(({ name, color, values, five }) => ({
    type: 'box',
    name,
    x: [name],
    y: [attributes.points ? values : five.outliers],
    q1: [five.q1],
    median: [five.median],
    q3: [five.q3],
    lowerfence: [five.low],
    upperfence: [five.high],
    marker: { color, opacity: 0.6 },
    line: { color },
    boxpoints: attributes.points ? 'all' : 'outliers',
    pointpos: 0,
    jitter: 0.6,
  }));
  const layout = {
    ...plotlyLayout(attributes),
    showlegend: false,
    xaxis: { ...plotlyAxis(attributes.xlabel, 'linear', 'data'), type: 'category', tickangle: 'auto' },
    yaxis: plotlyAxis(attributes.ylabel, attributes.yscale, attributes.ylims),
  };
  const marks = referencesPlotly(referencesOf(columns), attributes.reference);
  return { data: hoveredLess([...data, ...marks], attributes, offsets), layout };
}

function vega(given: readonly Column[], final: Filled<BoxplotAttributes>): VegaSpec {
  const { columns, attributes } = lessOffset(given, final);
  const { title, width, height, xlabel, ylabel, yscale, ylims, reference } = attributes;
  const scale = {
    type: yscale,
    ...(yscale === 'linear' && { zero: false }),
    ...(ylims !== 'data' && { domain: ylims }),
  };
  const names = columns.map(({ name }) => name);
  const x = { field: 'name', type: 'nominal', sort: null, title: xlabel || null };
  const y = { field: 'value', type: 'quantitative', title: ylabel, scale };
  const color = {
    field: 'name',
    type: 'nominal',
    legend: null,
    scale: { domain: names, range: columns.map((column) => column.color) },
  };
  const boxes = { mark: { type: 'boxplot', extent: 1.5 }, encoding: { x, y, color } };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title,
    width,
    height,
    data: { values: columns.flatMap(({ name, values }) => values.map((value) => ({ name, value }))) },
    layer: [boxes, ...referencesVega(referencesOf(columns), reference, { x, y })],
  };
}
