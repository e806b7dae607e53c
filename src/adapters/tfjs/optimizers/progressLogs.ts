import * as tf from '@tensorflow/tfjs';
import type { Progress } from './progress.ts';

type Logs = Record<string, unknown>;
/** The two hooks of a callback at which tfjs hands out logs of training. */
interface Hooks {
  onBatchEnd?(batch: number, logs?: Logs): void | Promise<void>;
  onEpochBegin?(epoch: number, logs?: Logs): void | Promise<void>;
  onEpochEnd?(epoch: number, logs?: Logs): void | Promise<void>;
}
/** Arguments of `fit` and `fitDataset`, as far as they matter here. */
interface FitArguments {
  readonly callbacks?: Hooks | Hooks[];
}

/** An optimizer whose progress can be reported. */
export interface ReportingOptimizer {
  readonly progress: Progress | null;
}

const reporting = new WeakMap<tf.LayersModel, ReportingOptimizer>();

/**
 * Puts `gradientNorm`, `step` and `evaluations` into the logs of the model's `fit` and `fitDataset`, by a
 * callback before all others, and the sentence `stopped` where the optimizer no longer moves. Those of an epoch are the
 * last, the last, the sum, and the last.
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

/** Callbacks with a report of progress before them, where the model is attached to its optimizer. */
export function withProgress<Given>(model: tf.LayersModel, callbacks: Given): Given | Hooks[] {
  const own = reporting.get(model);
  // The model may have been compiled with another optimizer since.
  if (own === undefined || (model.optimizer as unknown) !== own) return callbacks;
  return reported(callbacks as Hooks | Hooks[] | undefined, own);
}

/** `callbacks` with the reporter before them. */
function reported(callbacks: Hooks | Hooks[] | undefined, optimizer: ReportingOptimizer): Hooks[] {
  const report = reporter(optimizer);
  const others = callbacks === undefined ? [] : [callbacks].flat();
  // tfjs takes either objects with hooks or instances of its own classes, never both.
  if (others[0] instanceof tf.CustomCallback || others[0] instanceof tf.Callback) {
    return [new tf.CustomCallback(report, 'never'), ...others];
  }
  return [report, ...others];
}

/**
 * Writes the entries of one batch or epoch. `stopped` is a sentence, and TensorFlow.js's own callbacks, which go through all
 * entries, know numbers only: so it is an entry that they do not see.
 */
function writeEntries(logs: Logs, { gradientNorm, step, stopped }: Progress, evaluations: number): void {
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
