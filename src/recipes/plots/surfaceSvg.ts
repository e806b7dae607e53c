import { axisOf, labelWidth, type Axis } from './axes.ts';
import { frameOf, pictureOf, type Box } from './frame.ts';
import { colorBar, colorBarWidth } from './colorbar.ts';
import { colorAt, valueAxis, type Field, type FilledLandscapeAttributes } from './field.ts';
import { pathLegend, pathLegendHeight } from './overlay.ts';
import { heightRatio, projectionInto, type Projection, type View } from './projection.ts';
import { sheetOf, type Sheet } from './sheet.ts';
import { pathsOn, type Piece } from './surfacePaths.ts';
import { el, escapeXml, px, textWidth } from './svg.ts';

/** The surface as SVG: quadrilaterals from back to front, lit from above, in a box with axes. */
export function surfaceSvg(field: Field, attributes: FilledLandscapeAttributes, view: View): string {
  const { title } = attributes;
  const right = colorBarWidth(field, attributes);
  const legend = pathLegendHeight(attributes);
  const box = frameOf({ ...attributes, xlabel: '', ylabel: '', title }, 0, right, legend);
  const bar = { ...box, top: box.top + 20, bottom: box.bottom - 20 };
  const cube = projectionInto(box, view);
  const heading =
    title === ''
      ? ''
      : el('text', titlePlace(box.left, box.right, box.top - legend, attributes), escapeXml(title));
  return pictureOf(
    attributes,
    cage(field, attributes, cube, view, box),
    scene(field, attributes, cube),
    heading,
    pathLegend(attributes, box),
    colorBar(field, null, bar, attributes),
  );
}

function titlePlace(left: number, right: number, top: number, { fontSize }: FilledLandscapeAttributes) {
  return {
    x: (left + right) / 2,
    y: top - 0.4 * fontSize,
    fontSize: fontSize * 1.25,
    fontWeight: 'bold',
    textAnchor: 'middle',
    fill: '#222',
  };
}

/** The surface and what lies on it, from back to front. */
function scene(field: Field, { paths }: FilledLandscapeAttributes, cube: Projection): string {
  const sheet = sheetOf(field);
  const pieces = [...quads(field, sheet, cube), ...pathsOn(sheet, cube, field, paths)];
  pieces.sort((a, b) => b.depth - a.depth);
  return el('g', { strokeWidth: 0.7, strokeLinejoin: 'round' }, ...pieces.map(({ svg }) => svg));
}

function quads(field: Field, sheet: Sheet, cube: Projection): Piece[] {
  const { nx, ny, values, isGap, height } = sheet;
  const u = (i: number) => (2 * i) / (nx - 1) - 1;
  const v = (j: number) => (2 * j) / (ny - 1) - 1;
  const pieces: Piece[] = [];
  for (let j = 0; j < ny - 1; j++) {
    for (let i = 0; i < nx - 1; i++) {
      if (isGap(i, j)) continue;
      const at = j * nx + i;
      const [a, b, c, d] = [values[at], values[at + 1], values[at + nx + 1], values[at + nx]];
      const corners = [
        cube.at(u(i), v(j), height(a)),
        cube.at(u(i + 1), v(j), height(b)),
        cube.at(u(i + 1), v(j + 1), height(c)),
        cube.at(u(i), v(j + 1), height(d)),
      ];
      const slopeX = ((height(b) - height(a) + height(c) - height(d)) / 2) * (nx - 1);
      const slopeY = ((height(d) - height(a) + height(c) - height(b)) / 2) * (ny - 1);
      const fill = lit(colorAt(field, (a + b + c + d) / 4), slopeX, slopeY);
      const path = corners.map(([x, y], k) => `${k === 0 ? 'M' : 'L'}${px(x)},${px(y)}`).join('');
      const depth = cube.depth(u(i + 0.5), v(j + 0.5));
      pieces.push({ depth, svg: el('path', { d: `${path}Z`, fill, stroke: fill }) });
    }
  }
  return pieces;
}

/** A color under light from the upper left. */
function lit(color: string, slopeX: number, slopeY: number): string {
  const parts = /^#(..)(..)(..)$/.exec(color);
  if (parts === null) return color;
  const norm = Math.sqrt(1 + (slopeX * heightRatio) ** 2 + (slopeY * heightRatio) ** 2);
  const light = (0.85 + 0.3 * slopeX * heightRatio + 0.3 * slopeY * heightRatio) / norm;
  const shade = Math.min(1.12, 0.72 + 0.34 * Math.max(0, light));
  return `#${parts
    .slice(1)
    .map((part) =>
      Math.min(255, Math.round(Number.parseInt(part, 16) * shade))
        .toString(16)
        .padStart(2, '0'),
    )
    .join('')}`;
}

/** The floor with its grid, the two walls at the back, and ticks with labels along the near edges. */
function cage(
  field: Field,
  attributes: FilledLandscapeAttributes,
  cube: Projection,
  { azimuth }: View,
  box: Box,
): string {
  const { fontSize, xlabel, ylabel, zscale } = attributes;
  const { x, y } = field;
  const xAxis = axisOf('linear', [x[0], x[x.length - 1]], [-1, 1]);
  const yAxis = axisOf('linear', [y[0], y[y.length - 1]], [-1, 1]);
  const zAxis = valueAxis(field, zscale, [0, 1]);
  // Signs of the near edges: the floor's edge nearest to the eye along each direction.
  const a = (azimuth / 180) * Math.PI;
  const nearY = Math.cos(a) >= 0 ? -1 : 1;
  const nearX = Math.sin(a) >= 0 ? 1 : -1;
  const lines: string[] = [];
  const labels: string[] = [];
  const line = (...points: (readonly [number, number])[]) =>
    lines.push(points.map(([u, v], k) => `${k === 0 ? 'M' : 'L'}${px(u)},${px(v)}`).join(''));
  const taken: Label[] = [];
  const text = ([u, v]: readonly [number, number], label: string) => {
    labels.push(el('text', { x: u, y: v + 0.35 * fontSize, textAnchor: 'middle' }, label));
    taken.push({ x: u, y: v, width: labelWidth(label, fontSize), height: fontSize });
  };

  for (const { value, label } of ticksOf(xAxis, [x[0], x[x.length - 1]])) {
    const at = xAxis.at(value);
    line(cube.at(at, nearY, 0), cube.at(at, -nearY, 0), cube.at(at, -nearY, 1));
    text(outward(cube.at(at, 0, 0), cube.at(at, nearY, 0), 1.3 * fontSize), label);
  }
  for (const { value, label } of ticksOf(yAxis, [y[0], y[y.length - 1]])) {
    const at = yAxis.at(value);
    line(cube.at(nearX, at, 0), cube.at(-nearX, at, 0), cube.at(-nearX, at, 1));
    text(outward(cube.at(0, at, 0), cube.at(nearX, at, 0), 1.3 * fontSize), label);
  }
  for (const { value } of zAxis.ticks.filter(({ label }) => label !== null)) {
    const at = zAxis.at(value);
    line(cube.at(nearX, -nearY, at), cube.at(-nearX, -nearY, at), cube.at(-nearX, nearY, at));
  }
  const middle = cube.at(0, 0, 0);
  for (const [name, edge] of [
    [xlabel, cube.at(0, nearY, 0)],
    [ylabel, cube.at(nearX, 0, 0)],
  ] as const) {
    // Beyond the tick labels, and half its own width where the edge runs up and down.
    const aside = Math.abs(edge[0] - middle[0]) / Math.hypot(edge[0] - middle[0], edge[1] - middle[1]);
    const [u, v] = outward(middle, edge, 2.9 * fontSize + 0.45 * aside * textWidth(name, fontSize));
    // Not into the color bar, nor off the picture.
    const width = 1.1 * textWidth(name, fontSize);
    const x = Math.max(box.left + width / 2, Math.min(box.right - width / 2, u));
    const label = besideOthers({ x, y: v, width, height: 1.1 * fontSize }, taken);
    taken.push(label);
    const place = { x, y: label.y + 0.35 * fontSize, textAnchor: 'middle', fontSize: 1.1 * fontSize };
    labels.push(el('text', place, escapeXml(name)));
  }
  return (
    el('path', { d: lines.join(''), fill: 'none', stroke: '#d4d4d4' }) + el('g', { fill: '#222' }, ...labels)
  );
}

/** A text as it stands: its middle and its size, px. */
interface Label {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The label, moved down past those that it would overlap. */
function besideOthers(label: Label, others: readonly Label[]): Label {
  const over = others.find(
    ({ x, y, width, height }) =>
      Math.abs(x - label.x) < (width + label.width) / 2 + 6 &&
      Math.abs(y - label.y) < (height + label.height) / 2 + 2,
  );
  if (over === undefined) return label;
  return besideOthers({ ...label, y: over.y + (over.height + label.height) / 2 + 3 }, others);
}

/** The point `far` px beyond `edge`, seen from `inside`. */
function outward(
  inside: readonly [number, number],
  edge: readonly [number, number],
  far: number,
): readonly [number, number] {
  const dx = edge[0] - inside[0];
  const dy = edge[1] - inside[1];
  const length = Math.hypot(dx, dy) || 1;
  return [edge[0] + (dx / length) * far, edge[1] + (dy / length) * far];
}

/** A few labeled ticks. */
function ticksOf(axis: Axis, [low, high]: readonly [number, number]): { value: number; label: string }[] {
  const { ticks } = axisOf(axis.kind, [low, high], [0, 280]);
  return ticks.flatMap(({ value, label }) => (label === null ? [] : [{ value, label }]));
}
