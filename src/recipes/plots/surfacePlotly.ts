import { nameLess, offsetOf, type Offset } from './offset.ts';
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

/**
 * Returns the surface as a plotly figure; paths lie slightly above it. Plotly draws surfaces in single precision, so
 * coordinates far from 0 are shown less their offsets.
 */
export function surfacePlotly(field: Field, attributes: FilledLandscapeAttributes, view: View): PlotlyFigure {
  const { x, y, values, low, high } = field;
  const offsets: Offsets = { x: offsetIn(x), y: offsetIn(y), z: offsetOf([low, high]) };
  const { zmin, zmax, colorbar, ...colors } = plotlyColors(field, attributes);
  const { tickvals, ticktext } = plotlyTicks(field, attributes);
  const ticks = { tickvals: less(tickvals, offsets.z), ticktext };
  const xname = nameLess(attributes.xlabel, offsets.x);
  const yname = nameLess(attributes.ylabel, offsets.y);
  const main = {
    type: 'surface',
    x: less(x, offsets.x),
    y: less(y, offsets.y),
    z: rowsOf({ ...field, values: Float64Array.from(less(values, offsets.z)) }),
    ...colors,
    cmin: zmin - (offsets.z?.value ?? 0),
    cmax: zmax - (offsets.z?.value ?? 0),
    colorbar: { ...colorbar, ...ticks },
    contours: { z: { show: true, usecolormap: true, project: { z: true }, width: 1 } },
    // Customdata of a surface are not read by rows as those of a map are: values are shown as heights.
    name: nameLess(transformedName(field, attributes.zscale), offsets.z),
    hovertemplate: `${hoveredPlace(field, offsets)}%{fullData.name}${offsets.z === null ? '' : ':'} %{z:${formatOf(less(values, offsets.z))}}<extra></extra>`,
  };
  const layout = {
    ...plotlyLayout(attributes),
    margin: { l: 0, r: 0, b: 10, t: attributes.title === '' ? 10 : 50 },
    scene: {
      xaxis: axis(xname),
      yaxis: axis(yname),
      zaxis: {
        ...axis(valueName(field, attributes.zscale)),
        range: less(heights(field), offsets.z),
        ...ticks,
      },
      aspectratio: { x: 1, y: 1, z: 0.7 },
      camera: { eye: eyeOf(view) },
    },
    legend: { orientation: 'h', y: 1.02 },
  };
  return { data: [main, ...pathTraces(field, attributes, offsets)], layout };
}

/** Offsets of the three axes. */
interface Offsets {
  readonly x: Offset | null;
  readonly y: Offset | null;
  readonly z: Offset | null;
}

const offsetIn = (values: Float64Array) => offsetOf([values[0], values[values.length - 1]]);

/** Returns values less an offset. */
const less = (values: ArrayLike<number>, offset: Offset | null): number[] =>
  Array.from(values, (value) => value - (offset?.value ?? 0));

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

function pathTraces(
  field: Field,
  { paths }: FilledLandscapeAttributes,
  offsets: Offsets,
): Record<string, unknown>[] {
  const sheet = { ...field, height: (value: number) => value, isGap: () => false };
  const [toX, toY] = [acrossAxis(field.x), acrossAxis(field.y)];
  const lift = 0.01 * (field.high - field.low);
  return paths.map(({ name, path, color }, k) => ({
    type: 'scatter3d',
    mode: 'lines+markers',
    name,
    meta: pathMeta,
    x: finiteOrNull(less(path.x, offsets.x)),
    y: finiteOrNull(less(path.y, offsets.y)),
    z: Array.from(path.x, (x, t) => {
      const height = heightOver(sheet, toX(x), toY(path.y[t])) + lift;
      return Number.isNaN(height) ? null : height - (offsets.z?.value ?? 0);
    }),
    line: { color: color ?? lineColor(k), width: 5 },
    marker: { size: 5, color: Array.from(path.loss, (loss) => markerColor(field, loss)) },
    customdata: Array.from(path.loss, (loss, t) => finiteOrNull([loss, path.residual[t]])),
    hovertemplate: hoveredPoint(path.loss),
  }));
}
