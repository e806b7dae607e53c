import type { Evaluation, TrainingBatch } from './trainer.ts';

/** Moves the weights of a trainer, batch by batch. */
export interface Stepper {
  /** Takes over what the model's optimizer knows, at the start of a call. */
  begin(): Promise<void>;
  /** Takes the step of one batch; returns the evaluation where it began. */
  step(batch: TrainingBatch, wantsOutputs: boolean): Promise<Evaluation>;
  /**
   * Leaves the optimizer with what was learned.
   *
   * @param all - true if the optimizer is to have its vectors, also where it has made none yet
   */
  end(all: boolean): void;
}
