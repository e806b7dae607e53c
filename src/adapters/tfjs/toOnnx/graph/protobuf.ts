/**
 * The part of the Protocol Buffers wire format that an ONNX file needs. It is small enough to be written
 * here, so that pages need no package besides TensorFlow.js and this one.
 *
 * @see https://protobuf.dev/programming-guides/encoding
 * @module
 */

/** A field of a message: its number, and one or several values. */
export type Field = readonly [number: number, value: FieldValue | readonly FieldValue[] | undefined];

/** Text, bytes or an encoded message; an integer; or a float32. */
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

/**
 * Encodes a value with its wire type: 0 for a variable-length integer, 2 for bytes preceded by their length,
 * 5 for four bytes.
 */
function encoded(number: number, value: FieldValue): Uint8Array[] {
  if (typeof value === 'number') return [varint(number * 8), varint(value)];
  if (typeof value === 'object' && 'float' in value) {
    return [varint(number * 8 + 5), new Uint8Array(Float32Array.of(value.float).buffer)];
  }
  const bytes = typeof value === 'string' ? utf8.encode(value) : value;
  return [varint(number * 8 + 2), varint(bytes.length), bytes];
}

/** Encodes an integer in groups of seven bits, lowest first; negative ones as 64-bit two's complement. */
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
