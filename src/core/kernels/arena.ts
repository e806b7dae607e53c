import { simdBytes } from './simdBytes.ts';

/** Numbers taken from a vector at a time: few enough to stay in the cache, enough for the rows to stream. */
export const TILE = 8192;

/** A row takes a multiple of so many numbers; those after its end are 0. */
export const PADDING = 8;

/** The kernels, `width` 8 or 4 in their names; pointers are in bytes, `n` in numbers, a multiple of 8. */
interface Exports {
  readonly project8: Project;
  readonly project4: Project;
  readonly combine8: Combine;
  readonly combine4: Combine;
  readonly scale: (factor: number, out: number, n: number) => void;
}
type Project = (
  ...pointersAndLength: [...TwoPairs, p: number, q: number, results: number, n: number]
) => void;
type TwoPairs = [s0: number, y0: number, s1: number, y1: number];
type Combine = (
  ...pointersAndLength: [...TwoPairs, a0: number, b0: number, a1: number, b1: number, out: number, n: number]
) => void;

/** A WebAssembly memory of pairs of rows, with the kernels that work on it. */
export interface Arena {
  readonly kernels: Exports;
  readonly buffer: ArrayBuffer;
  /** Views of what the kernels read and write beside the rows, each at its `byteOffset`. */
  readonly tile: Float64Array;
  readonly results: Float64Array;
  rowOffset(row: number): number;
}

/** The arena in whose memory an array lies: what a state, being plain data, cannot say. */
const arenas = new WeakMap<ArrayBufferLike, Arena>();

export const arenaOf = ({ buffer }: ArrayBufferView): Arena | undefined => arenas.get(buffer);

/** WebAssembly addresses 4 GiB, in pages of 64 KiB. */
const PAGE = 2 ** 16;
const MAX_PAGES = 2 ** 16;

let module: WebAssembly.Module | null | undefined;

/** The size that could not be had last time. */
let refusedPages = MAX_PAGES + 1;

/**
 * Allocates the memory of m pairs once and for all, since growth would detach every view.
 *
 * @returns null where there is no WebAssembly with SIMD, or not so much memory
 */
export function newArena(n: number, m: number, bytesPerNumber: number): Arena | null {
  module ??= compile();
  if (module === null) return null;
  const stride = Math.ceil(n / PADDING) * PADDING * bytesPerNumber;
  const resultsOffset = TILE * 8;
  const rowsOffset = resultsOffset + Math.ceil((m + 1) / 2) * 64;
  const pages = Math.ceil((rowsOffset + 2 * m * stride) / PAGE);
  if (pages >= refusedPages) return null;
  try {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { buffer } = memory;
    const arena: Arena = {
      kernels: new WebAssembly.Instance(module, { host: { memory } }).exports as unknown as Exports,
      buffer,
      tile: new Float64Array(buffer, 0, TILE),
      results: new Float64Array(buffer, resultsOffset, 4 * (m + 1)),
      rowOffset: (row) => rowsOffset + row * stride,
    };
    arenas.set(buffer, arena);
    return arena;
  } catch {
    refusedPages = pages;
    return null;
  }
}

function compile(): WebAssembly.Module | null {
  try {
    return new WebAssembly.Module(
      Uint8Array.from(simdBytes.match(/../g) ?? [], (byte) => parseInt(byte, 16)),
    );
  } catch {
    // No WebAssembly, no SIMD, or a content security policy against it.
    return null;
  }
}
