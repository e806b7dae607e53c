/**
 * Labels on contour lines: round levels, and places where a line is straight enough for a label.
 *
 * @module
 */
import { ticks as niceTicks } from 'd3-array';
import { ringsAbove, type Ring } from './contours.ts';
import { labelWidth, plainLabels, tickLabels } from './ticks.ts';
import type { Box } from './frame.ts';
import type { Transform, ValueScale } from '../grid/valueScale.ts';
import type { Grid } from './upsample.ts';

/** A label on a line, px. */
export interface ContourLabel {
  readonly x: number;
  readonly y: number;
  /** Angle in degrees, clockwise, from −90 to 90. */
  readonly angle: number;
  /** Label as SVG text. */
  readonly text: string;
}

/** Digits and steps of powers of ten for levels, finest first. */
const ladders: readonly { readonly digits: readonly number[]; readonly every: number }[] = [
  { digits: [1, 2, 5], every: 1 },
  ...[1, 2, 3, 5, 10, 20, 50].map((every) => ({ digits: [1], every })),
];

/** Returns about `count` round values inside (low, high); all are transformed. */
export function roundLevels(
  low: number,
  high: number,
  count: number,
  zscale: ValueScale,
  { apply, invert, threshold }: Transform,
): number[] {
  const inside = (values: readonly number[]) =>
    values.map(apply).filter((level) => level > low && level < high);
  const even = inside(niceTicks(invert(low), invert(high), count));
  if (zscale === 'linear') return even;
  const top = Math.ceil(Math.log10(Math.max(Math.abs(invert(low)), Math.abs(invert(high)))));
  // Below its threshold a symlog scale is linear: smaller powers would crowd around 0.
  const least = zscale === 'log' ? -307 : Math.ceil(Math.log10(threshold));
  const powers = Array.from({ length: Math.max(0, top - least + 1) }, (_, k) => least + k);
  for (const { digits, every } of ladders) {
    const sizes = powers
      .filter((power) => power % every === 0)
      .flatMap((power) => digits.map((digit) => Number(`${digit}e${power}`)));
    const levels = inside([...sizes.map((size) => -size).toReversed(), 0, ...sizes]);
    if (levels.length <= count) return levels.length < 3 ? even : levels;
  }
  return even;
}

/** Returns the labels of transformed levels in the user's units; levels in equal steps are labeled as on an axis. */
export function levelLabels(levels: readonly number[], { invert }: Transform, linear: boolean): string[] {
  const values = levels.map((level) => Number(invert(level).toPrecision(14)));
  const steps = values.slice(1).map((value, k) => value - values[k]);
  const even = steps.every((step) => Math.abs(step - steps[0]) < 1e-6 * Math.abs(steps[0]));
  return linear && even && values.length > 1 ? tickLabels(values) : plainLabels(values);
}

/** Finds places for labels on the lines of a grid: at most one per line, without overlap. */
export function contourLabels(
  grid: Grid,
  levels: readonly number[],
  texts: readonly string[],
  box: Box,
  fontSize: number,
): ContourLabel[] {
  const placed: ContourLabel[] = [];
  const halves: number[] = [];
  ringsAbove(grid, levels, box).forEach((rings, k) => {
    const width = labelWidth(texts[k], fontSize);
    for (const ring of rings) {
      const free = placesOn(ring, box, width, fontSize).find(({ x, y }) =>
        placed.every((other, i) => Math.hypot(x - other.x, y - other.y) > width / 2 + halves[i] + fontSize),
      );
      if (free === undefined) continue;
      placed.push({ ...free, text: texts[k] });
      halves.push(width / 2);
    }
  });
  return placed;
}

/** Returns the places on a ring with room for a label of this width, the straightest first. */
function placesOn({ xs, ys }: Ring, box: Box, width: number, fontSize: number): Omit<ContourLabel, 'text'>[] {
  const count = xs.length;
  const lengths = xs.map((x, k) => Math.hypot(xs[(k + 1) % count] - x, ys[(k + 1) % count] - ys[k]));
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total < 3 * width) return [];
  const margin = width / 2 + 2;
  const isInside = (k: number) =>
    xs[k] > box.left + 1 && xs[k] < box.right - 1 && ys[k] > box.top + 1 && ys[k] < box.bottom - 1;
  const stride = Math.max(1, Math.floor(count / 200));
  const places: { straight: number; place: Omit<ContourLabel, 'text'> }[] = [];
  for (let k = 0; k < count; k += stride) {
    // Follow the line from here until there is room for the label.
    let end = k;
    let arc = 0;
    while (arc < width + fontSize && end < k + count && isInside(end % count)) arc += lengths[end++ % count];
    if (arc < width + fontSize || !isInside(end % count)) continue;
    const [dx, dy] = [xs[end % count] - xs[k], ys[end % count] - ys[k]];
    const straight = Math.hypot(dx, dy) / arc;
    const middle = Math.floor((k + end) / 2) % count;
    const [x, y] = [xs[middle], ys[middle]];
    const fits =
      x > box.left + margin && x < box.right - margin && y > box.top + margin && y < box.bottom - margin;
    if (straight < 0.9 || !fits) continue;
    const angle = (Math.atan2(dy, dx) * 180) / Math.PI;
    const upright = angle > 90 ? angle - 180 : angle < -90 ? angle + 180 : angle;
    places.push({ straight, place: { x, y, angle: upright } });
  }
  return places.toSorted((a, b) => b.straight - a.straight).map(({ place }) => place);
}
