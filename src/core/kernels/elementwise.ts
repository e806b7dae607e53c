/**
 * Steps of first-order methods, element by element: by SIMD where all vectors lie in one WebAssembly memory, otherwise in
 * plain loops. The results are the same to the last bit.
 *
 * @module
 */
import { vectorKernels } from './vectorMemory.ts';

/** Vectors of a step of Adam, `[n]` each. */
export interface AdamVectors {
  readonly x: Float64Array;
  readonly gradient: Float64Array;
  readonly firstMoment: Float64Array;
  readonly secondMoment: Float64Array;
  /** Largest second moments so far; empty without AMSGrad. */
  readonly largestMoment: Float64Array;
}

/** Numbers that all elements of a step of Adam share. */
export interface AdamNumbers {
  /** Factor of the gradient. */
  readonly clip: number;
  readonly beta1: number;
  readonly beta2: number;
  /** Rate over 1 − β₁ᵗ. */
  readonly scale1: number;
  /** 1 / √(1 − β₂ᵗ). */
  readonly scale2: number;
  readonly epsilon: number;
  /** Fraction of x that a step takes away. */
  readonly shrink: number;
  /** Round the result to float32. */
  readonly rounds: boolean;
}

/**
 * Updates the moments, and moves `base` by Adam's step: x itself, or the point `[n]` that a schedule-free step starts from.
 *
 * @returns the largest absolute value of the step; NaN if any is NaN
 */
export function adamStep(vectors: AdamVectors, base: Float64Array, numbers: AdamNumbers): number {
  const { x, gradient, firstMoment, secondMoment, largestMoment } = vectors;
  const amsgrad = largestMoment.length > 0;
  const third = amsgrad ? largestMoment : secondMoment;
  const fast = vectorKernels([x, gradient, base, firstMoment, secondMoment, third]);
  if (!fast) return plainAdam(vectors, base, numbers, 0);
  const { clip, beta1, beta2, scale1, scale2, epsilon, shrink, rounds } = numbers;
  const moved = fast.adam(
    x.byteOffset,
    gradient.byteOffset,
    base.byteOffset,
    firstMoment.byteOffset,
    secondMoment.byteOffset,
    third.byteOffset,
    wholePairs(x),
    Number(amsgrad),
    Number(rounds),
    clip,
    beta1,
    1 - beta1,
    beta2,
    1 - beta2,
    scale1,
    scale2,
    epsilon,
    shrink,
  );
  return Math.max(moved, plainAdam(vectors, base, numbers, wholePairs(x)));
}

/** {@link adamStep} of the elements from `start` on. */
export function plainAdam(
  { x, gradient, firstMoment, secondMoment, largestMoment }: AdamVectors,
  base: Float64Array,
  { clip, beta1, beta2, scale1, scale2, epsilon, shrink, rounds }: AdamNumbers,
  start: number,
): number {
  const [rest1, rest2] = [1 - beta1, 1 - beta2];
  const amsgrad = largestMoment.length > 0;
  let moved = 0;
  // Divisions and roots take most of the time, so there is only one of each per element.
  for (let i = start; i < x.length; i++) {
    const g = clip * gradient[i];
    const m = beta1 * firstMoment[i] + rest1 * g;
    const v = beta2 * secondMoment[i] + rest2 * g * g;
    firstMoment[i] = m;
    secondMoment[i] = v;
    const largest = amsgrad ? (largestMoment[i] = Math.max(largestMoment[i], v)) : v;
    const s = (scale1 * m) / (scale2 * Math.sqrt(largest) + epsilon) + shrink * x[i];
    moved = Math.max(moved, Math.abs(s));
    base[i] = rounds ? Math.fround(base[i] - s) : base[i] - s;
  }
  return moved;
}

/** Vectors of a schedule-free method, `[n]` each: y, where gradients are evaluated, and those it lies between. */
export interface AveragingVectors {
  readonly y: Float64Array;
  readonly base: Float64Array;
  readonly average: Float64Array;
}

/** Shifts base and average along with y if other code has moved y; `beta` is the share of the average in y. */
export function shiftAlong(vectors: AveragingVectors, beta: number, rounds: boolean): void {
  const { y, base, average } = vectors;
  const fast = vectorKernels([y, base, average]);
  if (fast) {
    const at = [y.byteOffset, base.byteOffset, average.byteOffset] as const;
    fast.shift(...at, wholePairs(y), Number(rounds), beta);
  }
  plainShift(vectors, beta, rounds, fast ? wholePairs(y) : 0);
}

/** {@link shiftAlong} of the elements from `start` on. */
export function plainShift(
  { y, base, average }: AveragingVectors,
  beta: number,
  rounds: boolean,
  start: number,
): void {
  for (let i = start; i < y.length; i++) {
    const shift = y[i] - between(base[i], average[i], beta, rounds);
    base[i] += shift;
    average[i] += shift;
  }
}

/**
 * Moves the average towards the base point by a share of the distance, and y to between them.
 *
 * @returns the largest change of an element of y; NaN if any is NaN
 */
export function averageStep(vectors: AveragingVectors, beta: number, share: number, rounds: boolean): number {
  const { y, base, average } = vectors;
  const fast = vectorKernels([y, base, average]);
  if (!fast) return plainAverage(vectors, beta, share, rounds, 0);
  const at = [y.byteOffset, base.byteOffset, average.byteOffset] as const;
  const moved = fast.average(...at, wholePairs(y), Number(rounds), beta, share);
  return Math.max(moved, plainAverage(vectors, beta, share, rounds, wholePairs(y)));
}

/** {@link averageStep} of the elements from `start` on. */
export function plainAverage(
  { y, base, average }: AveragingVectors,
  beta: number,
  share: number,
  rounds: boolean,
  start: number,
): number {
  let moved = 0;
  for (let i = start; i < y.length; i++) {
    average[i] += share * (base[i] - average[i]);
    const next = between(base[i], average[i], beta, rounds);
    moved = Math.max(moved, Math.abs(next - y[i]));
    y[i] = next;
  }
  return moved;
}

function between(base: number, average: number, beta: number, rounds: boolean): number {
  const value = base + beta * (average - base);
  return rounds ? Math.fround(value) : value;
}

/** Number of elements in whole pairs, which SIMD processes. */
const wholePairs = ({ length }: Float64Array): number => length - (length % 2);
