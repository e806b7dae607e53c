import type * as tf from '@tensorflow/tfjs';
import { boundRule } from '../../core/bounds.ts';
import { runAsync, runSync } from '../../core/drive.ts';
import { minimizing } from '../../core/minimize.ts';
import {
  boolean,
  callable,
  checkOptions,
  either,
  nonNegative,
  numberBetween,
  objectWith,
  oneOf,
  type Rule,
  type Rules,
} from '../../core/options.ts';
import { solveResult, type SolveResult } from '../../core/result.ts';
import { plainSolveRules, type Progress, type SolveOptions } from '../../core/solveOptions.ts';
import type { Solver } from '../../core/solver.ts';
import { auto } from '../../solvers/auto.ts';
import { fitMonitor, type FitMonitor, type MonitorOptions } from './fitMonitor.ts';
import { modelLossRules, type ModelLossOptions } from './modelLoss.ts';
import { asyncProblemOf, problemOf, type AsyncModelProblem, type ModelProblem } from './modelProblem.ts';
import type { OptFunsAsyncOptions } from './optfunsAsync.ts';
import { splitData } from './splitData.ts';
import type { Data } from './internals/model.ts';

/** Options of {@link fitFullBatch}. */
export interface FitFullBatchOptions
  extends Omit<SolveOptions, 'validation'>, ModelLossOptions, MonitorOptions {
  /** The solver. @defaultValue `auto()` */
  readonly solver?: Solver | undefined;
}

/** Options of {@link fitFullBatchAsync}. */
export interface FitFullBatchAsyncOptions extends FitFullBatchOptions, OptFunsAsyncOptions {}

/**
 * The run as columns with one number for each iteration, beginning with the start; also `val_loss` and
 * metrics if there are any.
 */
export interface FitHistory {
  readonly loss: readonly number[];
  /** ‖∇f‖∞ */
  readonly gradientNorm: readonly number[];
  /** So far. */
  readonly evaluations: readonly number[];
  /** So far. */
  readonly seconds: readonly number[];
  readonly [name: string]: readonly number[];
}

/** Result of {@link fitFullBatch}. */
export type FitResult = SolveResult & {
  readonly history: FitHistory;
  /** The iteration whose weights the model holds, if early stopping has restored them. */
  readonly bestEpoch?: number;
};

const anObject: Rule = objectWith('an object');

const rules: Rules<FitFullBatchOptions> = {
  solver: objectWith('a solver such as lbfgs()', 'step', 'init'),
  ...modelLossRules,
  ...plainSolveRules,
  transform: oneOf('none', 'log', 'sqrt'),
  lower: boundRule,
  upper: boundRule,
  validationData: { allowed: '[x, y]', accepts: (value) => Array.isArray(value) && value.length === 2 },
  validationSplit: numberBetween(0, 1),
  earlyStopping: anObject,
  metrics: either(
    boolean,
    either(anObject, either({ allowed: 'a name', accepts: (v) => typeof v === 'string' }, callable)),
  ),
  onEpochEnd: callable,
};

/**
 * Trains a compiled model on all data at once: the shortest and fastest way to a fitted model.
 *
 * The model's own optimizer is not used. Afterwards the model holds the best weights found, and its BatchNorm
 * layers the statistics of the data at these weights.
 *
 * It runs without a pause until it ends, so no timer, click or abort signal is processed meanwhile. Limit it with
 * `maxTime`, or use {@link fitFullBatchAsync}, which can be stopped from outside.
 *
 * @param model - compiled
 * @param x - inputs as `model.fit` takes them, `[samples, …]`
 * @param y - targets likewise
 * @param options - the solver, when to stop, what to monitor
 * @throws RangeError naming every option that is wrong
 * @throws as {@link modelProblem} and `minimize` do
 *
 * @example
 * ```js
 * import * as tf from '@tensorflow/tfjs';
 * import { fitFullBatch } from 'quasi-newton/tfjs';
 *
 * const x = tf.linspace(-3, 3, 100).reshape([100, 1]);
 * const model = tf.sequential({
 *   layers: [tf.layers.dense({ units: 8, activation: 'tanh', inputShape: [1] }), tf.layers.dense({ units: 1 })],
 * });
 * model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
 * const result = fitFullBatch(model, x, x.sin(), { maxIterations: 200 });
 * console.log(String(result));
 * ```
 */
export function fitFullBatch(
  model: tf.LayersModel,
  x: Data,
  y: Data,
  options: FitFullBatchOptions = {},
): FitResult {
  const where = 'fitFullBatch';
  const plan = planOf(where, model, x, y, options, rules);
  let problem: ModelProblem | null = null;
  try {
    problem = problemOf(where, model, plan.x, plan.y, plan.problemOptions);
    const monitor = plan.monitorOn(problem);
    const callback = (progress: Progress): boolean => {
      const answer = monitor.observe(progress);
      if (answer instanceof Promise) {
        answer.catch(() => {}); // Nobody waits for it.
        throw new TypeError(
          `${where}: onEpochEnd must be synchronous; it returned a Promise. fitFullBatchAsync awaits promises.`,
        );
      }
      return plan.callback(progress) || answer;
    };
    const asks = minimizing(where, problem, plan.solver, { ...plan.solveOptions, callback });
    const result = runSync(asks, problem);
    return finished(result, monitor, problem, plan.storeTrace);
  } finally {
    problem?.dispose();
    plan.dispose();
  }
}

/**
 * As {@link fitFullBatch}, but asynchronous. It yields to the event loop about every 16 ms, so that buttons,
 * abort signals, timers and painting work on every backend. Also for backends that can only be read
 * asynchronously (webgpu).
 *
 * @example
 * ```js
 * import * as tf from '@tensorflow/tfjs';
 * import { fitFullBatchAsync } from 'quasi-newton/tfjs';
 *
 * const x = tf.linspace(-3, 3, 100).reshape([100, 1]);
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] });
 * model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
 * const stop = new AbortController(); // button.onclick = () => stop.abort();
 * const result = await fitFullBatchAsync(model, x, x.mul(2), { signal: stop.signal });
 * ```
 */
export async function fitFullBatchAsync(
  model: tf.LayersModel,
  x: Data,
  y: Data,
  options: FitFullBatchAsyncOptions = {},
): Promise<FitResult> {
  const where = 'fitFullBatchAsync';
  const plan = planOf(where, model, x, y, options, { ...rules, yieldEvery: nonNegative });
  let problem: AsyncModelProblem | null = null;
  try {
    problem = await asyncProblemOf(where, model, plan.x, plan.y, plan.problemOptions);
    const monitor = plan.monitorOn(problem);
    const callback = async (progress: Progress): Promise<boolean> => {
      const isDone = await monitor.observe(progress);
      return plan.callback(progress) || isDone;
    };
    const asks = minimizing(where, problem, plan.solver, { ...plan.solveOptions, callback });
    const result = await runAsync(asks, problem);
    return finished(result, monitor, problem, plan.storeTrace);
  } catch (error) {
    if (problem !== null) settleAfterError(problem);
    throw error;
  } finally {
    problem?.dispose();
    plan.dispose();
  }
}

/** Settles moving statistics that the run could not: on a backend that answers later. Fails where the loss does. */
function settleAfterError(problem: AsyncModelProblem): void {
  try {
    if (problem.statistics === undefined) problem.settleStatistics();
  } catch {}
}

/** Splits the options of a fit into data, solver, solve options and monitor options. */
function planOf(
  where: string,
  model: tf.LayersModel,
  x: Data,
  y: Data,
  options: FitFullBatchAsyncOptions,
  allowed: Rules<FitFullBatchOptions> | Rules<FitFullBatchAsyncOptions>,
) {
  checkOptions<object>(where, options, allowed);
  const { batchSize, constraints, classWeight, sampleWeight, yieldEvery, ...rest } = options;
  const {
    solver = auto(),
    validationData,
    validationSplit,
    earlyStopping,
    metrics,
    onEpochEnd,
    ...solving
  } = rest;
  const { callback, ...solveOptions } = solving;
  const split = splitData(where, { x, y, sampleWeight, validationData, validationSplit });
  const problemOptions = given({
    batchSize,
    constraints,
    classWeight,
    sampleWeight: split.sampleWeight,
    yieldEvery,
  });
  const monitoring = given({ validationData: split.validationData, earlyStopping, metrics, onEpochEnd });
  return {
    x: split.x,
    y: split.y,
    solver,
    solveOptions,
    problemOptions,
    storeTrace: options.storeTrace ?? true,
    callback: (progress: Progress): boolean => callback?.(progress) === true,
    monitorOn: (problem: Pick<ModelProblem, 'params' | 'settleStatistics'>): FitMonitor =>
      fitMonitor({
        ...monitoring,
        where,
        model,
        x: split.x,
        y: split.y,
        batchSize,
        show(point) {
          problem.params.copyFrom(point);
          problem.settleStatistics();
        },
      }),
    dispose: split.dispose,
  };
}

/** Returns the options without those that are undefined. */
function given<Options extends object>(
  options: Options,
): { [Name in keyof Options]?: Exclude<Options[Name], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}

/** Writes the final weights into the model and returns the result of the fit. */
function finished(
  result: SolveResult,
  monitor: FitMonitor,
  { params, settleStatistics }: Pick<ModelProblem, 'params' | 'settleStatistics'>,
  storeTrace: boolean,
): FitResult {
  const { x, f, gradientNorm, ...best } = monitor.best() ?? { ...result, epoch: undefined };
  const final = solveResult({ ...result, state: result.state, x, f, gradientNorm });
  if (best.epoch !== undefined) params.copyFrom(x);
  settleStatistics();
  const message = result.termination === 'callback' ? (monitor.reason() ?? final.message) : final.message;
  const { loss = [], evaluations = [], seconds = [], ...columns } = storeTrace ? monitor.columns : {};
  const history: FitHistory = {
    loss,
    gradientNorm: columns.gradientNorm ?? [],
    evaluations,
    seconds,
    ...columns,
  };
  return Object.assign(final, {
    message,
    history,
    ...(best.epoch !== undefined && { bestEpoch: best.epoch }),
  });
}
