import type { Row } from './rows.ts';

/** Some rows of one length and storage, in order: `rows[order[k]]` for k = 0, 1, … */
export interface RowSelection {
  readonly rows: readonly Row[];
  readonly order: readonly number[];
}

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

/** Operations of O(mn) in limited-memory methods. A selection of rows is never changed. */
export interface Kernels {
  /** `out[k] ← rowₖᵀv` for every selected row: one pass over them. */
  project(selected: RowSelection, v: Row, out: Float64Array): void;
  /**
   * `out ← c·g + Σ factorsₖ·rowₖ`, in one pass over the rows; `out` may be `g`.
   *
   * @param factors - one for each row
   * @param step - also `trial ← x + out`, which is neither `g` nor `out`
   * @returns gᵀout
   */
  combine(
    selected: RowSelection,
    factors: Float64Array,
    c: number,
    g: Float64Array,
    out: Float64Array,
    step?: Pick<Move, 'x' | 'trial'>,
  ): number;
  /**
   * `s ← trial − x`, `y ← trialGradient − gradient`, and their products, in one pass.
   *
   * @param others - rows of the storage of `s` to project trialGradient on, in the same pass: `products[k] ←
   *   rowₖᵀtrialGradient`
   */
  record(move: Move, s: Row, y: Row, others?: RowSelection, products?: Float64Array): MoveSums;
}
