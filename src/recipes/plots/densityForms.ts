import { vegaDash } from './color.ts';
import { densityRange, hasLegend, mostStrokes, placesRange, type DensityCurve } from './densitySvg.ts';
import { faded } from './ink.ts';
import { finiteOrNull, formatOf, plotlyAxis, plotlyLayout, type PlotlyFigure } from './plotly.ts';
import { evenlyTaken } from '../grid/statistics.ts';
import { attributesLess, hoveredLess, less, pageOffsets } from './pageOffsets.ts';
import { partsOf } from './traces.ts';
import type { FilledDensity } from './densityAttributes.ts';
import type { VegaSpec } from './plot.ts';

/** Returns the densities and their attributes less the offset of x; densities begin at 0. */
function lessOffsets(given: readonly DensityCurve[], attributes: FilledDensity) {
  const offsets = pageOffsets(placesRange(given, attributes), null);
  const curves = given.map((curve) => ({
    ...curve,
    x: less(curve.x, offsets.x),
    values: Array.from(less(curve.values, offsets.x)),
  }));
  return { curves, offsets, attributes: attributesLess(attributes, offsets) };
}

/** Returns the densities as a plotly figure. */
export function densityPlotly(given: readonly DensityCurve[], final: FilledDensity): PlotlyFigure {
  const { curves, offsets, attributes } = lessOffsets(given, final);
  const { xscale, yscale, fill, points } = attributes;
  const range = densityRange(curves, attributes);
  const named = offsets.x === null ? '' : `${attributes.xlabel}: `;
  const data = curves.flatMap(({ name, color, dash, x, y, values }) => [
    {
      type: 'scatter',
      mode: 'lines',
      name,
      legendgroup: name,
      x: finiteOrNull(x),
      y: finiteOrNull(y),
      line: { color, width: 2.4, dash: dash.plotly },
      ...(fill && { fill: 'tozeroy', fillcolor: faded(color, 0.16) }),
    },
    ...(points && values.length > 0
      ? [
          {
            type: 'scatter',
            mode: 'markers',
            name,
            legendgroup: name,
            showlegend: false,
            x: evenlyTaken(values, mostStrokes),
            y: evenlyTaken(values, mostStrokes).map(() => range[0]),
            marker: { symbol: 'line-ns-open', size: 10, color },
            hovertemplate: `${named}%{x:${formatOf(values)}}<extra>%{fullData.name}</extra>`,
          },
        ]
      : []),
  ]);
  const layout = {
    ...plotlyLayout(attributes),
    showlegend: hasLegend(curves, attributes),
    xaxis: plotlyAxis(attributes.xlabel, xscale, placesRange(curves, attributes)),
    yaxis: plotlyAxis(attributes.ylabel, yscale, range),
  };
  return { data: hoveredLess(data, attributes, offsets), layout };
}

/** Returns the densities as a Vega-Lite specification. */
export function densityVega(given: readonly DensityCurve[], final: FilledDensity): VegaSpec {
  const { curves, attributes } = lessOffsets(given, final);
  const { title, width, height, xscale, yscale, fill, points } = attributes;
  const range = densityRange(curves, attributes);
  const rows = curves.flatMap(({ name, x, y }) =>
    partsOf(x, y, { x: xscale, y: yscale }).map(({ i, part }) => ({
      name,
      part,
      x: x[i],
      y: y[i],
      low: range[0],
    })),
  );
  const channels = channelsOf(curves, attributes, range);
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title,
    width,
    height,
    data: { values: rows },
    layer: [
      ...(fill ? [areaLayer(channels)] : []),
      lineLayer(channels, curves),
      ...(points ? [strokeLayer(channels, curves, height)] : []),
    ],
  };
}

/** Encodings that layers share. */
interface Channels {
  readonly x: object;
  readonly y: object;
  readonly color: object;
}

function channelsOf(
  curves: readonly DensityCurve[],
  attributes: FilledDensity,
  range: readonly [number, number],
): Channels {
  const { xlabel, ylabel, xscale, yscale } = attributes;
  return {
    x: {
      field: 'x',
      type: 'quantitative',
      title: xlabel || null,
      scale: { type: xscale, domain: placesRange(curves, attributes) },
    },
    y: { field: 'y', type: 'quantitative', title: ylabel, scale: { type: yscale, domain: range } },
    color: {
      field: 'name',
      type: 'nominal',
      title: null,
      sort: null,
      scale: { domain: namesOf(curves), range: curves.map((curve) => curve.color) },
      ...(!hasLegend(curves, attributes) && { legend: null }),
    },
  };
}

const namesOf = (curves: readonly DensityCurve[]) => curves.map(({ name }) => name);

/** Gaps break a curve into parts. */
const detail = { field: 'part' };

const areaLayer = ({ x, y, color }: Channels): object => ({
  mark: { type: 'area', opacity: 0.16, clip: true },
  encoding: { x, y, y2: { field: 'low' }, color, detail },
});

const lineLayer = ({ x, y, color }: Channels, curves: readonly DensityCurve[]): object => ({
  mark: { type: 'line', strokeWidth: 2.4, clip: true },
  encoding: { x, y, color, strokeDash: vegaDash(namesOf(curves)), detail },
});

/** Returns a layer with a stroke for each value, at the bottom of the figure. */
const strokeLayer = ({ x, color }: Channels, curves: readonly DensityCurve[], height: number): object => ({
  data: {
    values: curves.flatMap(({ name, values }) =>
      evenlyTaken(values, mostStrokes).map((place) => ({ name, x: place })),
    ),
  },
  mark: { type: 'tick', orient: 'vertical', size: 9, opacity: 0.6, clip: true },
  encoding: { x, y: { value: height - 4.5 }, color },
});
