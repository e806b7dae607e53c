import * as tf from '@tensorflow/tfjs';
import {
  abortSignal,
  anything,
  checkOptions,
  integerFrom,
  objectWith,
  type Rules,
} from '../../../core/options.ts';
import { fitState } from '../internals/training.ts';
import { tensorsOf, type Data } from '../internals/model.ts';
import { weightsOfSamples, type WeightOptions } from '../sampleWeights.ts';
import { columnsOf, type Column } from './data.ts';
import { addBatch, evaluated, meansOf, type Totals } from './evaluation.ts';
import { given, ones, tested } from './fit.ts';
import { FitLoop } from './fitLoop.ts';
import type { Callbacks } from './logs.ts';
import type { Runtime } from './runtime.ts';
import type { TrainingColumns } from './trainer.ts';

/** Batches of a {@link BatchDataset}, one after the other. */
export interface BatchIterator {
  /** Returns the next batch, `{ xs, ys }`; its `value` is null if there is none. */
  next(): Promise<IteratorResult<unknown>>;
}

/** Data that arrive batch by batch, such as a `tf.data.Dataset`. */
export interface BatchDataset {
  /** Number of batches; NaN, Infinity or absent if unknown. */
  readonly size?: number | null;
  /** Returns an iterator that begins with the first batch. */
  iterator(): Promise<BatchIterator>;
}

/** Options of `fitDataset` of an accelerated model: those of `model.fitDataset`, and a signal. */
export interface AcceleratedFitDatasetArgs extends Pick<WeightOptions, 'classWeight'> {
  readonly epochs: number;
  readonly batchesPerEpoch?: number | undefined;
  readonly initialEpoch?: number | undefined;
  readonly verbose?: tf.ModelFitArgs['verbose'] | undefined;
  readonly callbacks?: Callbacks | undefined;
  readonly yieldEvery?: tf.ModelFitArgs['yieldEvery'] | undefined;
  readonly validationData?: readonly [x: Data, y: Data] | BatchDataset | undefined;
  /** Batch size for validation data given as tensors. @defaultValue `32` */
  readonly validationBatchSize?: number | undefined;
  /** Number of batches of a validation dataset. @defaultValue all */
  readonly validationBatches?: number | undefined;
  /** Ends the fit before its next batch, with the abort reason; the model keeps the current weights. */
  readonly signal?: AbortSignal | undefined;
}

const rules: Rules<AcceleratedFitDatasetArgs> = {
  epochs: integerFrom(1),
  batchesPerEpoch: integerFrom(1),
  initialEpoch: integerFrom(0),
  verbose: anything,
  callbacks: anything,
  yieldEvery: anything,
  validationData: {
    allowed: '[x, y] or a dataset',
    accepts: (value) => (Array.isArray(value) && value.length === 2) || isDataset(value),
  },
  validationBatchSize: integerFrom(1),
  validationBatches: integerFrom(1),
  classWeight: objectWith('weights by class'),
  signal: abortSignal,
};

const isDataset = (value: unknown): value is BatchDataset =>
  typeof (value as Partial<BatchDataset> | null)?.iterator === 'function';

/** Checks that a value is a dataset. @throws TypeError if it is not */
function checkDataset(where: string, dataset: unknown): void {
  if (!isDataset(dataset)) {
    throw new TypeError(`${where}: the dataset must have an iterator(), as those of tf.data have, got ${typeof dataset}.`); // prettier-ignore
  }
}

/** Trains a model on data that arrive batch by batch. */
export async function fitDataset(
  runtime: Runtime,
  dataset: BatchDataset,
  args: AcceleratedFitDatasetArgs,
): Promise<tf.History> {
  const where = 'fitDataset';
  const options = given(args);
  checkOptions<AcceleratedFitDatasetArgs>(where, options, rules);
  checkDataset(where, dataset);
  const { epochs, initialEpoch = 0, verbose = 1, batchesPerEpoch, validationData } = options;
  if (epochs === undefined)
    throw new RangeError(`${where}: epochs: must be a whole number ≥ 1, got undefined.`);
  const steps = batchesPerEpoch ?? (Number.isFinite(dataset.size) ? Number(dataset.size) : null);
  const validate = validation(runtime, validationData, options);
  return runtime.duringFit(where, async ({ trainer, stepper }) => {
    const params = { epochs, initialEpoch: null, samples: null, steps, batchSize: null, verbose, doValidation: validationData !== undefined }; // prettier-ignore
    const { callbacks, yieldEvery, signal, classWeight } = options;
    const loop = new FitLoop(runtime, stepper, { where, callbacks, yieldEvery, signal, params });
    let batches = await dataset.iterator();
    return loop.run(initialEpoch, epochs, async () => {
      if (batchesPerEpoch === undefined) batches = await dataset.iterator();
      for (let k = 0; k !== batchesPerEpoch; k++) {
        const { value, done = false } = await batches.next();
        if (done && batchesPerEpoch !== undefined) {
          console.warn(
            `${where}: the dataset ended after ${k} of ${batchesPerEpoch} batches of an epoch; repeat() makes it endless.`,
          );
          return {};
        }
        if (value === null || value === undefined) {
          if (done) break;
          continue;
        }
        const data = await columnsOfBatch(where, runtime.model, value, classWeight);
        const size = data.inputs[0].count;
        const rows = Int32Array.from({ length: size }, (_, i) => i);
        const stops = await loop.batch(k, size, () => trainer.batch(data, rows, 0, size));
        if (done || k + 1 === batchesPerEpoch) break;
        if (stops) return {};
      }
      return validate ? loop.validationLogs(await validate(), fitState(runtime.model).metricsNames) : {};
    });
  });
}

/** Returns a function that validates an epoch; null if there is no validation. */
function validation(
  runtime: Runtime,
  data: AcceleratedFitDatasetArgs['validationData'],
  { validationBatchSize = 32, validationBatches }: AcceleratedFitDatasetArgs,
): (() => Promise<number[]>) | null {
  if (data === undefined) return null;
  const where = 'fitDataset';
  if (isDataset(data)) return () => datasetMeans(where, runtime, data, validationBatches);
  return async () => {
    const columns = await tested(where, runtime.model, ...data);
    return runtime.inTurn(where, async () =>
      evaluated(runtime.model, await runtime.inference(where), columns, validationBatchSize),
    );
  };
}

/** Returns the means of losses and metrics over a dataset, in the order of `evaluateDataset`. */
export async function datasetMeans(
  where: string,
  runtime: Runtime,
  dataset: BatchDataset,
  batches = Infinity,
): Promise<number[]> {
  checkDataset(where, dataset);
  const iterator = await dataset.iterator();
  const totals: Totals = { values: [], samples: 0 };
  for (let k = 0; k < batches; k++) {
    const { value, done } = await iterator.next();
    if (value !== null && value !== undefined) {
      const columns = await columnsOfBatch(where, runtime.model, value);
      const { count } = columns.inputs[0];
      await runtime.inTurn(where, async () =>
        addBatch(runtime.model, await runtime.inference(where), columns, [0, count], totals),
      );
    }
    if (done) break;
  }
  if (totals.samples === 0) throw new RangeError(`${where}: the dataset has no batches.`);
  return meansOf(totals);
}

/** Reads one element of a dataset and disposes its tensors, as TensorFlow.js does. */
async function columnsOfBatch(
  where: string,
  model: tf.LayersModel,
  element: unknown,
  classWeight?: WeightOptions['classWeight'],
): Promise<TrainingColumns> {
  const { xs, ys } = element as { xs?: Data; ys?: Data };
  if (!xs || !ys) {
    throw new TypeError(`${where}: each element of the dataset must be { xs, ys }, with tensors, lists of them or tensors by name.`); // prettier-ignore
  }
  const inputs = inOrder(where, 'input', model.inputNames, xs);
  const targets = inOrder(where, 'output', model.outputNames, ys);
  const made: tf.Tensor[] = [];
  try {
    if (classWeight !== undefined) made.push(...weightsOfSamples(where, model, targets, { classWeight }));
    const columns = await Promise.all([inputs, targets, made].map(columnsOf));
    checkShapes(where, 'input', model.inputNames, columns[0], model.inputs.map(({ shape }) => shape)); // prettier-ignore
    return {
      inputs: columns[0],
      targets: columns[1],
      weights: made.length > 0 ? columns[2] : ones(columns[1]),
    };
  } finally {
    tf.dispose([...inputs, ...targets, ...made]);
  }
}

/** Returns the tensors of an element in the order of the model. */
function inOrder(where: string, kind: string, names: readonly string[], data: Data): tf.Tensor[] {
  const byName = !(data instanceof tf.Tensor) && !Array.isArray(data) ? data : null;
  const tensors = byName ? names.map((name) => byName[name]) : tensorsOf(data);
  if (tensors.length !== names.length || !tensors.every((tensor) => tensor instanceof tf.Tensor)) {
    throw new TypeError(`${where}: an element of the dataset must have a tensor for each ${kind} of the model, ${names.join(', ')}.`); // prettier-ignore
  }
  return tensors;
}

/**
 * Checks the shapes of samples.
 *
 * @throws RangeError if they do not fit the model, or the numbers of samples differ
 */
export function checkShapes(
  where: string,
  kind: string,
  names: readonly string[],
  columns: readonly Column[],
  shapes: readonly (readonly (number | null)[])[],
): void {
  for (const [i, { shape, count }] of columns.entries()) {
    const wanted = shapes[i].slice(1);
    const fits =
      shape.length === wanted.length && wanted.every((size, k) => size === null || size === shape[k]);
    if (fits && count === columns[0].count && count > 0) continue;
    throw new RangeError(
      `${where}: ${kind} "${names[i]}" must have the shape [${columns[0].count || 'samples'}, ${wanted.map((size) => size ?? '?').join(', ')}], got [${[count, ...shape].join(', ')}].`,
    );
  }
}
