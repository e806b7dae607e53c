import * as tf from '@tensorflow/tfjs';
import { fitState, hasMetrics, trainingMetrics } from '../internals/training.ts';
import { withProgress } from '../optimizers/progressLogs.ts';
import { toTensor } from './evaluation.ts';
import { fitCallbacks, type Callbacks, type FitCallbacks, type FitParams, type Logs } from './logs.ts';
import type { Stepper } from './stepper.ts';
import type { Runtime } from './runtime.ts';
import type { TrainingBatch } from './trainer.ts';

/** Options of a fit that concern its callbacks. */
export interface LoopOptions {
  readonly where: string;
  readonly callbacks: Callbacks;
  readonly yieldEvery: tf.ModelFitArgs['yieldEvery'];
  readonly signal: AbortSignal | undefined;
  readonly params: Omit<FitParams, 'metrics'>;
}

/** A fit in progress: trains on batches, calls callbacks, and keeps the history. */
export class FitLoop {
  private readonly runtime: Runtime;
  private readonly stepper: Stepper;
  private readonly state: ReturnType<typeof fitState>;
  private readonly told: FitCallbacks;
  private readonly options: LoopOptions;

  constructor(runtime: Runtime, stepper: Stepper, options: LoopOptions) {
    this.runtime = runtime;
    this.stepper = stepper;
    this.options = options;
    this.state = fitState(runtime.model);
    const { labels } = this.state;
    const metrics = options.params.doValidation
      ? [...labels, ...labels.map((name) => `val_${name}`)]
      : labels;
    const { yieldEvery, params } = options;
    const callbacks = withProgress(runtime.model, options.callbacks);
    this.told = fitCallbacks(this.state.model, callbacks, yieldEvery, { ...params, metrics });
  }

  /** Runs the epochs [first, end); `epoch` trains one and returns the logs of its validation. */
  async run(first: number, end: number, epoch: (loop: this) => Promise<Logs>): Promise<tf.History> {
    const { told, state } = this;
    state.begin(told.history);
    await told.list.onTrainBegin();
    state.clearStop();
    for (let k = first; k < end; k++) {
      await told.list.onEpochBegin(k);
      const logs = await epoch(this);
      // Callbacks may use or save the model.
      this.runtime.weights.push();
      await told.list.onEpochEnd(k, logs);
      if (state.wantsStop()) break;
    }
    await told.list.onTrainEnd();
    await told.history.syncData();
    return told.history;
  }

  /** Trains on one batch; returns true if a callback wants to stop. */
  async batch(index: number, size: number, make: () => TrainingBatch): Promise<boolean> {
    const { told, options, runtime, state } = this;
    options.signal?.throwIfAborted();
    // `fitDataset` has the batch before it begins, so it can report its size.
    await told.list.onBatchBegin(index, options.params.batchSize === null ? { batch: index, size } : {});
    const values = await runtime.inTurn(options.where, async () => {
      await runtime.weights.pull();
      return trainedOn(runtime.model, this.stepper, make());
    });
    if (told.lookAtBatches) runtime.weights.push();
    const logs: Logs = { batch: index, size };
    for (const [i, label] of state.labels.entries()) logs[label] = values[i];
    await told.list.onBatchEnd(index, logs);
    return state.wantsStop();
  }

  /** Returns the logs of a validation, under the names that `fit` or `fitDataset` uses. */
  validationLogs(values: readonly number[], names = this.state.labels): Logs {
    return Object.fromEntries(names.map((name, i) => [`val_${name}`, values[i]]));
  }
}

/** Takes one step; returns the loss before it and the metrics. */
export async function trainedOn(
  model: tf.LayersModel,
  stepper: Stepper,
  batch: TrainingBatch,
): Promise<number[]> {
  const wantsOutputs = hasMetrics(model);
  const evaluation = await stepper.step(batch, wantsOutputs);
  if (!wantsOutputs) return [evaluation.loss];
  const outputs = evaluation.outputs.map(toTensor);
  const targets = batch.targets();
  const metrics = trainingMetrics(model, targets, outputs, evaluation.lossOfOutput);
  try {
    const values = await Promise.all(metrics.map((metric) => metric.data()));
    return [evaluation.loss, ...values.map(([value]) => value)];
  } finally {
    tf.dispose([...outputs, ...targets, ...metrics]);
  }
}
