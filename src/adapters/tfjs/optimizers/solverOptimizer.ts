import * as tf from '@tensorflow/tfjs';
import { boolean, checkOptions, integerFrom, positive, type Rules } from '../../../core/options.ts';
import type { Solver } from '../../../core/solver.ts';
import { discardTape } from '../internals.ts';
import { trainingRun, type Progress, type TrainingRun } from './trainingRun.ts';

/** Options that all optimizer classes have. */
export interface SolverOptimizerOptions {
  /** Solver iterations for each call of `minimize`, that is for each batch. @defaultValue `1` */
  readonly maxIterations?: number;
  /**
   * Says that every call sees the same data, so that the last evaluation of one call is the first of the
   * next: about 1.2 evaluations an epoch instead of 2.2. Wrong with mini-batches, shuffled or not, and with
   * dropout.
   *
   * @defaultValue `false`
   */
  readonly fullBatch?: boolean;
  /** Largest change of a parameter in `applyGradients`, which has no line search. @defaultValue `1` */
  readonly learningRate?: number;
}

export const solverOptimizerRules: Rules<SolverOptimizerOptions> = {
  maxIterations: integerFrom(1),
  fullBatch: boolean,
  learningRate: positive,
};

/**
 * A core solver as a `tf.Optimizer`: what `model.compile({ optimizer })` and `optimizer.minimize` need.
 *
 * `minimize` runs `maxIterations` iterations of the solver on the closure it is given and returns the loss
 * at the starting point. All evaluations are of that closure, and curvature pairs come from one and the
 * same closure only; what was learned is kept from call to call, and forgotten when the list of variables
 * changes. `applyGradients` alone, which sees no loss, takes the fixed step x ← x − α·H∇f with
 * α = learningRate·min(1, 1/‖H∇f‖∞), and learns nothing.
 *
 * Where the loss is not finite at the start, the variables stay as they are and that loss is returned.
 */
export abstract class SolverOptimizer extends tf.Optimizer {
  /** The solver within: the same object trains an ONNX model by `minimizeAsync(problem, optimizer.solver)`. */
  readonly solver: Solver;
  /** What the last `minimize` did; null before the first. */
  progress: Progress | null = null;
  protected readonly maxIterations: number;
  protected readonly fullBatch: boolean;
  protected readonly learningRate: number;
  private run: TrainingRun | null = null;
  private connected: { among: string; variables: tf.Variable[] } | null = null;

  protected constructor(solver: Solver, options: SolverOptimizerOptions) {
    super();
    this.solver = solver;
    this.maxIterations = options.maxIterations ?? 1;
    this.fullBatch = options.fullBatch ?? false;
    this.learningRate = options.learningRate ?? 1;
  }

  /**
   * @param f - returns the loss, a scalar
   * @param returnCost - whether the loss at the starting point is wanted
   * @param varList - default: all trainable variables that the loss depends on
   */
  override minimize(f: () => tf.Scalar, returnCost = false, varList?: tf.Variable[]): tf.Scalar | null {
    const variables = varList?.filter(({ trainable }) => trainable) ?? this.variablesOf(f);
    this.progress = this.runFor(variables).minimize(f, this.maxIterations, this.fullBatch);
    this.incrementIterations();
    return returnCost ? tf.scalar(this.progress.startLoss) : null;
  }

  override applyGradients(
    variableGradients: tf.NamedTensorMap | { name: string; tensor: tf.Tensor }[],
  ): void {
    const byName = Array.isArray(variableGradients)
      ? Object.fromEntries(variableGradients.map(({ name, tensor }) => [name, tensor]))
      : variableGradients;
    const { registeredVariables } = tf.engine();
    const variables = Object.keys(byName).map((name) => {
      const variable = registeredVariables[name];
      if (!variable) throw new RangeError(`applyGradients: there is no variable named "${name}".`);
      return variable;
    });
    this.runFor(variables).applyGradients(byName, this.learningRate);
    this.incrementIterations();
  }

  /** Forgets what was learned. */
  override dispose(): void {
    this.run = null;
    this.connected = null;
    super.dispose();
  }

  /** The options that all classes have, as `getConfig` must return them. */
  protected commonConfig() {
    const { maxIterations, fullBatch, learningRate } = this;
    return { maxIterations, fullBatch, learningRate };
  }

  /** The run on these variables; a new one, with nothing learned, if the list has changed. */
  private runFor(variables: tf.Variable[]): TrainingRun {
    const same =
      this.run !== null &&
      this.run.params.variables.length === variables.length &&
      this.run.params.variables.every((variable, i) => variable === variables[i]);
    if (!same) this.run = trainingRun(this.solver, variables);
    return this.run!;
  }

  /** The trainable variables that `f` depends on; looked for again when others have come or gone. */
  private variablesOf(f: () => tf.Scalar): tf.Variable[] {
    const trainable = Object.values(tf.engine().registeredVariables).filter((variable) => variable.trainable);
    const among = trainable.map(({ id }) => id).join();
    if (this.connected?.among !== among) {
      const variables = tf.tidy(() => {
        try {
          const { grads } = tf.variableGrads(f, trainable);
          return trainable.filter(({ name }) => grads[name]);
        } catch (error) {
          discardTape();
          throw error;
        }
      });
      this.connected = { among, variables };
    }
    return this.connected.variables;
  }
}

/** Checks the options of an optimizer class; all faults are named at once. */
export function checkOptimizerOptions<Options extends SolverOptimizerOptions>(
  className: string,
  options: Options,
  own: Rules<Omit<Options, keyof SolverOptimizerOptions>>,
): void {
  checkOptions<SolverOptimizerOptions>(className, options, { ...solverOptimizerRules, ...own });
}
