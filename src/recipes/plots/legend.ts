import { shares, type Box } from './frame.ts';
import { inkOn } from './ink.ts';
import { diamond } from './reference.ts';
import { el, escapeXml, textWidth } from './svg.ts';
import { shortened, wrapped } from './text.ts';
import type { FigureAttributes } from './attributes.ts';
import type { Filled } from '../../core/options.ts';

/** One line of a legend. */
export interface LegendEntry {
  readonly name: string;
  readonly color: string;
  readonly dash?: string | undefined;
  /** True to show a hollow diamond instead of a line. */
  readonly diamond?: boolean;
}

/** Returns the entry for the hollow diamonds of references. */
export const referenceEntry = (name: string): LegendEntry => ({ name, color: '#444', diamond: true });

/** Returns the width of a legend at the right of the figure, px, at most its share of the picture. */
export function legendWidth(
  entries: readonly LegendEntry[],
  { fontSize, width }: Filled<FigureAttributes>,
): number {
  if (entries.length === 0) return 0;
  const widest = entries.reduce((most, { name }) => Math.max(most, textWidth(name, fontSize)), 0);
  return Math.min(3 * fontSize + widest, shares.right * width);
}

/**
 * Draws a legend at the right of the plotting area. Long names are wrapped, and many entries set smaller; the last line
 * counts entries that still have no room.
 */
export function legendOf(
  entries: readonly LegendEntry[],
  box: Box,
  attributes: Filled<FigureAttributes>,
): string {
  if (entries.length === 0) return '';
  const { width, background } = attributes;
  const height = box.bottom - box.top;
  const full = attributes.fontSize;
  const sizes = [full, 0.85 * full, 0.7 * full, 0.6 * full];
  const layouts = sizes.flatMap((size) =>
    [6, 3, 2, 1].map((most) => {
      const room = width - 4 - (box.right + 2.7 * size);
      const rows = entries.map(({ name }) => {
        const lines = wrapped(name, room, size, most);
        return lines.length > 0 ? lines : [shortened(name, room, size)];
      });
      const tall = rows.reduce((sum, lines) => sum + (1.15 * lines.length + 0.3) * size, 0);
      return { size, rows, room, complete: tall <= height };
    }),
  );
  const { size, rows, room } = layouts.find(({ complete }) => complete) ?? layouts[layouts.length - 1];
  const ink = inkOn(background);
  const parts: string[] = [];
  let y = box.top + 0.8 * size;
  for (const [k, lines] of rows.entries()) {
    const next = y + (1.15 * lines.length + 0.3) * size;
    const left = rows.length - k;
    if (left > 1 && next + 0.9 * size > box.bottom + 1 && !rest(rows.slice(k), y, size, box)) {
      const more = shortened(`and ${left} more`, room, size);
      parts.push(
        el('text', { x: box.right + 2.7 * size, y: y + 0.35 * size, fontSize: size, fill: ink.text }, more),
      );
      break;
    }
    parts.push(row(entries[k], lines, box.right, y, size, ink.text));
    y = next;
  }
  return el('g', {}, ...parts);
}

/** True if all of these rows fit from y on. */
const rest = (rows: readonly (readonly string[])[], y: number, size: number, box: Box): boolean =>
  rows.reduce((at, lines) => at + (1.15 * lines.length + 0.3) * size, y) - 0.8 * size <= box.bottom + 1;

function row(
  { name, color, dash, diamond: asDiamond = false }: LegendEntry,
  lines: readonly string[],
  right: number,
  y: number,
  size: number,
  ink: string,
): string {
  const stroke = { stroke: color, strokeWidth: 2.5, strokeDasharray: dash };
  const sample = asDiamond
    ? diamond(right + 1.5 * size, y, color, size / 2)
    : el('path', {
        d: `M${(right + 0.7 * size).toFixed(1)},${y.toFixed(1)}h${(1.6 * size).toFixed(1)}`,
        ...stroke,
      });
  const texts = lines.map((line, k) =>
    el(
      'text',
      { x: right + 2.7 * size, y: y + (0.35 + 1.15 * k) * size, fontSize: size, fill: ink },
      escapeXml(line),
      ...(line === name ? [] : [el('title', {}, escapeXml(name))]),
    ),
  );
  return [sample, ...texts].join('');
}
