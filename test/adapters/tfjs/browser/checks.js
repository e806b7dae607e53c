/**
 * What must hold on every backend, in Node and in browsers alike: one file, run by `layers.test.ts` where it
 * stands and by `browser.test.ts` in a page.
 */
import * as tf from '@tensorflow/tfjs';
import {
  enableSecondOrder,
  enableWasmConv,
  fitFullBatchAsync,
  LBFGSOptimizer,
  modelProblemAsync,
  optfunsAsync,
  register,
} from 'quasi-newton/tfjs';
import { bfgs, lbfgs, minimizeAsync } from 'quasi-newton';

const { layers: L } = tf;

/** @param {number} seed */
const glorot = (seed) => tf.initializers.glorotUniform({ seed });

/** Queries, keys and values by dense layers; softmax(QKᵀ)V. */
function attention() {
  const input = tf.input({ shape: [4, 3] });
  const [q, k, v] = [0, 1, 2].map(() => L.dense({ units: 3 }).apply(input));
  const scores = L.activation({ activation: 'softmax' }).apply(
    L.dot({ axes: [2, 2] }).apply([q, k].map(symbolic)),
  );
  const mixed = L.dot({ axes: [2, 1] }).apply([scores, v].map(symbolic));
  return tf.model({ inputs: input, outputs: symbolic(mixed) });
}

/** @param {unknown} tensor */
const symbolic = (tensor) => /** @type {tf.SymbolicTensor} */ (tensor);

/** @type {(...layers: tf.layers.Layer[]) => tf.LayersModel} */
const stack = (...layers) => tf.sequential({ layers });

/**
 * Every layer of tfjs-layers that has weights, and some that stand between them: a model, and its input's shape
 * (`ids`: whole numbers below 5).
 *
 * @type {readonly [name: string, make: () => tf.LayersModel, shape: number[], ids?: boolean][]}
 */
export const layerCases = [
  ['dense', () => stack(L.dense({ units: 3, activation: 'tanh', inputShape: [4] })), [3, 4]],
  ['dense, relu', () => stack(L.dense({ units: 3, activation: 'relu', inputShape: [4] })), [3, 4]],
  ['conv1d', () => stack(L.conv1d({ filters: 2, kernelSize: 3, inputShape: [7, 2] })), [2, 7, 2]],
  ['conv2d', () => stack(L.conv2d({ filters: 2, kernelSize: 3, inputShape: [6, 6, 2] })), [2, 6, 6, 2]],
  [
    'conv2d, strides, same',
    () => stack(L.conv2d({ filters: 2, kernelSize: 3, strides: 2, padding: 'same', inputShape: [6, 6, 2] })),
    [2, 6, 6, 2],
  ],
  [
    'conv2dTranspose',
    () => stack(L.conv2dTranspose({ filters: 2, kernelSize: 3, inputShape: [4, 4, 2] })),
    [2, 4, 4, 2],
  ],
  ['conv3d', () => stack(L.conv3d({ filters: 2, kernelSize: 2, inputShape: [3, 3, 3, 2] })), [2, 3, 3, 3, 2]],
  [
    'conv3dTranspose',
    () => stack(L.conv3dTranspose({ filters: 2, kernelSize: 2, inputShape: [3, 3, 3, 2] })),
    [2, 3, 3, 3, 2],
  ],
  ['depthwiseConv2d', () => stack(L.depthwiseConv2d({ kernelSize: 3, inputShape: [6, 6, 2] })), [2, 6, 6, 2]],
  [
    'separableConv2d',
    () => stack(L.separableConv2d({ filters: 2, kernelSize: 3, inputShape: [6, 6, 2] })),
    [2, 6, 6, 2],
  ],
  ['embedding', () => stack(L.embedding({ inputDim: 5, outputDim: 3, inputLength: 4 })), [2, 4], true],
  ['simpleRNN', () => stack(L.simpleRNN({ units: 3, inputShape: [4, 2] })), [2, 4, 2]],
  ['gru', () => stack(L.gru({ units: 3, inputShape: [4, 2] })), [2, 4, 2]],
  ['lstm', () => stack(L.lstm({ units: 3, inputShape: [4, 2] })), [2, 4, 2]],
  [
    'bidirectional lstm',
    () =>
      stack(
        L.bidirectional({
          layer: L.lstm({ units: 2, returnSequences: true }),
          mergeMode: 'concat',
          inputShape: [4, 2],
        }),
      ),
    [2, 4, 2],
  ],
  [
    'convLstm2d',
    () => stack(L.convLstm2d({ filters: 2, kernelSize: 2, inputShape: [2, 4, 4, 1] })),
    [1, 2, 4, 4, 1],
  ],
  [
    'timeDistributed dense',
    () => stack(L.timeDistributed({ layer: L.dense({ units: 2 }), inputShape: [3, 4] })),
    [2, 3, 4],
  ],
  ['batchNormalization', () => stack(L.batchNormalization({ inputShape: [4] })), [6, 4]],
  ['batchNormalization, images', () => stack(L.batchNormalization({ inputShape: [3, 3, 2] })), [4, 3, 3, 2]],
  ['layerNormalization', () => stack(L.layerNormalization({ inputShape: [4] })), [3, 4]],
  ['prelu', () => stack(L.prelu({ inputShape: [4] })), [3, 4]],
  [
    'conv2d, max pooling',
    () =>
      stack(L.conv2d({ filters: 2, kernelSize: 3, inputShape: [6, 6, 1] }), L.maxPooling2d({ poolSize: 2 })),
    [2, 6, 6, 1],
  ],
  [
    'conv2d, average pooling',
    () =>
      stack(
        L.conv2d({ filters: 2, kernelSize: 3, inputShape: [6, 6, 1] }),
        L.averagePooling2d({ poolSize: 2 }),
      ),
    [2, 6, 6, 1],
  ],
  [
    'conv2d, average pooling, same',
    () =>
      stack(
        L.conv2d({ filters: 2, kernelSize: 2, inputShape: [6, 5, 1] }),
        L.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' }),
      ),
    [2, 6, 5, 1],
  ],
  [
    'conv2d, upsampling',
    () =>
      stack(L.conv2d({ filters: 2, kernelSize: 2, inputShape: [4, 4, 1] }), L.upSampling2d({ size: [2, 2] })),
    [2, 4, 4, 1],
  ],
  [
    'conv2d, bilinear upsampling',
    () =>
      stack(
        L.conv2d({ filters: 2, kernelSize: 2, inputShape: [4, 5, 1] }),
        L.upSampling2d({ size: [2, 2], interpolation: 'bilinear' }),
      ),
    [2, 4, 5, 1],
  ],
  [
    'upsampling, global max pooling',
    () =>
      stack(
        L.conv2d({ filters: 2, kernelSize: 2, inputShape: [4, 4, 1] }),
        L.upSampling2d({ size: [2, 2] }),
        L.globalMaxPooling2d({}),
      ),
    [2, 4, 4, 1],
  ],
  ['attention', attention, [2, 4, 3]],
];

/** @param {string} backend */
export async function useBackend(backend) {
  if (!(await tf.setBackend(backend))) throw new Error(`The backend ${backend} cannot be had.`);
  await tf.ready();
  if (backend === 'wasm') enableWasmConv();
  // Tensors as small as these would be computed on the CPU instead.
  if (backend.startsWith('webg')) tf.env().set(`${backend.toUpperCase()}_CPU_FORWARD`, false);
  // It brings the gradient of conv3dTranspose, which tfjs has not.
  enableSecondOrder();
}

/**
 * How far gradients along random directions are from central differences of the loss, relative to ‖gradient‖:
 * `{ name, error }`, the error a number or, where the backend fails, a sentence.
 *
 * @param {string} backend
 */
export async function layerTable(backend) {
  await useBackend(backend);
  const rows = [];
  for (const [name, make, shape, ids] of layerCases) {
    const model = make();
    const before = tf.memory().numTensors;
    /** @type {number | string} */
    let error;
    try {
      error = await disagreement(model, shape, ids ?? false);
    } catch (cause) {
      error = String(cause).slice(0, 90);
    }
    rows.push({ name, error, leaked: tf.memory().numTensors - before });
    model.dispose();
  }
  return rows;
}

/** @type {(model: tf.LayersModel, shape: number[], ids: boolean) => Promise<number>} */
async function disagreement(model, shape, ids) {
  tf.tidy(() =>
    model.setWeights(
      model.getWeights().map((w, i) => tf.randomNormal(w.shape, 0.2, 0.4, 'float32', 30 + i).abs()),
    ),
  );
  const size = tf.util.sizeFromShape(shape);
  const values = Float32Array.from({ length: size }, (_, i) =>
    ids ? (i * 7) % 5 : 1.5 * Math.sin(5 * i + 1),
  );
  const x = tf.tensor(values, shape);
  /** @type {() => tf.Scalar} */
  const loss = () => {
    const y = /** @type {tf.Tensor} */ (model.apply(x, { training: true }));
    const weights = Float32Array.from({ length: y.size }, (_, i) => 1 + Math.sin(3 * i));
    return tf.mean(tf.mul(tf.square(y), tf.tensor(weights, y.shape)));
  };
  try {
    const { fg, p0 } = await optfunsAsync(loss, model);
    const gradient = new Float64Array(p0.length);
    await fg(p0, gradient);
    const norm = Math.hypot(...gradient);
    let worst = 0;
    for (let k = 0; k < 3; k++) {
      const v = p0.map((_, i) => Math.sin((k + 2) * i + k));
      const h = 1e-2 / Math.hypot(...v);
      // Fourth order: (8(f₁ − f₋₁) − (f₂ − f₋₂)) / 12h, so that the step can be long against float32's noise.
      const at = (/** @type {number} */ step) =>
        fg(
          p0.map((p, i) => p + step * v[i]),
          null,
        );
      const difference =
        (8 * ((await at(h)) - (await at(-h))) - ((await at(2 * h)) - (await at(-2 * h)))) / (12 * h);
      const slope = gradient.reduce((sum, g, i) => sum + g * v[i], 0);
      worst = Math.max(worst, Math.abs(difference - slope) / (norm * Math.hypot(...v)));
    }
    return worst;
  } finally {
    x.dispose();
  }
}

/** 1-8-1 with tanh on a sine, compiled. @param {tf.Optimizer | 'sgd'} optimizer */
function sineProblem(optimizer) {
  const model = tf.sequential({
    layers: [
      L.dense({ units: 8, inputShape: [1], activation: 'tanh', kernelInitializer: glorot(1) }),
      L.dense({ units: 1, kernelInitializer: glorot(2) }),
    ],
  });
  model.compile({ optimizer, loss: 'meanSquaredError', metrics: ['mae'] });
  const values = Float32Array.from({ length: 64 }, (_, i) => (i - 31.5) / 10);
  return { model, x: tf.tensor(values, [64, 1]), y: tf.tensor(values.map(Math.sin), [64, 1]) };
}

/**
 * Trains through `fit` on a backend that reads at once.
 *
 * @param {string} backend
 */
export async function trainsByFit(backend) {
  await useBackend(backend);
  const before = tf.memory().numTensors;
  const optimizer = new LBFGSOptimizer({ fullBatch: true });
  const { model, x, y } = sineProblem(optimizer);
  optimizer.attach(model);
  const { history } = await model.fit(x, y, { batchSize: 64, epochs: 60, verbose: 0, shuffle: false });
  model.dispose();
  optimizer.dispose();
  tf.dispose([x, y]);
  return {
    first: Number(history.loss[0]),
    last: Number(history.loss.at(-1)),
    leaked: tf.memory().numTensors - before,
  };
}

/**
 * Trains by the path that answers later, on any backend.
 *
 * @param {string} backend
 */
export async function trainsLater(backend) {
  await useBackend(backend);
  const before = tf.memory().numTensors;
  const { model, x, y } = sineProblem('sgd');
  const { f, history } = await fitFullBatchAsync(model, x, y, { solver: lbfgs(), maxIterations: 40 });
  const problem = await modelProblemAsync(model, x, y);
  const polished = await minimizeAsync(problem, bfgs(), { maxIterations: 10 });
  model.dispose();
  tf.dispose([x, y]);
  return { first: history.loss[0], last: f, polished: polished.f, leaked: tf.memory().numTensors - before };
}

/**
 * Trains, saves, loads and trains on, beside a model that was never stopped; the largest difference of weights.
 *
 * @param {string} backend
 */
export async function savesAndGoesOn(backend) {
  await useBackend(backend);
  register();
  const { model, x, y } = sineProblem(new LBFGSOptimizer());
  const args = { batchSize: 64, epochs: 5, verbose: 0, shuffle: false };
  await model.fit(x, y, args);
  /** @type {tf.io.ModelArtifacts | undefined} */
  let saved;
  const handler = tf.io.withSaveHandler(async (artifacts) => {
    saved = artifacts;
    return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
  });
  await model.save(handler, { includeOptimizer: true });
  if (!saved) throw new Error('nothing was saved');
  const again = await tf.loadLayersModel(tf.io.fromMemory(saved));
  await model.fit(x, y, args);
  await again.fit(x, y, args);
  const [a, b] = [model, again].map((m) => m.getWeights().flatMap((w) => Array.from(w.dataSync())));
  return Math.max(...a.map((value, i) => Math.abs(value - b[i])));
}

/**
 * What an optimizer says on a backend that does not read at once; null where it does.
 *
 * @param {string} backend
 */
export async function saysWhatToUse(backend) {
  await useBackend(backend);
  const w = tf.variable(tf.randomNormal([3]));
  try {
    new LBFGSOptimizer().minimize(() => tf.sum(tf.square(w)), false, [w]);
    return null;
  } catch (error) {
    return String(error);
  } finally {
    w.dispose();
  }
}
