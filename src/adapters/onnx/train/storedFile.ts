import { create } from '@bufbuild/protobuf';
import { TensorProtoSchema } from 'onnx-buf';
import type { Differentiated } from '../differentiate.ts';
import { ownedFile } from '../ir/model.ts';
import type { Weights } from './weights.ts';

/** Fewer bytes of parameters stay in the file. */
const LEAST_BYTES = 2 ** 20;

/** A model's file, and what has been read of it. */
export interface StoredFile {
  /** Returns the file, with the current values of the parameters if those are not kept twice. */
  readonly file: () => Uint8Array;
  readonly differentiated: Differentiated;
  /** True if the parameters are kept only once; then nothing here reads `bytes` any longer. */
  readonly isApart: boolean;
}

/** Bytes of a parameter in the file, and in the vector of all parameters. */
interface Place {
  readonly inFile: number;
  readonly inVector: number;
  readonly length: number;
}

/**
 * Leaves the parameters out of a model's file where their values lie in it as they do in `values`, so that they are kept
 * only once. Parameters that other tensors copy stay, since the file tells whether copies are equal.
 *
 * @param bytes - the file that was read, which the tensors of the parameters view
 */
export function storedFile(
  bytes: Uint8Array,
  differentiated: Differentiated,
  { values, params: { layout } }: Pick<Weights, 'values' | 'params'>,
): StoredFile {
  const { parameters, copies } = differentiated;
  const size = values.BYTES_PER_ELEMENT;
  const places = layout.tensors
    .map(({ offset, size: count }, i): Place | undefined => {
      const { rawData } = parameters[i].tensor;
      const isThere = rawData.buffer === bytes.buffer && rawData.length === size * count;
      const inFile = rawData.byteOffset - bytes.byteOffset;
      return isThere ? { inFile, inVector: size * offset, length: size * count } : undefined;
    })
    .filter((place) => place !== undefined)
    .toSorted((a, b) => a.inFile - b.inFile);
  const total = places.reduce((sum, { length }) => sum + length, 0);
  const overlap = places.some(({ inFile, length }, i) => inFile + length > places[i + 1]?.inFile);
  if (total < LEAST_BYTES || overlap || copies.length > 0 || !isLittleEndian)
    return { file: () => bytes, differentiated, isApart: false };
  const stored = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const without = parameters.map((parameter) =>
    Object.assign({}, parameter, { tensor: withoutElements(parameter) }),
  );
  return {
    file: joiner(withoutPlaces(bytes, places), places, stored),
    differentiated: Object.assign({}, differentiated, { parameters: without }),
    isApart: true,
  };
}

/** Returns a function that joins a file. Not written where the whole file is known: the function would keep it alive. */
const joiner = (others: Uint8Array, places: readonly Place[], vector: Uint8Array) => () =>
  ownedFile(withPlaces(others, places, vector));

/** True if the bytes of numbers are in memory as in files. */
const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

const withoutElements = ({ name, dtype, shape }: Differentiated['parameters'][number]) =>
  create(TensorProtoSchema, { name, dataType: dtype, dims: shape.map(BigInt) });

/** Returns the bytes outside of all places, one after the other. */
function withoutPlaces(bytes: Uint8Array, places: readonly Place[]): Uint8Array {
  const others = new Uint8Array(places.reduce((left, { length }) => left - length, bytes.length));
  let [from, to] = [0, 0];
  for (const { inFile, length } of [...places, { inFile: bytes.length, length: 0 }]) {
    others.set(bytes.subarray(from, inFile), to);
    to += inFile - from;
    from = inFile + length;
  }
  return others;
}

/** Returns the bytes with the places filled from the vector. */
function withPlaces(others: Uint8Array, places: readonly Place[], vector: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(places.reduce((sum, { length }) => sum + length, others.length));
  let [from, to] = [0, 0];
  for (const { inFile, inVector, length } of places) {
    bytes.set(others.subarray(from, from + inFile - to), to);
    from += inFile - to;
    bytes.set(vector.subarray(inVector, inVector + length), inFile);
    to = inFile + length;
  }
  bytes.set(others.subarray(from), to);
  return bytes;
}
