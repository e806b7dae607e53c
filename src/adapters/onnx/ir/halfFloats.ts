/**
 * Conversions of the two 16-bit float types, for which not every JavaScript engine has typed arrays.
 *
 * @module
 */

const words = new DataView(new ArrayBuffer(4));

/** Returns the 32 bits of the float32 nearest to a number. */
function bitsOf(value: number): number {
  words.setFloat32(0, value);
  return words.getUint32(0);
}

/** Decodes the bits of a float16. */
export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Returns the bits of the float16 nearest to a number; ties go to the even one. */
export function toFloat16(value: number): number {
  const sign = Object.is(value, -0) || value < 0 ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  // From the midpoint between the largest float16, 65,504, and the next power of two on.
  if (size >= 65_520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(size || 1)));
  const low = size < 2 ** exponent ? exponent - 1 : exponent;
  const power = Math.max(-14, size >= 2 ** (low + 1) ? low + 1 : low);
  const steps = roundToEven(size / 2 ** (power - 10));
  if (steps < 1024) return sign | steps;
  return sign | (((power + 15) << 10) + (steps - 1024));
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Decodes the bits of a bfloat16: the upper half of a float32. */
export function fromBfloat16(bits: number): number {
  words.setUint32(0, bits * 65_536);
  return words.getFloat32(0);
}

/** Returns the bits of the bfloat16 nearest to a number; ties go to the even one. */
export function toBfloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  const bits = bitsOf(value);
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}
