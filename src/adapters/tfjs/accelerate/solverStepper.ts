import type * as tf from '@tensorflow/tfjs';
import { vectorParams, type ParamSet } from '../../../core/paramSet.ts';
import { inner } from '../internals/model.ts';
import type { SolverOptimizer } from '../optimizers/solverOptimizer.ts';
import type { Stepper } from './stepper.ts';
import type { Evaluation, Trainer, TrainingBatch } from './trainer.ts';

/** Takes the steps of an optimizer of `quasi-newton/tfjs`, with any number of evaluations per batch. */
export class SolverStepper implements Stepper {
  private readonly trainer: Trainer;
  private readonly model: tf.LayersModel;
  private readonly optimizer: SolverOptimizer;
  private readonly memory: ParamSet;

  constructor(trainer: Trainer, model: tf.LayersModel, optimizer: SolverOptimizer) {
    this.trainer = trainer;
    this.model = model;
    this.optimizer = optimizer;
    const { trained } = trainer.weights;
    const memory = vectorParams(trained.values, trained.params.layout);
    this.memory = {
      ...memory,
      copyFrom(vector) {
        memory.copyFrom(vector);
        trained.touch();
      },
    };
  }

  // The optimizer itself keeps what is learned.
  async begin(): Promise<void> {}

  async step(batch: TrainingBatch, wantsOutputs: boolean): Promise<Evaluation> {
    const { trainer, memory, optimizer, model } = this;
    const { trained } = trainer.weights;
    let first: Evaluation | null = null;
    const fg = async (x: Float64Array, gradient: Float64Array | null): Promise<number> => {
      trained.values.set(x);
      if (first !== null && gradient === null) return trainer.loss(batch);
      const evaluation = await trainer.evaluate(batch, wantsOutputs && first === null);
      first ??= evaluation;
      gradient?.set(trainer.gradient);
      return evaluation.loss;
    };
    const progress = await optimizer.minimizeLater({
      fg,
      variables: trained.params.variables,
      memory,
      model: () => inner(model) as unknown as tf.LayersModel,
      varies: () => trainer.plan.training.noise.length > 0,
      readBack(change) {
        trained.push();
        change();
        trained.pullNow();
      },
    });
    const evaluation: Evaluation = first!;
    trainer.updateStatistics(evaluation);
    // The metrics are those of the first evaluation; the loss is that at the start of the step.
    return { ...evaluation, loss: progress.startLoss };
  }

  end(): void {}
}
