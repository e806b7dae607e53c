import { arenaOf, type Arena } from './arena.ts';
import { plainKernels } from './plain.ts';
import { simdKernels } from './simd.ts';
import type { Pairs } from './rows.ts';

/** Σ aᵢsᵢ + bᵢyᵢ + c·g */
export interface Combination {
  /** `[m]` */
  readonly a: Float64Array;
  /** `[m]` */
  readonly b: Float64Array;
  c: number;
}

/** The O(mn) work of limited-memory methods, on the pairs in slots 0 … count − 1. */
export interface Kernels {
  /**
   * The inner products of every pair with p = y of the slot `newest` and with a vector, in one pass over the
   * pairs: `out[4i …] ← sᵢᵀp, sᵢᵀg, yᵢᵀp, yᵢᵀg`.
   *
   * @param out - `[4·count]` or longer
   */
  project(pairs: Pairs, count: number, newest: number, g: Float64Array, out: Float64Array): void;
  /** `out ← c·g + Σ aᵢsᵢ + bᵢyᵢ`, in one pass over the pairs; `out` may be `g`. */
  combine(pairs: Pairs, count: number, by: Combination, g: Float64Array, out: Float64Array): void;
}

const made = new WeakMap<Arena, Kernels>();

/** The kernels for these pairs: SIMD where they lie in an arena, else plain; equal to the last bit. */
export function kernelsFor({ s }: Pairs): Kernels {
  const arena = s.length > 0 ? arenaOf(s[0]) : undefined;
  if (arena === undefined) return plainKernels;
  let kernels = made.get(arena);
  if (!kernels) made.set(arena, (kernels = simdKernels(arena)));
  return kernels;
}
