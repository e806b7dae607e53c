import { inkOn } from './ink.ts';
import { nameLess, type Offset } from './offset.ts';
import type { AxisScale, FigureAttributes } from './attributes.ts';
import type { Filled } from '../../core/options.ts';

/** A plotly.js figure: pass it to `Plotly.newPlot(div, figure.data, figure.layout)`. */
export interface PlotlyFigure {
  readonly data: readonly Readonly<Record<string, unknown>>[];
  readonly layout: Readonly<Record<string, unknown>>;
}

/** Returns the part of a plotly layout common to all figures. */
export function plotlyLayout({
  title,
  fontSize,
  fontFamily,
  background,
}: Filled<FigureAttributes>): Record<string, unknown> {
  const paper = background === 'none' ? 'rgba(0,0,0,0)' : background;
  return {
    title: { text: title },
    font: { family: fontFamily, size: fontSize, color: inkOn(background).text },
    paper_bgcolor: paper,
    plot_bgcolor: paper,
    margin: { t: title === '' ? 30 : 60 },
  };
}

/** Marks traces of paths, which a page can show step by step. */
export const pathMeta = { path: true };

/** Returns the d3 format of values: four digits, and more where they are far from 0 compared with their range. */
export function formatOf(values: ArrayLike<number>): string {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) continue;
    low = Math.min(low, values[i]);
    high = Math.max(high, values[i]);
  }
  const size = Math.max(Math.abs(low), Math.abs(high));
  const more = high > low ? Math.ceil(Math.log10(size) - Math.log10(high - low)) : 0;
  return `.${Math.min(17, 4 + Math.max(0, more))}${more > 0 ? '~' : ''}g`;
}

/** Returns a line of a hover text: a coordinate, less its offset if it is drawn so. */
function hoveredLine(name: 'x' | 'y', values: Float64Array, offset: Offset | null): string {
  const digits = formatOf(values.map((value) => value - (offset?.value ?? 0)));
  return `${nameLess(name, offset)}${offset === null ? '' : ':'} %{${name}:${digits}}<br>`;
}

/** Returns the first lines of the hover text of a landscape: both coordinates. */
export const hoveredPlace = (
  { x, y }: { readonly x: Float64Array; readonly y: Float64Array },
  offsets: { readonly x: Offset | null; readonly y: Offset | null } = { x: null, y: null },
): string => hoveredLine('x', x, offsets.x) + hoveredLine('y', y, offsets.y);

/** Returns the hover text of the points of a path with these losses. */
export const hoveredPoint = (losses: ArrayLike<number>): string =>
  `true loss %{customdata[0]:${formatOf(losses)}}<br>%{customdata[1]:.3g} off the plane<extra>%{fullData.name}</extra>`;

/** Converts numbers for JSON: non-finite ones become null, a gap. */
export const finiteOrNull = (values: ArrayLike<number>): (number | null)[] =>
  Array.from(values, (value) => (Number.isFinite(value) ? value : null));

/** Returns a plotly axis; plotly takes the range of a log axis as exponents of ten. */
export function plotlyAxis(
  title: string,
  type: AxisScale,
  limits: readonly [number, number] | 'data',
): Record<string, unknown> {
  const range = limits === 'data' ? {} : { range: type === 'log' ? limits.map(Math.log10) : limits };
  return {
    title: { text: title },
    type,
    ...range,
    automargin: true,
    showline: true,
    mirror: true,
    linecolor: '#333',
    gridcolor: '#e4e4e4',
    zeroline: false,
    ...(type === 'log' && { exponentformat: 'power' }),
  };
}
