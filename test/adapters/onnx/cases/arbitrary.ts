import * as fc from 'fast-check';
import type { Build, CheckOptions, Input } from '../harness.ts';

/** A graph of one op of interest, with data at which it is smooth. */
export interface Case {
  readonly inputs: Readonly<Record<string, Input>>;
  readonly build: Build;
  readonly options?: CheckOptions;
  /** Ops of later opsets. @defaultValue 21 */
  readonly opset?: number;
  /** Whether the gradient can be differentiated again. @defaultValue true */
  readonly twice?: boolean;
}

export type Cases = ReadonlyMap<string, fc.Arbitrary<Case>>;

export interface Range {
  readonly low?: number;
  readonly high?: number;
  /** Points that no value comes near. */
  readonly avoid?: readonly number[];
  /** Make all values differ by at least 0.02, so that no step changes their order. */
  readonly distinct?: boolean;
}

export const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** Uniform numbers in [0, 1), by the generator mulberry32. */
export function random(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function realInput(
  shape: readonly number[],
  seed: number,
  { low = -2, high = 2, avoid = [], distinct = false }: Range = {},
): Input {
  const next = random(seed);
  const values: number[] = [];
  let tries = 0;
  while (values.length < size(shape)) {
    const value = low + (high - low) * next();
    const near = avoid.some((kink) => Math.abs(value - kink) < 0.02);
    const like = distinct && tries++ < 5000 && values.some((other) => Math.abs(value - other) < 0.02);
    if (!near && !like) values.push(value);
  }
  return { shape, values };
}

export function integerInput(shape: readonly number[], seed: number, below: number): Input {
  const next = random(seed);
  return {
    shape,
    values: Array.from({ length: size(shape) }, () => Math.floor(next() * below)),
    integral: true,
  };
}

export const seed = fc.integer({ min: 1, max: 1e6 });
export const dimension = fc.integer({ min: 1, max: 4 });
export const shapeOf = (minRank: number, maxRank: number, min = 1) =>
  fc.array(fc.integer({ min, max: 4 }), { minLength: minRank, maxLength: maxRank });
export const oneOf = <T>(...values: T[]) => fc.constantFrom(...values);

/** A shape that broadcasts to `full`: some leading axes left out, some of the others 1. */
export const narrowed = (full: readonly number[]) =>
  fc
    .tuple(fc.nat(full.length), fc.array(fc.boolean(), { minLength: full.length, maxLength: full.length }))
    .map(([drop, ones]) => full.map((d, i) => (ones[i] ? 1 : d)).slice(drop));

/** An axis of a rank, counted from the front or from the back. */
export const axisOf = (rank: number) => fc.integer({ min: -rank, max: rank - 1 });

/** Some of the axes of a rank, each counted from either end. */
export const axesOf = (rank: number, minLength = 0) =>
  fc
    .tuple(
      fc.subarray(
        Array.from({ length: rank }, (_, i) => i),
        { minLength },
      ),
      fc.array(fc.boolean(), { minLength: rank, maxLength: rank }),
    )
    .map(([axes, back]) => axes.map((axis, k) => (back[k] ? axis - rank : axis)));
