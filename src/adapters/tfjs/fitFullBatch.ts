import type * as tf from '@tensorflow/tfjs';
import { minimize, minimizeAsync } from '../../core/minimize.ts';
import { auto } from '../../solvers/auto.ts';
import { modelProblem, modelProblemAsync } from './modelProblem.ts';
import type { ModelProblemOptions } from './modelLoss.ts';
import type { Data } from './internals/model.ts';
import type { SolveResult } from '../../core/result.ts';
import type { SolveOptions } from '../../core/solveOptions.ts';
import type { Solver } from '../../core/solver.ts';

/** Options of {@link fitFullBatch}. */
export interface FitFullBatchOptions extends SolveOptions, ModelProblemOptions {
  /** @defaultValue `auto()` */
  readonly solver?: Solver;
}

/** The run as columns, one number for each iteration, the start first. */
export interface FitHistory {
  readonly loss: readonly number[];
  /** ‖∇f‖∞ */
  readonly gradientNorm: readonly number[];
  /** So far. */
  readonly evaluations: readonly number[];
  /** So far. */
  readonly seconds: readonly number[];
}

/** What {@link fitFullBatch} found. */
export type FitResult = SolveResult & { readonly history: FitHistory };

/**
 * Trains a compiled model on all data at once: the shortest way to a fitted model, and the fastest.
 *
 * The model's own optimizer is not used. Afterwards the model holds the best weights found, and its BatchNorms
 * the statistics of the data at these weights.
 *
 * @param model - compiled
 * @param x - inputs as `model.fit` takes them, `[samples, …]`
 * @param y - targets likewise
 * @param options - the solver, and when to stop
 * @throws as {@link modelProblem} and {@link minimize} do
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
  const { solver, problemOptions, solveOptions } = sorted(options);
  const problem = modelProblem(model, x, y, problemOptions);
  try {
    const result = minimize(problem, solver, solveOptions);
    problem.settleStatistics();
    return withHistory(result);
  } finally {
    problem.dispose();
  }
}

/** As {@link fitFullBatch}, for backends that answer later: webgpu, webgl. */
export async function fitFullBatchAsync(
  model: tf.LayersModel,
  x: Data,
  y: Data,
  options: FitFullBatchOptions = {},
): Promise<FitResult> {
  const { solver, problemOptions, solveOptions } = sorted(options);
  const problem = await modelProblemAsync(model, x, y, problemOptions);
  try {
    const result = await minimizeAsync(problem, solver, solveOptions);
    problem.settleStatistics();
    return withHistory(result);
  } finally {
    problem.dispose();
  }
}

/** Tells the options of the problem from those of the solve. */
function sorted({ solver = auto(), batchSize, constraints, ...solveOptions }: FitFullBatchOptions) {
  const problemOptions: ModelProblemOptions = {
    ...(batchSize !== undefined && { batchSize }),
    ...(constraints !== undefined && { constraints }),
  };
  return { solver, problemOptions, solveOptions };
}

function withHistory(result: SolveResult): FitResult {
  const { trace } = result;
  return Object.assign(result, {
    history: {
      loss: trace.map(({ f }) => f),
      gradientNorm: trace.map(({ gradientNorm }) => gradientNorm),
      evaluations: trace.map(({ evaluations }) => evaluations),
      seconds: trace.map(({ elapsed }) => elapsed),
    },
  });
}
