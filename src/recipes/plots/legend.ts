import { diamond } from './reference.ts';
import { el, escapeXml, textWidth } from './svg.ts';
import type { Box } from './frame.ts';

/** One line of a legend. */
export interface LegendEntry {
  readonly name: string;
  readonly color: string;
  readonly dash?: string;
  /** Show a hollow diamond in the place of a line. */
  readonly diamond?: boolean;
}

/** Width that a legend at the right of the figure needs, px. */
export function legendWidth(entries: readonly LegendEntry[], fontSize: number): number {
  return entries.length === 0 ? 0 : 42 + Math.max(...entries.map(({ name }) => textWidth(name, fontSize)));
}

/** A legend at the right of the plotting area. */
export function legendOf(entries: readonly LegendEntry[], box: Box, fontSize: number): string {
  const lines = entries.map(({ name, color, dash, diamond: asDiamond = false }, k) => {
    const y = box.top + (k + 0.7) * 1.6 * fontSize;
    const stroke = { stroke: color, strokeWidth: 2.5, strokeDasharray: dash };
    const line = el('path', { d: `M${box.right + 10},${y.toFixed(1)}h22`, ...stroke });
    return [
      asDiamond ? diamond(box.right + 21, y, color) : line,
      el('text', { x: box.right + 38, y: y + 0.35 * fontSize, fill: '#222' }, escapeXml(name)),
    ].join('');
  });
  return el('g', {}, ...lines);
}
