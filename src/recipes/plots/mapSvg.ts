import { axisOf, type Axis } from './axes.ts';
import { axesOf, clipped, fitted, frameOf, labelsWidth, pictureOf, shaped, type Box } from './frame.ts';
import { bandValue, colorBar, colorBarWidth } from './colorbar.ts';
import { regionsAbove } from './contours.ts';
import { colorAt, type Field } from './field.ts';
import { withoutGaps } from './gaps.ts';
import { centerMark, pathLegend, pathLegendHeight, pathsOver } from './overlay.ts';
import { namedLess } from './offset.ts';
import { inkOn } from './ink.ts';
import { shapeOf, type FilledMapAttributes } from './mapAttributes.ts';
import { description, el, px } from './svg.ts';
import type { ContourLabel } from './contourLabels.ts';
import { upsample, type Grid } from './upsample.ts';

export type MapKind = 'contourf' | 'contour' | 'heatmap';

/** A field with everything that its drawings share. */
export interface MapFigure {
  readonly kind: MapKind;
  readonly field: Field;
  /** Transformed values between the bands; empty for a heatmap. */
  readonly levels: readonly number[];
  readonly attributes: FilledMapAttributes;
  /** Returns the labels of the contours in a plotting area, for letters of this size. */
  readonly labelsIn: (box: Box, fontSize: number) => readonly ContourLabel[];
}

/** Returns the map as SVG. */
export function mapSvg(figure: MapFigure): string {
  const { kind, field, levels } = figure;
  const [xDomain, yDomain] = domainsOf(field, kind);
  const attributes = namedLess(fitted(figure.attributes), xDomain, yDomain);
  const legend = pathLegendHeight(attributes);
  const whole = frameOf(
    attributes,
    labelsWidth('linear', yDomain, attributes),
    colorBarWidth(field, attributes),
    legend,
  );
  const shape = shapeOf(field, attributes, sizeOf(whole), kind === 'heatmap');
  const box = shape === null ? whole : shaped(whole, shape);
  const { x, y } = mapAxes([xDomain, yDomain], box, attributes.fontSize);
  const body = kind === 'heatmap' ? cells(field, x, y) : bands(figure, box);
  return pictureOf(
    attributes,
    description(field.note),
    clipped(
      box,
      body,
      gapMarks(field, x, y),
      ...figure.labelsIn(box, attributes.fontSize).map((label) => labelOn(label, attributes)),
      pathsOver(field, attributes, x, y),
      attributes.mark ? centerMark(x, y, attributes.fontSize) : '',
    ),
    axesOf(attributes, box, x, y, legend),
    pathLegend(attributes, box),
    colorBar(field, kind === 'heatmap' ? null : levels, box, attributes),
  );
}

const sizeOf = (box: Box) => [box.right - box.left, box.bottom - box.top] as const;

/** Draws a label on its line, with a rim that makes it readable. */
function labelOn({ x, y, angle, text }: ContourLabel, { fontSize, background }: FilledMapAttributes): string {
  const size = 0.85 * fontSize;
  const dark = inkOn(background) !== inkOn('white');
  const style = { fill: dark ? '#fff' : '#111', stroke: dark ? '#000' : '#fff' };
  const rim = {
    strokeWidth: 0.25 * size,
    strokeOpacity: 0.75,
    strokeLinejoin: 'round',
    paintOrder: 'stroke',
  };
  const transform = `translate(${px(x)} ${px(y)}) rotate(${px(angle)}) translate(0 ${px(0.35 * size)})`;
  return el('text', { transform, textAnchor: 'middle', fontSize: size, ...style, ...rim }, text);
}

type Domain = readonly [number, number];

/** Returns the domains of both axes of a map; those of a heatmap include the whole outer cells. */
export function domainsOf({ x, y }: Field, kind: MapKind): readonly [Domain, Domain] {
  const [padX, padY] = kind === 'heatmap' ? [(x[1] - x[0]) / 2, (y[1] - y[0]) / 2] : [0, 0];
  return [
    [x[0] - padX, x[x.length - 1] + padX],
    [y[0] - padY, y[y.length - 1] + padY],
  ];
}

/** Returns both axes of a map, in `box`. */
function mapAxes([x, y]: readonly [Domain, Domain], box: Box, fontSize: number): { x: Axis; y: Axis } {
  return {
    x: axisOf('linear', x, [box.left, box.right], { fontSize, horizontal: true }),
    y: axisOf('linear', y, [box.bottom, box.top], { fontSize }),
  };
}

/** A region of a map: everything at or above a level, painted over lower regions. */
export interface Region {
  readonly path: string;
  readonly color: string;
}

/** Returns the regions of filled contours, lowest first; the first covers everything. */
export function regionsOf({ field, levels, attributes }: MapFigure, box: Box): Region[] {
  const grid = refined(field, attributes);
  const inner = levels.filter((level) => level > field.low && level < field.high);
  const edges = [field.low, ...inner, field.high];
  const paths = regionsAbove(grid, inner, box);
  const whole = `M${box.left},${box.top}H${box.right}V${box.bottom}H${box.left}Z`;
  return [whole, ...paths].map((path, k) => ({ path, color: colorAt(field, bandValue(edges, k)) }));
}

/** Returns the grid from which contours are drawn: refined, to at most about 800 points per side. */
export function refined(field: Field, { upsample: factor }: Pick<FilledMapAttributes, 'upsample'>): Grid {
  const side = Math.max(field.nx, field.ny);
  return upsample(withoutGaps(field), Math.max(1, Math.min(factor, Math.floor(800 / side))));
}

function bands(figure: MapFigure, box: Box): string {
  const { kind, field, levels, attributes } = figure;
  if (kind === 'contourf') {
    return regionsOf(figure, box)
      .map(({ path, color }) =>
        el('path', {
          d: path,
          fill: color,
          fillRule: 'evenodd',
          stroke: '#000',
          strokeOpacity: 0.18,
          strokeWidth: 0.6,
        }),
      )
      .join('');
  }
  return regionsAbove(refined(field, attributes), levels, box)
    .map((d, k) => el('path', { d, fill: 'none', stroke: colorAt(field, levels[k]), strokeWidth: 1.5 }))
    .join('');
}

/** Returns the rectangle of a cell, px, which extends halfway to its neighbors. */
function cellRect({ x, y, nx }: Field, cell: number, xAxis: Axis, yAxis: Axis) {
  const j = Math.floor(cell / nx);
  const halfX = (x[1] - x[0]) / 2;
  const halfY = (y[1] - y[0]) / 2;
  const left = xAxis.at(x[cell % nx] - halfX);
  const top = yAxis.at(y[j] + halfY);
  return {
    x: left,
    y: top,
    width: xAxis.at(x[cell % nx] + halfX) - left,
    height: yAxis.at(y[j] - halfY) - top,
  };
}

function cells(field: Field, x: Axis, y: Axis): string {
  const rects = Array.from(field.values, (value, cell) => {
    if (Number.isNaN(value)) return '';
    const { width, height, ...corner } = cellRect(field, cell, x, y);
    // A slight overlap hides seams between cells.
    return el('rect', { ...corner, width: width + 0.3, height: height + 0.3, fill: colorAt(field, value) });
  });
  return el('g', { shapeRendering: 'crispEdges' }, rects.join(''));
}

/** Fill of cells without a value. */
export const gapColor = '#bdbdbd';

/** Draws gray crossed cells where there is no value. */
function gapMarks(field: Field, x: Axis, y: Axis): string {
  return Array.from(field.values, (value, cell) => {
    if (!Number.isNaN(value)) return '';
    const { x: left, y: top, width, height } = cellRect(field, cell, x, y);
    const d = `M${left.toFixed(1)},${top.toFixed(1)}l${width.toFixed(1)},${height.toFixed(1)}m0,${(-height).toFixed(1)}l${(-width).toFixed(1)},${height.toFixed(1)}`;
    return (
      el('rect', { x: left, y: top, width, height, fill: gapColor }) +
      el('path', { d, stroke: '#8a8a8a', strokeWidth: 0.8 })
    );
  }).join('');
}
