import { create } from '@bufbuild/protobuf';
import { TensorProto_DataLocation, TensorProto_DataType, TensorProtoSchema } from 'onnx-buf';
import type { TensorProto } from 'onnx-buf';
import { refuse } from './errors.ts';
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from './halfFloats.ts';

export type { TensorProto };

/** An element type, by its number in the ONNX format. */
export type DType = number;

/** Element types by name. */
export const DType = {
  UNDEFINED: 0,
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  BFLOAT16: 16,
  UINT4: 21,
  INT4: 22,
} as const;

/** Typed arrays that hold the elements of tensors. */
export type Elements =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

type Constructor = { readonly BYTES_PER_ELEMENT: number } & (new (buffer: ArrayBuffer) => Elements);

const arrays = new Map<DType, Constructor>([
  [DType.FLOAT, Float32Array],
  [DType.DOUBLE, Float64Array],
  [DType.INT8, Int8Array],
  [DType.UINT8, Uint8Array],
  [DType.BOOL, Uint8Array],
  [DType.INT16, Int16Array],
  [DType.UINT16, Uint16Array],
  [DType.FLOAT16, Uint16Array],
  [DType.BFLOAT16, Uint16Array],
  [DType.INT32, Int32Array],
  [DType.UINT32, Uint32Array],
  [DType.INT64, BigInt64Array],
  [DType.UINT64, BigUint64Array],
]);

/** Name of an element type in ONNX Runtime: `float32` for FLOAT, and so on. */
export function dtypeName(dtype: DType | undefined): string {
  if (dtype === undefined) return 'of unknown type';
  if (dtype === DType.FLOAT) return 'float32';
  if (dtype === DType.DOUBLE) return 'float64';
  return TensorProto_DataType[dtype]?.toLowerCase() ?? `type ${dtype}`;
}

/** True for the types that can have gradients. */
export const isFloat = (dtype: DType | undefined): boolean => dtype === DType.FLOAT || dtype === DType.DOUBLE;

const narrow = new Set<DType | undefined>([
  DType.INT8,
  DType.UINT8,
  DType.INT16,
  DType.UINT16,
  DType.INT4,
  DType.UINT4,
]);

/** True for the types of quantized weights. */
export const isNarrow = (dtype: DType | undefined): boolean => narrow.has(dtype);

// Integers, booleans and strings: functions with such values are piecewise constant, and derivatives end there.
const discrete = new Set<DType>([2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 21, 22]);

/** True if derivatives may pass through values of a type, including the float types that gradients refuse. */
export const isContinuous = (dtype: DType | undefined): boolean =>
  dtype === undefined || !discrete.has(dtype);

export const shapeOf = (tensor: TensorProto): number[] => tensor.dims.map(Number);

export const countOf = (tensor: TensorProto): number =>
  tensor.dims.reduce((count, dimension) => count * Number(dimension), 1);

/** Bytes per element; undefined for types that are never read here. */
export const bytesPerElement = (dtype: DType): number | undefined => arrays.get(dtype)?.BYTES_PER_ELEMENT;

/** Returns a copy of a tensor's elements, from whichever field holds them. */
export function elementsOf(tensor: TensorProto): Elements {
  const { dataType, rawData } = tensor;
  const ArrayType = arrays.get(dataType);
  if (ArrayType === undefined)
    refuse(`${JSON.stringify(tensor.name)} is ${dtypeName(dataType)}; values of this type cannot be read.`);
  if (tensor.dataLocation === TensorProto_DataLocation.EXTERNAL) {
    refuse(
      `${JSON.stringify(tensor.name)} is stored in an external file that was not given; pass it as externalData.`,
    );
  }
  const count = countOf(tensor);
  if (rawData.length > 0) {
    if (rawData.length !== count * ArrayType.BYTES_PER_ELEMENT)
      refuse(wrongSize(tensor, rawData.length, 'bytes'));
    // rawData is an unaligned view, possibly of a Buffer: this copies it to the start of a new buffer.
    return new ArrayType(Uint8Array.from(rawData).buffer);
  }
  const { floatData, doubleData, int32Data, int64Data, uint64Data } = tensor;
  const field =
    [floatData, doubleData, int32Data, int64Data, uint64Data].find((data) => data.length > 0) ?? [];
  if (field.length !== count) refuse(wrongSize(tensor, field.length, 'values'));
  const elements = new ArrayType(new ArrayBuffer(count * ArrayType.BYTES_PER_ELEMENT));
  for (let i = 0; i < count; i++) {
    elements[i] =
      elements instanceof BigInt64Array || elements instanceof BigUint64Array
        ? BigInt(field[i])
        : Number(field[i]);
  }
  return elements;
}

/** `out ←` the elements of a float tensor, without a copy between if its bytes are of the type of `out`, `[count]`. */
export function writeElements(tensor: TensorProto, out: Float32Array | Float64Array): void {
  const { dataType, dataLocation, rawData } = tensor;
  const isSame = dataType === (out instanceof Float32Array ? DType.FLOAT : DType.DOUBLE);
  if (isSame && dataLocation !== TensorProto_DataLocation.EXTERNAL && rawData.length === out.byteLength)
    new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(rawData);
  else out.set(elementsOf(tensor) as Float32Array | Float64Array);
}

/**
 * Returns a tensor under another name; the elements are shared.
 *
 * Only the fields that the file holds are copied, onto a message that has the others' defaults: spreading a message
 * would lose those, which are on its prototype.
 */
export const renamedTensor = (tensor: TensorProto, name: string): TensorProto =>
  Object.assign(create(TensorProtoSchema), tensor, { name });

/** Returns the first `count` elements of a tensor as one of rank 1; all, if they do not lie in its bytes. */
export function firstOf(tensor: TensorProto, count: number): TensorProto {
  const size = bytesPerElement(tensor.dataType);
  if (size === undefined || tensor.rawData.length < count * size) return tensor;
  const rawData = tensor.rawData.subarray(0, count * size);
  return Object.assign(create(TensorProtoSchema), tensor, { dims: [BigInt(count)], rawData });
}

const wrongSize = (tensor: TensorProto, got: number, unit: string) =>
  `${JSON.stringify(tensor.name)} of shape [${shapeOf(tensor).join(', ')}], ${dtypeName(tensor.dataType)}, holds ${got} ${unit}: the file is damaged.`;

/** Returns a tensor's elements as plain numbers. */
export function numbersOf(tensor: TensorProto): number[] {
  const elements = elementsOf(tensor);
  const half = halves.get(tensor.dataType);
  // Array.from with a function takes three times as long.
  const numbers = Array<number>(elements.length);
  for (let i = 0; i < numbers.length; i++)
    numbers[i] = half ? half.from(Number(elements[i])) : Number(elements[i]);
  return numbers;
}

/** Conversions of the 16-bit float types. */
const halves = new Map<
  DType,
  { readonly from: (bits: number) => number; readonly to: (value: number) => number }
>([
  [DType.FLOAT16, { from: fromFloat16, to: toFloat16 }],
  [DType.BFLOAT16, { from: fromBfloat16, to: toBfloat16 }],
]);

/** True for the 16-bit float types, which are computed in float32 here. */
export const isHalf = (dtype: DType | undefined): boolean => dtype !== undefined && halves.has(dtype);

const largest = 2n ** 63n - 1n;

/**
 * Returns a number as int64. 2⁶³ becomes the largest int64: exporters write that one for "to the end", and as a plain
 * number it rounds to 2⁶³, which would wrap around to the smallest.
 */
const whole = (value: number): bigint => (value === 2 ** 63 ? largest : BigInt(value));

/** Makes a tensor; `values` are converted to its element type. */
export function tensorOf(
  name: string,
  dtype: DType,
  shape: readonly number[],
  values: ArrayLike<number>,
): TensorProto {
  const ArrayType = arrays.get(dtype);
  if (ArrayType === undefined) refuse(`tensors of type ${dtypeName(dtype)} cannot be written.`);
  const buffer = new ArrayBuffer(values.length * ArrayType.BYTES_PER_ELEMENT);
  const elements = new ArrayType(buffer);
  const big = elements instanceof BigInt64Array || elements instanceof BigUint64Array;
  const half = halves.get(dtype);
  for (let i = 0; i < values.length; i++) {
    if (big) elements[i] = whole(values[i]);
    else elements[i] = half ? half.to(values[i]) : values[i];
  }
  return create(TensorProtoSchema, {
    name,
    dataType: dtype,
    dims: shape.map(BigInt),
    rawData: new Uint8Array(buffer),
  });
}
