// Numbers of half precision, as bits: Node before version 24 has no array of them.

/** Largest finite float16, and the distance of those next to it. */
const LARGEST = 65504;

/**
 * Returns the bits of the float16 nearest to a number; ties go to the even one.
 *
 * @param {number} value
 */
export function bitsOf(value) {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  // From halfway to the next power of two on, numbers are infinite.
  if (size >= LARGEST + 16) return sign | 0x7c00;
  const exponent = Math.max(-14, size === 0 ? -14 : Math.floor(Math.log2(size)));
  const units = roundToEven(size / 2 ** (exponent - 10));
  // A carry into the next exponent is right as it stands; below 2⁻¹⁴, there is no hidden bit.
  return sign | (units < 1024 ? units : ((exponent + 14) << 10) + units);
}

/**
 * Decodes the bits of a float16.
 *
 * @param {number} bits
 */
export function numberOf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const units = bits & 1023;
  if (exponent === 31) return units === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? units * 2 ** -24 : (1024 + units) * 2 ** (exponent - 25));
}

/** @param {number} value - not negative */
function roundToEven(value) {
  const down = Math.floor(value);
  const rest = value - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
}
