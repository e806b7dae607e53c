import * as tf from '@tensorflow/tfjs';
import type { ParamSet } from '../../../core/paramSet.ts';
import type { Solver } from '../../../core/solver.ts';
import { attachedModel, type AttachedModel, type AttachOptions } from './attachedModel.ts';
import { connectedVariables, isTrainable, sameList, trainableOf } from './connectedVariables.ts';
import {
  gradientsByName,
  variablesOf,
  type AppliedOptions,
  type ApplyGradientsOptions,
  type GivenGradients,
} from './appliedGradients.ts';
import { LearningRate, type SolverRate } from './learningRate.ts';
import { commonRules, savable, type RatedOptions, type SolverOptimizerOptions } from './optimizerOptions.ts';
import type { Schedule } from '../../../solvers/schedules.ts';
import { warnOnce, type OptimizerProgress } from './progress.ts';
import { boolean, checkOptions, finitePositive, type Filled } from '../../../core/options.ts';
import { gradientsOf, OtherVariables } from '../tensors/evaluate.ts';
import { fromTensors, knowledgeFor, toTensors, type NamedTensor, type SavedState } from './savedState.ts';
import type { Knowledge } from './runContext.ts';
import { tfParams } from '../tensors/tfParams.ts';
import { solverOf } from './namedSolvers.ts';
import { trainingRun, type LaterCall, type TrainingRun } from './trainingRun.ts';

/**
 * Makes any solver a `tf.Optimizer`, for `model.compile({ optimizer })` and `optimizer.minimize`.
 *
 * `minimize` runs `maxIterations` iterations of the solver on the given closure and returns the loss at the
 * starting point. It evaluates only that closure, and a curvature pair never mixes two closures. The solver's memory
 * is kept from call to call, and discarded when the list of variables changes. However often the closure is
 * evaluated, metrics, BatchNorm statistics, dropout and RNN states behave as if it had been evaluated once.
 *
 * With mini-batches, `model.fit` passes another function at each call. The optimizer detects this at its second call;
 * from then on, the solver works in mini-batch mode, and no batch moves a parameter by more than
 * `learningRate`. If the loss changes at each evaluation, a warning is printed, and Adam takes over.
 *
 * If the loss is not finite at the start, the variables are not changed and that loss is returned.
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

  /** The underlying solver. It can also train an ONNX model: `minimizeAsync(problem, optimizer.solver)`. */
  readonly solver: Solver;
  /** Report of the last call of `minimize`; null before the first. */
  progress: OptimizerProgress | null = null;
  private readonly options: Pick<Filled<SolverOptimizerOptions>, 'maxIterations' | 'fullBatch'>;
  private readonly rate: LearningRate;
  /** Name by which the solver was given and is saved; null if there is none. */
  private readonly solverName: string | null;
  private readonly withSearch: AppliedOptions['withSearch'];
  private run: TrainingRun | null = null;
  /** A loaded state, until its variables are known. */
  private loaded: SavedState['run'] = null;
  /** Variables that the last loss passed without a list depends on, and all those considered. */
  private connected: { among: tf.Variable[]; variables: tf.Variable[] } | null = null;
  private models: AttachedModel[] = [];
  /** Tensors last returned by `getWeights`, which the optimizer must dispose. */
  private saved: tf.Tensor[] = [];
  /** Tensors of the last call that its caller may still read. */
  private stash: tf.Tensor[] = [];

  /**
   * @param solver - a solver, or the name of one registered with {@link register}, which can be saved with a model
   * @param withSearch - creates the solver with another line search, so that `applyGradients` can learn
   * @param rate - the solver's learning rate, which {@link SolverOptimizer.learningRate} then reads and sets
   * @throws TypeError if `solver` is not one
   * @throws RangeError naming every option that is wrong
   */
  constructor(
    solver: Solver | string,
    options: SolverOptimizerOptions | RatedOptions = {},
    withSearch: AppliedOptions['withSearch'] = null,
    rate: SolverRate | null = null,
  ) {
    super();
    if (new.target === SolverOptimizer) checkOptions<object>('SolverOptimizer', options, commonRules);
    this.solver = solverOf('SolverOptimizer', solver);
    this.solverName = typeof solver === 'string' ? solver : null;
    this.withSearch = withSearch;
    this.rate = new LearningRate(this.getClassName(), options, rate);
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.options = { maxIterations: 1, fullBatch: false, ...Object.fromEntries(given) };
  }

  /**
   * Learning rate, which may be changed at any time: the largest change of a parameter per mini-batch; for `SOAPOptimizer`
   * and `GradientDescentOptimizer` the solver's rate, or null with a line search. Values are checked like the option.
   */
  get learningRate(): number | Schedule | null {
    return this.rate.value;
  }

  set learningRate(learningRate: number | Schedule) {
    this.rate.set(learningRate);
    this.run?.setMaxChange(this.rate.maxChange);
  }

  /** Sets {@link SolverOptimizer.learningRate}; `tf.train.sgd` has this method. */
  setLearningRate(learningRate: number | Schedule): void {
    this.learningRate = learningRate;
  }

  /**
   * Attaches a model to its optimizer, before or after `compile`; any number of models can be attached. Then
   *
   * - layer constraints (`kernelConstraint`, …) hold after each step, by projection; tfjs's own optimizers ignore them;
   * - the logs of `fit` and `fitDataset` contain `gradientNorm`, `step` and `evaluations`, for callbacks and
   *   in the history; and `stopped`, the message of {@link OptimizerProgress}, once the weights no longer move.
   *
   * The model stays attached when layers are frozen (`trainable`) and when it is compiled again, even with
   * another optimizer that has `attach`.
   *
   * @throws TypeError if `model` is not a LayersModel
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
   * @param returnCost - true to return the loss at the starting point
   * @param varList - default: all trainable variables that the loss depends on; those not float32 stay as they are
   * @throws Error if there is nothing to train
   */
  override minimize(f: () => tf.Scalar, returnCost = false, varList?: tf.Variable[]): tf.Scalar | null {
    tf.dispose(this.stash);
    if (varList) {
      this.train(f, trainableOf(this.getClassName(), varList));
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
   * Runs `maxIterations` iterations on an asynchronous function that represents the loss of these variables.
   *
   * @internal
   */
  async minimizeLater(call: LaterCall): Promise<OptimizerProgress> {
    const { fg, variables, memory, model, varies, readBack } = call;
    const { maxIterations: iterations, fullBatch } = this.options;
    const projection = this.projectionOf(variables);
    const project = projection && (() => readBack(projection));
    const run = this.runFor(variables, memory);
    this.progress = await run.minimizeLater({ iterations, fullBatch, project, model, varies }, fg);
    this.incrementIterations();
    return this.progress;
  }

  /** Computes value and gradients of a loss; see {@link enableSecondOrder} for nested gradients. */
  override computeGradients(
    f: () => tf.Scalar,
    varList?: tf.Variable[],
  ): { value: tf.Scalar; grads: tf.NamedTensorMap } {
    return gradientsOf(f, varList);
  }

  /**
   * Takes a bounded step along −H∇f for given gradients, without evaluating the loss: no parameter moves by
   * more than the learning rate. With `sameFunction: true`, it learns curvature from gradients of one function.
   *
   * @throws RangeError if there are no gradients, one has no variable or another shape, or an option is wrong
   */
  override applyGradients(variableGradients: GivenGradients, options: ApplyGradientsOptions = {}): void {
    checkOptions('applyGradients', options, { learningRate: finitePositive, sameFunction: boolean });
    const { learningRate = this.rate.ofGradients, sameFunction = false } = options;
    const byName = gradientsByName(variableGradients);
    const { withSearch } = this;
    const variables = variablesOf(byName);
    const run = this.runFor(variables);
    run.applyGradients(byName, { learningRate, sameFunction, withSearch }, this.projectionOf(variables));
    this.incrementIterations();
  }

  /**
   * Returns the state, for `model.save(…, { includeOptimizer: true })`: once loaded, training continues bit
   * for bit as if it had never stopped. The tensors live until the next call or `dispose()`.
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
   * Restores a state returned by {@link SolverOptimizer.getWeights}.
   *
   * @throws Error if the state belongs to another optimizer or another version
   */
  override async setWeights(weightValues: NamedTensor[]): Promise<void> {
    const { iterations, run } = await fromTensors(this.getClassName(), weightValues);
    this.iterations_ = iterations;
    this.run = null;
    this.loaded = run;
  }

  /**
   * Returns the options as JSON.
   *
   * @throws Error if some cannot be saved: functions, or a solver without a name
   */
  override getConfig(): tf.serialization.ConfigDict {
    const className = this.getClassName();
    const learningRate = this.rate.value;
    const options = { ...this.options, ...(learningRate !== null && { learningRate }) };
    if (className !== 'SolverOptimizer') return savable(className, options);
    if (this.solverName !== null) return savable(className, { solver: this.solverName, ...options });
    throw new Error(
      `${className}: the solver cannot be saved, as it has no name. Give it one by register(tf, { solvers: { name: () => … } }) and new SolverOptimizer('name'); or save the model without includeOptimizer, and compile it with a new optimizer when it is loaded.`,
    );
  }

  /** Recreates an optimizer from the result of `getConfig`; called by tfjs when it loads a model. */
  static override fromConfig<T extends tf.serialization.Serializable>(
    cls: tf.serialization.SerializableConstructor<T>,
    config: tf.serialization.ConfigDict,
  ): T {
    // tfjs adds `customObjects`.
    const { customObjects: _, solver, ...options } = config;
    const make = cls as unknown as new (...args: unknown[]) => T;
    return solver === undefined ? new make(options) : new make(solver, options);
  }

  /** Discards the solver's memory and releases all tensors. */
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
    const { maxIterations: iterations, fullBatch } = this.options;
    const project = this.projectionOf(variables);
    const run = this.runFor(variables);
    const call = { loss, among, iterations, fullBatch, project };
    ({ progress: this.progress, stash: this.stash } = run.minimize(call));
  }

  /**
   * Returns the run on these variables; a new one with an empty memory if the list has changed.
   *
   * @param memory - parameter set that receives the points. @defaultValue the variables
   */
  private runFor(variables: readonly tf.Variable[], memory?: ParamSet): TrainingRun {
    const { run } = this;
    const isSame = run !== null && sameList(run.params.variables, variables);
    if (isSame && run.memory === (memory ?? run.params)) return run;
    const name = this.getClassName();
    const warn = (sentence: string) => warnOnce(this, `${name}: ${sentence}`);
    const settings = { name, warn, maxChange: this.rate.maxChange };
    const knowledge = isSame ? run.knowledge : this.takeLoaded(variables);
    const params = isSame ? run.params : tfParams(variables);
    this.run = trainingRun(this.solver, params, settings, knowledge, memory);
    return this.run;
  }

  /** Returns the projection onto the constraints of the model that trains these variables; null if there are none. */
  private projectionOf(variables: readonly tf.Variable[]): (() => void) | null {
    return this.models.find((model) => model.trains(variables))?.project ?? null;
  }

  /** Returns the loaded state for variables of these shapes. */
  private takeLoaded(variables: readonly tf.Variable[]): Knowledge | undefined {
    const knowledge = knowledgeFor(this.getClassName(), this.loaded, variables);
    this.loaded = null;
    return knowledge;
  }

  /** Returns the trainable variables that `f` depends on; updated when variables have been added or removed. */
  private connections(f: () => tf.Scalar): { among: tf.Variable[]; variables: tf.Variable[] } {
    const among = Object.values(tf.engine().registeredVariables).filter(isTrainable);
    if (this.connected === null || !sameList(this.connected.among, among)) {
      this.connected = { among, variables: connectedVariables(f, among) };
    }
    return this.connected;
  }
}
