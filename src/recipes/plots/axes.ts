import { scaleLinear, scaleLog } from 'd3-scale';
import { everyOther, fit, labelWidth, linearTicks, logTicks, type Tick } from './ticks.ts';
import { drawableSize } from '../grid/statistics.ts';
import { offsetOf } from './offset.ts';
import type { AxisScale } from './attributes.ts';

/** One axis: a map from values to pixels, and ticks. */
export interface Axis {
  readonly kind: AxisScale;
  readonly domain: readonly [number, number];
  /** Positions of both ends of the domain, px. */
  readonly range: readonly [number, number];
  readonly ticks: readonly Tick[];
  /** Returns the position of a value, px; NaN if it cannot be shown (≤ 0 on a log axis). */
  readonly at: (value: number) => number;
}

/** Options of the ticks of an axis. */
export interface TickOptions {
  /** Size of the labels, px. @defaultValue `14` */
  readonly fontSize?: number | undefined;
  /** True if labels stand side by side, and so need room. @defaultValue false */
  readonly horizontal?: boolean | undefined;
  /**
   * True if labels far from 0 leave out the offset of the domain, which the name of the axis must then tell
   * ({@link nameLess}).
   *
   * @defaultValue true
   */
  readonly offset?: boolean | undefined;
}

/** Returns an axis from `domain` to `range` (px), with about one labeled tick every five font sizes. */
export function axisOf(
  kind: AxisScale,
  domain: readonly [number, number],
  range: readonly [number, number],
  { fontSize = 14, horizontal = false, offset = true }: TickOptions = {},
): Axis {
  const length = Math.abs(range[1] - range[0]);
  const count = Math.max(2, Math.round(length / (5 * fontSize)));
  const [low, high] = domain;
  const left = offset ? (offsetOf(domain)?.value ?? 0) : 0;
  const linear = (n: number) => linearTicks(low, high, n, left);
  if (kind === 'log') {
    const scale = scaleLog().domain(domain).range(range);
    const at = (value: number) => (value > 0 ? scale(value) : NaN);
    // Over less than half a decade, a log axis has linear ticks.
    const ticksOf = high < 3 * low ? linear : (n: number) => logTicks(low, high, n);
    const across = (value: number) => Math.abs(at(value) - range[0]);
    const fits = (ticks: readonly Tick[]) => !horizontal || fit(ticks, across, fontSize);
    const ticks = fewestLabels(ticksOf, count, fits);
    return { kind, domain, range, ticks, at };
  }
  const scale = scaleLinear().domain(domain).range(range);
  const across = (value: number) => Math.abs(scale(value) - range[0]);
  const fits = (ticks: readonly Tick[]) => !horizontal || fit(ticks, across, fontSize);
  let ticks = fewestLabels(linear, count, fits);
  // One label tells no scale: a low axis takes the coarsest ticks that have two, if there is room for them.
  for (let n = 2; labeled(ticks) < 2 && n <= length / (1.5 * fontSize); n++) {
    const finer = thinned(linear(n), fits);
    if (labeled(finer) >= 2) ticks = finer;
  }
  return { kind, domain, range, ticks, at: (value) => scale(value) };
}

/** Returns as many ticks as fit, at most `count`; drops every other label until they fit or one is left. */
function fewestLabels(
  ticksOf: (count: number) => readonly Tick[],
  count: number,
  fits: (ticks: readonly Tick[]) => boolean,
): readonly Tick[] {
  let ticks = ticksOf(count);
  for (let n = count - 1; n > 1 && !fits(ticks); n--) ticks = ticksOf(n);
  return thinned(ticks, fits);
}

/** Drops every other label until they fit or one is left. */
function thinned(ticks: readonly Tick[], fits: (ticks: readonly Tick[]) => boolean): readonly Tick[] {
  let kept = ticks;
  while (!fits(kept) && labeled(kept) > 1) kept = everyOther(kept);
  return kept;
}

/** Returns the number of labels. */
const labeled = (ticks: readonly Tick[]): number => ticks.filter(({ label }) => label !== null).length;

/** Returns the width of the widest label, px. */
export function widestLabel({ ticks }: Pick<Axis, 'ticks'>, fontSize: number): number {
  return ticks.reduce(
    (most, { label }) => Math.max(most, label === null ? 0 : labelWidth(label, fontSize)),
    0,
  );
}

/**
 * Returns the smallest domain that contains all finite values (all > 0 on a log axis), slightly padded.
 *
 * It is never narrower than 10⁻¹⁰ of its values: labels would need more digits than fit.
 */
export function domainOf(values: Iterable<number>, kind: AxisScale, padding = 0.04): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!(Math.abs(value) <= drawableSize) || (kind === 'log' && value < 1 / drawableSize)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return kind === 'log' ? [0.1, 1] : [0, 1];
  if (kind === 'log') {
    // The quotient itself could overflow.
    const decades = Math.log10(high) - Math.log10(low);
    const least = decades < 1e-10 ? 1 + 1e-10 : 1;
    const factor = low === high ? 2 : Math.max(least, Math.min(1e5, 10 ** (padding * decades)));
    return [Math.max(low / factor, Number.MIN_VALUE), Math.min(high * factor, 1e308)];
  }
  const size = Math.max(Math.abs(low), Math.abs(high));
  const pad = low === high ? size * 0.1 || 1 : Math.max((high - low) * padding, 1e-10 * size, 1e-280);
  return padding === 0 && high - low > Math.max(2e-10 * size, 1e-280) ? [low, high] : [low - pad, high + pad];
}
