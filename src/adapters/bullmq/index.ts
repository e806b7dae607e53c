/**
 * Landscapes and data-parallel training on many machines, through BullMQ over Redis.
 *
 * @module quasi-newton/bullmq
 */
export type { BullmqConnection, BullmqOptions } from './connection.ts';
export type { DispatchOptions } from './dispatcher.ts';
export { bullmqExecutor, type BullmqExecutorOptions } from './executor.ts';
export type {
  LandscapeSource,
  LossOfParams,
  Maker,
  Served,
  ShardPlace,
  ShardProblem,
  WithMetrics,
} from './module.ts';
export { bullmqProblem, type BullmqProblem, type BullmqProblemOptions } from './problem.ts';
export { serveLandscape } from './serveLandscape.ts';
export { serveProblem } from './serveProblem.ts';
export type { BullmqWorker, ServeOptions } from './worker.ts';
