/**
 * Trains ONNX models in stock ONNX Runtime.
 *
 * @module quasi-newton/onnx
 */

export * from './ir/convention.ts';
export { OnnxError, refuse, type Fault } from './ir/errors.ts';
export { differentiate, differentiateModel } from './differentiate.ts';
export type { DataInput, Differentiated, RunningStatistic } from './differentiate.ts';
export type { Draw, NoiseInput } from './ir/noise.ts';
export {
  explain,
  type ExplainOptions,
  type Explanation,
  type OpReport,
  type QuantizedTensor,
} from './explain.ts';
export type { Parameter } from './choose.ts';
export type { Candidate } from './parameters.ts';
export type { FixedInputs, FixedShapes } from './passes/fix.ts';
export type { Copy } from './passes/ties.ts';
export type { LossName, LossTerm, Target } from './losses.ts';
export type { DifferentiateOptions, Loss, LossContext, LossFunction } from './options.ts';
export type { Builder } from './ir/builder.ts';
export type { Operand, Value } from './ir/graph.ts';
export type { Attributes } from './ir/attributes.ts';
export { graph, Network, type ConvOptions, type LayerOptions } from './build/network.ts';
export type { InputType, TargetSpec } from './inputTypes.ts';
export type { FloatType, GraphOptions, ModelWriter } from './build/modelWriter.ts';
export { addHead, freeze, type Adapted, type HeadOptions, type Layers } from './build/transfer.ts';
export { lora, type LoraOptions } from './build/lora.ts';
export { mergeLora } from './build/mergeLora.ts';
export { registerVjp } from './ops/index.ts';
export type { Platform } from './ir/platform.ts';
export type { Cotangents, VjpContext, VjpRule } from './ir/vjp.ts';
export { miniBatches, type BatchSource, type MiniBatchOptions } from './train/batches.ts';
export { checkFeeds, type Feed, type Feeds } from './train/feeds.ts';
export type { InputSpec } from './train/inputs.ts';
export type { OnnxModel } from './train/model.ts';
export type { JacobianWay, LeastSquaresOptions, OnnxLeastSquares } from './train/leastSquares.ts';
export type { ResidualFunction } from './train/residualGraphs.ts';
export type { Evaluation, FeedSource, OnnxProblem, ProblemOptions } from './train/problem.ts';
export type { SampleGradients } from './train/samples.ts';
export type { TrainableOptions } from './train/options.ts';
export type { Ort, OrtSession, OrtTensor, OrtTensors } from './train/ort.ts';
export { loadTrainable, trainable } from './train/trainable.ts';
export type { WriteOptions } from './train/writeBack.ts';
