/**
 * Offsets of axes far from 0: labels show what remains after a round number is subtracted, which the name of the axis tells, as in
 * "x − 10⁶".
 *
 * @module
 */
/** An offset k·10^p, in decimals and as a number. */
export interface Offset {
  readonly value: number;
  /** The number as text: 10⁶, 1.7×10¹², 123456.8; negative ones have a minus sign. */
  readonly text: string;
}

/** Ranges narrower than this fraction of their values have an offset: labels would need seven digits. */
const NARROW = 1e-5;

/** The same for values whose labels have a power of ten, and so are longer. */
const NARROW_POWERS = 1e-4;

/** True if labels of values of this size have a power of ten. */
const hasPower = (size: number) => size >= 1e7 || size < 1e-3;

/** Returns the offset of an axis over a domain: the roundest number within ten ranges of its middle; null if it needs none. */
export function offsetOf([low, high]: readonly [number, number]): Offset | null {
  const range = high - low;
  const size = Math.max(Math.abs(low), Math.abs(high));
  // Powers of ten smaller than these are not exact.
  if (!(range > 1e-290) || !(range < (hasPower(size) ? NARROW_POWERS : NARROW) * size)) return null;
  const middle = low / 2 + high / 2;
  for (let power = Math.floor(Math.log10(size)) + 1; ; power--) {
    const count = Math.round(middle / Number(`1e${power}`));
    const value = Number(`${count}e${power}`);
    if (Math.abs(value - middle) <= 10 * range) return { value, text: textOf(count, power) };
  }
}

/** Returns count·10^power as text. */
function textOf(count: number, power: number): string {
  const digits = String(Math.abs(count)).replace(/0+$/, '');
  const first = power + String(Math.abs(count)).length - 1;
  const sign = count < 0 ? '−' : '';
  const isShort = digits.length <= 2 && first >= 5;
  if (!hasPower(10 ** first) && !isShort) {
    return sign + Math.abs(Number(`${count}e${power}`)).toFixed(Math.max(0, digits.length - 1 - first));
  }
  const mantissa = digits.length > 1 ? `${digits[0]}.${digits.slice(1)}` : digits;
  return `${sign}${mantissa === '1' ? '' : `${mantissa}×`}10${raised(first)}`;
}

const raised = (power: number) =>
  String(power).replaceAll(/./g, (c) => '⁰¹²³⁴⁵⁶⁷⁸⁹'['0123456789'.indexOf(c)] ?? '⁻');

/** Returns what the name of an axis ends in: " − 10⁶"; for an empty name, what to add: "+10⁶"; empty without an offset. */
export function endOf(name: string, offset: Offset | null): string {
  if (offset === null) return '';
  const size = offset.text.replace('−', '');
  const isNegative = offset.value < 0;
  return name === '' ? `${isNegative ? '−' : '+'}${size}` : `${isNegative ? ' + ' : ' − '}${size}`;
}

/** Returns the name of an axis with the {@link endOf} that its offset gives it. */
export const nameLess = (name: string, offset: Offset | null): string => name + endOf(name, offset);

/** Ends of the names of both axes that tell their offsets; they are never shortened or left out. */
export interface NameEnds {
  readonly x: string;
  readonly y: string;
}

/** Returns attributes with the ends of the names of both axes over these domains; an axis of categories is null. */
export function namedLess<Names extends { readonly xlabel: string; readonly ylabel: string }>(
  attributes: Names,
  x: readonly [number, number] | null,
  y: readonly [number, number],
): Names & { readonly nameEnds: NameEnds } {
  const { xlabel, ylabel } = attributes;
  const nameEnds = {
    x: x === null ? '' : endOf(xlabel, offsetOf(x)),
    y: endOf(ylabel, offsetOf(y)),
  };
  return { ...attributes, nameEnds };
}
