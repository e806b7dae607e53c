/**
 * Vectors of first-order methods in one WebAssembly memory, if there is SIMD. A state is plain data, so that its kernels are
 * found by the memory that its vectors lie in; vectors that came from elsewhere, such as from `structuredClone`, have none.
 *
 * @module
 */
import { acceptOperations, KERNEL_LENGTH } from '../vector.ts';
import { kernelsOnMemory, type KernelMemory } from './compileKernels.ts';
import { padded } from './padding.ts';
import { vectorBytes } from './vectorBytes.ts';

/** The kernels of scripts/vectors.wat.js; pointers in bytes, flags 0 or 1. */
export interface VectorKernels {
  adam(...at: [...Pointers6, n: number, amsgrad: number, rounds: number, ...numbers: number[]]): number;
  shift(y: number, base: number, average: number, n: number, rounds: number, beta: number): void;
  average(...at: [y: number, base: number, average: number, n: number, rounds: number, ...Shares]): number;
}
type Pointers6 = [x: number, gradient: number, base: number, first: number, second: number, largest: number];
type Shares = [beta: number, share: number];

interface Exports extends VectorKernels {
  dot(a: number, b: number, results: number, n: number): void;
  normInf(a: number, results: number, n: number): void;
}

const kernels = new WeakMap<ArrayBufferLike, VectorKernels>();

/** Memory for vectors and for other data of its owner. */
export interface VectorMemory extends KernelMemory {
  /** Vectors of zeros, `[n]`. */
  readonly vectors: readonly Float64Array[];
}

/** Bytes that vectors are aligned to. */
const ALIGNMENT = 64;

/** Bytes of the results of `dot` and `normInf`. */
const RESULTS = 64;

/**
 * Allocates vectors in one WebAssembly memory.
 *
 * @param n - their length
 * @param room - bytes before them, from 0 on, for other uses
 * @returns null if there is no SIMD, or not enough memory
 */
export function newVectorMemory(n: number, count: number, room = 0): VectorMemory | null {
  const resultsAt = Math.ceil(room / ALIGNMENT) * ALIGNMENT;
  const length = padded(n);
  const at = (k: number): number => resultsAt + RESULTS + 8 * k * length;
  const made = kernelsOnMemory(vectorBytes, at(count));
  if (made === null) return null;
  const { buffer } = made;
  const exports = made.exports as unknown as Exports;
  kernels.set(buffer, exports);
  const results = new Float64Array(buffer, resultsAt, 2);
  acceptOperations(buffer, {
    length: n,
    dot(a, b) {
      results[0] = 0;
      exports.dot(a.byteOffset, b.byteOffset, resultsAt, length);
      return results[0];
    },
    normInf(a) {
      exports.normInf(a.byteOffset, resultsAt, length);
      return Math.max(results[0], results[1]);
    },
  });
  return {
    ...made,
    vectors: Array.from({ length: count }, (_, k) => new Float64Array(buffer, at(k), n)),
  };
}

/** Returns vectors of zeros, `[n]`: in one WebAssembly memory if they are long and there is SIMD. */
export function newVectors(n: number, count: number): readonly Float64Array[] {
  const memory = n < KERNEL_LENGTH ? null : newVectorMemory(n, count);
  return memory?.vectors ?? Array.from({ length: count }, () => new Float64Array(n));
}

/** Returns the kernels of the memory that all these vectors lie in, if there is one. */
export function vectorKernels(vectors: readonly Float64Array[]): VectorKernels | undefined {
  const { buffer } = vectors[0];
  for (let k = 1; k < vectors.length; k++) if (vectors[k].buffer !== buffer) return undefined;
  return kernels.get(buffer);
}
