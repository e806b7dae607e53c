import * as tf from '@tensorflow/tfjs';
import { tensorsOf, type Data } from './internals/model.ts';
import { checkData } from './modelLoss.ts';
import type { PerOutput } from './sampleWeights.ts';

/** Data of a fit, as given in its options. */
export interface GivenData {
  readonly x: Data;
  readonly y: Data;
  readonly sampleWeight: PerOutput<tf.Tensor> | undefined;
  readonly validationData: readonly [Data, Data] | undefined;
  readonly validationSplit: number | undefined;
}

/** Data to train on, and to validate on. */
export interface SplitData extends Omit<GivenData, 'validationSplit'> {
  /** Releases the tensors created by the split. */
  readonly dispose: () => void;
}

/**
 * Holds out the last samples for validation if a split is requested.
 *
 * @throws RangeError if no sample would be left on one side, or both validationData and validationSplit are given
 */
export function splitData(where: string, data: GivenData): SplitData {
  const { validationSplit, ...rest } = data;
  if (validationSplit === undefined) return { ...rest, dispose: () => {} };
  if (data.validationData !== undefined) {
    throw new RangeError(`${where}: give either validationData or validationSplit, not both.`);
  }
  const { x, y, sampleWeight } = data;
  checkData(where, x, y);
  const samples = tensorsOf(x)[0].shape[0] ?? 0;
  // As in model.fit.
  const kept = Math.floor(samples * (1 - validationSplit));
  if (kept < 1 || kept >= samples) {
    throw new RangeError(
      `${where}: a validationSplit of ${validationSplit} leaves ${kept} of ${samples} samples to train on, and ${samples - kept} to validate on; both must be at least 1.`,
    );
  }
  const made: tf.Tensor[] = [];
  const rows = <Some extends Data>(tensors: Some, begin: number, size: number): Some => {
    const slice = (tensor: tf.Tensor): tf.Tensor => {
      const part = tensor.slice(begin, size);
      made.push(part);
      return part;
    };
    if (tensors instanceof tf.Tensor) return slice(tensors) as Some;
    if (Array.isArray(tensors)) return tensors.map(slice) as Some;
    return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, slice(tensor)])) as Some;
  };
  const held = samples - kept;
  return {
    x: rows(x, 0, kept),
    y: rows(y, 0, kept),
    sampleWeight: sampleWeight && rows(sampleWeight as Data, 0, kept),
    validationData: [rows(x, kept, held), rows(y, kept, held)],
    dispose: () => tf.dispose(made),
  };
}
