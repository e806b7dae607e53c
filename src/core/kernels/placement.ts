/**
 * Memory of large rows: arenas if WebAssembly with SIMD is available, otherwise separate arrays. The results
 * are the same to the last bit.
 *
 * @module
 */
import { acceptOperations, KERNEL_LENGTH } from '../vector.ts';
import { newArena, type Arena } from './arena.ts';
import { plainKernels } from './plain.ts';
import { arrays, type Row, type Storage } from './rows.ts';
import type { Kernels } from './kernels.ts';

/** Arena of each memory. A state is plain data, so it cannot refer to its arena itself. */
const arenas = new WeakMap<ArrayBufferLike, Arena>();

/** Returns the arena that an array lies in, if any. */
export const arenaOf = ({ buffer }: ArrayBufferView): Arena | undefined => arenas.get(buffer);

/** Allocates rows of zeros. */
export const allocateRows = (n: number, count: number, storage: Storage): Row[] =>
  allocateInArena(n, count, storage) ?? Array.from({ length: count }, () => new arrays[storage](n));

/** Allocates a vector of zeros, `[n]`: in the arena of `row`, where kernels need no copy of it, if there is room. */
export const vectorBeside = (row: Row): Float64Array =>
  arenaOf(row)?.vector() ?? new Float64Array(row.length);

/** Returns the kernels for rows like this one. */
export const kernelsFor = (row: Row): Kernels => arenaOf(row)?.kernels ?? plainKernels;

/** Rows for which no memory was left: trying again at every step would take longer than the steps. */
const immovable = new WeakSet<Row[]>();

/** Moves large rows that came from elsewhere, such as from `structuredClone`, into an arena. */
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

/** Returns the kernels for these rows, which are moved into an arena first if they are large and lie elsewhere. */
export function kernelsForAll(rows: Row[]): Kernels {
  adoptRows(rows);
  return kernelsFor(rows[0]);
}

/** Allocates rows as views of one arena; null if n is small or there is not enough memory. */
function allocateInArena(n: number, count: number, storage: Storage): Row[] | null {
  if (n < KERNEL_LENGTH) return null;
  const make = arrays[storage];
  const arena = newArena(n, count, make.BYTES_PER_ELEMENT);
  if (arena === null) return null;
  arenas.set(arena.buffer, arena);
  acceptOperations(arena.buffer, arena.operations);
  return Array.from({ length: count }, (_, k) => new make(arena.buffer, arena.rowOffset(k), n));
}
