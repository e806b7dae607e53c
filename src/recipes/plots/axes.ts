import { scaleLinear, scaleLog } from 'd3-scale';
import { textWidth } from './svg.ts';
import type { AxisScale } from './recipe.ts';

/** One tick: where it stands, and its label, or null for a minor one. */
export interface Tick {
  readonly value: number;
  readonly label: string | null;
}

/** One axis: from values to pixels, and its ticks. */
export interface Axis {
  readonly kind: AxisScale;
  readonly domain: readonly [number, number];
  readonly ticks: readonly Tick[];
  /** Position, px; NaN where the axis has no place for the value (≤ 0 on a log axis). */
  readonly at: (value: number) => number;
}

/** An axis from `domain` to `range` (px), with about one labeled tick every 70 px. */
export function axisOf(
  kind: AxisScale,
  domain: readonly [number, number],
  range: readonly [number, number],
): Axis {
  const count = Math.max(2, Math.round(Math.abs(range[1] - range[0]) / 70));
  if (kind === 'log') {
    if (domain[1] / domain[0] < 3) return narrowLog(domain, range, count);
    const scale = scaleLog().domain(domain).range(range);
    return { kind, domain, ticks: logTicks(domain, count), at: (v) => (v > 0 ? scale(v) : NaN) };
  }
  const scale = scaleLinear().domain(domain).range(range);
  const format = scale.tickFormat(count);
  const ticks = scale.ticks(count).map((value) => ({ value, label: numberLabel(value, format) }));
  return { kind, domain, ticks, at: (v) => scale(v) };
}

/** A log axis over less than half a decade: its ticks are those of a linear one. */
function narrowLog(domain: readonly [number, number], range: readonly [number, number], count: number): Axis {
  const scale = scaleLog().domain(domain).range(range);
  const ticks = scaleLinear()
    .domain(domain)
    .ticks(count)
    .map((value) => ({ value, label: plain(value) }));
  return { kind: 'log', domain, ticks, at: (v) => (v > 0 ? scale(v) : NaN) };
}

/** The smallest domain that holds all finite values (all > 0 on a log axis), padded a little. */
export function domainOf(values: Iterable<number>, kind: AxisScale, padding = 0.04): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value) || (kind === 'log' && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return kind === 'log' ? [0.1, 1] : [0, 1];
  if (kind === 'log') {
    const factor = low === high ? 2 : (high / low) ** padding;
    return [low / factor, high * factor];
  }
  const pad = low === high ? Math.abs(low) * 0.1 || 1 : (high - low) * padding;
  return [low - pad, high + pad];
}

/** Powers of ten, every `k`-th labeled; over less than two decades also 2 and 5. */
function logTicks([low, high]: readonly [number, number], count: number): Tick[] {
  const ticks: Tick[] = [];
  const decades = Math.log10(high / low);
  const every = Math.max(1, Math.ceil(decades / Math.max(count, 2)));
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (let digit = 1; digit < 10; digit++) {
      const value = digit * 10 ** power;
      if (value < low * (1 - 1e-12) || value > high * (1 + 1e-12)) continue;
      if (digit === 1) ticks.push({ value, label: power % every === 0 ? powerLabel(power) : null });
      else if (decades < 2.2) ticks.push({ value, label: wants(digit, decades) ? plain(value) : null });
      else if (decades < 8) ticks.push({ value, label: null });
    }
  }
  return ticks;
}

const wants = (digit: number, decades: number) => decades < 0.7 || digit === 2 || digit === 5;

/** 10^power as SVG text. */
function powerLabel(power: number): string {
  if (power >= -2 && power <= 3) return plain(10 ** power);
  return `10${superscript(power)}`;
}

function superscript(power: number): string {
  return `<tspan dy="-0.5em" font-size="75%">${minus(String(power))}</tspan>`;
}

/** A number as SVG text, in few characters: 0.05, 300, 2×10⁵. */
export function plain(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) {
    const [mantissa, power] = value.toExponential(2).split('e');
    const short = Number(mantissa);
    const sign = short === 1 ? '10' : `${minus(String(short))}×10`;
    return `${sign}${superscript(Number(power))}`;
  }
  return minus(String(Number(value.toPrecision(3))));
}

function numberLabel(value: number, format: (value: number) => string): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return plain(value);
  return format(value)
    .replace(',', '')
    .replace(/(\.\d*?)0+$/, '$1')
    .replace(/\.$/, '');
}

const minus = (text: string) => text.replace('-', '−');

/** Width of a label, px, not counting its tags. */
export function labelWidth(label: string, fontSize: number): number {
  return textWidth(label.replaceAll(/<[^>]*>/g, ''), fontSize);
}
