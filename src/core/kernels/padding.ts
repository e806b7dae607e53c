/** Rows are padded with zeros to a multiple of this many numbers. */
const PADDING = 8;

/** Returns the padded length of n numbers. */
export const padded = (n: number): number => Math.ceil(n / PADDING) * PADDING;

/** Sets the padding of a vector to 0 again, after a factor that is not finite made it NaN. */
export function clearPadding({ buffer, byteOffset, byteLength, length }: Float64Array): void {
  new Float64Array(buffer, byteOffset + byteLength, padded(length) - length).fill(0);
}
