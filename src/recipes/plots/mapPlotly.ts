import { lineColor } from './color.ts';
import { valueAxis, type Field, type FilledLandscapeAttributes } from './field.ts';
import { markerColor } from './overlay.ts';
import { plotlyAxis, plotlyLayout } from './plotly.ts';
import type { MapFigure } from './mapSvg.ts';
import type { PlotlyFigure } from './plot.ts';

/** The map as a plotly figure; its levels are evenly spaced, whatever those of the SVG are. */
export function mapPlotly({ kind, field, levels, attributes }: MapFigure): PlotlyFigure {
  const { x, y, low, high } = field;
  const step = (high - low) / (levels.length + 1);
  const contours = {
    start: low + step,
    end: high - step / 2,
    size: step,
    coloring: kind === 'contour' ? 'lines' : 'fill',
  };
  const main = {
    type: kind === 'heatmap' ? 'heatmap' : 'contour',
    x: Array.from(x),
    y: Array.from(y),
    z: rowsOf(field),
    ...plotlyColors(field, attributes),
    ...(kind !== 'heatmap' && {
      autocontour: false,
      contours,
      line: { smoothing: 0.7, width: kind === 'contour' ? 2 : 0.5 },
    }),
    name: attributes.zlabel,
    hovertemplate: 'x %{x:.4g}<br>y %{y:.4g}<br>%{z:.4g}<extra></extra>',
  };
  const center = {
    type: 'scatter',
    x: [0],
    y: [0],
    mode: 'markers',
    marker: { symbol: 'cross-thin', size: 12, line: { width: 2, color: '#111' } },
    showlegend: false,
    hoverinfo: 'skip',
  };
  const layout = {
    ...plotlyLayout(attributes),
    xaxis: { ...plotlyAxis(attributes.xlabel, 'linear', [x[0], x[x.length - 1]]), constrain: 'domain' },
    yaxis: plotlyAxis(attributes.ylabel, 'linear', [y[0], y[y.length - 1]]),
    legend: { orientation: 'h', y: 1.08 },
  };
  return { data: [main, ...pathTraces(field, attributes), ...(attributes.mark ? [center] : [])], layout };
}

/** Transformed values, row by row; null where there is none. */
export function rowsOf({ nx, ny, values }: Field): (number | null)[][] {
  return Array.from({ length: ny }, (_, j) =>
    Array.from(values.subarray(j * nx, (j + 1) * nx), (value) => (Number.isNaN(value) ? null : value)),
  );
}

/** Colors and color bar, in the user's units. */
export function plotlyColors(field: Field, attributes: FilledLandscapeAttributes): Record<string, unknown> {
  const { low, high, color, label } = field;
  return {
    zmin: low,
    zmax: high,
    // As pairs: plotly does not know every map by name.
    colorscale: Array.from({ length: 65 }, (_, k) => [k / 64, color(k / 64)]),
    showscale: attributes.colorbar,
    colorbar: { title: { text: label, side: 'right' }, ...plotlyTicks(field, attributes) },
  };
}

/** Ticks at transformed values, labeled in the user's units. */
export function plotlyTicks(field: Field, { zscale }: FilledLandscapeAttributes): Record<string, unknown> {
  const ticks = valueAxis(field, zscale, [0, 400]).ticks.filter(({ label }) => label !== null);
  return {
    tickvals: ticks.map(({ value }) => value),
    ticktext: ticks.map(({ label }) =>
      (label ?? '').replace(/<tspan[^>]*>/, '<sup>').replace('</tspan>', '</sup>'),
    ),
  };
}

function pathTraces(field: Field, { paths }: FilledLandscapeAttributes): Record<string, unknown>[] {
  return paths.map(({ name, path, color }, k) => ({
    type: 'scatter',
    mode: 'lines+markers',
    name,
    x: Array.from(path.x),
    y: Array.from(path.y),
    line: { color: color ?? lineColor(k), width: 2.4 },
    marker: {
      color: Array.from(path.loss, (loss) => markerColor(field, loss)),
      size: Array.from(path.inPlane, (share) => 4 + 5 * share),
      line: { color: color ?? lineColor(k), width: 1.2 },
    },
    customdata: Array.from(path.loss, (loss, t) => [loss, path.residual[t]]),
    hovertemplate:
      'true loss %{customdata[0]:.4g}<br>%{customdata[1]:.3g} off the plane<extra>%{fullData.name}</extra>',
  }));
}
