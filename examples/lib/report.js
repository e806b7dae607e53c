import { mkdirSync, writeFileSync } from 'node:fs';

/**
 * Prints rows under headings, in columns as wide as their widest cell. The first column is left-aligned, the others are
 * right-aligned.
 *
 * @param {readonly (string | number)[]} headings
 * @param {readonly (readonly (string | number)[])[]} rows
 */
export function printTable(headings, rows) {
  const widths = headings.map((_, i) => Math.max(...[headings, ...rows].map((row) => `${row[i]}`.length)));
  const line = (/** @type {readonly (string | number)[]} */ cells) =>
    cells
      .map((cell, i) => (i === 0 ? `${cell}`.padEnd(widths[i]) : `${cell}`.padStart(widths[i])))
      .join('   ');
  console.log(
    [line(headings), widths.map((width) => '─'.repeat(width)).join('───'), ...rows.map(line)].join('\n'),
  );
}

/**
 * Writes a figure to `out/` and prints its path.
 *
 * @param {string} name
 * @param {{ toSVG(): string }} plot
 */
export function saveFigure(name, plot) {
  mkdirSync('out', { recursive: true });
  writeFileSync(`out/${name}`, plot.toSVG());
  console.log(`\nFigure: out/${name}`);
}

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
