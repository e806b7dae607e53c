/**
 * The kernels in WebAssembly SIMD, on pairs that lie in an arena; other vectors are copied there tile by
 * tile, which costs little, as a tile stays in the cache.
 *
 * @module
 */

import { PADDING, TILE, type Arena } from './arena.ts';
import type { Kernels } from './pairs.ts';

export function simdKernels(arena: Arena): Kernels {
  const { kernels, tile, results } = arena;
  return {
    project({ s, y }, count, newest, g, out) {
      const width = s[0].BYTES_PER_ELEMENT;
      const project = width === 8 ? kernels.project8 : kernels.project4;
      results.fill(0);
      for (let from = 0; from < g.length; from += TILE) {
        const length = load(g, from, tile);
        const skip = from * width;
        const p = y[newest].byteOffset + skip;
        // Two pairs at a time; an odd last one is taken twice, and its second results are left behind.
        for (let slot = 0; slot < count; slot += 2) {
          const other = Math.min(slot + 1, count - 1);
          project(
            s[slot].byteOffset + skip,
            y[slot].byteOffset + skip,
            s[other].byteOffset + skip,
            y[other].byteOffset + skip,
            p,
            tile.byteOffset,
            results.byteOffset + 32 * slot,
            length,
          );
        }
      }
      for (let i = 0; i < 4 * count; i++) out[i] = results[i];
    },

    combine({ s, y }, count, { a, b, c }, g, out) {
      const width = s[0].BYTES_PER_ELEMENT;
      const combine = width === 8 ? kernels.combine8 : kernels.combine4;
      for (let from = 0; from < g.length; from += TILE) {
        const length = load(g, from, tile);
        const skip = from * width;
        kernels.scale(c, tile.byteOffset, length);
        for (let slot = 0; slot < count; slot += 2) {
          // An odd last pair is taken twice here too, the second time with the factor 0.
          const other = Math.min(slot + 1, count - 1);
          const factor = other > slot ? 1 : 0;
          combine(
            s[slot].byteOffset + skip,
            y[slot].byteOffset + skip,
            s[other].byteOffset + skip,
            y[other].byteOffset + skip,
            a[slot],
            b[slot],
            factor * a[other],
            factor * b[other],
            tile.byteOffset,
            length,
          );
        }
        out.set(from + TILE <= g.length ? tile : tile.subarray(0, g.length - from), from);
      }
    },
  };
}

/** Copies the tile of `vector` that starts at `from`, zeros after its end; returns its padded length. */
function load(vector: Float64Array, from: number, tile: Float64Array): number {
  const length = vector.length - from;
  if (length >= TILE) {
    tile.set(vector.subarray(from, from + TILE));
    return TILE;
  }
  const padded = Math.ceil(length / PADDING) * PADDING;
  tile.set(from === 0 ? vector : vector.subarray(from));
  tile.fill(0, length, padded);
  return padded;
}
