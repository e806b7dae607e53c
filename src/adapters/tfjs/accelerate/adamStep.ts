import { adamBytes } from '../../../core/kernels/adamBytes.ts';
import { kernelsOnMemory } from '../../../core/kernels/compileKernels.ts';

/** Vectors of a step of Adam, `[n]` each: parameters, gradient and moments. */
export interface AdamVectors {
  readonly p: Float32Array;
  readonly g: Float32Array;
  readonly m: Float32Array;
  readonly v: Float32Array;
}

/** Coefficients of a step of Adam. */
export interface AdamNumbers {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Rate over 1 − β₁ᵗ. */
  readonly step: number;
  /** 1/(1 − β₂ᵗ). */
  readonly unbias: number;
}

/** Pointers in bytes; `n` is a multiple of 4. */
type Kernel = (p: number, g: number, m: number, v: number, n: number, ...numbers: readonly number[]) => void;

/** Memory of the moments, with room for p and g. */
interface Room {
  readonly kernel: Kernel;
  readonly p: Float32Array;
  readonly g: Float32Array;
  readonly padded: number;
}

const rooms = new WeakMap<ArrayBufferLike, Room>();

/** From this many numbers on copying parameters and gradient takes less time than SIMD saves. */
const SIMD_LENGTH = 256;

/** Allocates m and v, `[n]` each of zeros: in a WebAssembly memory, where there is SIMD. */
export function adamVectors(n: number): [m: Float32Array, v: Float32Array] {
  const padded = Math.ceil(n / 4) * 4;
  const made = n < SIMD_LENGTH ? null : kernelsOnMemory(adamBytes, 16 * padded);
  if (made === null) return [new Float32Array(n), new Float32Array(n)];
  const { buffer, exports } = made;
  const [m, v, p, g] = [0, 1, 2, 3].map((k) => new Float32Array(buffer, 4 * k * padded, n));
  rooms.set(buffer, { kernel: exports.adam as Kernel, p, g, padded });
  return [m, v];
}

/** Elements of a gradient are limited to this size. The square of a larger one is no float32 number: v would stay infinite. */
const LARGEST_GRADIENT = Math.fround(1.8e19);

/** Returns an element of a gradient, limited to a size whose square is a float32 number. */
export const limited = (element: number): number =>
  Math.max(-LARGEST_GRADIENT, Math.min(LARGEST_GRADIENT, element));

/**
 * `m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← p − step·m/(√(unbias·v) + ε)`, in float32 if m and v are from
 * {@link adamVectors}. Elements of g beyond ±1.8e19 count as ±1.8e19, where `tf.train.adam` would never move them again.
 */
export function adamStep({ p, g, m, v }: AdamVectors, numbers: AdamNumbers): void {
  const { beta1, beta2, epsilon, step, unbias } = numbers;
  const [rest1, rest2] = [1 - beta1, 1 - beta2];
  const room = rooms.get(m.buffer);
  if (room) {
    room.p.set(p);
    room.g.set(g);
    const at = [room.p, room.g, m, v].map(({ byteOffset }) => byteOffset);
    room.kernel(at[0], at[1], at[2], at[3], room.padded, beta1, rest1, beta2, rest2, unbias, step, epsilon);
    p.set(room.p);
    return;
  }
  for (let i = 0; i < p.length; i++) {
    const gi = limited(g[i]);
    const mi = beta1 * m[i] + rest1 * gi;
    const vi = beta2 * v[i] + rest2 * gi * gi;
    m[i] = mi;
    v[i] = vi;
    p[i] -= (step * mi) / (Math.sqrt(unbias * vi) + epsilon);
  }
}
