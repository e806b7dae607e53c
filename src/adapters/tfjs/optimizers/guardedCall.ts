import * as tf from '@tensorflow/tfjs';
import { runUnguarded } from '../../../core/drive.ts';
import { evaluator } from '../tensors/evaluate.ts';
import { guard } from '../guard/guard.ts';
import type { TfParamSet } from '../tensors/tfParams.ts';
import type { OptimizerProgress } from './progress.ts';
import type { Call, RunContext } from './runContext.ts';
import { callSteps } from './trainingCall.ts';

/** One call of `minimize` on a closure. */
export interface ClosureCall extends Pick<Call, 'iterations' | 'fullBatch' | 'project'> {
  /** The loss, evaluated several times under a guard. */
  readonly loss: () => tf.Scalar;
  /** All variables that the loss might depend on, if its own were determined by running it. */
  readonly among?: readonly tf.Variable[] | undefined;
}

/**
 * Runs solver iterations on one closure; the variables then hold the best point.
 *
 * @returns a report, and tensors to dispose later
 */
export function runCall(
  context: RunContext,
  params: TfParamSet,
  { loss, among, ...call }: ClosureCall,
): { progress: OptimizerProgress; stash: tf.Tensor[] } {
  const guarded = guard(loss, { own: new Set(params.variables), model: null });
  const evaluate = evaluator(guarded.loss, params, among);
  const problem = {
    p0: context.run.state.x,
    fg(x: Float64Array, gradient: Float64Array | null) {
      params.copyFrom(x);
      return evaluate(gradient);
    },
  };
  const steps = callSteps(context, { ...call, model: () => guarded.model(), varies: () => guarded.varies() });
  let progress: OptimizerProgress;
  try {
    progress = runUnguarded(steps, problem);
  } catch (error) {
    tf.dispose(guarded.release());
    throw error;
  }
  return { progress, stash: guarded.release() };
}
