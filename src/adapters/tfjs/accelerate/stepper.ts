import type { Evaluation, TrainingBatch } from './trainer.ts';

/** Moves the weights of a trainer, batch by batch. */
export interface Stepper {
  /** Reads the state of the model's optimizer at the start of a call. */
  begin(): Promise<void>;
  /** Takes the step of one batch; returns the evaluation at its start. */
  step(batch: TrainingBatch, wantsOutputs: boolean): Promise<Evaluation>;
  /**
   * Writes the state back to the optimizer.
   *
   * @param all - true to write its vectors even if it has not created them yet
   */
  end(all: boolean): void;
}
