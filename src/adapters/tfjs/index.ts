/**
 * `quasi-newton/tfjs`: TensorFlow.js models and losses for the solvers of `quasi-newton`, and the solvers as
 * `tf.Optimizer` classes.
 *
 * @module quasi-newton/tfjs
 */

export { attach } from './attach.ts';
export {
  fitFullBatch,
  fitFullBatchAsync,
  type FitResult,
  type FitFullBatchAsyncOptions,
  type FitFullBatchOptions,
  type FitHistory,
} from './fitFullBatch.ts';
export { flatten } from './flatten.ts';
export {
  modelProblem,
  modelProblemAsync,
  type AsyncModelProblem,
  type AsyncModelProblemOptions,
  type ModelProblem,
} from './modelProblem.ts';
export type { EarlyStopping, FitLogs, MonitorOptions } from './fitMonitor.ts';
export type { ModelLossOptions, ModelProblemOptions } from './modelLoss.ts';
export {
  leastSquaresProblem,
  type LeastSquaresProblemOptions,
  type TfLeastSquares,
} from './leastSquaresProblem.ts';
export type { ClassWeight, PerOutput, WeightOptions } from './sampleWeights.ts';
export { optfuns, type OptFuns } from './optfuns.ts';
export { optfunsAsync, type AsyncOptFuns, type OptFunsAsyncOptions } from './optfunsAsync.ts';
export { toOnnx } from './toOnnx/toOnnx.ts';
export { accelerate, type AcceleratedModel, type AccelerateOptions } from './accelerate/accelerate.ts';
export type { AcceleratedFitArgs } from './accelerate/fit.ts';
export type { AcceleratedFitDatasetArgs, BatchDataset, BatchIterator } from './accelerate/fitDataset.ts';
export { tfGrads } from './tensors/tfGrads.ts';
export { tfParams, type TfParamSet } from './tensors/tfParams.ts';
export { enableWasmConv } from './wasm/enableWasmConv.ts';
export { enableSecondOrder } from './secondOrder/enableSecondOrder.ts';
export {
  hessianVectorProduct,
  hessianVectorProductAsync,
  type HessianVectorOptions,
  type HessianVectorProduct,
} from '../../core/hessianVectorProduct.ts';
export { register, type RegisterOptions } from './register.ts';
export { BFGSOptimizer, type BFGSOptimizerOptions } from './optimizers/BFGSOptimizer.ts';
export {
  ConjugateGradientOptimizer,
  type ConjugateGradientOptimizerOptions,
} from './optimizers/ConjugateGradientOptimizer.ts';
export {
  GradientDescentOptimizer,
  type GradientDescentOptimizerOptions,
} from './optimizers/GradientDescentOptimizer.ts';
export { LBFGSOptimizer, type LBFGSOptimizerOptions } from './optimizers/LBFGSOptimizer.ts';
export { SLBFGSOptimizer, type SLBFGSOptimizerOptions } from './optimizers/SLBFGSOptimizer.ts';
export { SOAPOptimizer, type SOAPOptimizerOptions } from './optimizers/SOAPOptimizer.ts';
export { SSBFGSOptimizer, type SSBFGSOptimizerOptions } from './optimizers/SSBFGSOptimizer.ts';
export { SSBroydenOptimizer, type SSBroydenOptimizerOptions } from './optimizers/SSBroydenOptimizer.ts';
export type {
  LineSearchChoice,
  LineSearchName,
  SolverOptimizerOptions,
} from './optimizers/optimizerOptions.ts';
export { SolverOptimizer } from './optimizers/solverOptimizer.ts';
export type { AttachOptions } from './optimizers/attachedModel.ts';
export type { NamedTensor } from './optimizers/savedState.ts';
export type { ApplyGradientsOptions } from './optimizers/appliedGradients.ts';
export type { OptimizerProgress } from './optimizers/progress.ts';
export type { Data } from './internals/model.ts';
