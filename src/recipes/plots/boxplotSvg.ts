import { axisOf, domainOf } from './axes.ts';
import { axesOf, clipped, frameOf, gridLines, labelsWidth, pictureOf } from './frame.ts';
import { legendOf, legendWidth } from './legend.ts';
import { diamond, referenceEntry } from './reference.ts';
import { el, escapeXml, textWidth } from './svg.ts';
import type { BoxplotAttributes } from './boxplot.ts';
import type { FiveNumbers } from './statistics.ts';

type Attributes = Required<BoxplotAttributes>;

/** One box with its values. */
export interface Column {
  readonly name: string;
  readonly color: string;
  readonly values: readonly number[];
  readonly five: FiveNumbers;
  readonly reference?: number | undefined;
}

/** How far names that are too long are turned. */
const turn = (35 / 180) * Math.PI;

/** The box plot as SVG. */
export function boxplotSvg(columns: readonly Column[], attributes: Attributes): string {
  const { fontSize, yscale, ylims } = attributes;
  const domain =
    ylims === 'data'
      ? domainOf(
          columns.flatMap(({ values, reference = NaN }) => [...values, reference]),
          yscale,
          0.06,
        )
      : ylims;
  const leftLabels = labelsWidth(yscale, domain, attributes);
  const entries = columns.some(({ reference }) => reference !== undefined)
    ? [referenceEntry(attributes.reference)]
    : [];
  const wide = frameOf(attributes, leftLabels, legendWidth(entries, fontSize));
  const longest = Math.max(...columns.map(({ name }) => textWidth(name, fontSize)));
  // Names that would run into each other are turned; the frame then ends higher, and starts further right.
  const turned = longest > ((wide.right - wide.left) / columns.length) * 0.94;
  const first = textWidth(columns[0].name, fontSize) * Math.cos(turn);
  const box = turned
    ? {
        ...wide,
        bottom: Math.round(wide.bottom - longest * Math.sin(turn) + 0.4 * fontSize),
        left: Math.max(wide.left, Math.round(first - (wide.right - wide.left) / (2 * columns.length))),
      }
    : wide;
  const slot = (box.right - box.left) / columns.length;
  const y = axisOf(yscale, domain, [box.bottom, box.top]);
  const boxes = columns.map((column, k) => {
    return boxOf(column, box.left + (k + 0.5) * slot, Math.min(64, slot * 0.5), y.at, attributes.points);
  });
  const names = columns.map(({ name }, k) => {
    const x = box.left + (k + 0.5) * slot;
    const place = turned
      ? {
          transform: `translate(${(x + 4).toFixed(1)} ${box.bottom + 8 + fontSize / 2}) rotate(-35)`,
          textAnchor: 'end',
        }
      : { x, y: box.bottom + 8 + fontSize, textAnchor: 'middle' };
    return el('text', { ...place, fill: '#222' }, escapeXml(name));
  });
  return pictureOf(
    attributes,
    gridLines(box, null, y),
    clipped(box, ...boxes),
    axesOf({ ...attributes, xlabel: '' }, box, null, y),
    ...names,
    legendOf(entries, box, fontSize),
    xlabelOf(attributes, (box.left + box.right) / 2),
  );
}

function xlabelOf({ xlabel, fontSize, height }: Attributes, x: number): string {
  if (xlabel === '') return '';
  return el(
    'text',
    { x, y: height - 0.6 * fontSize, textAnchor: 'middle', fontSize: fontSize * 1.1, fill: '#222' },
    escapeXml(xlabel),
  );
}

function boxOf(
  { five, values, color, reference = NaN }: Column,
  x: number,
  width: number,
  at: (value: number) => number,
  points: boolean,
): string {
  if (values.length === 0) return diamond(x, at(reference), color);
  const half = width / 2;
  const row = (value: number) => at(value).toFixed(1);
  const whiskers = [
    `M${x},${row(five.low)}V${row(five.q1)}M${x},${row(five.q3)}V${row(five.high)}`,
    `M${x - half / 2},${row(five.low)}h${half}M${x - half / 2},${row(five.high)}h${half}`,
  ];
  const dots = points ? values : five.outliers;
  return el(
    'g',
    { stroke: color, strokeWidth: 1.5, fill: 'none' },
    el('path', { d: whiskers.join('') }),
    el('rect', {
      x: x - half,
      y: at(five.q3),
      width,
      height: Math.max(0.5, at(five.q1) - at(five.q3)),
      fill: color,
      fillOpacity: 0.2,
    }),
    el('path', { d: `M${x - half},${row(five.median)}h${width}`, strokeWidth: 3 }),
    ...dots.map((value, i) => {
      // Spread by the golden ratio: even, and the same in every drawing.
      const aside = points ? (((i * 0.618034) % 1) - 0.5) * width * 0.7 : 0;
      return el('circle', {
        cx: x + aside,
        cy: at(value),
        r: 2.4,
        fill: color,
        fillOpacity: 0.55,
        stroke: 'none',
      });
    }),
    diamond(x, at(reference), color),
  );
}
