import { axisOf, domainOf, type Axis } from './axes.ts';
import { axesOf, clipped, fitted, frameOf, gridLines, labelsWidth, pictureOf, type Frame } from './frame.ts';
import { inkOn } from './ink.ts';
import { legendOf, legendWidth, referenceEntry } from './legend.ts';
import { namedLess } from './offset.ts';
import { diamond } from './reference.ts';
import { el, escapeXml, px, textWidth } from './svg.ts';
import { inside, shortened } from './text.ts';
import type { BoxplotAttributes } from './boxplotAttributes.ts';
import { evenlyTaken, type FiveNumbers } from '../grid/statistics.ts';
import type { Filled } from '../../core/options.ts';

type Attributes = Filled<BoxplotAttributes>;

/** One box with its values. */
export interface Column {
  readonly name: string;
  readonly color: string;
  /** The finite values, ascending. */
  readonly values: readonly number[];
  readonly five: FiveNumbers;
  readonly reference?: number | undefined;
}

/** Angle by which names that are too long are rotated; its sine and cosine. */
const turn = (35 / 180) * Math.PI;
const [sine, cosine] = [Math.sin(turn), Math.cos(turn)];

/** Returns the domain of the values. */
export function domainAcross(
  columns: readonly Column[],
  { yscale, ylims }: Attributes,
): readonly [number, number] {
  if (ylims !== 'data') return ylims;
  const all = columns.flatMap(({ values, reference = NaN }) => [...values, reference]);
  return domainOf(all, yscale, 0.06);
}

/** Returns the box plot as SVG. */
export function boxplotSvg(columns: readonly Column[], given: Attributes): string {
  const attributes = fitted(given);
  const { fontSize, yscale } = attributes;
  const domain = domainAcross(columns, attributes);
  const entries = columns.some(({ reference }) => reference !== undefined)
    ? [referenceEntry(attributes.reference)]
    : [];
  const named = namedLess(attributes, null, domain);
  const wide = frameOf(named, labelsWidth(yscale, domain, attributes), legendWidth(entries, attributes));
  const names = namesBelow(columns, wide, attributes);
  const box: Frame = { ...wide, left: names.left, bottom: names.bottom, xlabel: '' };
  const slot = (box.right - box.left) / columns.length;
  const y = axisOf(yscale, domain, [box.bottom, box.top], { fontSize });
  const boxes = columns.map((column, k) => {
    return boxOf(column, box.left + (k + 0.5) * slot, Math.min(64, slot * 0.5), y, attributes);
  });
  return pictureOf(
    attributes,
    gridLines(attributes, box, null, y),
    clipped(box, boxes.join('')),
    axesOf(named, box, null, y),
    names.draw(box, slot),
    legendOf(entries, box, attributes),
    xlabelOf(attributes, wide.xlabel, (box.left + box.right) / 2),
  );
}

/** Draws the columns' names: horizontal if they fit, otherwise rotated and shortened to a third of the height. */
function namesBelow(
  columns: readonly Column[],
  wide: Frame,
  { fontSize, width, height, background }: Attributes,
) {
  const ink = inkOn(background).text;
  const slot = (wide.right - wide.left) / columns.length;
  const longest = columns.reduce((most, { name }) => Math.max(most, textWidth(name, fontSize)), 0);
  if (longest <= slot * 0.94) {
    const draw = (box: Frame, wider: number) =>
      columns
        .map(({ name }, k) => {
          const x = inside(box.left + (k + 0.5) * wider, textWidth(name, fontSize), 2, width - 2);
          const place = { x, y: box.bottom + 0.57 * fontSize + fontSize, textAnchor: 'middle', fill: ink };
          return el('text', place, escapeXml(name));
        })
        .join('');
    return { left: wide.left, bottom: wide.bottom, draw };
  }
  // Rotated lines must not overlap; if even small letters would, only every `every`-th name is drawn.
  const size = Math.max(Math.min(6, fontSize), Math.min(fontSize, 0.55 * slot));
  const every = Math.ceil(size / (0.55 * slot) - 1e-9);
  const room = Math.min((0.33 * height) / sine, 0.6 * width);
  const shown = columns.map(({ name }) => shortened(name, room, size));
  const tallest = shown.reduce((most, name) => Math.max(most, textWidth(name, size)), 0) * sine;
  const bottom = Math.round(wide.bottom - Math.max(0, tallest + 0.4 * size - 0.6 * fontSize));
  const draw = (box: Frame, narrower: number) =>
    shown
      .map((name, k) => {
        if (k % every !== 0) return '';
        const x = box.left + (k + 0.5) * narrower + 0.3 * size;
        const y = box.bottom + 0.5 * fontSize + 0.5 * size;
        // Names that would extend beyond the left edge are shortened.
        const fitting = shortened(name, (x - 3) / cosine, size);
        const transform = `translate(${px(x)} ${px(y)}) rotate(-35)`;
        const full = fitting === columns[k].name ? [] : [el('title', {}, escapeXml(columns[k].name))];
        return el(
          'text',
          { transform, textAnchor: 'end', fill: ink, fontSize: size },
          escapeXml(fitting),
          ...full,
        );
      })
      .join('');
  const first = textWidth(shown[0], size) * cosine;
  const left = Math.max(wide.left, Math.min(Math.round(first - slot / 2), Math.round(0.35 * width)));
  return { left: Math.min(left, wide.right - 0.2 * width), bottom, draw };
}

function xlabelOf(
  { fontSize, width, height, background }: Attributes,
  xlabel: string,
  middle: number,
): string {
  const size = fontSize * 1.1;
  const text = shortened(xlabel, width - 8, size);
  if (text === '') return '';
  const x = inside(middle, textWidth(text, size), 4, width - 4);
  const place = { x, y: height - 0.6 * fontSize, textAnchor: 'middle', fontSize: size };
  return el('text', { ...place, fill: inkOn(background).text }, escapeXml(text));
}

/** Most dots drawn for one column. */
const mostDots = 1000;

function boxOf(
  { five, values, color, reference = NaN }: Column,
  x: number,
  width: number,
  { kind, at, range }: Axis,
  { points }: Attributes,
): string {
  if (values.length === 0) return diamond(x, at(reference), color);
  const half = width / 2;
  // Values that a log axis cannot show are drawn below its lower end.
  const rowAt = (value: number) => (kind === 'log' && value <= 0 ? range[0] : at(value));
  const row = (value: number) => rowAt(value).toFixed(1);
  const whiskers = [
    `M${px(x)},${row(five.low)}V${row(five.q1)}M${px(x)},${row(five.q3)}V${row(five.high)}`,
    `M${px(x - half / 2)},${row(five.low)}h${px(half)}M${px(x - half / 2)},${row(five.high)}h${px(half)}`,
  ];
  const dots = evenlyTaken(points ? values : five.outliers, mostDots).filter((value) =>
    Number.isFinite(at(value)),
  );
  const circles = dots.map((value, i) => {
    // Spread by the golden ratio: evenly, and the same in every drawing.
    const aside = points ? (((i * 0.618034) % 1) - 0.5) * width * 0.7 : 0;
    const style = { r: 2.4, fill: color, fillOpacity: 0.55, stroke: 'none' };
    return el('circle', { cx: x + aside, cy: at(value), ...style });
  });
  const hasBox = Number.isFinite(five.low);
  return el(
    'g',
    { stroke: color, strokeWidth: 1.5, fill: 'none' },
    hasBox ? el('path', { d: whiskers.join('') }) : '',
    hasBox
      ? el('rect', {
          x: x - half,
          y: rowAt(five.q3),
          width,
          height: Math.max(0.5, rowAt(five.q1) - rowAt(five.q3)),
          fill: color,
          fillOpacity: 0.2,
        })
      : '',
    hasBox ? el('path', { d: `M${px(x - half)},${row(five.median)}h${px(width)}`, strokeWidth: 3 }) : '',
    circles.join(''),
    diamond(x, at(reference), color),
  );
}
