/**
 * What the tests of the tfjs adapter share: backends, a count of tensors, and models that start the same
 * each time.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { expect } from 'vitest';

export const backends = ['cpu', 'wasm'] as const;

export async function useBackend(name: string): Promise<void> {
  await tf.setBackend(name);
  await tf.ready();
}

/** Runs `body` and expects as many tensors after it as before. */
export async function expectNoLeak<Result>(body: () => Result | Promise<Result>): Promise<Result> {
  const before = tf.memory().numTensors;
  const result = await body();
  expect(tf.memory().numTensors - before, 'tensors left behind').toBe(0);
  return result;
}

/** How many tensors `body` leaves behind. */
export async function tensorsLeftBy(body: () => unknown): Promise<number> {
  const before = tf.memory().numTensors;
  await body();
  return tf.memory().numTensors - before;
}

/** A variable that takes its start over: nothing of `start` is left. */
export function variable(start: tf.Tensor, name?: string): tf.Variable {
  const made = tf.variable(start, true, name);
  start.dispose();
  return made;
}

/** Weights that start the same each time. */
export const glorot = (seed: number) => tf.initializers.glorotUniform({ seed });

/** 1-5-5-1 with tanh, 46 parameters. */
export function sineModel(seed = 1): tf.Sequential {
  const layer = (units: number, i: number, rest = {}) =>
    tf.layers.dense({ units, kernelInitializer: glorot(100 * seed + i), ...rest });
  return tf.sequential({
    layers: [
      layer(5, 0, { activation: 'tanh', inputShape: [1] }),
      layer(5, 1, { activation: 'tanh' }),
      layer(1, 2),
    ],
  });
}

/** 100 points of the sine on [−π, π]. */
export function sineData(): { x: tf.Tensor2D; y: tf.Tensor2D } {
  const x: tf.Tensor2D = tf.tidy(() => tf.linspace(-Math.PI, Math.PI, 100).reshape([100, 1]));
  return { x, y: tf.sin(x) };
}

/** All weights of a model, one array each, also those that are not trained. */
export function weightsOf(model: tf.LayersModel): number[][] {
  return model.getWeights().map((weight) => Array.from(weight.dataSync()));
}

/** The variables of a model's trainable weights. */
export function variablesOf(model: tf.LayersModel): tf.Variable[] {
  return model.trainableWeights.map((weight) => weight.read() as tf.Variable);
}

/** ∇f(x) by central differences with step `h`, in the model's own arithmetic. */
export function centralDifferences(f: (x: Float64Array) => number, x: Float64Array, h: number): Float64Array {
  return x.map((_, i) => {
    const at = (step: number) => f(x.map((value, j) => (j === i ? value + step : value)));
    return (at(h) - at(-h)) / (2 * h);
  });
}

/** ‖a − b‖∞ / max(‖b‖∞, floor). */
export function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>, floor = 1e-3): number {
  let difference = 0;
  let scale = floor;
  for (let i = 0; i < b.length; i++) {
    difference = Math.max(difference, Math.abs(a[i] - b[i]));
    scale = Math.max(scale, Math.abs(b[i]));
  }
  return difference / scale;
}

/** An error that no code but a test throws. */
export class Failure extends Error {}

/** A function that throws at its call of this number, counted from the last `arm`. */
export function fuse(failure: unknown) {
  let left = Infinity;
  return {
    arm: (calls: number) => void (left = calls),
    burn: () => {
      if (--left === 0) throw failure;
    },
  };
}

/** All numbers of variables. */
export const valuesOf = (variables: readonly tf.Variable[]) =>
  variables.flatMap((each) => Array.from(each.dataSync()));

export const meanSquared = (target: tf.Tensor, output: tf.Tensor) =>
  tf.losses.meanSquaredError(target, output);
