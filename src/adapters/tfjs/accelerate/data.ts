import type * as tf from '@tensorflow/tfjs';
import { sizeOf } from '../../../core/layout.ts';
import type { Ort, OrtTensor } from '../../onnx/index.ts';

/** Array types common to TensorFlow.js and ONNX Runtime. */
type Numbers = Float32Array | Int32Array | Uint8Array;

/** Samples one after the other. */
export interface Column {
  readonly values: Numbers;
  /** Shape of one sample. */
  readonly shape: readonly number[];
  /** Number of samples. */
  readonly count: number;
}

/** Reads tensors, `[samples, …]` each, into columns. */
export function columnsOf(tensors: readonly tf.Tensor[]): Promise<Column[]> {
  return Promise.all(
    tensors.map(async (tensor) => ({
      values: await tensor.data(),
      shape: tensor.shape.slice(1),
      count: tensor.shape[0],
    })),
  );
}

/** Returns the samples [start, end) of each column. */
export function sliceOf(columns: readonly Column[], start: number, end: number): Column[] {
  return columns.map(({ values, shape }) => {
    const size = sizeOf(shape);
    return { values: values.subarray(start * size, end * size), shape, count: end - start };
  });
}

/** An input of a graph that is fed with batches. */
export interface BatchInput {
  readonly name: string;
  /** Element type of ONNX. */
  readonly dtype: string;
}

/**
 * A batch in the form that ONNX Runtime is fed with, in memory that the next batch of the same size
 * overwrites.
 */
export interface FedBatch {
  readonly size: number;
  readonly feeds: Readonly<Record<string, OrtTensor>>;
  /** The numbers fed to each input, in its order. */
  readonly arrays: readonly Numbers[];
  readonly shapes: readonly (readonly number[])[];
}

const arrayTypes: Readonly<Record<string, new (length: number) => Numbers>> = {
  float32: Float32Array,
  int32: Int32Array,
  bool: Uint8Array,
};

/** Creates a function that assembles batches from rows of columns, one column for each input. */
export function batchFeeder(
  ort: Ort,
  inputs: readonly BatchInput[],
): (columns: readonly Column[], rows: ArrayLike<number>, from: number, to: number) => FedBatch {
  const known = new Map<string, FedBatch>();
  return (columns, rows, from, to) => {
    const shapes = columns.map(({ shape }) => [to - from, ...shape]);
    const key = shapes.join(' ');
    let batch = known.get(key);
    if (!batch) {
      // Sequences of many different lengths would fill the memory.
      if (known.size >= 16) known.clear();
      batch = emptyBatch(ort, inputs, shapes);
      known.set(key, batch);
    }
    for (const [i, { values, shape }] of columns.entries()) {
      gather(values, rows, from, to, sizeOf(shape), batch.arrays[i]);
    }
    return batch;
  };
}

function emptyBatch(ort: Ort, inputs: readonly BatchInput[], shapes: readonly number[][]): FedBatch {
  const arrays = inputs.map(({ dtype }, i) => new (arrayTypes[dtype] ?? Float32Array)(sizeOf(shapes[i])));
  const feeds = inputs.map(({ name, dtype }, i) => [
    name,
    new ort.Tensor(dtype as never, arrays[i] as never, shapes[i]) as OrtTensor,
  ]);
  return { size: shapes[0][0], feeds: Object.fromEntries(feeds) as FedBatch['feeds'], arrays, shapes };
}

/** Copies rows `rows[from]`, …, `rows[to − 1]` of `size` numbers each. */
function gather(
  values: Numbers,
  rows: ArrayLike<number>,
  from: number,
  to: number,
  size: number,
  out: Numbers,
): void {
  for (let k = from; k < to; k++) {
    const start = rows[k] * size;
    if (size === 1) out[k - from] = values[start];
    else out.set(values.subarray(start, start + size), (k - from) * size);
  }
}

/** Returns ONNX Runtime tensors that are views of parts of a vector, by name. */
export function views(
  ort: Ort,
  vector: Float32Array,
  parts: readonly {
    readonly name: string;
    readonly offset: number;
    readonly size: number;
    readonly shape: readonly number[];
  }[],
): Record<string, OrtTensor> {
  return Object.fromEntries(
    parts.map(({ name, offset, size, shape }) => {
      const part = vector.subarray(offset, offset + size);
      return [name, new ort.Tensor('float32' as never, part as never, shape) as OrtTensor];
    }),
  );
}
