import * as tf from '@tensorflow/tfjs';
import { boolean, checkOptions, finitePositive, integerIn, type Rules } from '../../../core/options.ts';
import type { Solver } from '../../../core/solver.ts';
import { attachedModel, type AttachedModel, type AttachOptions } from './attachedModel.ts';
import { connectedVariables } from './connectedVariables.ts';
import { fromTensors, toTensors, type NamedTensor, type SavedState } from './savedState.ts';
import { trainingRun, type Knowledge, type Progress, type TrainingRun } from './trainingRun.ts';

/** Options that all optimizer classes have. */
export interface SolverOptimizerOptions {
  /** Solver iterations for each call of `minimize`, that is for each batch. @defaultValue `1` */
  readonly maxIterations?: number;
  /**
   * Says that every call sees the same data, so that the last evaluation of one call is the first of the
   * next: about 1.2 evaluations an epoch instead of 2.2. Metrics are then those of the first evaluation in
   * the call, one step ahead of the loss. Wrong with mini-batches, shuffled or not; without effect where
   * the loss draws random numbers (dropout).
   *
   * @defaultValue `false`
   */
  readonly fullBatch?: boolean;
  /** Largest change of a parameter in `applyGradients`, which has no line search. @defaultValue `1` */
  readonly learningRate?: number;
}

/** The rules of {@link SolverOptimizerOptions}. They are finite: a saved configuration is JSON. */
export const solverOptimizerRules: Rules<SolverOptimizerOptions> = {
  maxIterations: integerIn(1, 1e9),
  fullBatch: boolean,
  learningRate: finitePositive,
};

/** A class that a saved model's optimizer can be made from. */
type OptimizerClass<Options> = new (options: Options) => SolverOptimizer;

/**
 * A core solver as a `tf.Optimizer`: what `model.compile({ optimizer })` and `optimizer.minimize` need.
 *
 * `minimize` runs `maxIterations` iterations of the solver on the closure it is given and returns the loss
 * at the starting point. All evaluations are of that closure, and curvature pairs come from one and the
 * same closure only; what was learned is kept from call to call, and forgotten when the list of variables
 * changes. However often the closure is evaluated, the model is left as if it had been once: metrics,
 * BatchNorm's statistics, dropout. {@link SolverOptimizer.attach} makes that exact in the few cases where
 * the model must be known.
 *
 * `applyGradients` alone, which sees no loss, takes the fixed step x ← x − α·H∇f with
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
  /** A loaded state, until the variables it is about are known. */
  private loaded: SavedState['run'] = null;
  private connected: { among: string; variables: tf.Variable[] } | null = null;
  private readonly models: AttachedModel[] = [];
  /** The attached model whose weights the run is about. */
  private owner: AttachedModel | null = null;
  /** What `getWeights` gave last; nobody else disposes of it. */
  private saved: tf.Tensor[] = [];
  /** Tensors of the last call that its caller may still have been reading when it ended. */
  private stash: tf.Tensor[] = [];

  protected constructor(solver: Solver, options: SolverOptimizerOptions) {
    super();
    this.solver = solver;
    this.maxIterations = options.maxIterations ?? 1;
    this.fullBatch = options.fullBatch ?? false;
    this.learningRate = options.learningRate ?? 1;
  }

  /**
   * Makes the model known to its optimizer; before or after `compile`, for any number of models. Then
   *
   * - `trainOnBatch` returns as many values as it should, and `fitDataset` keeps nothing aside, with metrics;
   * - stateful RNNs carry on from the states of one evaluation;
   * - constraints of layers (`kernelConstraint`, …) hold after each step, by projection; no optimizer of
   *   tfjs does that;
   * - the logs of `fit` and `fitDataset` have `gradientNorm`, `step` and `evaluations`, for callbacks and in
   *   the history.
   *
   * @throws TypeError if it is not a LayersModel
   * @throws RangeError if an option is wrong
   */
  attach(model: tf.LayersModel, options: AttachOptions = {}): this {
    const attached = attachedModel(model, this, options);
    if (!this.models.some((known) => known.model === model)) this.models.push(attached);
    if (this.run && attached.trains(this.run.params.variables)) this.owner = attached;
    return this;
  }

  /**
   * @param f - returns the loss, a scalar
   * @param returnCost - whether the loss at the starting point is wanted
   * @param varList - default: all trainable variables that the loss depends on
   */
  override minimize(f: () => tf.Scalar, returnCost = false, varList?: tf.Variable[]): tf.Scalar | null {
    const variables = varList?.filter(({ trainable }) => trainable) ?? this.variablesOf(f);
    tf.dispose(this.stash);
    const run = this.runFor(variables);
    const { progress, stash } = run.minimize({
      loss: f,
      iterations: this.maxIterations,
      reuse: this.fullBatch,
      model: this.owner?.model ?? null,
      project: this.owner?.project ?? null,
    });
    this.progress = progress;
    this.stash = stash;
    this.incrementIterations();
    return returnCost ? tf.scalar(progress.startLoss) : null;
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

  /**
   * The state, for `model.save(…, { includeOptimizer: true })`: loaded again, training goes on bit for bit as
   * if never stopped. The tensors live until the next call or `dispose()`.
   */
  override async getWeights(): Promise<NamedTensor[]> {
    const run = this.run
      ? { shapes: this.run.params.variables.map(({ shape }) => shape), knowledge: this.run.knowledge }
      : this.loaded;
    const weights = toTensors({
      version: 1,
      className: this.getClassName(),
      iterations: this.iterations,
      run,
    });
    tf.dispose(this.saved);
    this.saved = weights.map(({ tensor }) => tf.keep(tensor));
    return weights;
  }

  /**
   * Takes over a state that {@link SolverOptimizer.getWeights} gave.
   *
   * @throws Error if it is the state of another optimizer or of another version
   */
  override async setWeights(weightValues: NamedTensor[]): Promise<void> {
    const { iterations, run } = await fromTensors(this.getClassName(), weightValues);
    this.iterations_ = iterations;
    this.run = null;
    this.loaded = run;
  }

  /** Makes the optimizer again that `getConfig` describes; called by tfjs when it loads a model. */
  static override fromConfig<T extends tf.serialization.Serializable>(
    cls: tf.serialization.SerializableConstructor<T>,
    config: tf.serialization.ConfigDict,
  ): T {
    // tfjs adds `customObjects`; what was left to its default comes back as null.
    const options = Object.entries(config).filter(([name, v]) => name !== 'customObjects' && v !== null);
    return new (cls as unknown as OptimizerClass<object>)(Object.fromEntries(options)) as unknown as T;
  }

  /** Forgets what was learned, and lets go of all tensors. */
  override dispose(): void {
    this.run = null;
    this.loaded = null;
    this.connected = null;
    tf.dispose([this.stash, this.saved]);
    super.dispose();
  }

  /** The options that all classes have, as `getConfig` must return them. */
  protected commonConfig() {
    const { maxIterations, fullBatch, learningRate } = this;
    return { maxIterations, fullBatch, learningRate };
  }

  /** The run on these variables; a new one, with nothing learned, if the list has changed. */
  private runFor(variables: readonly tf.Variable[]): TrainingRun {
    if (this.run === null || !sameList(this.run.params.variables, variables)) {
      this.run = trainingRun(this.solver, variables, this.takeLoaded(variables));
      this.owner = this.models.find((model) => model.trains(variables)) ?? null;
    }
    return this.run;
  }

  /** What a loaded state knows about variables of these shapes. */
  private takeLoaded(variables: readonly tf.Variable[]): Knowledge | undefined {
    const { loaded } = this;
    if (loaded === null) return undefined;
    const [saved, now] = [loaded.shapes, variables.map(({ shape }) => shape)].map((shapes) =>
      shapes.map((shape) => `[${shape.join(', ')}]`).join(' '),
    );
    if (saved !== now) {
      throw new Error(
        `${this.getClassName()}: the loaded state is about variables of shapes ${saved}; these have ${now}. Train the model it was saved with, or make a new optimizer.`,
      );
    }
    this.loaded = null;
    return loaded.knowledge;
  }

  /** The trainable variables that `f` depends on; looked for again when others have come or gone. */
  private variablesOf(f: () => tf.Scalar): tf.Variable[] {
    const trainable = Object.values(tf.engine().registeredVariables).filter((variable) => variable.trainable);
    const among = trainable.map(({ id }) => id).join();
    if (this.connected?.among !== among) {
      this.connected = { among, variables: connectedVariables(f, trainable) };
    }
    return this.connected.variables;
  }
}

function sameList(a: readonly tf.Variable[], b: readonly tf.Variable[]): boolean {
  return a.length === b.length && a.every((variable, i) => variable === b[i]);
}

/** Checks the options of an optimizer class; all faults are named at once. */
export function checkOptimizerOptions<Options extends SolverOptimizerOptions>(
  className: string,
  options: Options,
  own: Rules<Omit<Options, keyof SolverOptimizerOptions>>,
): void {
  checkOptions<SolverOptimizerOptions>(className, options, { ...solverOptimizerRules, ...own });
}
