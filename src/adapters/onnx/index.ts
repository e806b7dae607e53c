/**
 * Trains ONNX models in stock ONNX Runtime.
 *
 * @module
 */

export * from './convention.ts';
export { OnnxError, refuse, type Fault } from './errors.ts';
export { differentiate, differentiateModel } from './differentiate.ts';
export type { DataInput, Differentiated, RunningStatistic } from './differentiate.ts';
export type { Parameter } from './choose.ts';
export type { Candidate } from './parameters.ts';
export type { LossName, LossTerm, Target } from './losses.ts';
export type { DifferentiateOptions, Loss, LossContext, LossFunction } from './options.ts';
export type { Builder } from './graph/builder.ts';
export type { Operand, Value } from './graph/graph.ts';
export type { Attributes } from './graph/attributes.ts';
export { registerVjp } from './registry.ts';
export type { Cotangents, VjpContext, VjpRule } from './vjp.ts';
