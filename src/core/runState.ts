import type { Precision } from './problem.ts';
import type { Iterate, Measured } from './solver.ts';
import type { ValidationMemory } from './validation.ts';

/**
 * Complete state of a run at its end or between two iterations: the point, the solver's memory, the best
 * point, and the memory of the stopping rules. Pass it as `options.resume` to another run, or convert it for
 * JSON with {@link saveState}.
 *
 * It is plain data whose contents are private and may change with the version of the library.
 */
export interface RunState {
  readonly format: 1;
  /** The solver's name. */
  readonly solver: string;
  /** Name of the transform of f. */
  readonly transform: string;
  readonly problem: ProblemMark;
  /** The solver's own state. */
  readonly iterate: Iterate;
  /** The best point; its x is null if it is the iterate. */
  readonly best: Measured & { readonly x: Float64Array | null };
  readonly convergence: ConvergenceMemory;
  readonly validation: ValidationMemory | null;
  /** State of the problem in addition to x, such as running statistics. */
  readonly statistics: Float64Array | null;
  /** Factor by which f is multiplied for the solver. */
  readonly factor: number;
  /** The largest |f| so far. */
  readonly highest: number;
  /** The smallest |f| > 0 so far; 0 if there was none. */
  readonly smallest: number;
  /** The last step length. */
  readonly alpha: number;
}

/** Memory of the stopping rules, as plain data. */
export interface ConvergenceMemory {
  /** f and ‖∇f‖∞ at the start of the run. */
  readonly start: Measured;
  readonly floor: Floor;
  /** True once the floor has taken note of the current point: a resumed run does not count it twice. */
  isNoted: boolean;
  /** Relative change of f in the last iteration; Infinity before the first. */
  change: number;
  /** ‖xₖ₊₁ − xₖ‖∞ of the last iteration; Infinity before the first. */
  moved: number;
  smallChanges: number;
  smallSteps: number;
}

/** Lowest values so far, to detect a standstill. */
export interface Floor {
  f: number;
  gradientNorm: number;
  smallestNorm: number;
  /** Number of iterations without improvement. */
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

/** Returns a deep copy of plain data. */
export function copyPlain<Data>(data: Data): Data {
  if (isArray(data)) return data.slice() as Data;
  if (Array.isArray(data)) return data.map((item: unknown) => copyPlain(item)) as Data;
  if (!isObject(data)) return data;
  return Object.fromEntries(Object.entries(data).map(([name, item]) => [name, copyPlain(item)])) as Data;
}

export const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
export const isArray = (value: unknown): value is Float64Array =>
  ArrayBuffer.isView(value) && !(value instanceof DataView);
