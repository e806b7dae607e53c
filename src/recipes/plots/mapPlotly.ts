import { bisectRight } from 'd3-array';
import { lineColor } from './color.ts';
import { shapeOf } from './mapAttributes.ts';
import { bandValue, barTitle } from './colorbar.ts';
import { colorAt, valueAxis, valueName, type Field } from './field.ts';
import { mapLess } from './mapLess.ts';
import type { FilledLandscapeAttributes } from './landscapeAttributes.ts';
import { markerColor } from './overlay.ts';
import {
  finiteOrNull,
  formatOf,
  hoveredPlace,
  hoveredPoint,
  pathMeta,
  plotlyAxis,
  plotlyLayout,
  type PlotlyFigure,
} from './plotly.ts';
import { domainsOf, type MapFigure } from './mapSvg.ts';
import type { Grid } from './upsample.ts';

/** Returns the map as a plotly figure, with the levels and colors of the SVG. */
export function mapPlotly(given: MapFigure): PlotlyFigure {
  const { figure, offsets } = mapLess(given);
  const { kind, field, attributes } = figure;
  const [xrange, yrange] = domainsOf(field, kind);
  const main = {
    type: kind === 'heatmap' ? 'heatmap' : 'contour',
    x: Array.from(field.x),
    y: Array.from(field.y),
    ...(kind === 'heatmap'
      ? { z: rowsOf(field), ...plotlyColors(field, attributes) }
      : contourTrace(figure, kind)),
    customdata: rowsOf({ ...field, values: field.raw }),
    name: attributes.zlabel,
    hovertemplate: `${hoveredPlace(given.field, offsets)}%{fullData.name} %{customdata:${formatOf(field.raw)}}<extra></extra>`,
  };
  const equal =
    shapeOf(field, attributes, [attributes.width, attributes.height], kind === 'heatmap') !== null;
  const layout = {
    ...plotlyLayout(attributes),
    xaxis: { ...plotlyAxis(attributes.xlabel, 'linear', xrange), constrain: 'domain' },
    yaxis: {
      ...plotlyAxis(attributes.ylabel, 'linear', yrange),
      ...(equal && { scaleanchor: 'x', constrain: 'domain' }),
    },
    legend: { orientation: 'h', y: 1.08 },
  };
  return {
    data: [
      main,
      ...labelTraces(figure),
      ...pathTraces(field, attributes),
      ...(attributes.mark ? [center] : []),
    ],
    layout,
  };
}

/** Marks the center of the landscape. */
const center: Record<string, unknown> = {
  type: 'scatter',
  x: [0],
  y: [0],
  mode: 'markers',
  marker: { symbol: 'cross-thin', size: 12, line: { width: 2, color: '#111' } },
  showlegend: false,
  hoverinfo: 'skip',
};

/**
 * Returns contours in units of levels: the k-th level is drawn at k. plotly requires equal steps, and this makes the
 * steps of any levels equal.
 */
function contourTrace({ field, levels, attributes }: MapFigure, kind: 'contourf' | 'contour') {
  const { low, high, nx, ny, values } = field;
  const inner = levels.filter((level) => level > low && level < high);
  const edges = [low, ...inner, high];
  const bands = edges.length - 1;
  const index = (value: number) => {
    const k = Math.min(bands - 1, Math.max(0, bisectRight(edges, value) - 1));
    return Math.min(bands, Math.max(0, k + (value - edges[k]) / (edges[k + 1] - edges[k])));
  };
  // plotly spreads the colors over the bands or lines: the first has the first color, the last the last.
  const colors =
    kind === 'contour'
      ? inner.map((level) => colorAt(field, level))
      : Array.from({ length: bands }, (_, k) => colorAt(field, bandValue(edges, k)));
  const stops =
    colors.length > 1 ? colors : [colors[0] ?? colorAt(field, low), colors[0] ?? colorAt(field, low)];
  const { tickvals, ticktext } = plotlyTicks(field, attributes);
  return {
    z: rowsOf({ nx, ny, values: values.map(index) }),
    zmin: 0,
    zmax: bands,
    colorscale: stops.map((color, k) => [k / (stops.length - 1), color]),
    showscale: attributes.colorbar,
    colorbar: {
      title: { text: barTitle(valueName(field, attributes.zscale), field), side: 'right' },
      tickvals: tickvals.map(index),
      ticktext,
    },
    autocontour: false,
    contours: {
      start: 1,
      end: Math.max(1, bands - 1),
      size: 1,
      coloring: kind === 'contour' ? 'lines' : 'fill',
    },
    line: { smoothing: 0.7, width: kind === 'contour' ? 2 : 0.5 },
  };
}

/** Returns transformed values as rows, with null for missing ones. */
export function rowsOf({ nx, ny, values }: Grid): (number | null)[][] {
  return Array.from({ length: ny }, (_, j) =>
    Array.from(values.subarray(j * nx, (j + 1) * nx), (value) => (Number.isFinite(value) ? value : null)),
  );
}

/** Colors of a trace. */
interface PlotlyColors {
  readonly zmin: number;
  readonly zmax: number;
  readonly colorscale: readonly (readonly [number, string])[];
  readonly showscale: boolean;
  readonly colorbar: Readonly<Record<string, unknown>>;
}

/** Returns colors and color bar, labeled in the user's units. */
export function plotlyColors(field: Field, attributes: FilledLandscapeAttributes): PlotlyColors {
  const { low, high, color } = field;
  return {
    zmin: low,
    zmax: high,
    // As pairs, because plotly does not know every map by name.
    colorscale: Array.from({ length: 65 }, (_, k) => [k / 64, color(k / 64)] as const),
    showscale: attributes.colorbar,
    colorbar: {
      title: { text: barTitle(valueName(field, attributes.zscale), field), side: 'right' },
      ...plotlyTicks(field, attributes),
    },
  };
}

/** Returns ticks at transformed values, labeled in the user's units. */
export function plotlyTicks(
  field: Field,
  { zscale }: FilledLandscapeAttributes,
): { tickvals: number[]; ticktext: string[] } {
  const ticks = valueAxis(field, zscale, [0, 400]).ticks.filter(({ label }) => label !== null);
  return {
    tickvals: ticks.map(({ value }) => value),
    ticktext: ticks.map(({ label }) => raisedForPlotly(label ?? '')),
  };
}

/** Returns the labels of the contours, at the places of the SVG but horizontal. */
function labelTraces({ field: { x, y }, attributes, labelsIn }: MapFigure): Record<string, unknown>[] {
  const { width, height, fontSize } = attributes;
  const labels = labelsIn({ left: 0, top: 0, right: width, bottom: height }, fontSize);
  if (labels.length === 0) return [];
  const across = (u: number) => x[0] + (u / width) * (x[x.length - 1] - x[0]);
  const up = (v: number) => y[y.length - 1] - (v / height) * (y[y.length - 1] - y[0]);
  return [
    {
      type: 'scatter',
      mode: 'text',
      x: labels.map((label) => across(label.x)),
      y: labels.map((label) => up(label.y)),
      text: labels.map(({ text }) => raisedForPlotly(text)),
      textfont: { size: 0.85 * fontSize, color: '#111' },
      hoverinfo: 'skip',
      showlegend: false,
    },
  ];
}

/** Returns a tick label with a raised exponent, in plotly's markup. */
const raisedForPlotly = (label: string): string =>
  label.replace(/<tspan[^>]*>/, '<sup>').replace('</tspan>', '</sup>');

function pathTraces(field: Field, { paths }: FilledLandscapeAttributes): Record<string, unknown>[] {
  return paths.map(({ name, path, color }, k) => ({
    type: 'scatter',
    mode: 'lines+markers',
    name,
    meta: pathMeta,
    x: finiteOrNull(path.x),
    y: finiteOrNull(path.y),
    line: { color: color ?? lineColor(k), width: 2.4 },
    marker: {
      color: Array.from(path.loss, (loss) => markerColor(field, loss)),
      size: Array.from(path.inPlane, (share) => 4 + 5 * share),
      line: { color: color ?? lineColor(k), width: 1.2 },
    },
    customdata: Array.from(path.loss, (loss, t) => finiteOrNull([loss, path.residual[t]])),
    hovertemplate: hoveredPoint(path.loss),
  }));
}
