import type { Precision } from './problem.ts';
import type { Iterate, Measured } from './solver.ts';
import type { ValidationMemory } from './validation.ts';

/**
 * All that a run knows when it ends, or between two iterations: the point, the solver's memory, the best point, and what the
 * stopping rules remember. It goes into `options.resume` of another run, and by {@link saveState} through JSON.
 *
 * It is plain data; what is in it belongs to the library and may change with its version.
 */
export interface RunState {
  readonly format: 1;
  /** The solver's name. */
  readonly solver: string;
  /** The transform that f was seen through. */
  readonly transform: string;
  readonly problem: ProblemMark;
  /** The solver's own state. */
  readonly iterate: Iterate;
  /** The best point; its x is null where that is the iterate's. */
  readonly best: Measured & { readonly x: Float64Array | null };
  readonly convergence: ConvergenceMemory;
  readonly validation: ValidationMemory | null;
  /** State of the problem beside x, such as running statistics. */
  readonly statistics: Float64Array | null;
  /** Factor by which the solver sees f multiplied. */
  readonly factor: number;
  /** The largest |f| so far. */
  readonly highest: number;
  /** The last step length. */
  readonly alpha: number;
}

/** Memory of the stopping rules, as plain data. */
export interface ConvergenceMemory {
  /** f and ‖∇f‖∞ at the start of the run. */
  readonly start: Measured;
  readonly floor: Floor;
  /** Relative change of f in the last iteration; Infinity before the first. */
  change: number;
  /** ‖xₖ₊₁ − xₖ‖∞ of the last iteration; Infinity before the first. */
  moved: number;
  smallChanges: number;
  smallSteps: number;
}

/** Lowest values so far, by which a standstill is noticed. */
export interface Floor {
  f: number;
  gradientNorm: number;
  smallestNorm: number;
  /** Number of iterations without gain. */
  still: number;
}

/** Properties that two problems must share to exchange states. */
export interface ProblemMark {
  readonly n: number;
  readonly precision: Precision;
  readonly stochastic: boolean;
  /** Shapes of the tensors; null without a parameter set. Names differ from process to process, shapes do not. */
  readonly shapes: readonly (readonly number[])[] | null;
}

/** Returns a copy of plain data that shares nothing with it. */
export function copyPlain<Data>(data: Data): Data {
  if (isArray(data)) return data.slice() as Data;
  if (Array.isArray(data)) return data.map((item: unknown) => copyPlain(item)) as Data;
  if (!isObject(data)) return data;
  return Object.fromEntries(Object.entries(data).map(([name, item]) => [name, copyPlain(item)])) as Data;
}

export const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
export const isArray = (value: unknown): value is Float64Array =>
  ArrayBuffer.isView(value) && !(value instanceof DataView);
