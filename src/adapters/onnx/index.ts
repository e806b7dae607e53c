/**
 * Trains ONNX models in stock ONNX Runtime.
 *
 * @module quasi-newton/onnx
 */

export * from './ir/convention.ts';
export { OnnxError, refuse, type Fault } from './ir/errors.ts';
export { differentiate, differentiateModel } from './differentiate.ts';
export type { DataInput, Differentiated, RunningStatistic } from './differentiate.ts';
export { explain, type Explanation, type OpReport } from './explain.ts';
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
export { lora, mergeLora, type LoraOptions } from './build/lora.ts';
export { registerVjp } from './ops/index.ts';
export type { Cotangents, Platform, VjpContext, VjpRule } from './ir/vjp.ts';
export { miniBatches, type BatchSource, type MiniBatchOptions } from './runtime/batches.ts';
export { checkFeeds, type Feed, type Feeds } from './runtime/feeds.ts';
export type { InputSpec } from './runtime/inputs.ts';
export type { OnnxModel } from './runtime/model.ts';
export type { JacobianWay, LeastSquaresOptions, OnnxLeastSquares } from './runtime/leastSquares.ts';
export type { ResidualFunction } from './runtime/residualGraphs.ts';
export type { Evaluation, FeedSource, OnnxProblem, ProblemOptions } from './runtime/problem.ts';
export type { SampleGradients } from './runtime/samples.ts';
export type { TrainableOptions } from './runtime/options.ts';
export type { Ort, OrtSession, OrtTensor, OrtTensors } from './runtime/ort.ts';
export { loadTrainable, trainable } from './runtime/trainable.ts';
export type { WriteOptions } from './runtime/writeBack.ts';
