import * as tf from '@tensorflow/tfjs';

/** Logs of a batch or an epoch. */
export type Logs = Record<string, number>;

/** Parameters of a fit, as passed to its callbacks. */
export interface FitParams {
  readonly epochs: number;
  readonly initialEpoch: number | null;
  readonly samples: number | null;
  readonly steps: number | null;
  readonly batchSize: number | null;
  readonly verbose: number;
  readonly doValidation: boolean;
  /** Names of all values in the logs of an epoch. */
  readonly metrics: readonly string[];
}

/** Callbacks in any form that `fit` accepts. */
export type Callbacks = tf.ModelFitArgs['callbacks'];

/** Callbacks of a fit with its history; also records if they use the weights after each batch. */
export interface FitCallbacks {
  readonly list: tf.CallbackList;
  readonly history: tf.History;
  readonly lookAtBatches: boolean;
}

/** Puts callbacks in the order of `fit`: epoch averages first, then the user's, then the history. */
export function fitCallbacks(
  model: tf.LayersModel,
  given: Callbacks,
  yieldEvery: tf.ModelFitArgs['yieldEvery'],
  params: FitParams,
): FitCallbacks {
  const callbacks = standardized(given, yieldEvery);
  const history = new tf.History();
  const list = new tf.CallbackList([epochAverages(params.metrics), ...callbacks, history]);
  // As in TensorFlow.js, null if there is no such number.
  list.setParams({ ...params, metrics: [...params.metrics] } as unknown as CallbackParams);
  list.setModel(model);
  return { list, history, lookAtBatches: callbacks.some(looksAtBatches) };
}

type CallbackParams = Parameters<tf.CallbackList['setParams']>[0];
type BaseCallback = ConstructorParameters<typeof tf.CallbackList>[0] extends (infer C)[] | undefined
  ? C
  : never;

const isCallback = (value: unknown): value is BaseCallback =>
  typeof (value as { setParams?: unknown } | null)?.setParams === 'function';

function standardized(given: Callbacks, yieldEvery: tf.ModelFitArgs['yieldEvery']): BaseCallback[] {
  const list = given === undefined || given === null ? [{}] : [given].flat();
  return list.map((each) => (isCallback(each) ? each : new tf.CustomCallback(each, yieldEvery ?? 'auto')));
}

function looksAtBatches(callback: BaseCallback): boolean {
  if (callback instanceof tf.CustomCallback) {
    const { batchBegin, batchEnd, yield: onYield } = callback as unknown as Record<string, unknown>;
    return Boolean(batchBegin ?? batchEnd ?? onYield);
  }
  // A callback that overrides a method has a different function from the base class.
  const [own, plain] = [callback, tf.Callback.prototype] as unknown as Record<string, unknown>[];
  return own.onBatchBegin !== plain.onBatchBegin || own.onBatchEnd !== plain.onBatchEnd;
}

/** Creates a callback that averages the values of the batches over the epoch, weighted by batch size. */
function epochAverages(metrics: readonly string[]): BaseCallback {
  let seen = 0;
  let totals: Logs = {};
  return new tf.CustomCallback(
    {
      onEpochBegin() {
        seen = 0;
        totals = {};
      },
      onBatchEnd(_batch, logs) {
        const { size = 0, ...values } = logs as Logs;
        seen += size;
        for (const [name, value] of Object.entries(values)) totals[name] = (totals[name] ?? 0) + value * size;
      },
      onEpochEnd(_epoch, logs) {
        for (const name of metrics) if (name in totals) (logs as Logs)[name] = totals[name] / seen;
      },
    },
    'never',
  );
}
