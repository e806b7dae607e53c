/**
 * Random numbers that a graph is fed with: masks of dropout, and the numbers of nodes such as RandomNormalLike.
 *
 * They are a function of a seed, the number of the batch and the node's name. A saved state of two numbers, the seed and
 * the number of the batch, therefore restores them.
 *
 * @module
 */
import { sizeOf } from '../../../core/layout.ts';
import type { Statistics } from '../../../core/problem.ts';
import { dtypeName } from '../ir/tensor.ts';
import type { Draw, NoiseInput } from '../ir/noise.ts';
import type { Shape } from '../ir/shape.ts';
import type { InputSpec } from './inputs.ts';
import { tensorOver, type Ort, type OrtTensor, type OrtTensors } from './ort.ts';
import { bitStream, hashOf } from './randomBits.ts';
import type { Reals } from './weights.ts';

/** Identifies one set of random numbers. */
export interface NoiseKey {
  readonly seed: number;
  /** Number of the batch. */
  readonly batch: number;
  /** 0 for the whole batch, 1 for the samples that it shares with the previous one. */
  readonly part: number;
}

/** Returns the size of each symbol, as fed. */
export function sizesFrom(specs: readonly InputSpec[], data: OrtTensors): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  for (const { name, shape } of specs)
    shape?.forEach((size, axis) => {
      const fed = data[name]?.dims[axis];
      if (typeof size === 'string' && fed !== undefined) sizes.set(size, fed);
    });
  return sizes;
}

/** Returns the sizes of a shape; undefined if some are not known. */
export function sizesOf(
  shape: Shape | undefined,
  symbols: ReadonlyMap<string, number>,
): readonly number[] | undefined {
  const sizes = shape?.map((size) => (typeof size === 'number' ? size : symbols.get(size)));
  return sizes?.every((size) => size !== undefined) ? sizes : undefined;
}

/** Draws the numbers of one input. */
export function drawNoise(ort: Ort, input: NoiseInput, dims: readonly number[], key: NoiseKey): OrtTensor {
  const type = dtypeName(input.dtype);
  const size = sizeOf(dims);
  const values = type === 'float64' ? new Float64Array(size) : new Float32Array(size);
  fill(values, input.draw, bitStream(key.seed, key.batch, key.part, hashOf(input.name)));
  return tensorOver(ort, type, values, dims);
}

function fill(values: Reals, draw: Draw, next: () => number): void {
  if (draw.kind === 'dropout') fillFactors(values, draw.ratio, next);
  else if (draw.kind === 'uniform') fillUniform(values, draw.low, draw.high, next);
  else fillNormal(values, draw.mean, draw.scale, next);
}

/** Fills with 0 with probability `ratio`, otherwise with 1 / (1 − ratio). */
function fillFactors(values: Reals, ratio: number, next: () => number): void {
  const limit = ratio * 2 ** 32;
  const factor = ratio < 1 ? 1 / (1 - ratio) : 0;
  for (let i = 0; i < values.length; i++) values[i] = next() < limit ? 0 : factor;
}

/** Returns a number in [0, 1) with 24 bits, which float32 holds exactly. */
const unit = (next: () => number) => (next() >>> 8) / 2 ** 24;

function fillUniform(values: Reals, low: number, high: number, next: () => number): void {
  for (let i = 0; i < values.length; i++) values[i] = low + (high - low) * unit(next);
}

/** Fills with normal numbers, two at a time, by Box and Muller's transform (1958, doi:10.1214/aoms/1177706645). */
function fillNormal(values: Reals, mean: number, scale: number, next: () => number): void {
  for (let i = 0; i < values.length; i += 2) {
    const radius = scale * Math.sqrt(-2 * Math.log((next() + 1) / 2 ** 32));
    const angle = 2 * Math.PI * unit(next);
    values[i] = mean + radius * Math.cos(angle);
    if (i + 1 < values.length) values[i + 1] = mean + radius * Math.sin(angle);
  }
}

/** Position of a problem in its random numbers: a seed, and the number of the batch. */
export interface NoiseState {
  /** Returns the key of the current batch. */
  key(part?: number): NoiseKey;
  /** Goes on to the next batch. */
  next(): void;
  read(): [seed: number, batch: number];
  write(values: Float64Array): void;
}

/** Starts at the first batch. */
export function noiseState(seed: number): NoiseState {
  let [own, batch] = [seed, 0];
  return {
    key: (part = 0) => ({ seed: own, batch, part }),
    next: () => void batch++,
    read: () => [own, batch],
    write: (values) => void ([own, batch] = values),
  };
}

/**
 * Adds the position in the random numbers to the running statistics of a problem.
 *
 * @param count - number of elements of the running statistics
 * @param changed - called when a saved position is restored
 */
export const withNoise = (
  statistics: Statistics | undefined,
  count: number,
  noise: NoiseState,
  changed: () => void,
): Statistics => ({
  read: (x) => Float64Array.of(...(statistics?.read(x) ?? []), ...noise.read()),
  write(values) {
    statistics?.write(values.subarray(0, count));
    if (values.length !== count + 2) return; // saved by a run without random numbers
    noise.write(values.subarray(count));
    changed();
  },
});
