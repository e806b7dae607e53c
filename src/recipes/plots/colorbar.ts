import { widestLabel, type Axis } from './axes.ts';
import { colorAt, valueAxis, valueNameEnd, type Field } from './field.ts';
import type { FilledLandscapeAttributes } from './landscapeAttributes.ts';
import { shares, sideways, sizeWithin, type Box, type Frame } from './frame.ts';
import { inkOn } from './ink.ts';
import { el, px } from './svg.ts';

/** Sizes of a color bar, px. */
interface BarPlan {
  readonly gap: number;
  readonly thickness: number;
  /** Size of the labels, reduced if they would be too wide. */
  readonly labelSize: number;
  /** Name of the values, and the offset that it ends in; empty if there is no room for it and labels leave no offset out. */
  readonly title: readonly [string, string];
  readonly total: number;
}

/** Returns the sizes of the bar, its labels and its name, within their share of the picture. */
function planOf(field: Field, { fontSize, width, height, zscale }: FilledLandscapeAttributes): BarPlan {
  const title = [field.label, valueNameEnd(field, zscale)] as const;
  const [gap, thickness] = [1.15 * fontSize, 1.3 * fontSize];
  const axis = valueAxis(field, zscale, [0.85 * height, 0], fontSize);
  const widest = widestLabel(axis, fontSize);
  const bare = gap + thickness + 0.7 * fontSize;
  const name = 1.7 * fontSize;
  const room = shares.right * width;
  const isLess = title[1] !== '';
  const named = title.join('') !== '' && (isLess || bare + widest + name <= room);
  const labels = Math.min(widest, room - bare - (isLess ? name : 0));
  return {
    gap,
    thickness,
    labelSize: sizeWithin(widest, labels, fontSize),
    title: named ? title : ['', ''],
    total: bare + labels + (named ? name : 0),
  };
}

/** Position of the bar, px. */
interface Bar extends Box {
  readonly width: number;
}

/** Returns the width that a color bar needs right of the plotting area, px. */
export function colorBarWidth(field: Field, attributes: FilledLandscapeAttributes): number {
  return attributes.colorbar ? planOf(field, attributes).total : 0;
}

/**
 * Draws the color bar: bands between levels, or continuous colors without levels; an arrow marks values beyond an end.
 *
 * @param levels - transformed values between the bands, or null
 */
export function colorBar(
  field: Field,
  levels: readonly number[] | null,
  box: Box & Partial<Pick<Frame, 'shift'>>,
  attributes: FilledLandscapeAttributes,
): string {
  if (!attributes.colorbar) return '';
  const { fontSize, height, zscale, background } = attributes;
  const plan = planOf(field, attributes);
  const left = box.right + plan.gap;
  const width = plan.thickness;
  const bar: Bar = { left, right: left + width, width, top: box.top, bottom: box.bottom };
  const axis = valueAxis(field, zscale, [box.bottom, box.top], fontSize);
  const { marks, labels } = ticksAtRight(axis, bar, fontSize, plan.labelSize);
  const ink = inkOn(background);
  const nameX = attributes.width - (box.shift ?? 0) - 0.5 * fontSize;
  const middle = (box.top + box.bottom) / 2;
  const name = sideways(plan.title, nameX, middle, 1.1 * fontSize, height);
  const frame = el('rect', { x: left, y: box.top, width, height: box.bottom - box.top });
  return [
    field.above ? arrow(bar, box.top, -0.6 * fontSize, colorAt(field, field.high), ink.frame) : '',
    field.below ? arrow(bar, box.bottom, 0.6 * fontSize, colorAt(field, field.low), ink.frame) : '',
    bandsOf(field, levels, axis, bar),
    el('g', { fill: 'none', stroke: ink.frame }, frame, el('path', { d: marks })),
    el('g', { fill: ink.text }, labels, name),
  ].join('');
}

/** Draws the colors of the bar. */
function bandsOf(field: Field, levels: readonly number[] | null, axis: Axis, bar: Bar): string {
  const { low, high } = field;
  const inner = levels?.filter((level) => level > low && level < high) ?? null;
  const edges = inner === null ? evenly(low, high, 128) : [low, ...inner, high];
  // Each band extends to the bottom, the highest first, so no seams are visible.
  const bands = edges.slice(0, -1).map((_, k) => {
    const y = axis.at(edges[k + 1]);
    const fill = colorAt(field, bandValue(edges, k));
    return el('rect', { x: bar.left, y, width: bar.width, height: bar.bottom - y, fill });
  });
  return bands.toReversed().join('');
}

/** Draws an arrow at an end of the bar, at y and `height` px long, to show that values lie beyond. */
function arrow({ left, right, width }: Bar, y: number, height: number, fill: string, stroke: string): string {
  const d = `M${px(left)},${px(y)}h${px(width)}L${px((left + right) / 2)},${px(y + height)}Z`;
  return el('path', { d, fill, stroke });
}

/** Draws marks and labels of the values. */
function ticksAtRight(
  axis: Axis,
  { right, top, bottom }: Box,
  fontSize: number,
  labelSize: number,
): { marks: string; labels: string } {
  let [marks, labels] = ['', ''];
  for (const { value, label } of axis.ticks) {
    const y = axis.at(value);
    if (y < top - 0.5 || y > bottom + 0.5) continue;
    marks += `M${px(right)},${y.toFixed(1)}h${px((label === null ? 0.2 : 0.36) * fontSize)}`;
    if (label === null) continue;
    const place = { x: right + 0.6 * fontSize, y: y + 0.35 * labelSize, fontSize: labelSize };
    labels += el('text', place, label);
  }
  return { marks, labels };
}

/** Returns the name of the values for a bar without arrows; it says which ends are cut off. */
export function barTitle(label: string, { below, above }: Field): string {
  if (!below && !above) return label;
  return `${label}, cut off ${below ? (above ? 'at both ends' : 'below') : 'above'}`;
}

/** Returns the value whose color the k-th band has: its middle. */
export function bandValue(edges: readonly number[], k: number): number {
  return (edges[k] + edges[k + 1]) / 2;
}

function evenly(low: number, high: number, count: number): number[] {
  return Array.from({ length: count + 1 }, (_, k) => low + (high - low) * (k / count));
}
