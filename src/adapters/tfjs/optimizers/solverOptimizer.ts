import * as tf from '@tensorflow/tfjs';
import type { Solver } from '../../../core/solver.ts';
import { attachedModel, type AttachedModel, type AttachOptions } from './attachedModel.ts';
import { connectedVariables } from './connectedVariables.ts';
import type { SolverOptimizerOptions } from './optimizerOptions.ts';
import { gradientsOf, OtherVariables } from '../evaluate.ts';
import { fromTensors, toTensors, type NamedTensor, type SavedState } from './savedState.ts';
import { trainingRun, type Knowledge, type Progress, type TrainingRun } from './trainingRun.ts';

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
 * Calls with `model.fit` in mini-batches give another function each time. A run finds that out at its second
 * call, and is from then on what the solver makes of mini-batches.
 *
 * Where the loss is not finite at the start, the variables stay as they are and that loss is returned.
 */
export abstract class SolverOptimizer extends tf.Optimizer {
  /** The solver within: the same object trains an ONNX model by `minimizeAsync(problem, optimizer.solver)`. */
  readonly solver: Solver;
  /** What the last `minimize` did; null before the first. */
  progress: Progress | null = null;
  private readonly options: Required<SolverOptimizerOptions>;
  private run: TrainingRun | null = null;
  /** A loaded state, until the variables it is about are known. */
  private loaded: SavedState['run'] = null;
  /** What the last loss without a list of variables depends on, among all there were. */
  private connected: { among: tf.Variable[]; variables: tf.Variable[] } | null = null;
  private models: AttachedModel[] = [];
  /** The attached model whose weights the run is about. */
  private owner: AttachedModel | null = null;
  /** What `getWeights` gave last; nobody else disposes of it. */
  private saved: tf.Tensor[] = [];
  /** Tensors of the last call that its caller may still have been reading when it ended. */
  private stash: tf.Tensor[] = [];

  protected constructor(solver: Solver, options: SolverOptimizerOptions) {
    super();
    this.solver = solver;
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.options = { maxIterations: 1, fullBatch: false, learningRate: 1, ...Object.fromEntries(given) };
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
    this.models = [...this.models.filter((known) => known.model !== model), attached];
    if (this.run && attached.trains(this.run.params.variables)) this.owner = attached;
    return this;
  }

  /**
   * Runs `maxIterations` iterations of the solver on a loss.
   *
   * @param f - returns the loss, a scalar
   * @param returnCost - whether the loss at the starting point is wanted
   * @param varList - default: all trainable variables that the loss depends on
   */
  override minimize(f: () => tf.Scalar, returnCost = false, varList?: tf.Variable[]): tf.Scalar | null {
    tf.dispose(this.stash);
    if (varList) {
      this.train(
        f,
        varList.filter(({ trainable }) => trainable),
      );
    } else {
      const { variables, among } = this.connections(f);
      try {
        this.train(f, variables, among);
      } catch (error) {
        if (!(error instanceof OtherVariables)) throw error;
        this.connected = { among, variables: error.variables };
        this.train(f, error.variables, among);
      }
    }
    this.incrementIterations();
    return returnCost ? tf.scalar(this.progress!.startLoss) : null;
  }

  /** Value and gradients of a loss, as any `tf.Optimizer` computes them; see {@link enableSecondOrder} for nested ones. */
  override computeGradients(
    f: () => tf.Scalar,
    varList?: tf.Variable[],
  ): { value: tf.Scalar; grads: tf.NamedTensorMap } {
    return gradientsOf(f, varList);
  }

  /** Takes the fixed step described above along −H∇f, from gradients made elsewhere. */
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
    const run = this.runFor(variables);
    run.applyGradients(byName, this.options.learningRate, this.owner?.project ?? null);
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

  /** The options, which are plain JSON in all classes. */
  override getConfig(): tf.serialization.ConfigDict {
    return { ...this.options };
  }

  /** Makes the optimizer again that `getConfig` describes; called by tfjs when it loads a model. */
  static override fromConfig<T extends tf.serialization.Serializable>(
    cls: tf.serialization.SerializableConstructor<T>,
    config: tf.serialization.ConfigDict,
  ): T {
    // tfjs adds `customObjects` on its way.
    const { customObjects: _, ...options } = config;
    return new (cls as unknown as new (options: object) => T)(options);
  }

  /** Forgets what was learned, and lets go of all tensors. */
  override dispose(): void {
    this.run = null;
    this.loaded = null;
    this.connected = null;
    tf.dispose([this.stash, this.saved]);
    super.dispose();
  }

  private train(
    loss: () => tf.Scalar,
    variables: readonly tf.Variable[],
    among?: readonly tf.Variable[],
  ): void {
    const run = this.runFor(variables);
    const { maxIterations: iterations, fullBatch } = this.options;
    const { model = null, project = null } = this.owner ?? {};
    const { progress, stash } = run.minimize({ loss, among, iterations, fullBatch, model, project });
    this.progress = progress;
    this.stash = stash;
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
  private connections(f: () => tf.Scalar): { among: tf.Variable[]; variables: tf.Variable[] } {
    const among = Object.values(tf.engine().registeredVariables).filter(({ trainable }) => trainable);
    if (this.connected === null || !sameList(this.connected.among, among)) {
      this.connected = { among, variables: connectedVariables(f, among) };
    }
    return this.connected;
  }
}

function sameList(a: readonly tf.Variable[], b: readonly tf.Variable[]): boolean {
  return a.length === b.length && a.every((variable, i) => variable === b[i]);
}
