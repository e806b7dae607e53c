import { arenaOf, newArena } from './arena.ts';

/** A stored vector, `[n]`. */
export type Row = Float64Array | Float32Array;

/** In how many bytes a number is stored; sums are float64 whatever this is. */
export type Storage = 'float64' | 'float32';

/** m pairs of rows, `[n]` each. */
export interface Pairs {
  readonly s: Row[];
  readonly y: Row[];
}

/**
 * From so many numbers a row on, the kernels are faster than plain loops by more than their memory costs to
 * set up.
 */
export const KERNEL_LENGTH = 256;

/**
 * Allocates m pairs of zeros: as views of one WebAssembly memory, on which the kernels work, where n is large
 * and there is SIMD, and else as arrays of their own.
 */
export function allocatePairs(n: number, m: number, storage: Storage): Pairs {
  const make = storage === 'float32' ? Float32Array : Float64Array;
  const arena = n >= KERNEL_LENGTH ? newArena(n, m, make.BYTES_PER_ELEMENT) : null;
  const pairs: Pairs = { s: [], y: [] };
  for (let slot = 0; slot < m; slot++) {
    for (const [part, rows] of [pairs.s, pairs.y].entries()) {
      rows.push(arena ? new make(arena.buffer, arena.rowOffset(2 * slot + part), n) : new make(n));
    }
  }
  return pairs;
}

/**
 * Moves pairs that came from elsewhere, as from a `structuredClone`, to where the kernels can work on them.
 *
 * The results are the same to the last bit without it, but later.
 */
export function adoptPairs({ s, y }: Pairs): void {
  const [first] = s;
  if (first === undefined || first.length < KERNEL_LENGTH || arenaOf(first)) return;
  const storage = first instanceof Float32Array ? 'float32' : 'float64';
  const moved = allocatePairs(first.length, s.length, storage);
  if (!arenaOf(moved.s[0])) return;
  for (let slot = 0; slot < s.length; slot++) {
    moved.s[slot].set(s[slot]);
    moved.y[slot].set(y[slot]);
    s[slot] = moved.s[slot];
    y[slot] = moved.y[slot];
  }
}
