import type { Row } from './rows.ts';

/** A move from `x`, with gradient `gradient`, to `trial`, `[n]` each. */
export interface Move {
  readonly x: Float64Array;
  readonly gradient: Float64Array;
  readonly trial: Float64Array;
  readonly trialGradient: Float64Array;
}

/** Sums over a move, s = trial − x, y = trialGradient − gradient, as stored. */
export interface MoveSums {
  readonly sy: number;
  readonly yy: number;
  readonly ss: number;
  /** sᵀtrialGradient and yᵀtrialGradient. */
  readonly sg: number;
  readonly yg: number;
  /** ‖s‖∞ and ‖trialGradient‖∞. */
  readonly sInf: number;
  readonly gInf: number;
}

/** Operations of O(mn) in limited-memory methods, on rows of one length and storage. An array of rows is never changed. */
export interface Kernels {
  /** `out[k] ← rowₖᵀv` for every row: one pass over them. */
  project(rows: readonly Row[], v: Row, out: Float64Array): void;
  /**
   * `out ← c·g + Σ factorsₖ·rowₖ`, in one pass over the rows; `out` may be `g`.
   *
   * @param factors - one for each row
   * @returns gᵀout
   */
  combine(rows: readonly Row[], factors: Float64Array, c: number, g: Float64Array, out: Float64Array): number;
  /** `s ← trial − x`, `y ← trialGradient − gradient`, and their products, in one pass. */
  record(move: Move, s: Row, y: Row): MoveSums;
}
