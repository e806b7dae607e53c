import type * as tf from '@tensorflow/tfjs';
import { show } from '../../../core/options.ts';
import { errorAfter } from '../../../core/putBack.ts';
import type { Ort } from '../../onnx/index.ts';
import { inner, isCompiled } from '../internals/model.ts';
import { beginTraining } from '../internals/training.ts';
import { modelPlan, type ModelPlan } from './plan.ts';
import { Predictor } from './predictor.ts';
import { checkOptimizer, stepperOf } from './chooseStepper.ts';
import type { Stepper } from './stepper.ts';
import { Trainer, type TrainerOptions } from './trainer.ts';
import { modelWeights, type ModelWeights } from './weights.ts';

/** A plan with its open sessions. */
interface Opened {
  readonly plan: ModelPlan;
  readonly weights: ModelWeights;
  trainer?: Promise<Trainer>;
  stepper?: Promise<Stepper>;
  predictor?: Promise<Predictor>;
}

/** The sessions of a model, opened when first needed and reopened after the model is recompiled. */
export class Runtime {
  readonly ort: Ort;
  readonly model: tf.LayersModel;
  private readonly options: TrainerOptions;
  private opened: Opened;
  private isDisposed = false;
  /** True during a fit, when sessions must not be replaced. */
  private isFitting = false;
  private last: Promise<unknown> = Promise.resolve();

  /** Plans the graphs of a model. @throws Error naming the part of the model that is not supported */
  constructor(where: string, ort: Ort, model: tf.LayersModel, options: TrainerOptions) {
    this.ort = ort;
    this.model = model;
    this.options = options;
    this.opened = this.planned(where);
  }

  get random(): () => number {
    return this.options.random;
  }

  get weights(): ModelWeights {
    return this.opened.weights;
  }

  /** Runs tasks one after the other, because they share memory. */
  inTurn<Result>(where: string, task: () => Promise<Result>): Promise<Result> {
    const run = async (): Promise<Result> => {
      if (this.isDisposed)
        throw new Error(`${where}: the accelerated model has been disposed of; make another.`);
      return task();
    };
    const result = this.last.then(run, run);
    this.last = result;
    return result;
  }

  /** Returns the model in training mode, with its current weights. */
  async training(where: string): Promise<{ trainer: Trainer; stepper: Stepper }> {
    const opened = await this.current(where);
    const { ort, model, options } = this;
    opened.trainer ??= Trainer.open(where, ort, model, opened.plan, opened.weights, options).catch(
      (error: unknown) => {
        // prettier-ignore
        delete opened.trainer;
        throw error;
      },
    );
    const trainer = await opened.trainer;
    opened.stepper ??= Promise.resolve(stepperOf(where, trainer, model));
    return { trainer, stepper: await opened.stepper };
  }

  /** Returns the model in inference mode, with its current weights. */
  async inference(where: string): Promise<Predictor> {
    const opened = await this.current(where);
    const { ort, model, options } = this;
    opened.predictor ??= Predictor.open(where, ort, model, opened.plan, opened.weights, options).catch(
      (error: unknown) => {
        // prettier-ignore
        delete opened.predictor;
        throw error;
      },
    );
    return opened.predictor;
  }

  /** Runs a fit. No other fit can begin meanwhile, and however it ends, the weights are then in the model. */
  async duringFit<Result>(
    where: string,
    fit: (training: { trainer: Trainer; stepper: Stepper }) => Promise<Result>,
  ): Promise<Result> {
    // prettier-ignore
    const endTraining = beginTraining(where, this.model);
    try {
      const training = await this.inTurn(where, () => this.training(where));
      this.isFitting = true;
      await training.stepper.begin();
      const end = () => {
        this.weights.push();
        training.stepper.end(false);
      };
      const result = await fit(training).catch((error: unknown) => {
        throw errorAfter(error, end, 'The weights could not be written into the model');
      });
      end();
      return result;
    } finally {
      this.isFitting = false;
      endTraining();
    }
  }

  /** Passes the complete state, including vectors, to the optimizer. */
  async handOver(): Promise<void> {
    (await this.opened.stepper)?.end(true);
  }

  async dispose(): Promise<void> {
    if (this.isDisposed) return;
    await this.inTurn('dispose', async () => {
      this.isDisposed = true;
      await this.release();
    });
  }

  private planned(where: string): Opened {
    checkModel(where, this.model);
    const plan = modelPlan(where, this.model);
    checkOptimizer(where, this.model.optimizer);
    return { plan, weights: modelWeights(plan) };
  }

  private async current(where: string): Promise<Opened> {
    if (!this.isFitting && !this.opened.plan.holds()) {
      const next = this.planned(where);
      await this.release();
      this.opened = next;
    }
    await this.opened.weights.pull(true);
    return this.opened;
  }

  private async release(): Promise<void> {
    const { trainer, predictor } = this.opened;
    await (await trainer)?.release();
    await (await predictor)?.release();
    delete this.opened.trainer;
    delete this.opened.stepper;
    delete this.opened.predictor;
  }
}

function checkModel(where: string, model: tf.LayersModel): void {
  if (typeof model?.compile !== 'function') {
    throw new TypeError(`${where}: the model must be a tf.LayersModel, got ${show(model)}.`);
  }
  if (!isCompiled(model)) {
    throw new Error(`${where}: the model is not compiled; call model.compile({ optimizer, loss }) first.`);
  }
  if (model.outputs.length === 0 || inner(model).layers.length === 0) {
    throw new TypeError(`${where}: the model has no layers; add some first.`);
  }
}
