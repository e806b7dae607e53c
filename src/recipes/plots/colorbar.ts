import { labelWidth } from './axes.ts';
import { sideways, type Box } from './frame.ts';
import { colorAt, valueAxis, type Field, type FilledLandscapeAttributes } from './field.ts';
import { el } from './svg.ts';

/** Space that a color bar needs right of the plotting area, px. */
export function colorBarWidth(field: Field, attributes: FilledLandscapeAttributes): number {
  if (!attributes.colorbar) return 0;
  const { fontSize, height, zscale } = attributes;
  const { ticks } = valueAxis(field, zscale, [height - 60, 0]);
  const labels = ticks.map(({ label }) => (label === null ? 0 : labelWidth(label, fontSize)));
  return 16 + 18 + 10 + Math.max(0, ...labels) + 1.7 * fontSize;
}

/**
 * The color bar: bands between levels, or without levels a continuous one.
 *
 * @param levels - transformed values between the bands, or null
 */
export function colorBar(
  field: Field,
  levels: readonly number[] | null,
  box: Box,
  attributes: FilledLandscapeAttributes,
): string {
  if (!attributes.colorbar) return '';
  const { fontSize, width, zscale } = attributes;
  const left = box.right + 16;
  const axis = valueAxis(field, zscale, [box.bottom, box.top]);
  const { low, high } = field;
  const inner = levels?.filter((level) => level > low && level < high) ?? null;
  const edges = inner === null ? evenly(low, high, 128) : [low, ...inner, high];
  const bands = edges.slice(0, -1).map((from, k) => {
    const to = edges[k + 1];
    const y = axis.at(to);
    // A hair of overlap, so that no seam shows between bands.
    const height = axis.at(from) - y + (k === 0 ? 0 : 0.4);
    return el('rect', { x: left, y, width: 18, height, fill: colorAt(field, bandValue(edges, k)) });
  });
  const marks: string[] = [];
  const labels: string[] = [];
  for (const { value, label } of axis.ticks) {
    const y = axis.at(value);
    if (y < box.top - 0.5 || y > box.bottom + 0.5) continue;
    marks.push(el('path', { d: `M${left + 18},${y.toFixed(1)}h${label === null ? 3 : 5}` }));
    if (label !== null) labels.push(el('text', { x: left + 27, y: y + 0.35 * fontSize }, label));
  }
  const frame = el('rect', { x: left, y: box.top, width: 18, height: box.bottom - box.top });
  return [
    el('g', {}, ...bands),
    el('g', { fill: 'none', stroke: '#333' }, frame, ...marks),
    el(
      'g',
      { fill: '#222' },
      ...labels,
      sideways(field.label, width - 0.5 * fontSize, (box.top + box.bottom) / 2, 1.1 * fontSize),
    ),
  ].join('');
}

/** The value whose color the k-th band takes: its middle. */
export function bandValue(edges: readonly number[], k: number): number {
  return (edges[k] + edges[k + 1]) / 2;
}

function evenly(low: number, high: number, count: number): number[] {
  return Array.from({ length: count + 1 }, (_, k) => low + ((high - low) * k) / count);
}
