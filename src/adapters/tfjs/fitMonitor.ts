import * as tf from '@tensorflow/tfjs';
import { freshImprovement, observeValue } from '../../core/patience.ts';
import type { Progress } from '../../core/solveOptions.ts';
import { checkOptions, boolean, integerFrom, nonNegative, oneOf, show, string } from '../../core/options.ts';
import { compiledMetrics, tensorsOf, type CompiledMetrics, type Data } from './internals/model.ts';
import { readNow } from './tensors/read.ts';

/** Stops training when a monitored value no longer improves. */
export interface EarlyStopping {
  /** Name of a value in the logs: `'val_loss'`, `'loss'`, `'val_acc'`, … @defaultValue `'val_loss'` */
  readonly monitor?: string | undefined;
  /** Number of iterations without improvement after which to stop. @defaultValue `10` */
  readonly patience?: number | undefined;
  /** Changes up to this size do not count as an improvement. @defaultValue `0` */
  readonly minDelta?: number | undefined;
  /** Direction of improvement. @defaultValue `'max'` if `monitor` names an accuracy, otherwise `'min'` */
  readonly mode?: 'min' | 'max' | undefined;
  /** Restore the weights with the best value, even if training does not stop early. @defaultValue `true` */
  readonly restoreBest?: boolean | undefined;
}

/**
 * Values of an iteration: `loss`, `gradientNorm`, `evaluations`, `seconds`, metrics, and `val_loss` and
 * `val_…` of the metrics.
 */
export type FitLogs = Readonly<Record<string, number>>;

/** Options of `fitFullBatch` that evaluate the model after each iteration. */
export interface MonitorOptions {
  /** Inputs and targets to evaluate the model on after each iteration, as `val_loss` and `val_…` of the metrics. */
  readonly validationData?: readonly [x: Data, y: Data] | undefined;
  /**
   * Instead of `validationData`: the fraction of the samples, taken from the end, to hold out for validation,
   * in (0, 1).
   */
  readonly validationSplit?: number | undefined;
  readonly earlyStopping?: EarlyStopping | undefined;
  /**
   * Metrics of the training data after each iteration, as `evaluate` computes them: names and functions as
   * for `compile`, or true for the compiled ones. Costs one forward pass.
   *
   * @defaultValue none for the training data; the compiled ones for validation data
   */
  readonly metrics?: true | tf.ModelCompileArgs['metrics'] | undefined;
  /**
   * Called before the first iteration (epoch 0) and after each; return true to stop. In `fitFullBatchAsync` a promise is
   * awaited before training goes on.
   */
  readonly onEpochEnd?:
    | ((epoch: number, logs: FitLogs) => boolean | void | Promise<boolean | void>)
    | undefined;
}

/** The fit that a monitor observes. */
export interface MonitoredFit extends MonitorOptions {
  /** The function called, named in messages. */
  readonly where: string;
  readonly model: tf.LayersModel;
  readonly x: Data;
  readonly y: Data;
  readonly batchSize?: number | undefined;
  /** Writes weights into the model and updates the statistics of its BatchNorm layers. */
  readonly show: (x: Float64Array) => void;
}

/** The best iteration according to early stopping. */
export interface BestEpoch {
  readonly epoch: number;
  readonly value: number;
  /** The weights, `[n]`. */
  readonly x: Float64Array;
  readonly f: number;
  readonly gradientNorm: number;
}

/** Evaluates the model after each iteration. */
export interface FitMonitor {
  /** Records an iteration; returns true if training is to stop. */
  observe(progress: Progress): Later<boolean>;
  /** Logs as columns, with one number for each iteration. */
  readonly columns: Record<string, number[]>;
  /** Returns the best iteration if its weights are to be restored. */
  best(): BestEpoch | null;
  /** Returns the message that says why the monitor stopped the training; null if it did not. */
  reason(): string | null;
}

/**
 * Creates the monitor of a fit.
 *
 * @throws RangeError if early stopping monitors a value that does not exist, or its options are wrong
 */
export function fitMonitor(fit: MonitoredFit): FitMonitor {
  const { where, model, validationData, earlyStopping, onEpochEnd } = fit;
  if (earlyStopping !== undefined) checkEarlyStopping(where, earlyStopping);
  const own = fit.metrics === true ? undefined : fit.metrics;
  const metrics = metricsOf(where, model, own);
  const stopping = earlyStopping && stoppingBy(earlyStopping);
  const columns: Record<string, number[]> = {};
  let reason: string | null = null;

  function logsOf(progress: Progress): Later<FitLogs> {
    const { f, gradientNorm, evaluations, elapsed } = progress;
    const logs: Record<string, number> = { loss: f, gradientNorm, evaluations, seconds: elapsed };
    const data: [prefix: string, data: readonly [Data, Data]][] = [];
    if (fit.metrics !== undefined) data.push(['', [fit.x, fit.y]]);
    if (validationData) data.push(['val_', validationData]);
    if (data.length > 0) fit.show(progress.x);
    const values = data.map(([, each]) => evaluated(metrics, model, each, fit.batchSize));
    return next(allOf(values), (all) => {
      for (const [i, [prefix]] of data.entries()) {
        for (const [k, name] of metrics.names.entries()) logs[prefix + name] = all[i][k];
      }
      // The minimized loss includes regularizers and differs from that of `evaluate`.
      return { ...logs, loss: f };
    });
  }
  const wantsStop = (answer: boolean | void): boolean => {
    if (answer === true) reason = 'onEpochEnd asked to stop.';
    return answer === true;
  };
  return {
    columns,
    best: () => (earlyStopping?.restoreBest === false ? null : (stopping?.best() ?? null)),
    reason: () => reason,
    observe(progress) {
      // Copied, because the solver reuses its buffer before an asynchronous answer arrives.
      const entry = { ...progress, x: Float64Array.from(progress.x) };
      return next(logsOf(entry), (logs) => {
        for (const [name, value] of Object.entries(logs)) (columns[name] ??= []).push(value);
        let isDone = false;
        if (stopping) {
          const { monitor, patience } = stopping;
          if (!(monitor in logs)) {
            throw new RangeError(
              `${where}: earlyStopping.monitor is ${show(monitor)}, and the logs have ${Object.keys(logs).join(', ')}; validationData or validationSplit makes val_loss, metrics the rest.`,
            );
          }
          isDone = stopping.observe(entry, logs[monitor]);
          if (isDone) reason = stoppedBecause(monitor, patience, columns[monitor]);
        }
        const answer = onEpochEnd?.(entry.iteration, logs);
        return next(answer as Later<boolean | void>, (value) => wantsStop(value) || isDone);
      });
    },
  };
}

/** Returns the message of early stopping. @param values - all values of `monitor` */
function stoppedBecause(monitor: string, patience: number, values: readonly number[]): string {
  if (values.every(Number.isNaN)) {
    return `${monitor} is NaN since the start: stopped early. Look for NaN among the data that it is computed from.`;
  }
  return `${monitor} has not improved for ${patience} iterations: stopped early.`;
}

/** A value, or a promise of one: on webgpu, or with an asynchronous `onEpochEnd`. */
type Later<Value> = Value | Promise<Value>;

function next<A, B>(value: Later<A>, then: (value: A) => Later<B>): Later<B> {
  return value instanceof Promise ? value.then(then) : then(value);
}

function allOf<Value>(values: Later<Value>[]): Later<Value[]> {
  return values.some((value) => value instanceof Promise) ? Promise.all(values) : (values as Value[]);
}

/**
 * Computes loss and metrics of a model on data, in the order of its `metricsNames`. `evaluate` begins with the sums of the losses of
 * the first outputs, one sum for each output; the last one is the loss.
 */
function evaluated(
  { during }: CompiledMetrics,
  model: tf.LayersModel,
  [x, y]: readonly [Data, Data],
  batchSize: number | undefined,
): Later<number[]> {
  const [first] = tensorsOf(x);
  const args = { batchSize: batchSize ?? Math.max(1, first.shape[0] ?? 1) };
  const listed = during(() => [model.evaluate(x as tf.Tensor, y as tf.Tensor, args)].flat());
  const scalars = listed.slice(model.outputs.length - 1);
  tf.dispose(listed.slice(0, model.outputs.length - 1));
  if (tf.getBackend() === 'webgpu') {
    return Promise.all(scalars.map((scalar) => scalar.data()))
      .then((values) => values.map(([value]) => value))
      .finally(() => tf.dispose(scalars));
  }
  try {
    return scalars.map((scalar) => readNow(scalar)[0]);
  } finally {
    tf.dispose(scalars);
  }
}

function checkEarlyStopping(where: string, options: EarlyStopping): void {
  checkOptions(`${where}: earlyStopping`, options, {
    monitor: string,
    patience: integerFrom(0),
    minDelta: nonNegative,
    mode: oneOf('min', 'max'),
    restoreBest: boolean,
  });
}

function stoppingBy({ monitor = 'val_loss', patience = 10, minDelta = 0, mode }: EarlyStopping) {
  const rule = { patience, minDelta, mode: mode ?? (/acc/i.test(monitor) ? 'max' : 'min') } as const;
  const memory = freshImprovement();
  let best: BestEpoch | null = null;
  return {
    monitor,
    patience,
    best: () => best,
    /** Records a value; returns true if it has not improved for too long. */
    observe({ iteration, x, f, gradientNorm }: Progress, value: number): boolean {
      const { isBest, isOver } = observeValue(memory, value, rule);
      if (isBest) best = { epoch: iteration, value, x: Float64Array.from(x), f, gradientNorm };
      return isOver;
    },
  };
}

/** Compiles metrics; the errors that TensorFlow.js has for them get the name of the function called. */
function metricsOf(
  where: string,
  model: tf.LayersModel,
  metrics: tf.ModelCompileArgs['metrics'],
): ReturnType<typeof compiledMetrics> {
  const given: unknown[] =
    typeof metrics === 'object' ? Object.values(metrics).flat() : [metrics ?? []].flat();
  const bad = given.findIndex((metric) => typeof metric !== 'string' && typeof metric !== 'function');
  if (bad >= 0) {
    throw new RangeError(`${where}: metrics: each must be a name or a function, got ${show(given[bad])}.`);
  }
  if (typeof metrics === 'object' && !Array.isArray(metrics)) {
    const unknown = Object.keys(metrics).find((name) => !model.outputNames.includes(name));
    if (unknown !== undefined) {
      throw new RangeError(
        `${where}: metrics: the model has no output ${show(unknown)}; it has ${model.outputNames.join(', ')}.`,
      );
    }
  }
  try {
    return compiledMetrics(model, metrics);
  } catch (error) {
    throw new RangeError(`${where}: metrics: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
