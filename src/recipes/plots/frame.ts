import { axisOf, labelWidth, type Axis } from './axes.ts';
import { el, escapeXml, textWidth } from './svg.ts';
import type { AxisScale, Filled, FigureAttributes } from './recipe.ts';

/** An inner rectangle of the picture, px. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Where the plotting area goes, given the labels on its left, and px kept free on the right. */
export function frameOf(
  attributes: Filled<FigureAttributes>,
  leftLabels: number,
  right: number,
  top = 0,
): Box {
  const { width, height, fontSize, title, xlabel, ylabel } = attributes;
  return {
    left: Math.round(leftLabels + 12 + (ylabel === '' ? 4 : 1.6 * fontSize)),
    top: Math.round(0.8 * fontSize + (title === '' ? 0 : 1.8 * fontSize) + top),
    right: Math.round(width - right - 1.2 * fontSize),
    bottom: Math.round(height - 1.9 * fontSize - (xlabel === '' ? 0 : 1.7 * fontSize)),
  };
}

/** The widest label of a vertical axis over `domain`, px: what {@link frameOf} wants to know. */
export function labelsWidth(
  kind: AxisScale,
  domain: readonly [number, number],
  attributes: Filled<FigureAttributes>,
): number {
  const { ticks } = axisOf(kind, domain, [attributes.height - 60, 0]);
  return Math.max(
    0,
    ...ticks.map(({ label }) => (label === null ? 0 : labelWidth(label, attributes.fontSize))),
  );
}

const round = (v: number) => Math.round(v * 10) / 10;

/** Grid lines behind the data. */
export function gridLines(box: Box, x: Axis | null, y: Axis): string {
  const parts: string[] = [];
  const line = (x1: number, y1: number, x2: number, y2: number) =>
    parts.push(el('path', { d: `M${x1},${y1}L${x2},${y2}` }));
  for (const { value, label } of x?.ticks ?? []) {
    if (label !== null && x !== null) line(round(x.at(value)), box.top, round(x.at(value)), box.bottom);
  }
  for (const { value, label } of y.ticks) {
    if (label !== null) line(box.left, round(y.at(value)), box.right, round(y.at(value)));
  }
  return el('g', { stroke: '#e4e4e4', strokeWidth: 1 }, ...parts);
}

/**
 * Frame, ticks, tick labels, axis names and title, in front of the data.
 *
 * @param above - px between the frame and the title that something else takes
 */
export function axesOf(
  attributes: Filled<FigureAttributes>,
  box: Box,
  x: Axis | null,
  y: Axis,
  above = 0,
): string {
  const { width, fontSize, title, xlabel, ylabel } = attributes;
  const marks: string[] = [];
  const labels: string[] = [];
  for (const { value, label } of x?.ticks ?? []) {
    const at = x === null ? 0 : x.at(value);
    if (at < box.left - 0.5 || at > box.right + 0.5) continue;
    marks.push(el('path', { d: `M${at.toFixed(1)},${box.bottom}v${label === null ? 3 : 6}` }));
    if (label !== null) {
      // The last may be wider than the margin.
      const x = Math.min(at, width - labelWidth(label, fontSize) / 2 - 2);
      labels.push(el('text', { x, y: box.bottom + 6 + fontSize, textAnchor: 'middle' }, label));
    }
  }
  for (const { value, label } of y.ticks) {
    const at = y.at(value);
    if (at < box.top - 0.5 || at > box.bottom + 0.5) continue;
    marks.push(el('path', { d: `M${box.left},${at.toFixed(1)}h${label === null ? -3 : -6}` }));
    if (label !== null) {
      labels.push(el('text', { x: box.left - 9, y: at + 0.35 * fontSize, textAnchor: 'end' }, label));
    }
  }
  const frame = el('rect', {
    x: box.left,
    y: box.top,
    width: box.right - box.left,
    height: box.bottom - box.top,
  });
  const middle = (box.left + box.right) / 2;
  const named = { textAnchor: 'middle', fontSize: fontSize * 1.1 };
  const names = [
    title === '' ? '' : titleOf(title, middle, box.top - above, attributes),
    xlabel === ''
      ? ''
      : el('text', { ...named, x: middle, y: box.bottom + 6 + 2.6 * fontSize }, escapeXml(xlabel)),
    ylabel === '' ? '' : sideways(ylabel, 1.3 * fontSize, (box.top + box.bottom) / 2, fontSize * 1.1),
  ];
  return [
    el('g', { fill: 'none', stroke: '#333' }, frame, ...marks),
    el('g', { fill: '#222' }, ...labels, ...names),
  ].join('');
}

/** The title, centered over the plotting area, but never beyond the picture's edges; smaller if it must. */
function titleOf(
  title: string,
  middle: number,
  top: number,
  { width, fontSize }: Filled<FigureAttributes>,
): string {
  const size = Math.min(
    fontSize * 1.25,
    (fontSize * 1.25 * (width - 16)) / textWidth(title, fontSize * 1.25),
  );
  const half = textWidth(title, size) / 2;
  const x = Math.max(half + 8, Math.min(width - half - 8, middle));
  return el(
    'text',
    { x, y: top - 0.75 * fontSize, fontSize: size, textAnchor: 'middle', fontWeight: 'bold' },
    escapeXml(title),
  );
}

/** Text that reads upwards, centered at (x, y). */
export function sideways(text: string, x: number, y: number, fontSize: number): string {
  const transform = `translate(${x.toFixed(1)} ${y.toFixed(1)}) rotate(-90)`;
  return el('text', { transform, fontSize, textAnchor: 'middle' }, escapeXml(text));
}

/** Content drawn in the plotting area and cut off at its edges; inside, pixels count as outside. */
export function clipped(box: Box, ...content: readonly string[]): string {
  const width = box.right - box.left;
  const height = box.bottom - box.top;
  const viewBox = `${box.left} ${box.top} ${width} ${height}`;
  return el('svg', { x: box.left, y: box.top, width, height, viewBox }, ...content);
}

/** The whole picture. */
export function pictureOf(attributes: Filled<FigureAttributes>, ...content: readonly string[]): string {
  const { width, height, background, fontFamily, fontSize, title } = attributes;
  const paper = background === 'none' ? '' : el('rect', { width, height, fill: background });
  return el(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      fontFamily,
      fontSize,
      role: 'img',
    },
    title === '' ? '' : el('title', {}, escapeXml(title)),
    paper,
    ...content,
  );
}
