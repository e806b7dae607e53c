import { accelerateBy } from '../vector.ts';
import { newArena, type Arena } from './arena.ts';
import { placeRowsBy } from './placement.ts';
import { arrays, KERNEL_LENGTH, type Row, type Storage } from './rows.ts';

/** Has large rows lie in arenas, and be worked on by WebAssembly with SIMD, from now on. */
export function enableSimd(): void {
  placeRowsBy({
    allocate,
    beside: (row) => arenaOf(row)?.vector() ?? null,
    adopt,
    kernelsFor: (row) => arenaOf(row)?.kernels,
  });
  accelerateBy(operationsFor);
}

/** The arena in whose memory an array lies: what a state, being plain data, cannot say. */
const arenas = new WeakMap<ArrayBufferLike, Arena>();

export const arenaOf = ({ buffer }: ArrayBufferView): Arena | undefined => arenas.get(buffer);

/** Those for whole vectors that lie in one arena; parts of them are not for SIMD. */
function operationsFor(a: Float64Array, b: Float64Array, c: Float64Array) {
  if (a.length < KERNEL_LENGTH || b.buffer !== a.buffer || c.buffer !== a.buffer) return undefined;
  const arena = arenas.get(a.buffer);
  return arena?.length === a.length ? arena.operations : undefined;
}

/** Rows as views of one arena; null where n is small or there is none. */
function allocate(n: number, count: number, storage: Storage): Row[] | null {
  if (n < KERNEL_LENGTH) return null;
  const make = arrays[storage];
  const arena = newArena(n, count, make.BYTES_PER_ELEMENT);
  if (arena === null) return null;
  arenas.set(arena.buffer, arena);
  return Array.from({ length: count }, (_, k) => new make(arena.buffer, arena.rowOffset(k), n));
}

/** Rows for which no memory could be had: asking for it at every step would take longer than the steps. */
const immovable = new WeakSet<Row[]>();

function adopt(rows: Row[]): void {
  const [first] = rows;
  if (first.length < KERNEL_LENGTH || arenaOf(first) || immovable.has(rows)) return;
  const moved = allocate(first.length, rows.length, first instanceof Float32Array ? 'float32' : 'float64');
  if (moved === null) {
    immovable.add(rows);
    return;
  }
  for (const [k, row] of moved.entries()) {
    row.set(rows[k]);
    rows[k] = row;
  }
}
