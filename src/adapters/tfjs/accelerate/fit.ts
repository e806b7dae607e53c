import * as tf from '@tensorflow/tfjs';
import {
  abortSignal,
  anything,
  boolean,
  checkOptions,
  integerFrom,
  numberIn,
  objectWith,
  type Rules,
} from '../../../core/options.ts';
import { standardize, tensorsOf, type Data } from '../internals/model.ts';
import { checkData } from '../modelLoss.ts';
import { weightsOfSamples, type WeightOptions } from '../sampleWeights.ts';
import { columnsOf, sliceOf, type Column } from './data.ts';
import { evaluated, type TestColumns } from './evaluation.ts';
import { FitLoop } from './fitLoop.ts';
import type { Runtime } from './runtime.ts';
import type { TrainingColumns } from './trainer.ts';

/** Options of `fit` of an accelerated model: those of `model.fit`, sample weights, and a signal. */
export interface AcceleratedFitArgs
  extends
    Omit<tf.ModelFitArgs, keyof WeightOptions | 'validationData' | 'stepsPerEpoch' | 'validationSteps'>,
    WeightOptions {
  /**
   * Inputs and targets; a third element, declared by TensorFlow.js but not supported there, is refused here
   * as well.
   */
  readonly validationData?:
    | readonly [x: Data, y: Data]
    | NonNullable<tf.ModelFitArgs['validationData']>
    | undefined;
  /** Ends the fit before its next batch, with the abort reason; the model keeps the current weights. */
  readonly signal?: AbortSignal | undefined;
}

const rules: Rules<AcceleratedFitArgs> = {
  batchSize: integerFrom(1),
  epochs: integerFrom(0),
  initialEpoch: integerFrom(0),
  verbose: anything,
  callbacks: anything,
  yieldEvery: anything,
  shuffle: boolean,
  validationSplit: numberIn(0, 1),
  validationData: { allowed: '[x, y]', accepts: (value) => Array.isArray(value) && value.length === 2 },
  classWeight: objectWith('weights by class'),
  sampleWeight: objectWith('a tensor, or one for each output'),
  signal: abortSignal,
};

/** Returns the options without those that are null or undefined, which TensorFlow.js treats as absent. */
export function given<Options extends object>(options: Options | null | undefined): Options {
  const entries = Object.entries(options ?? {}).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(entries) as Options;
}

/** Trains a model on data given as whole tensors. */
export async function fit(runtime: Runtime, x: Data, y: Data, args: AcceleratedFitArgs): Promise<tf.History> {
  const where = 'fit';
  const options = given(args);
  checkOptions<AcceleratedFitArgs>(where, options, rules);
  const { batchSize = 32, epochs = 1, initialEpoch = 0, shuffle = true, verbose = 1 } = options;
  const data = await preparedData(where, runtime, x, y, options);
  const { train, validation } = data;
  const samples = train.inputs[0].count;
  const order = Int32Array.from({ length: samples }, (_, i) => i);
  return runtime.duringFit(where, async (training) => {
    const params = { epochs, initialEpoch, samples, steps: null, batchSize, verbose, doValidation: validation !== null }; // prettier-ignore
    const { callbacks, yieldEvery, signal } = options;
    const loop = new FitLoop(runtime, training.stepper, { where, callbacks, yieldEvery, signal, params });
    return loop.run(initialEpoch, epochs, async () => {
      if (shuffle) shuffled(order, runtime.random);
      for (let from = 0, k = 0; from < samples; from += batchSize, k++) {
        const to = Math.min(from + batchSize, samples);
        const stops = await loop.batch(k, to - from, () => training.trainer.batch(train, order, from, to));
        // TensorFlow.js validates within the last batch, so it does not validate if the fit stops earlier.
        if (stops && to < samples) return {};
      }
      if (!validation) return {};
      return loop.validationLogs(
        await runtime.inTurn(where, async () =>
          evaluated(runtime.model, await runtime.inference(where), validation, batchSize),
        ),
      );
    });
  });
}

/** Shuffles as `tf.util.shuffle` does, in place. */
function shuffled(order: Int32Array, random: () => number): void {
  for (let count = order.length; count > 0; count--) {
    const k = Math.trunc(random() * count);
    [order[count - 1], order[k]] = [order[k], order[count - 1]];
  }
}

/** Reads all data of a fit. */
async function preparedData(
  where: string,
  { model }: Runtime,
  x: Data,
  y: Data,
  options: AcceleratedFitArgs,
): Promise<{ train: TrainingColumns; validation: TestColumns | null }> {
  const { validationData, validationSplit = 0 } = options;
  const all = await labelled(where, model, x, y, options);
  if (validationData)
    return { train: all, validation: await tested(where, model, validationData[0], validationData[1]) };
  if (validationSplit <= 0 || validationSplit >= 1) return { train: all, validation: null };
  const { count } = all.inputs[0];
  const kept = Math.floor(count * (1 - validationSplit));
  if (kept < 1 || kept >= count) {
    throw new RangeError(
      `${where}: a validationSplit of ${validationSplit} leaves ${kept} of ${count} samples to train on, and ${count - kept} to validate on; both must be at least 1.`,
    );
  }
  return {
    train: {
      inputs: sliceOf(all.inputs, 0, kept),
      targets: sliceOf(all.targets, 0, kept),
      weights: sliceOf(all.weights, 0, kept),
    },
    validation: { inputs: sliceOf(all.inputs, kept, count), targets: sliceOf(all.targets, kept, count) },
  };
}

/** Reads training data, with their sample weights. */
export async function labelled(
  where: string,
  model: tf.LayersModel,
  x: Data,
  y: Data,
  options: WeightOptions = {},
): Promise<TrainingColumns> {
  checkData(where, x, y);
  const { inputs, targets } = standardize(model, x, y);
  const own = new Set([...tensorsOf(x), ...tensorsOf(y)]);
  let weights: tf.Tensor[] = [];
  try {
    weights = weightsOfSamples(where, model, targets, options);
    const columns = await Promise.all([inputs, targets, weights].map(columnsOf));
    return {
      inputs: columns[0],
      targets: columns[1],
      weights: weights.length > 0 ? columns[2] : ones(columns[1]),
    };
  } finally {
    tf.dispose([...inputs, ...targets].filter((tensor) => !own.has(tensor)));
    tf.dispose(weights);
  }
}

/** Returns a weight of 1 for each sample of each output. */
export const ones = (targets: readonly Column[]): Column[] =>
  targets.map(({ count }) => ({ values: new Float32Array(count).fill(1), shape: [], count }));

/** Reads evaluation data. */
export async function tested(where: string, model: tf.LayersModel, x: Data, y: Data): Promise<TestColumns> {
  const { inputs, targets } = await labelled(where, model, x, y);
  return { inputs, targets };
}
