/**
 * What the tests of `accelerate` share: small models that start the same each time, data, and a fit that is run twice, by
 * TensorFlow.js and by ONNX Runtime, with the same random numbers.
 *
 * @module
 */
import * as ort from 'onnxruntime-node';
import * as tf from '@tensorflow/tfjs';
import { accelerate, type AcceleratedModel } from 'quasi-newton/tfjs';
import { glorot, weightsOf } from './harness.ts';

const { layers: L } = tf;

/** A linear congruential generator, uniform in [0, 1). */
export function lcg(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Runs `body` with `Math.random` replaced by a seeded generator. */
export async function withSeed<Result>(seed: number, body: () => Promise<Result>): Promise<Result> {
  const { random } = Math;
  Math.random = lcg(seed);
  try {
    return await body();
  } finally {
    Math.random = random;
  }
}

/** What a model is trained with: the model itself, or its accelerated calls. */
export type Trained = Pick<AcceleratedModel, 'fit' | 'fitDataset' | 'trainOnBatch'> & {
  readonly model: tf.LayersModel;
  evaluate(...args: Parameters<AcceleratedModel['evaluate']>): unknown;
};

/** True if ONNX Runtime trains. Also: a Sequential has a field `model` of its own. */
export const isFast = (trained: Trained): boolean => 'handOver' in trained;

export const modelOf = (trained: Trained): tf.LayersModel =>
  isFast(trained) ? trained.model : (trained as unknown as tf.LayersModel);

/** Results of one run. */
export interface Run<Result> {
  readonly result: Result;
  readonly weights: number[][];
  /** Tensors left behind. */
  readonly left: number;
}

/** Runs the same body on the model by TensorFlow.js and by ONNX Runtime. */
export async function both<Result>(
  make: () => tf.LayersModel,
  body: (trained: Trained) => Promise<Result>,
): Promise<{ stock: Run<Result>; fast: Run<Result> }> {
  const run = async (isFast: boolean): Promise<Run<Result>> => {
    const model = make();
    const fast = isFast ? accelerate(ort, model) : null;
    const before = tf.memory().numTensors;
    const result = await withSeed(5, () => body(fast ?? (model as unknown as Trained)));
    await fast?.dispose();
    const left = tf.memory().numTensors - before;
    const weights = weightsOf(model);
    model.optimizer.dispose();
    model.dispose();
    return { result, weights, left };
  };
  return { stock: await run(false), fast: await run(true) };
}

/** Losses of the batches of a fit, in order. */
export async function lossesOf(
  trained: Trained,
  x: tf.Tensor | tf.Tensor[],
  y: tf.Tensor | tf.Tensor[],
  args: tf.ModelFitArgs,
): Promise<{ losses: number[]; history: Record<string, number[]> }> {
  const losses: number[] = [];
  const callbacks = {
    onBatchEnd(_batch: number, logs?: tf.Logs) {
      losses.push(logs!.loss);
    },
  };
  const { history } = await trained.fit(x, y, { verbose: 0, ...args, callbacks });
  return { losses, history: history as Record<string, number[]> };
}

/** The largest difference of two lists of numbers, nested alike. */
export function apart(a: unknown, b: unknown): number {
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length) return Infinity;
    return a.reduce((worst: number, each, i) => Math.max(worst, apart(each, b[i])), 0);
  }
  return typeof a === 'number' && typeof b === 'number' ? Math.abs(a - b) : a === b ? 0 : Infinity;
}

export const normal = (shape: number[], seed: number): tf.Tensor =>
  tf.randomNormal(shape, 0, 1, 'float32', seed);

export const oneHot = (count: number, classes: number, seed: number): tf.Tensor =>
  tf.tidy(() => tf.oneHot(tf.randomUniform([count], 0, classes, 'int32', seed), classes).toFloat());

const kernel = (seed: number) => ({ kernelInitializer: glorot(seed) });
const recurrent = (seed: number) => ({ ...kernel(seed), recurrentInitializer: glorot(seed + 50) });

/** Dense layers with dropout. */
export const denseModel = (): tf.Sequential =>
  tf.sequential({
    layers: [
      L.dense({ units: 16, activation: 'relu', inputShape: [8], ...kernel(1) }),
      L.dropout({ rate: 0.3 }),
      L.dense({ units: 3, activation: 'softmax', ...kernel(2) }),
    ],
  });

/** A convolutional network as for MNIST, smaller. */
export const convolutionModel = (): tf.Sequential =>
  tf.sequential({
    layers: [
      L.conv2d({ filters: 4, kernelSize: 3, activation: 'relu', inputShape: [12, 12, 1], ...kernel(1) }),
      L.maxPooling2d({ poolSize: 2, strides: 2 }),
      L.conv2d({ filters: 6, kernelSize: 3, activation: 'relu', ...kernel(2) }),
      L.dropout({ rate: 0.25 }),
      L.flatten(),
      L.dense({ units: 3, activation: 'softmax', ...kernel(3) }),
    ],
  });

export const lstmModel = (options = {}): tf.Sequential =>
  tf.sequential({
    layers: [
      L.lstm({ units: 6, inputShape: [7, 4], ...recurrent(1), ...options }),
      L.dense({ units: 3, activation: 'softmax', ...kernel(3) }),
    ],
  });

/** BatchNorm in two and four dimensions. */
export const batchNormModel = (): tf.Sequential =>
  tf.sequential({
    layers: [
      L.conv2d({ filters: 4, kernelSize: 3, useBias: false, inputShape: [6, 6, 1], ...kernel(1) }),
      L.batchNormalization({ momentum: 0.8 }),
      L.activation({ activation: 'relu' }),
      L.flatten(),
      L.dense({ units: 5, useBias: false, ...kernel(2) }),
      L.batchNormalization({}),
      L.dense({ units: 3, activation: 'softmax', ...kernel(3) }),
    ],
  });

/** Two inputs, two outputs, a shared layer and penalties on weights. */
export function twoInputModel(): tf.LayersModel {
  const [a, b] = ['a', 'b'].map((name) => tf.input({ shape: [4], name }));
  const shared = L.dense({
    units: 5,
    activation: 'tanh',
    kernelRegularizer: tf.regularizers.l2({ l2: 0.01 }),
    ...kernel(1),
  });
  const joined = L.concatenate().apply([shared.apply(a), shared.apply(b)] as tf.SymbolicTensor[]);
  const classes = L.dense({
    units: 3,
    activation: 'softmax',
    name: 'classes',
    biasRegularizer: tf.regularizers.l1l2({ l1: 0.01, l2: 0.02 }),
    ...kernel(2),
  });
  const value = L.dense({ units: 1, name: 'value', ...kernel(3) });
  const outputs = [classes.apply(joined), value.apply(joined)] as tf.SymbolicTensor[];
  return tf.model({ inputs: [a, b], outputs });
}
