import * as tf from '@tensorflow/tfjs';
import type { OptimizerProgress } from './progress.ts';

type Logs = Record<string, unknown>;
/** The two callback hooks to which tfjs passes training logs. */
interface Hooks {
  onBatchEnd?(batch: number, logs?: Logs): void | Promise<void>;
  onEpochBegin?(epoch: number, logs?: Logs): void | Promise<void>;
  onEpochEnd?(epoch: number, logs?: Logs): void | Promise<void>;
}
/** The arguments of `fit` and `fitDataset` used here. */
interface FitArguments {
  readonly callbacks?: Hooks | Hooks[];
}

/** An optimizer whose progress can be reported. */
export interface ReportingOptimizer {
  readonly progress: OptimizerProgress | null;
}

const reporting = new WeakMap<tf.LayersModel, ReportingOptimizer>();

/**
 * Adds `gradientNorm`, `step`, `evaluations` and, if the optimizer no longer moves, the message `stopped` to
 * the logs of the model's `fit` and `fitDataset`, through a callback that precedes all others. In the logs of
 * an epoch, `evaluations` is the sum; the others are the last values.
 */
export function reportProgress(model: tf.LayersModel, optimizer: ReportingOptimizer): void {
  const known = reporting.has(model);
  reporting.set(model, optimizer);
  if (known) return;
  const fit = model.fit.bind(model) as (x: unknown, y: unknown, args?: FitArguments) => Promise<tf.History>;
  const fitDataset = model.fitDataset.bind(model) as unknown as (
    dataset: unknown,
    args: FitArguments,
  ) => Promise<tf.History>;
  const withReport = (args: FitArguments = {}) => {
    const callbacks = withProgress(model, args.callbacks);
    return callbacks === undefined ? args : { ...args, callbacks };
  };
  Object.assign(model, {
    fit: (x: unknown, y: unknown, args?: FitArguments) => fit(x, y, withReport(args)),
    fitDataset: (dataset: unknown, args: FitArguments) => fitDataset(dataset, withReport(args)),
  });
}

/** Returns the callbacks, preceded by a progress reporter if the model is attached to its optimizer. */
export function withProgress<Given>(model: tf.LayersModel, callbacks: Given): Given | Hooks[] {
  const own = reporting.get(model);
  // The model may have been compiled with another optimizer since.
  if (own === undefined || (model.optimizer as unknown) !== own) return callbacks;
  return reported(callbacks as Hooks | Hooks[] | undefined, own);
}

/** Returns `callbacks` preceded by the reporter. */
function reported(callbacks: Hooks | Hooks[] | undefined, optimizer: ReportingOptimizer): Hooks[] {
  const report = reporter(optimizer);
  const others = callbacks === undefined ? [] : [callbacks].flat();
  // tfjs accepts either objects with hooks or instances of its own classes, but not both.
  if (others[0] instanceof tf.CustomCallback || others[0] instanceof tf.Callback) {
    return [new tf.CustomCallback(report, 'never'), ...others];
  }
  return [report, ...others];
}

/**
 * Writes the entries of one batch or epoch. `stopped` is a string, but TensorFlow.js's own callbacks iterate
 * over all entries and expect numbers, so it is not enumerable.
 */
function writeEntries(
  logs: Logs,
  { gradientNorm, step, stopped }: OptimizerProgress,
  evaluations: number,
): void {
  Object.assign(logs, { gradientNorm, step, evaluations });
  if (stopped !== null) Object.defineProperty(logs, 'stopped', { value: stopped, configurable: true });
}

function reporter(optimizer: ReportingOptimizer): Hooks {
  let evaluations = 0;
  return {
    onEpochBegin() {
      evaluations = 0;
    },
    onBatchEnd(_batch, logs) {
      const { progress } = optimizer;
      if (!progress || !logs) return;
      evaluations += progress.evaluations;
      writeEntries(logs, progress, progress.evaluations);
    },
    onEpochEnd(_epoch, logs) {
      const { progress } = optimizer;
      if (!progress || !logs) return;
      writeEntries(logs, progress, evaluations);
    },
  };
}
