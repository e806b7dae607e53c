import { lineColor } from './color.ts';
import { transformedName, valueName, type Field } from './field.ts';
import type { FilledLandscapeAttributes } from './landscapeAttributes.ts';
import { plotlyColors, plotlyTicks, rowsOf } from './mapPlotly.ts';
import { markerColor } from './overlay.ts';
import { acrossAxis, heightOver } from './surfaceGrid.ts';
import {
  finiteOrNull,
  formatOf,
  hoveredPlace,
  hoveredPoint,
  pathMeta,
  plotlyLayout,
  type PlotlyFigure,
} from './plotly.ts';
import type { View } from './projection.ts';

/** Returns the surface as a plotly figure; paths lie slightly above it. */
export function surfacePlotly(field: Field, attributes: FilledLandscapeAttributes, view: View): PlotlyFigure {
  const { zmin, zmax, ...colors } = plotlyColors(field, attributes);
  const main = {
    type: 'surface',
    x: Array.from(field.x),
    y: Array.from(field.y),
    z: rowsOf(field),
    cmin: zmin,
    cmax: zmax,
    ...colors,
    contours: { z: { show: true, usecolormap: true, project: { z: true }, width: 1 } },
    // Customdata of a surface are not read by rows as those of a map are: values are shown as heights.
    name: transformedName(field, attributes.zscale),
    hovertemplate: `${hoveredPlace(field.x, field.y)}%{fullData.name} %{z:${formatOf(field.values)}}<extra></extra>`,
  };
  const layout = {
    ...plotlyLayout(attributes),
    margin: { l: 0, r: 0, b: 10, t: attributes.title === '' ? 10 : 50 },
    scene: {
      xaxis: axis(attributes.xlabel),
      yaxis: axis(attributes.ylabel),
      zaxis: {
        ...axis(valueName(field, attributes.zscale)),
        range: heights(field),
        ...plotlyTicks(field, attributes),
      },
      aspectratio: { x: 1, y: 1, z: 0.7 },
      camera: { eye: eyeOf(view) },
    },
    legend: { orientation: 'h', y: 1.02 },
  };
  return { data: [main, ...pathTraces(field, attributes)], layout };
}

const axis = (title: string) => ({ title: { text: title } });

/** Returns the range of the vertical axis: that of the colors, with some room below. */
function heights({ low, high }: Field): [number, number] {
  return [low - 0.05 * (high - low), high + 0.02 * (high - low)];
}

function eyeOf({ azimuth, elevation }: View): { x: number; y: number; z: number } {
  const a = (azimuth / 180) * Math.PI;
  const e = (elevation / 180) * Math.PI;
  const far = 2.25;
  return { x: far * Math.cos(e) * Math.sin(a), y: -far * Math.cos(e) * Math.cos(a), z: far * Math.sin(e) };
}

function pathTraces(field: Field, { paths }: FilledLandscapeAttributes): Record<string, unknown>[] {
  const sheet = { ...field, height: (value: number) => value, isGap: () => false };
  const [toX, toY] = [acrossAxis(field.x), acrossAxis(field.y)];
  const lift = 0.01 * (field.high - field.low);
  return paths.map(({ name, path, color }, k) => ({
    type: 'scatter3d',
    mode: 'lines+markers',
    name,
    meta: pathMeta,
    x: finiteOrNull(path.x),
    y: finiteOrNull(path.y),
    z: Array.from(path.x, (x, t) => {
      const height = heightOver(sheet, toX(x), toY(path.y[t])) + lift;
      return Number.isNaN(height) ? null : height;
    }),
    line: { color: color ?? lineColor(k), width: 5 },
    marker: { size: 5, color: Array.from(path.loss, (loss) => markerColor(field, loss)) },
    customdata: Array.from(path.loss, (loss, t) => finiteOrNull([loss, path.residual[t]])),
    hovertemplate: hoveredPoint(path.loss),
  }));
}
