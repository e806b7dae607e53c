import type * as tf from '@tensorflow/tfjs';
import { show } from '../../../core/options.ts';
import type { SolverOptimizer } from '../optimizers/solverOptimizer.ts';
import { RuleStepper, ruleOf } from './ruleStepper.ts';
import { SolverStepper } from './solverStepper.ts';
import type { Stepper } from './stepper.ts';
import type { Trainer } from './trainer.ts';

/** True for an optimizer of `quasi-newton/tfjs`, from any copy of the package. */
function isSolverOptimizer(optimizer: unknown): optimizer is SolverOptimizer {
  const { solver, minimizeLater } = (optimizer ?? {}) as Partial<SolverOptimizer>;
  return typeof solver?.step === 'function' && typeof minimizeLater === 'function';
}

/** Checks that the update rule of an optimizer is known. @throws Error if it is not */
export function checkOptimizer(where: string, optimizer: tf.Optimizer): void {
  if (isSolverOptimizer(optimizer) || ruleOf(optimizer)) return;
  throw new Error(
    `${where}: the optimizer ${show(optimizer)} (${optimizer?.getClassName?.() ?? 'of no class'}) has no counterpart here; the optimizers of tf.train and of quasi-newton/tfjs do. Train with model.fit.`,
  );
}

/** Returns the stepper for the optimizer that a model is compiled with. */
export function stepperOf(where: string, trainer: Trainer, model: tf.LayersModel): Stepper {
  const optimizer: unknown = model.optimizer;
  checkOptimizer(where, model.optimizer);
  if (isSolverOptimizer(optimizer)) return new SolverStepper(trainer, model, optimizer);
  return new RuleStepper(trainer, model.optimizer, ruleOf(model.optimizer)!);
}
