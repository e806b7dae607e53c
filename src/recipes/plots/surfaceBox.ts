/**
 * The box around a surface: floor, two back walls, ticks with labels, names of the axes.
 *
 * @module
 */
import { axisOf, type Axis } from './axes.ts';
import { valueAxis, valueNameEnd, type Field } from './field.ts';
import type { FilledLandscapeAttributes } from './landscapeAttributes.ts';
import { inkOn } from './ink.ts';
import { namedLess } from './offset.ts';
import { floorOf, Labels } from './surfaceLabels.ts';
import { el, pathThrough } from './svg.ts';
import { labelWidth, type Tick } from './ticks.ts';
import type { Box } from './frame.ts';
import type { Projection, View } from './projection.ts';

/**
 * Returns the cage as SVG. Labels that would overlap others, or leave the picture, are omitted; labels leave offsets out only if
 * there is room for the names that tell these.
 */
export function cage(
  field: Field,
  attributes: FilledLandscapeAttributes,
  cube: Projection,
  view: View,
  box: Box,
): string {
  return (
    cageWith(field, attributes, cube, view, box, true) ??
    cageWith(field, attributes, cube, view, box, false) ??
    ''
  );
}

/** Returns the cage with or without offsets; null if the name of one has no room. */
function cageWith(
  field: Field,
  attributes: FilledLandscapeAttributes,
  cube: Projection,
  { azimuth }: View,
  box: Box,
  offset: boolean,
): string | null {
  const { background, fontSize } = attributes;
  // Signs of the near edges: those of the floor that are nearest to the viewer along each direction.
  const a = (azimuth / 180) * Math.PI;
  const nearY = Math.cos(a) >= 0 ? -1 : 1;
  const nearX = Math.sin(a) >= 0 ? 1 : -1;
  const labels = new Labels(attributes, box, floorOf(cube));
  const drawing: Cage = { cube, nearX, nearY, lines: [], labels, box, offset };
  drawFloor(drawing, field, fontSize);
  if (!drawWalls(drawing, field, attributes)) return null;
  const middle = cube.at(0, 0, 0);
  const [xEdge, yEdge] = [cube.at(0, nearY, 0), cube.at(nearX, 0, 0)];
  const { xlabel, ylabel, nameEnds } = namedLess(attributes, endsOf(field.x), endsOf(field.y));
  const [xEnd, yEnd] = offset ? [nameEnds.x, nameEnds.y] : ['', ''];
  const hasX = labels.name([xlabel, xEnd], middle, xEdge, yEdge);
  const hasY = labels.name([ylabel, yEnd], middle, yEdge, xEdge);
  if ((!hasX && xEnd !== '') || (!hasY && yEnd !== '')) return null;
  const ink = inkOn(background);
  const stroke = ink.grid === '#e4e4e4' ? '#d4d4d4' : ink.grid;
  return (
    el('path', { d: drawing.lines.join(''), fill: 'none', stroke }) +
    el('g', { fill: ink.text }, ...drawing.labels.texts)
  );
}

/** A cage being drawn. */
interface Cage {
  readonly cube: Projection;
  /** Signs of the coordinates of the near edges. */
  readonly nearX: 1 | -1;
  readonly nearY: 1 | -1;
  readonly lines: string[];
  readonly labels: Labels;
  readonly box: Box;
  /** True if labels leave offsets out. */
  readonly offset: boolean;
}

/** Returns the first and the last coordinate. */
const endsOf = (values: Float64Array): [number, number] => [values[0], values[values.length - 1]];

/** Adds a line through points of the picture. */
const drawLine = ({ lines }: Cage, ...points: (readonly [number, number])[]) =>
  lines.push(pathThrough(points));

/** Adds the lines of x and y across the floor and up the walls, labeled at the near edges. */
function drawFloor(drawing: Cage, { x, y }: Field, fontSize: number): void {
  const { cube, nearX, nearY, labels } = drawing;
  const xAxis = axisOf('linear', endsOf(x), [-1, 1]);
  const yAxis = axisOf('linear', endsOf(y), [-1, 1]);
  for (const { value, label } of spacedLabels(xAxis, drawing, fontSize)) {
    const at = xAxis.at(value);
    drawLine(drawing, cube.at(at, nearY, 0), cube.at(at, -nearY, 0), cube.at(at, -nearY, 1));
    labels.tick(outward(cube.at(at, 0, 0), cube.at(at, nearY, 0), 1.3 * fontSize), label);
  }
  for (const { value, label } of spacedLabels(yAxis, drawing, fontSize)) {
    const at = yAxis.at(value);
    drawLine(drawing, cube.at(nearX, at, 0), cube.at(-nearX, at, 0), cube.at(-nearX, at, 1));
    labels.tick(outward(cube.at(0, at, 0), cube.at(nearX, at, 0), 1.3 * fontSize), label);
  }
}

/**
 * Adds the lines of the values around both walls, labeled at the vertical edge at the left of the picture. Without a color bar,
 * the name of the values above this edge tells their offset; returns false if it has no room there.
 */
function drawWalls(drawing: Cage, field: Field, attributes: FilledLandscapeAttributes): boolean {
  const { cube, nearX, nearY, labels, offset } = drawing;
  const { zscale, colorbar, fontSize } = attributes;
  // In units of the cube: about four labels over its height.
  const zAxis = valueAxis(field, zscale, [0, 1], 0.05, colorbar || offset);
  const corners = [
    [nearX, -nearY],
    [-nearX, nearY],
  ].map(([u, v]) => ({ u, v, left: cube.at(u, v, 0)[0] }));
  const upright = corners[0].left < corners[1].left ? corners[0] : corners[1];
  for (const { value, label } of labeled(zAxis.ticks)) {
    const at = zAxis.at(value);
    drawLine(drawing, cube.at(nearX, -nearY, at), cube.at(-nearX, -nearY, at), cube.at(-nearX, nearY, at));
    const [u, v] = cube.at(upright.u, upright.v, at);
    labels.tick([u - 0.5 * fontSize - labelWidth(label, fontSize) / 2, v], label);
  }
  const end = valueNameEnd(field, zscale);
  return (
    colorbar || !offset || end === '' || labels.head([field.label, end], cube.at(upright.u, upright.v, 1))
  );
}

/** Returns the point `far` px beyond `edge`, as seen from `within`. */
function outward(
  within: readonly [number, number],
  edge: readonly [number, number],
  far: number,
): readonly [number, number] {
  const dx = edge[0] - within[0];
  const dy = edge[1] - within[1];
  const length = Math.hypot(dx, dy) || 1;
  return [edge[0] + (dx / length) * far, edge[1] + (dy / length) * far];
}

/** Returns a few labels of an axis, as many as the picture has room for. */
function spacedLabels({ kind, domain }: Axis, { box, offset }: Cage, fontSize: number): LabeledTick[] {
  const length = Math.min(280, 0.7 * Math.min(box.right - box.left, box.bottom - box.top));
  return labeled(axisOf(kind, domain, [0, length], { fontSize, offset }).ticks);
}

interface LabeledTick {
  readonly value: number;
  readonly label: string;
}

const labeled = (ticks: readonly Tick[]): LabeledTick[] =>
  ticks.flatMap(({ value, label }) => (label === null ? [] : [{ value, label }]));
