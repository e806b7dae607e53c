/**
 * Ticks and their labels. Neighboring labels always differ.
 *
 * @module
 */
import { ticks as niceTicks } from 'd3-array';
import { textWidth } from './svg.ts';
import type { Transform } from '../grid/valueScale.ts';

/** A tick: its value, and its label as SVG text, or null for a minor tick. */
export interface Tick {
  readonly value: number;
  readonly label: string | null;
}

/**
 * Returns about `count` round values in [low, high], with as many digits as are needed to distinguish them.
 *
 * @param offset - number that the labels leave out
 */
export function linearTicks(low: number, high: number, count: number, offset = 0): Tick[] {
  // In narrower ranges, powers of ten overflow.
  if (!(high - low > 1e-290)) return [];
  // The ends of a domain far from 0 are rounded.
  const rounding = offset === 0 ? 0 : 2 * Number.EPSILON * Math.abs(offset);
  const values = niceTicks(low - offset - rounding, high - offset + rounding, count);
  const labels = tickLabels(values);
  return values.map((value, k) => ({ value: offset + value, label: labels[k] }));
}

/** True if neighboring labels are at least half their height apart. */
export function fit(ticks: readonly Tick[], at: (value: number) => number, fontSize: number): boolean {
  let end = -Infinity;
  for (const { value, label } of ticks) {
    if (label === null) continue;
    const half = labelWidth(label, fontSize) / 2;
    const middle = at(value);
    if (middle - half < end + 0.5 * fontSize) return false;
    end = middle + half;
  }
  return true;
}

/** Returns the ticks without every second label. */
export function everyOther(ticks: readonly Tick[]): Tick[] {
  let keep = false;
  return ticks.map(({ value, label }) => {
    if (label !== null) keep = !keep;
    return { value, label: keep ? label : null };
  });
}

/** Returns powers of ten, every `k`-th labeled; over less than two decades also multiples by 2 and 5. */
export function logTicks(low: number, high: number, count: number): Tick[] {
  const ticks: Tick[] = [];
  if (!(low > 0 && high < Infinity)) return ticks;
  const decades = Math.log10(high) - Math.log10(low);
  const every = Math.max(1, Math.ceil(decades / Math.max(count, 2)));
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (let digit = 1; digit < 10; digit++) {
      const value = Number(`${digit}e${power}`);
      if (value < low * (1 - 1e-12) || value > high * (1 + 1e-12)) continue;
      if (digit === 1) ticks.push({ value, label: power % every === 0 ? powerLabel(power) : null });
      else if (decades < 2.2) ticks.push({ value, label: wants(digit, decades) ? plain(value) : null });
      else if (decades < 8) ticks.push({ value, label: null });
    }
  }
  return ticks;
}

const wants = (digit: number, decades: number) => decades < 0.7 || digit === 2 || digit === 5;

/** Returns the ticks of a symlog scale at transformed values: 0 and powers of ten on both sides, at most `most` labels. */
export function symlogTicks(
  low: number,
  high: number,
  { apply, threshold }: Transform,
  most: number,
): Tick[] {
  const top = Math.ceil(Math.log10(threshold) + Math.max(Math.abs(low), Math.abs(high)));
  const powers = Array.from(
    { length: Math.max(1, top - Math.round(Math.log10(threshold))) },
    (_, k) => Math.round(Math.log10(threshold)) + 1 + k,
  );
  const sides = low < 0 && high > 0 ? 2 : 1;
  const every = Math.max(1, Math.ceil((powers.length * sides) / Math.max(1, most - 1)));
  const kept = powers
    .filter((_, k) => (powers.length - 1 - k) % every === 0)
    .map((power) => Number(`1e${power}`));
  return [...kept.map((value) => -value).toReversed(), 0, ...kept]
    .map((value) => ({ value: apply(value), label: plain(value) }))
    .filter(({ value }) => value >= low - 1e-9 && value <= high + 1e-9);
}

/** Returns the labels of ticks in equal steps: all with the digits that their step needs, and a common power of ten. */
export function tickLabels(values: readonly number[]): string[] {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  // A single value tells no step.
  if (values.length === 1) return [plain(values[0], 12)];
  const step = Math.abs(values[1] - values[0]);
  if (largest === 0) return values.map(() => '0');
  const power = Math.floor(Math.log10(largest) + 1e-12);
  const stepPower = Math.floor(Math.log10(step) + 1e-9);
  const decimals = Math.max(0, -stepPower);
  if (power < 7 && power >= -3 && Math.max(power, 0) + decimals <= 9)
    return values.map((value) => trimmed(value.toFixed(decimals)));
  const digits = Math.max(0, power - stepPower);
  return values.map((value) => {
    if (Math.abs(value) < step / 2) return '0';
    // Divided in two steps, since 10^power itself may be too small or too large for a number.
    const half = Math.trunc(power / 2);
    return scientific(trimmed((value / 10 ** half / 10 ** (power - half)).toFixed(digits)), power);
  });
}

/** Removes trailing zeros, and uses a real minus sign. */
const trimmed = (digits: string): string =>
  minus((digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits).replace(/^-0$/, '0'));

/** Returns 10^power as SVG text. */
function powerLabel(power: number): string {
  return power >= -2 && power <= 3 ? plain(Number(`1e${power}`)) : scientific('1', power);
}

function scientific(mantissa: string, power: number): string {
  if (power === 0) return mantissa;
  const raised = `10<tspan dy="-0.5em" font-size="75%">${minus(String(power))}</tspan>`;
  return mantissa === '1' ? raised : mantissa === `−1` ? `−${raised}` : `${mantissa}×${raised}`;
}

/** Formats a number as SVG text, to three digits or as many as given: 0.05, 300, 2×10⁵. */
export function plain(value: number, digits = 3): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) {
    const [mantissa, power] = value.toExponential(digits - 1).split('e');
    return scientific(minus(String(Number(mantissa))), Number(power));
  }
  return minus(String(Number(value.toPrecision(digits))));
}

/** Formats numbers as SVG text, to three digits, or to as many as are needed to tell neighbors apart. */
export function plainLabels(values: readonly number[]): string[] {
  for (let digits = 3; ; digits++) {
    const labels = values.map((value) => plain(value, digits));
    if (digits === 15 || labels.every((label, k) => label !== labels[k + 1] || values[k] === values[k + 1]))
      return labels;
  }
}

const minus = (text: string) => text.replace('-', '−');

/** Returns a label as plain text: 10^−3 for a raised exponent. */
export const withoutTags = (label: string): string =>
  label.replace(/<tspan[^>]*>/, '^').replace('</tspan>', '');

/** Returns the width of a label, px, without its tags. */
export function labelWidth(label: string, fontSize: number): number {
  return textWidth(label.replaceAll(/<[^>]*>/g, ''), fontSize);
}
