/**
 * A NaN that arithmetic never produces. Elements of a buffer filled with it that a function leaves unwritten keep its bits,
 * and so, on common machines, do elements that it adds to; a computed NaN has other bits.
 */
const MARK = 0x7ff8_5117_0000_0001n;

/** Fills an output buffer so that {@link firstUnwritten} finds what is not written. */
export function markUnwritten(buffer: Float64Array): void {
  bitsOf(buffer).fill(MARK);
}

/** Returns the index of the first element left unwritten since {@link markUnwritten}, or -1. */
export const firstUnwritten = (buffer: Float64Array): number => bitsOf(buffer).indexOf(MARK);

const bitsOf = ({ buffer, byteOffset, length }: Float64Array): BigUint64Array =>
  new BigUint64Array(buffer, byteOffset, length);
