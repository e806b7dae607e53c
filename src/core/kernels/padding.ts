/** A row takes a multiple of so many numbers; those after its end are 0. */
const PADDING = 8;

/** n numbers take as many as this. */
export const padded = (n: number): number => Math.ceil(n / PADDING) * PADDING;

/** Makes the numbers that fill a vector up 0 again: a factor that is not finite has made them NaN. */
export function clearPadding({ buffer, byteOffset, byteLength, length }: Float64Array): void {
  new Float64Array(buffer, byteOffset + byteLength, padded(length) - length).fill(0);
}
