/**
 * The wire format of Protocol Buffers, as far as an ONNX file needs it. Small enough to be written here, so that pages can
 * import TensorFlow.js and this package without another one.
 *
 * @see https://protobuf.dev/programming-guides/encoding
 * @module
 */

/** A field of a message: its number and its value, or several values, one after the other. */
export type Field = readonly [number: number, value: FieldValue | readonly FieldValue[] | undefined];

/** Text, bytes or an encoded message; a whole number; or a float32. */
export type FieldValue = string | Uint8Array | number | { readonly float: number };

const utf8 = new TextEncoder();

/** Encodes a message; fields that are undefined are left out. */
export function message(...fields: readonly Field[]): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (const [number, value] of fields) {
    if (value === undefined) continue;
    const values = Array.isArray(value) ? (value as readonly FieldValue[]) : [value as FieldValue];
    for (const each of values) chunks.push(...encoded(number, each));
  }
  return joined(chunks);
}

/** Wire types: 0 a whole number of variable length, 2 bytes with their length, 5 four bytes. */
function encoded(number: number, value: FieldValue): Uint8Array[] {
  if (typeof value === 'number') return [varint(number * 8), varint(value)];
  if (typeof value === 'object' && 'float' in value) {
    return [varint(number * 8 + 5), new Uint8Array(Float32Array.of(value.float).buffer)];
  }
  const bytes = typeof value === 'string' ? utf8.encode(value) : value;
  return [varint(number * 8 + 2), varint(bytes.length), bytes];
}

/** A whole number in groups of seven bits, the lowest first; negative ones as 64-bit two's complement. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}
