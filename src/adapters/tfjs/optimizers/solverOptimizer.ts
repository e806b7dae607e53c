import * as tf from '@tensorflow/tfjs';
import type { ParamSet } from '../../../core/paramSet.ts';
import type { Solver } from '../../../core/solver.ts';
import { attachedModel, type AttachedModel, type AttachOptions } from './attachedModel.ts';
import { connectedVariables, sameList } from './connectedVariables.ts';
import type { AppliedOptions, ApplyGradientsOptions } from './appliedGradients.ts';
import { commonRules, savable, type SolverOptimizerOptions } from './optimizerOptions.ts';
import { warnOnce, type Progress } from './progress.ts';
import { boolean, checkOptions, finitePositive } from '../../../core/options.ts';
import { gradientsOf, OtherVariables } from '../tensors/evaluate.ts';
import { fromTensors, toTensors, type NamedTensor, type SavedState } from './savedState.ts';
import type { Knowledge } from './runContext.ts';
import { tfParams } from '../tensors/tfParams.ts';
import { solverOf } from './namedSolvers.ts';
import { trainingRun, type LaterCall, type TrainingRun } from './trainingRun.ts';

/**
 * Any solver as a `tf.Optimizer`: what `model.compile({ optimizer })` and `optimizer.minimize` need.
 *
 * `minimize` runs `maxIterations` iterations of the solver on the closure it is given and returns the loss
 * at the starting point. All evaluations are of that closure, and curvature pairs come from one and the
 * same closure only; what was learned is kept from call to call, and forgotten when the list of variables
 * changes. However often the closure is evaluated, the model is left as if it had been once: metrics,
 * BatchNorm's statistics, dropout, states of RNNs.
 *
 * Calls with `model.fit` in mini-batches give another function each time. A run finds that out at its second
 * call; from then on the solver works as it does on mini-batches, and no batch moves a parameter by more than
 * `learningRate`. Where the loss is another one at each evaluation, a warning says so, and Adam takes over.
 *
 * Where the loss is not finite at the start, the variables stay as they are and that loss is returned.
 *
 * @example
 * ```js
 * import * as tf from '@tensorflow/tfjs';
 * import { adam, lbfgs, sequence } from 'quasi-newton';
 * import { SolverOptimizer } from 'quasi-newton/tfjs';
 *
 * const optimizer = new SolverOptimizer(sequence({ solver: adam(), iterations: 50 }, lbfgs()), { fullBatch: true });
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [3] })] });
 * model.compile({ optimizer, loss: 'meanSquaredError' });
 * ```
 */
export class SolverOptimizer extends tf.Optimizer {
  // A getter keeps the class free of side effects, so that bundlers can leave it out.
  static get className(): string {
    return 'SolverOptimizer';
  }

  /** The solver within: the same object trains an ONNX model by `minimizeAsync(problem, optimizer.solver)`. */
  readonly solver: Solver;
  /** Report of the last `minimize`; null before the first. */
  progress: Progress | null = null;
  private readonly options: Required<SolverOptimizerOptions>;
  /** Name that the solver was given by, under which it is saved. */
  private readonly solverName: string | null;
  private readonly withSearch: AppliedOptions['withSearch'];
  private run: TrainingRun | null = null;
  /** A loaded state, until the variables it is about are known. */
  private loaded: SavedState['run'] = null;
  /** Variables that the last loss without a list depends on, among all there were. */
  private connected: { among: tf.Variable[]; variables: tf.Variable[] } | null = null;
  private models: AttachedModel[] = [];
  /** Tensors that `getWeights` returned last; nobody else disposes of them. */
  private saved: tf.Tensor[] = [];
  /** Tensors of the last call that its caller may still have been reading when it ended. */
  private stash: tf.Tensor[] = [];

  /**
   * @param solver - a solver, or the name of one that {@link register} was told of: then it can be saved with a model
   * @param withSearch - makes the solver with another line search, for `applyGradients` to learn
   * @throws TypeError if `solver` is not one
   * @throws RangeError naming every option that is wrong
   */
  constructor(
    solver: Solver | string,
    options: SolverOptimizerOptions = {},
    withSearch: AppliedOptions['withSearch'] = null,
  ) {
    super();
    if (new.target === SolverOptimizer) checkOptions('SolverOptimizer', options, commonRules);
    this.solver = solverOf('SolverOptimizer', solver);
    this.solverName = typeof solver === 'string' ? solver : null;
    this.withSearch = withSearch;
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.options = { maxIterations: 1, fullBatch: false, learningRate: 0.03, ...Object.fromEntries(given) };
  }

  /**
   * Makes the model known to its optimizer; before or after `compile`, for any number of models. Then
   *
   * - constraints of layers (`kernelConstraint`, …) hold after each step, by projection; no optimizer of
   *   tfjs does that;
   * - the logs of `fit` and `fitDataset` have `gradientNorm`, `step` and `evaluations`, for callbacks and in
   *   the history; and `stopped`, the sentence of {@link Progress}, where the weights no longer move.
   *
   * It stays in force when layers are frozen (`trainable`) and when the model is compiled again, also with another
   * optimizer that has `attach`.
   *
   * @throws TypeError if it is not a LayersModel
   * @throws RangeError if an option is wrong
   */
  attach(model: tf.LayersModel, options: AttachOptions = {}): this {
    const attached = attachedModel(model, this, options);
    this.models = [...this.models.filter((known) => known.model !== model), attached];
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
      const variables = varList.filter(({ trainable }) => trainable);
      if (variables.length === 0 && varList.length > 0) {
        throw new Error(
          `${this.getClassName()}: none of the ${varList.length} variables is trainable; set trainable = true on what is to be trained.`,
        );
      }
      this.train(f, variables);
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

  /**
   * Runs `maxIterations` iterations on a function that answers later and stands for the loss of these variables.
   *
   * @internal
   */
  async minimizeLater({ fg, variables, memory, model, varies, readBack }: LaterCall): Promise<Progress> {
    const { maxIterations: iterations, fullBatch } = this.options;
    const projection = this.projectionOf(variables);
    const project = projection && (() => readBack(projection));
    const run = this.runFor(variables, memory);
    this.progress = await run.minimizeLater({ iterations, fullBatch, project, model, varies }, fg);
    this.incrementIterations();
    return this.progress;
  }

  /** Value and gradients of a loss, as any `tf.Optimizer` computes them; see {@link enableSecondOrder} for nested ones. */
  override computeGradients(
    f: () => tf.Scalar,
    varList?: tf.Variable[],
  ): { value: tf.Scalar; grads: tf.NamedTensorMap } {
    return gradientsOf(f, varList);
  }

  /**
   * Takes a bounded step along −H∇f for gradients made elsewhere, without a look at the loss: no parameter moves by more
   * than the learning rate. Say `sameFunction: true` where the gradients of all calls belong to one function, and
   * curvature is learned from them.
   *
   * @throws RangeError if there are no gradients, one belongs to no variable or has another shape, or an option is wrong
   */
  override applyGradients(
    variableGradients: tf.NamedTensorMap | { name: string; tensor: tf.Tensor }[],
    options: ApplyGradientsOptions = {},
  ): void {
    checkOptions('applyGradients', options, { learningRate: finitePositive, sameFunction: boolean });
    const { learningRate = this.options.learningRate, sameFunction = false } = options;
    const byName = Array.isArray(variableGradients)
      ? Object.fromEntries(variableGradients.map(({ name, tensor }) => [name, tensor]))
      : variableGradients;
    const { registeredVariables } = tf.engine();
    const variables = Object.entries(byName).map(([name, gradient]) => {
      const variable = registeredVariables[name];
      if (!variable) throw new RangeError(`applyGradients: there is no variable named "${name}".`);
      if (gradient && gradient.shape.join() !== variable.shape.join()) {
        throw new RangeError(
          `applyGradients: the gradient of "${name}" has shape [${gradient.shape.join(', ')}]; it must be [${variable.shape.join(', ')}].`,
        );
      }
      return variable;
    });
    if (variables.length === 0) throw new RangeError('applyGradients: there are no gradients.');
    const { withSearch } = this;
    const run = this.runFor(variables);
    run.applyGradients(byName, { learningRate, sameFunction, withSearch }, this.projectionOf(variables));
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
      version: 2,
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

  /**
   * The options, as JSON.
   *
   * @throws Error if there are some that cannot be saved: functions, or a solver without a name
   */
  override getConfig(): tf.serialization.ConfigDict {
    const className = this.getClassName();
    if (className !== 'SolverOptimizer') return savable(className, this.options);
    if (this.solverName !== null) return savable(className, { solver: this.solverName, ...this.options });
    throw new Error(
      `${className}: the solver cannot be saved, as it has no name. Give it one by register(tf, { solvers: { name: () => … } }) and new SolverOptimizer('name'); or save the model without includeOptimizer, and compile it with a new optimizer when it is loaded.`,
    );
  }

  /** Makes the optimizer again that `getConfig` describes; called by tfjs when it loads a model. */
  static override fromConfig<T extends tf.serialization.Serializable>(
    cls: tf.serialization.SerializableConstructor<T>,
    config: tf.serialization.ConfigDict,
  ): T {
    // tfjs adds `customObjects` on its way.
    const { customObjects: _, solver, ...options } = config;
    const make = cls as unknown as new (...args: unknown[]) => T;
    return solver === undefined ? new make(options) : new make(solver, options);
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
    const project = this.projectionOf(variables);
    const { progress, stash } = run.minimize({ loss, among, iterations, fullBatch, project });
    this.progress = progress;
    this.stash = stash;
  }

  /**
   * The run on these variables; a new one, with nothing learned, if the list has changed.
   *
   * @param memory - the set that points are left in. @defaultValue the variables
   */
  private runFor(variables: readonly tf.Variable[], memory?: ParamSet): TrainingRun {
    const { run } = this;
    const isSame = run !== null && sameList(run.params.variables, variables);
    if (isSame && run.memory === (memory ?? run.params)) return run;
    const { learningRate } = this.options;
    const warn = (sentence: string) => warnOnce(this, `${this.getClassName()}: ${sentence}`);
    const knowledge = isSame ? run.knowledge : this.takeLoaded(variables);
    const params = isSame ? run.params : tfParams(variables);
    this.run = trainingRun(this.solver, params, { learningRate, warn }, knowledge, memory);
    return this.run;
  }

  /** Makes the constraints hold of the attached model that trains these variables; null if there are none. */
  private projectionOf(variables: readonly tf.Variable[]): (() => void) | null {
    return this.models.find((model) => model.trains(variables))?.project ?? null;
  }

  /** Returns the loaded state for variables of these shapes. */
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
