import * as tf from '@tensorflow/tfjs';
import { sizeOf } from '../../../core/layout.ts';
import type { OrtTensor } from '../../onnx/index.ts';
import { testValues } from '../internals/training.ts';
import { sliceOf, type Column } from './data.ts';
import type { Predictor } from './predictor.ts';

/** Inputs and targets, one column each. */
export interface TestColumns {
  readonly inputs: readonly Column[];
  readonly targets: readonly Column[];
}

/** Converts an output of ONNX Runtime to a tensor owned by the caller. */
export const toTensor = ({ data, dims }: OrtTensor): tf.Tensor =>
  tf.tensor(data as unknown as Float32Array, dims.map(Number), 'float32');

/** Sum of size · value over the batches, for each value; divided by the number of samples, it gives means. */
export interface Totals {
  values: number[];
  samples: number;
}

/** Adds the losses and metrics of samples [from, to) to the totals. */
export async function addBatch(
  model: tf.LayersModel,
  predictor: Predictor,
  { inputs, targets }: TestColumns,
  [from, to]: readonly [number, number],
  totals: Totals,
): Promise<void> {
  const results = await predictor.predict(inputs, from, to);
  const outputs = results.map(toTensor);
  const wanted = sliceOf(targets, from, to).map(({ values, shape, count }) =>
    tf.tensor(Float32Array.from(values), [count, ...shape], 'float32'),
  );
  const tensors = testValues(model, wanted, outputs);
  try {
    const numbers = await Promise.all(tensors.map((tensor) => tensor.data()));
    for (const [i, [value]] of numbers.entries()) {
      totals.values[i] = (totals.values[i] ?? 0) + (to - from) * value;
    }
    totals.samples += to - from;
  } finally {
    tf.dispose([...outputs, ...wanted, ...tensors]);
  }
}

/** Returns the means of losses and metrics over all samples, in the order of `evaluate`. */
export async function evaluated(
  model: tf.LayersModel,
  predictor: Predictor,
  columns: TestColumns,
  batchSize: number,
): Promise<number[]> {
  const totals: Totals = { values: [], samples: 0 };
  const { count } = columns.inputs[0];
  for (let from = 0; from < count; from += batchSize) {
    await addBatch(model, predictor, columns, [from, Math.min(from + batchSize, count)], totals);
  }
  return meansOf(totals);
}

export const meansOf = ({ values, samples }: Totals): number[] => values.map((value) => value / samples);

/** Returns the outputs for all samples as tensors owned by the caller. */
export async function predicted(
  predictor: Predictor,
  inputs: readonly Column[],
  batchSize: number,
): Promise<tf.Tensor[]> {
  const { count } = inputs[0];
  let outputs: { values: Float32Array; shape: number[] }[] = [];
  for (let from = 0; from < count; from += batchSize) {
    const results = await predictor.predict(inputs, from, Math.min(from + batchSize, count));
    if (from === 0) {
      outputs = results.map(({ dims }) => {
        const shape = dims.slice(1).map(Number);
        return { values: new Float32Array(count * sizeOf(shape)), shape };
      });
    }
    for (const [i, { data }] of results.entries()) {
      outputs[i].values.set(data as unknown as Float32Array, from * sizeOf(outputs[i].shape));
    }
  }
  return outputs.map(({ values, shape }) => tf.tensor(values, [count, ...shape], 'float32'));
}
