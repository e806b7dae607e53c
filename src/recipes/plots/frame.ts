/**
 * The frame of a figure: the position of the plotting area, and everything around it.
 *
 * Everything is measured in font sizes and limited to a share of the picture, so the plotting area never vanishes: titles
 * are wrapped, names shortened, and axis names omitted if there is no room, unless they tell an offset.
 *
 * @module
 */
import { axisOf, widestLabel, type Axis } from './axes.ts';
import { inkOn } from './ink.ts';
import { boldness, el, escapeXml, px, textWidth } from './svg.ts';
import { inside, shortened, wrapped } from './text.ts';
import { labelWidth } from './ticks.ts';
import type { NameEnds } from './offset.ts';
import type { AxisScale, FigureAttributes } from './attributes.ts';
import type { Filled } from '../../core/options.ts';

/** An inner rectangle of the picture, px. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** The plotting area, and the axis names that have room. */
export interface Frame extends Box {
  /** Space left free at either side to give the plotting area its shape, px. */
  readonly shift: number;
  readonly xlabel: string;
  readonly ylabel: string;
  /** Offsets that the names end in. */
  readonly nameEnds: NameEnds;
}

/** Attributes of a figure, with the offsets that the names of its axes end in, if it has any. */
type NamedAttributes = Filled<FigureAttributes> & { readonly nameEnds?: NameEnds };

/** Largest fractions of the picture's width and height for labels, legends and titles. */
export const shares = { labels: 0.25, right: 0.38, title: 0.25, above: 0.2 };

/** Limits the font size of attributes: at least 20 letters across and 15 lines must fit. */
export function fitted<Attributes extends Filled<FigureAttributes>>(attributes: Attributes): Attributes {
  const { width, height, fontSize } = attributes;
  return { ...attributes, fontSize: Math.min(fontSize, Math.max(7, Math.min(width / 20, height / 15))) };
}

/**
 * Returns the plotting area.
 *
 * @param leftLabels - width of the widest label at the left, px
 * @param right - width of a legend or a color bar, px
 * @param above - height of a row between title and plotting area, px
 */
export function frameOf(attributes: NamedAttributes, leftLabels: number, right: number, above = 0): Frame {
  const { width, height, fontSize, xlabel, ylabel, nameEnds = { x: '', y: '' } } = attributes;
  const left = Math.min(leftLabels, shares.labels * width) + 0.85 * fontSize;
  const end = width - Math.min(right, shares.right * width) - 1.2 * fontSize;
  const top = 0.8 * fontSize + titleHeight(attributes) + Math.min(above, shares.above * height);
  const bottom = height - 1.9 * fontSize;
  const named = 1.6 * fontSize;
  const showsY = nameEnds.y !== '' || (ylabel !== '' && end - left - named > 0.3 * width);
  const showsX = nameEnds.x !== '' || (xlabel !== '' && bottom - top - named > 0.3 * height);
  return {
    left: Math.round(left + (showsY ? named : 0.3 * fontSize)),
    top: Math.round(top),
    right: Math.round(end),
    bottom: Math.round(bottom - (showsX ? named : 0)),
    shift: 0,
    xlabel: showsX ? xlabel : '',
    ylabel: showsY ? ylabel : '',
    nameEnds,
  };
}

/** Returns the frame with a plotting area of this shape, width / height, centered in the former area. */
export function shaped(frame: Frame, ratio: number): Frame {
  const [width, height] = [frame.right - frame.left, frame.bottom - frame.top];
  const aside = Math.round(Math.max(0, width - ratio * height) / 2);
  const above = Math.round(Math.max(0, height - width / ratio) / 2);
  return {
    ...frame,
    left: frame.left + aside,
    right: frame.right - aside,
    top: frame.top + above,
    bottom: frame.bottom - above,
    shift: aside,
  };
}

/** Returns the width of the widest label of a vertical axis over `domain`, px, for {@link frameOf}. */
export function labelsWidth(
  kind: AxisScale,
  domain: readonly [number, number],
  { height, fontSize }: Filled<FigureAttributes>,
): number {
  return widestLabel(axisOf(kind, domain, [0.85 * height, 0], { fontSize }), fontSize);
}

/** Returns the size of labels at which the widest is at most `room` px wide. */
export const sizeWithin = (widest: number, room: number, fontSize: number): number =>
  widest > room ? (fontSize * room) / widest : fontSize;

const round = (v: number) => Math.round(v * 10) / 10;

/** Draws grid lines behind the data. */
export function gridLines(attributes: Filled<FigureAttributes>, box: Box, x: Axis | null, y: Axis): string {
  const parts: string[] = [];
  for (const { value, label } of x?.ticks ?? []) {
    if (label !== null && x !== null) parts.push(`M${round(x.at(value))},${box.top}V${box.bottom}`);
  }
  for (const { value, label } of y.ticks) {
    if (label !== null) parts.push(`M${box.left},${round(y.at(value))}H${box.right}`);
  }
  return el('path', { d: parts.join(''), stroke: inkOn(attributes.background).grid, strokeWidth: 1 });
}

/**
 * Draws frame, ticks, tick labels, axis names and title, in front of the data.
 *
 * @param above - height of other content between frame and title, px
 */
export function axesOf(
  attributes: Filled<FigureAttributes>,
  frame: Frame,
  x: Axis | null,
  y: Axis,
  above = 0,
): string {
  const across = x === null ? noTicks : ticksBelow(attributes, frame, x);
  const up = ticksAtLeft(attributes, frame, y);
  const ink = inkOn(attributes.background);
  const rectangle = el('rect', {
    x: frame.left,
    y: frame.top,
    width: frame.right - frame.left,
    height: frame.bottom - frame.top,
  });
  const names = [
    titleOf(attributes, (frame.left + frame.right) / 2, frame.top - above),
    nameBelow(attributes, frame),
    nameAtLeft(attributes, frame, above),
  ];
  const marks = el('path', { d: across.marks + up.marks });
  return [
    el('g', { fill: 'none', stroke: ink.frame }, rectangle, marks),
    el('g', { fill: ink.text }, across.labels, up.labels, ...names),
  ].join('');
}

/** The ticks of one axis: path data of the marks, and the labels as elements. */
interface DrawnTicks {
  readonly marks: string;
  readonly labels: string;
}

const noTicks: DrawnTicks = { marks: '', labels: '' };

/** Returns the length of a tick's mark, px. */
const markLength = (label: string | null, fontSize: number) => (label === null ? 0.2 : 0.43) * fontSize;

/** Returns the ticks of a horizontal axis below the plotting area; labels stay inside the picture. */
function ticksBelow({ width, fontSize }: Filled<FigureAttributes>, frame: Frame, axis: Axis): DrawnTicks {
  const size = sizeWithin(widestLabel(axis, fontSize), width - 8, fontSize);
  const y = frame.bottom + 1.43 * fontSize;
  let [marks, labels] = ['', ''];
  for (const { value, label } of axis.ticks) {
    const at = axis.at(value);
    if (at < frame.left - 0.5 || at > frame.right + 0.5) continue;
    marks += `M${at.toFixed(1)},${frame.bottom}v${px(markLength(label, fontSize))}`;
    if (label === null) continue;
    const x = inside(at, labelWidth(label, size), 2, width - 2);
    labels += el('text', { x, y, textAnchor: 'middle', fontSize: size }, label);
  }
  return { marks, labels };
}

/** Returns the ticks of a vertical axis at the left of the plotting area; labels shrink if there is no room. */
function ticksAtLeft({ fontSize }: Filled<FigureAttributes>, frame: Frame, axis: Axis): DrawnTicks {
  const nameWidth = frame.ylabel + frame.nameEnds.y === '' ? 2 : 1.7 * fontSize;
  const room = frame.left - frame.shift - 0.64 * fontSize - nameWidth;
  const size = sizeWithin(widestLabel(axis, fontSize), room, fontSize);
  const x = frame.left - 0.64 * fontSize;
  let [marks, labels] = ['', ''];
  for (const { value, label } of axis.ticks) {
    const at = axis.at(value);
    if (at < frame.top - 0.5 || at > frame.bottom + 0.5) continue;
    marks += `M${frame.left},${at.toFixed(1)}h${px(-markLength(label, fontSize))}`;
    if (label === null) continue;
    labels += el('text', { x, y: at + 0.35 * size, textAnchor: 'end', fontSize: size }, label);
  }
  return { marks, labels };
}

const nameSize = (fontSize: number) => fontSize * 1.1;

/** Draws the name of the horizontal axis, below its labels. */
function nameBelow({ width, height, fontSize }: Filled<FigureAttributes>, frame: Frame): string {
  const size = nameSize(fontSize);
  const name = shortened(frame.xlabel, width - 8, size, frame.nameEnds.x);
  if (name === '') return '';
  const x = inside((frame.left + frame.right) / 2, textWidth(name, size), 4, width - 4);
  const y = Math.min(height - 0.5 * fontSize, frame.bottom + 3.05 * fontSize);
  return el('text', { textAnchor: 'middle', fontSize: size, x, y }, escapeXml(name));
}

/** Draws the name of the vertical axis, at the left of its labels. */
function nameAtLeft(
  { height, fontSize, title }: Filled<FigureAttributes>,
  { ylabel, nameEnds, shift, top, bottom }: Frame,
  above: number,
): string {
  // A name longer than the plotting area must not run into content above it.
  const highest = above > 0 || title !== '' ? top : 4;
  const place = [shift + 1.3 * fontSize, (top + bottom) / 2] as const;
  return sideways([ylabel, nameEnds.y], ...place, nameSize(fontSize), height, highest);
}

/** Returns the lines of the title and their size: wrapped first, then smaller, then shortened. */
function titleLines({ title, width, height, fontSize }: Filled<FigureAttributes>) {
  const room = width - 16;
  for (const size of [1.25 * fontSize, fontSize, 0.85 * fontSize]) {
    const most = Math.max(1, Math.min(3, Math.floor((shares.title * height) / (1.3 * size))));
    const lines = wrapped(title, room, boldness * size, most);
    if (!lines.some((line) => line.endsWith('…')) || size === 0.85 * fontSize) return { lines, size };
  }
  return { lines: [], size: fontSize };
}

function titleHeight(attributes: Filled<FigureAttributes>): number {
  const { lines, size } = titleLines(attributes);
  return lines.length === 0 ? 0 : (1.3 * lines.length - 0.2) * size + 0.55 * attributes.fontSize;
}

/** Draws the title, centered over the plotting area, but never beyond the picture's edges. */
export function titleOf(attributes: Filled<FigureAttributes>, middle: number, top: number): string {
  const { width, fontSize, background } = attributes;
  const { lines, size } = titleLines(attributes);
  const fill = inkOn(background).text;
  const texts = lines.map((line, k) => {
    const x = inside(middle, textWidth(line, boldness * size), 8, width - 8);
    const y = top - 0.75 * fontSize - 1.3 * size * (lines.length - 1 - k);
    return el(
      'text',
      { x, y, fill, fontSize: size, textAnchor: 'middle', fontWeight: 'bold' },
      escapeXml(line),
    );
  });
  return texts.join('');
}

/**
 * Draws a name that reads upwards, centered at (x, y), shortened and kept between `top` and the end of `height`.
 *
 * @param name - the name, and what it ends in, which is never shortened
 */
export function sideways(
  [text, end]: readonly [string, string],
  x: number,
  y: number,
  fontSize: number,
  height: number,
  top = 4,
): string {
  const shown = shortened(text, height - 4 - top, fontSize, end);
  if (shown === '') return '';
  const middle = inside(y, textWidth(shown, fontSize), top, height - 4);
  const transform = `translate(${x.toFixed(1)} ${middle.toFixed(1)}) rotate(-90)`;
  return el('text', { transform, fontSize, textAnchor: 'middle' }, escapeXml(shown));
}

/** Clips content to the plotting area; its pixel coordinates stay those of the picture. */
export function clipped(box: Box, ...content: readonly string[]): string {
  const width = box.right - box.left;
  const height = box.bottom - box.top;
  const viewBox = `${box.left} ${box.top} ${width} ${height}`;
  return el('svg', { x: box.left, y: box.top, width, height, viewBox }, ...content);
}

/** Returns the whole picture. */
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
