import { rightDash, vegaDash } from './color.ts';
import { domainsOf, hasLegend, hasRight, type LineCurve } from './lineSvg.ts';
import { nameLess, offsetOf } from './offset.ts';
import { attributesLess, hoveredLess, less, pageOffsets } from './pageOffsets.ts';
import { finiteOrNull, plotlyAxis, plotlyLayout, type PlotlyFigure } from './plotly.ts';
import { partsOf } from './traces.ts';
import type { FilledLine } from './lineAttributes.ts';
import type { VegaSpec } from './plot.ts';

/** Returns the name of a line that shows one of two quantities. */
const nameOf = (name: string, quantity: string) => (name === '' ? quantity : `${name}: ${quantity}`);

/** Returns the lines and their attributes less the offsets of the axes. */
function lessOffsets(given: readonly LineCurve[], attributes: FilledLine) {
  const domains = domainsOf(given, attributes);
  const offsets = pageOffsets(domains.x, domains.y);
  const beside = domains.right ? offsetOf(domains.right) : null;
  const curves = given.map((curve) => ({
    ...curve,
    x: less(curve.x, offsets.x),
    y: less(curve.y, offsets.y),
    right: curve.right && less(curve.right, beside),
  }));
  const rightlabel = nameLess(attributes.rightlabel, beside);
  return { curves, offsets, beside, attributes: { ...attributesLess(attributes, offsets), rightlabel } };
}

/** Returns the lines as a plotly figure. */
export function linePlotly(given: readonly LineCurve[], final: FilledLine): PlotlyFigure {
  const { curves, offsets, beside, attributes } = lessOffsets(given, final);
  const { ylabel, rightlabel } = attributes;
  const two = hasRight(curves);
  const shared = { type: 'scatter', mode: 'lines' };
  const data = curves.flatMap(({ name, color, dash, x, y, right }) => [
    {
      ...shared,
      name: two ? nameOf(name, ylabel) : name,
      x: finiteOrNull(x),
      y: finiteOrNull(y),
      line: { color, width: 2.4, dash: dash.plotly },
    },
    ...(right === undefined
      ? []
      : [
          {
            ...shared,
            name: nameOf(name, rightlabel),
            x: finiteOrNull(x),
            y: finiteOrNull(right),
            yaxis: 'y2',
            line: { color, width: 2.4, dash: rightDash.plotly },
          },
        ]),
  ]);
  const layout = {
    ...plotlyLayout(attributes),
    showlegend: hasLegend(curves, attributes),
    xaxis: plotlyAxis(attributes.xlabel, 'linear', 'data'),
    yaxis: plotlyAxis(ylabel, attributes.yscale, 'data'),
    ...(two && {
      yaxis2: {
        ...plotlyAxis(rightlabel, 'linear', 'data'),
        overlaying: 'y',
        side: 'right',
        showgrid: false,
      },
      // To the right of the second axis, not on it.
      legend: { x: 1.15 },
    }),
  };
  const right = { name: rightlabel, offset: beside };
  return { data: hoveredLess(data, attributes, offsets, right), layout };
}

const scaleOf = (type: FilledLine['yscale']) => ({ type, ...(type === 'linear' && { zero: false }) });

/** Returns the lines as a Vega-Lite specification. */
export function lineVega(given: readonly LineCurve[], final: FilledLine): VegaSpec {
  const { curves, attributes } = lessOffsets(given, final);
  const { title, width, height, xlabel, ylabel, rightlabel, yscale } = attributes;
  const names = curves.map(({ name }) => name);
  const x = { field: 'x', type: 'quantitative', title: xlabel };
  const color = {
    field: 'name',
    type: 'nominal',
    sort: null,
    title: null,
    scale: { domain: names, range: curves.map((curve) => curve.color) },
    ...(!hasLegend(curves, attributes) && { legend: null }),
  };
  const rowsOf = (of: 'y' | 'right', scale: FilledLine['yscale']) =>
    curves.flatMap((curve) => {
      const values = curve[of] ?? new Float64Array(0);
      return partsOf(curve.x.subarray(0, values.length), values, { x: 'linear', y: scale }).map(
        ({ i, part }) => ({
          name: curve.name,
          part,
          x: curve.x[i],
          y: values[i],
        }),
      );
    });
  const detail = { field: 'part' };
  const left = {
    data: { values: rowsOf('y', yscale) },
    mark: { type: 'line', strokeWidth: 2.4 },
    encoding: {
      x,
      y: { field: 'y', type: 'quantitative', title: ylabel, scale: scaleOf(yscale) },
      color,
      strokeDash: vegaDash(names),
      detail,
    },
  };
  const right = {
    data: { values: rowsOf('right', 'linear') },
    mark: { type: 'line', strokeWidth: 2.4, strokeDash: rightDash.svg.split(' ').map(Number) },
    encoding: {
      x,
      y: {
        field: 'y',
        type: 'quantitative',
        title: rightlabel,
        scale: scaleOf('linear'),
        axis: { orient: 'right' },
      },
      color,
      detail,
    },
  };
  const head = { $schema: 'https://vega.github.io/schema/vega-lite/v5.json', title, width, height };
  if (!hasRight(curves)) return { ...head, ...left };
  return { ...head, layer: [left, right], resolve: { scale: { y: 'independent' } } };
}
