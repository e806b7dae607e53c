import { axisOf, widestLabel, type Axis } from './axes.ts';
import { sideways, sizeWithin, type Box } from './frame.ts';
import { inkOn } from './ink.ts';
import { endOf, offsetOf, type Offset } from './offset.ts';
import { el, px } from './svg.ts';
import type { FigureAttributes } from './attributes.ts';
import type { Filled } from '../../core/options.ts';

/** Largest fraction of the picture's width for the axis. */
const share = 0.2;

/** Returns the sizes of a second axis at the right, px. */
function planOf(widest: number, offset: Offset | null, { width, fontSize }: Filled<FigureAttributes>) {
  const [bare, name] = [1.3 * fontSize, 1.7 * fontSize];
  const room = share * width;
  const labels = Math.min(widest, Math.max(0, room - bare - (offset === null ? 0 : name)));
  const named = offset !== null || bare + labels + name <= room;
  return {
    labelSize: sizeWithin(widest, labels, fontSize),
    named,
    total: bare + labels + (named ? name : 0),
  };
}

/** Returns the width of a second axis over `domain`, px. */
export function rightAxisWidth(
  domain: readonly [number, number],
  attributes: Filled<FigureAttributes>,
): number {
  const { height, fontSize } = attributes;
  const widest = widestLabel(axisOf('linear', domain, [0.85 * height, 0], { fontSize }), fontSize);
  return planOf(widest, offsetOf(domain), attributes).total;
}

/** Draws ticks, labels and name, less the offset, of a second vertical axis, at the right of the plotting area. */
export function rightAxis(axis: Axis, box: Box, name: string, attributes: Filled<FigureAttributes>): string {
  const { fontSize, height, background } = attributes;
  const offset = offsetOf(axis.domain);
  const { labelSize, named, total } = planOf(widestLabel(axis, fontSize), offset, attributes);
  const ink = inkOn(background);
  const marks: string[] = [];
  const labels: string[] = [];
  for (const { value, label } of axis.ticks) {
    const y = axis.at(value);
    if (y < box.top - 0.5 || y > box.bottom + 0.5) continue;
    marks.push(`M${px(box.right)},${px(y)}h${px((label === null ? 0.2 : 0.43) * fontSize)}`);
    if (label === null) continue;
    const place = { x: box.right + 0.64 * fontSize, y: y + 0.35 * labelSize, fontSize: labelSize };
    labels.push(el('text', place, label));
  }
  const middle = (box.top + box.bottom) / 2;
  return [
    el('path', { d: marks.join(''), fill: 'none', stroke: ink.frame }),
    el(
      'g',
      { fill: ink.text },
      ...labels,
      named
        ? sideways(
            [name, endOf(name, offset)],
            box.right + total - 0.4 * fontSize,
            middle,
            1.1 * fontSize,
            height,
          )
        : '',
    ),
  ].join('');
}
