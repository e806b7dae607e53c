import { widestLabel } from './axes.ts';
import { colorAt, valueAxis, type Field } from './field.ts';
import type { FilledLandscapeAttributes } from './landscapeAttributes.ts';
import { shares, sideways, sizeWithin, type Box, type Frame } from './frame.ts';
import { inkOn } from './ink.ts';
import { el, px } from './svg.ts';

/** Sizes of a color bar, px. */
interface BarPlan {
  readonly gap: number;
  readonly thickness: number;
  /** Size of the labels, smaller where they would be too wide. */
  readonly labelSize: number;
  /** True if there is room for the name of the values. */
  readonly named: boolean;
  readonly total: number;
}

/** The bar, its labels and its name, within their share of the picture. */
function planOf(field: Field, { fontSize, width, height, zscale }: FilledLandscapeAttributes): BarPlan {
  const [gap, thickness] = [1.15 * fontSize, 1.3 * fontSize];
  const axis = valueAxis(field, zscale, [0.85 * height, 0], fontSize);
  const widest = widestLabel(axis, fontSize);
  const bare = gap + thickness + 0.7 * fontSize;
  const name = 1.7 * fontSize;
  const room = shares.right * width;
  const named = field.label !== '' && bare + widest + name <= room;
  const labels = Math.min(widest, room - bare);
  return {
    gap,
    thickness,
    labelSize: sizeWithin(widest, labels, fontSize),
    named,
    total: bare + labels + (named ? name : 0),
  };
}

/** Space that a color bar needs right of the plotting area, px. */
export function colorBarWidth(field: Field, attributes: FilledLandscapeAttributes): number {
  return attributes.colorbar ? planOf(field, attributes).total : 0;
}

/**
 * The color bar: bands between levels, or without levels a continuous one; with an arrow where values lie beyond.
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
  const { fontSize, width, height, zscale, background } = attributes;
  const { gap, thickness, labelSize, named } = planOf(field, attributes);
  const left = box.right + gap;
  const right = left + thickness;
  const axis = valueAxis(field, zscale, [box.bottom, box.top], fontSize);
  const { low, high } = field;
  const inner = levels?.filter((level) => level > low && level < high) ?? null;
  const edges = inner === null ? evenly(low, high, 128) : [low, ...inner, high];
  // Each band reaches down to the foot, the highest first: no seam shows between two.
  const bands = edges
    .slice(0, -1)
    .map((_, k) => {
      const y = axis.at(edges[k + 1]);
      const fill = colorAt(field, bandValue(edges, k));
      return el('rect', { x: left, y, width: thickness, height: box.bottom - y, fill });
    })
    .toReversed();
  const arrows = [
    field.above ? arrowAt(box.top, -0.6 * fontSize, colorAt(field, high)) : '',
    field.below ? arrowAt(box.bottom, 0.6 * fontSize, colorAt(field, low)) : '',
  ];
  function arrowAt(y: number, height: number, fill: string): string {
    const d = `M${px(left)},${px(y)}h${px(thickness)}L${px((left + right) / 2)},${px(y + height)}Z`;
    return el('path', { d, fill, stroke: inkOn(background).frame });
  }
  const marks: string[] = [];
  const labels: string[] = [];
  for (const { value, label } of axis.ticks) {
    const y = axis.at(value);
    if (y < box.top - 0.5 || y > box.bottom + 0.5) continue;
    marks.push(`M${px(right)},${y.toFixed(1)}h${px((label === null ? 0.2 : 0.36) * fontSize)}`);
    if (label !== null) {
      const place = { x: right + 0.6 * fontSize, y: y + 0.35 * labelSize, fontSize: labelSize };
      labels.push(el('text', place, label));
    }
  }
  const ink = inkOn(background);
  const frame = el('rect', { x: left, y: box.top, width: thickness, height: box.bottom - box.top });
  const name = named
    ? sideways(
        field.label,
        width - (box.shift ?? 0) - 0.5 * fontSize,
        (box.top + box.bottom) / 2,
        1.1 * fontSize,
        height,
      )
    : '';
  return [
    ...arrows,
    bands.join(''),
    el('g', { fill: 'none', stroke: ink.frame }, frame, el('path', { d: marks.join('') })),
    el('g', { fill: ink.text }, ...labels, name),
  ].join('');
}

/** The name of the values where a bar has no arrows: it says which ends are cut off. */
export function barTitle(label: string, { below, above }: Field): string {
  if (!below && !above) return label;
  return `${label}, cut off ${below ? (above ? 'at both ends' : 'below') : 'above'}`;
}

/** The value whose color the k-th band takes: its middle. */
export function bandValue(edges: readonly number[], k: number): number {
  return (edges[k] + edges[k + 1]) / 2;
}

function evenly(low: number, high: number, count: number): number[] {
  return Array.from({ length: count + 1 }, (_, k) => low + (high - low) * (k / count));
}
