import { arenaOf, newArena } from './arena.ts';

/** A stored vector, `[n]`. */
export type Row = Float64Array | Float32Array;

/** In how many bytes a number is stored; sums are float64 whatever this is. */
export type Storage = 'float64' | 'float32';

const arrays = { float64: Float64Array, float32: Float32Array };

/**
 * From so many numbers a row on, the kernels are faster than plain loops by more than their memory costs to
 * set up.
 */
export const KERNEL_LENGTH = 256;

/**
 * Allocates rows of zeros: as views of one WebAssembly memory, on which the kernels work, where n is large and
 * there is SIMD, and else as arrays of their own.
 */
export function allocateRows(n: number, count: number, storage: Storage): Row[] {
  return allocateInArena(n, count, storage) ?? Array.from({ length: count }, () => new arrays[storage](n));
}

/** The rows as views of one memory; null where n is small or there is none. */
function allocateInArena(n: number, count: number, storage: Storage): Row[] | null {
  if (n < KERNEL_LENGTH) return null;
  const make = arrays[storage];
  const arena = newArena(n, count, make.BYTES_PER_ELEMENT);
  return arena && Array.from({ length: count }, (_, k) => new make(arena.buffer, arena.rowOffset(k), n));
}

/** Allocates a vector of zeros, `[n]`: beside a row, where the kernels need no copy of it, if there is room. */
export function vectorBeside(row: Row): Float64Array {
  return arenaOf(row)?.vector() ?? new Float64Array(row.length);
}

/** Rows for which no memory could be had: asking for it at every step would take longer than the steps. */
const immovable = new WeakSet<Row[]>();

/**
 * Moves rows that came from elsewhere, as from a `structuredClone`, to where the kernels can work on them.
 *
 * The results are the same to the last bit without it, but later.
 */
export function adoptRows(rows: Row[]): void {
  const [first] = rows;
  if (first.length < KERNEL_LENGTH || arenaOf(first) || immovable.has(rows)) return;
  const storage = first instanceof Float32Array ? 'float32' : 'float64';
  const moved = allocateInArena(first.length, rows.length, storage);
  if (moved === null) {
    immovable.add(rows);
    return;
  }
  for (const [k, row] of moved.entries()) {
    row.set(rows[k]);
    rows[k] = row;
  }
}
