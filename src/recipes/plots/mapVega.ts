import { lineColor } from './color.ts';
import { barTitle } from './colorbar.ts';
import { colorAt, transformedName } from './field.ts';
import { mapLess } from './mapLess.ts';
import { nameLess, offsetOf } from './offset.ts';
import { less } from './pageOffsets.ts';
import { domainsOf, gapColor, regionsOf, type MapFigure } from './mapSvg.ts';
import { markerColor } from './overlay.ts';
import { shapeOf } from './mapAttributes.ts';
import { withoutTags } from './ticks.ts';
import type { Box } from './frame.ts';
import type { VegaSpec } from './plot.ts';

/** Returns the map as a Vega specification, with the regions of the SVG as paths: both look the same. */
export function mapVega(given: MapFigure): VegaSpec {
  const { figure } = mapLess(inShape(given));
  const { width, height, title, xlabel, ylabel, colorbar } = figure.attributes;
  return {
    $schema: 'https://vega.github.io/schema/vega/v5.json',
    width,
    height,
    padding: 8,
    ...(title !== '' && { title }),
    data: dataOf(figure),
    scales: scalesOf(figure),
    axes: [
      { orient: 'bottom', scale: 'x', title: xlabel },
      { orient: 'left', scale: 'y', title: ylabel },
    ],
    ...(colorbar && { legends: [legendOf(figure)] }),
    marks: [
      {
        type: 'group',
        clip: true,
        encode: { enter: { width: { value: width }, height: { value: height } } },
        marks: marksOf(figure),
      },
    ],
  };
}

/** Returns the tables of the specification: regions, cells without a value, points of paths, labels of contours. */
function dataOf(figure: MapFigure): object[] {
  const { width, height } = figure.attributes;
  const box = { left: 0, top: 0, right: width, bottom: height };
  const isHeatmap = figure.kind === 'heatmap';
  const points = pathPoints(figure);
  const regions = () => regionsOf(figure, box).slice(figure.kind === 'contour' ? 1 : 0);
  return [
    { name: 'regions', values: isHeatmap ? heatmapCells(figure) : regions() },
    { name: 'gaps', values: isHeatmap ? [] : gapCells(figure) },
    { name: 'points', values: points },
    { name: 'markers', values: points.filter(({ x }) => x !== null) },
    { name: 'labels', values: labelsOf(figure, box) },
  ];
}

/** A point of a path; its place is null where it has none, which breaks the line. */
interface PathPoint {
  readonly x: number | null;
  readonly y: number | null;
}

const numberOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** Returns the place of a point; JSON turns other numbers than finite ones into null, which Vega would draw at 0. */
const placeOf = (x: number, y: number): PathPoint =>
  Number.isFinite(x) && Number.isFinite(y) ? { x, y } : { x: null, y: null };

/** Returns the points of all paths, with the colors of their lines and markers. */
const pathPoints = ({ field, attributes: { paths } }: MapFigure): PathPoint[] =>
  paths.flatMap(({ name, path, color }, k) =>
    Array.from(path.x, (at, t) => ({
      name,
      ...placeOf(at, path.y[t]),
      color: color ?? lineColor(k),
      fill: markerColor(field, path.loss[t]),
      loss: numberOrNull(path.loss[t]),
      residual: numberOrNull(path.residual[t]),
    })),
  );

/** Returns the scales of both axes, and of the colors for the legend, which is less the offset of the values. */
function scalesOf({ field, kind }: MapFigure): object[] {
  const { low, high, color } = field;
  const [x, y] = domainsOf(field, kind);
  const axis = { type: 'linear', zero: false, nice: false };
  return [
    { name: 'x', ...axis, domain: x, range: 'width' },
    { name: 'y', ...axis, domain: y, range: 'height' },
    {
      name: 'color',
      type: 'linear',
      domain: Array.from(less(evenly(low, high), offsetOf([low, high]))),
      range: evenly(0, 1).map(color),
    },
  ];
}

function legendOf({ field, attributes: { zscale, height } }: MapFigure): object {
  const name = nameLess(transformedName(field, zscale), offsetOf([field.low, field.high]));
  return { fill: 'color', type: 'gradient', title: barTitle(name, field), gradientLength: height - 20 };
}

/** Returns the marks in the plotting area, from back to front. */
function marksOf({ kind, attributes: { mark } }: MapFigure): object[] {
  const fillOrStroke = kind === 'contour' ? 'stroke' : 'fill';
  return [
    pathMark('regions', fillOrStroke),
    pathMark('gaps', 'fill'),
    contourLabel,
    pathLine,
    pathMarker,
    ...(mark ? [centerMark] : []),
  ];
}

/** Draws the rows of a table as SVG paths in their colors. */
const pathMark = (data: string, paint: 'fill' | 'stroke'): object => ({
  type: 'path',
  from: { data },
  encode: { enter: { path: { field: 'path' }, [paint]: { field: 'color' } } },
});

const atPoint = { x: { scale: 'x', field: 'x' }, y: { scale: 'y', field: 'y' } };

const pathLine: object = {
  type: 'group',
  from: { facet: { name: 'path', data: 'points', groupby: 'name' } },
  marks: [
    {
      type: 'line',
      from: { data: 'path' },
      encode: {
        enter: {
          ...atPoint,
          defined: { signal: 'datum.x !== null' },
          stroke: { field: 'color' },
          strokeWidth: { value: 2.4 },
        },
      },
    },
  ],
};

const pathMarker: object = {
  type: 'symbol',
  from: { data: 'markers' },
  encode: { enter: { ...atPoint, fill: { field: 'fill' }, stroke: { value: 'white' }, size: { value: 50 } } },
};

const contourLabel: object = {
  type: 'text',
  from: { data: 'labels' },
  encode: {
    enter: {
      x: { field: 'x' },
      y: { field: 'y' },
      angle: { field: 'angle' },
      text: { field: 'text' },
      align: { value: 'center' },
      baseline: { value: 'middle' },
      fill: { value: '#111' },
    },
  },
};

const centerMark: object = {
  type: 'symbol',
  encode: {
    enter: {
      x: { scale: 'x', value: 0 },
      y: { scale: 'y', value: 0 },
      shape: { value: 'cross' },
      size: { value: 90 },
      fill: { value: '#111' },
    },
  },
};

/** Returns the figure with its width or height reduced to the shape of its plotting area. */
function inShape(figure: MapFigure): MapFigure {
  const { field, attributes, kind } = figure;
  const { width, height } = attributes;
  const ratio = shapeOf(field, attributes, [width, height], kind === 'heatmap');
  if (ratio === null) return figure;
  const size = { width: Math.min(width, height * ratio), height: Math.min(height, width / ratio) };
  return { ...figure, attributes: { ...attributes, ...size } };
}

/** Returns the labels of the contours; Vega has no superscripts in text. */
const labelsOf = ({ labelsIn, attributes }: MapFigure, box: Box) =>
  labelsIn(box, attributes.fontSize).map(({ x, y, angle, text }) => ({
    x,
    y,
    angle,
    text: withoutTags(text),
  }));

const evenly = (low: number, high: number) =>
  Array.from({ length: 17 }, (_, k) => low + (high - low) * (k / 16));

/** Returns the cells without a value. */
const gapCells = (figure: MapFigure) => heatmapCells(figure).filter(({ missing }) => missing);

/** Returns the cells of a heatmap as paths; those of contours lie half beyond the plotting area at its edges. */
function heatmapCells({
  kind,
  field,
  attributes: { width, height },
}: MapFigure): { path: string; color: string; missing: boolean }[] {
  const { nx, ny, values } = field;
  const beyond = kind === 'heatmap' ? 0 : 0.5;
  const w = width / (nx - 2 * beyond);
  const h = height / (ny - 2 * beyond);
  return Array.from(values, (value, cell) => {
    const left = ((cell % nx) - beyond) * w;
    const top = height - (Math.floor(cell / nx) + 1 - beyond) * h;
    const path = `M${left.toFixed(2)},${top.toFixed(2)}h${(w + 0.4).toFixed(2)}v${(h + 0.4).toFixed(2)}h${(-w - 0.4).toFixed(2)}Z`;
    const missing = Number.isNaN(value);
    return { path, color: missing ? gapColor : colorAt(field, value), missing };
  });
}
