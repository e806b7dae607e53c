import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { hessianVectorProduct, minimize, newtonCG } from 'quasi-newton';
import {
  enableSecondOrder,
  enableWasmConv,
  hessianVectorProductAsync,
  modelProblem,
  modelProblemAsync,
  optfuns,
} from 'quasi-newton/tfjs';
import {
  backends,
  expectNoLeak,
  relativeDifference,
  sineData,
  sineModel,
  useBackend,
  variable,
} from './harness.ts';

const { layers: L } = tf;

beforeAll(async () => {
  await useBackend('wasm');
  enableWasmConv();
  enableSecondOrder();
  enableSecondOrder();
});

/** A unit vector that is the same each time. */
function direction(n: number): Float64Array {
  const v = Float64Array.from({ length: n }, (_, i) => Math.sin(3 * i + 1));
  const norm = Math.hypot(...v);
  return v.map((value) => value / norm);
}

/** How far the exact product is from that by differences, which agree with each other to `agreement`. */
function compare(problem: ReturnType<typeof optfuns>) {
  const v = direction(problem.p0.length);
  const exact = hessianVectorProduct(problem, problem.p0, v);
  const differences = hessianVectorProduct(problem, problem.p0, v, { method: 'differences' });
  expect(exact.agreement).toBe(0);
  return {
    error: relativeDifference(exact.product, differences.product, 1e-2),
    agreement: differences.agreement,
  };
}

/** Other weights, the same each time; positive, for the variances among them. */
function perturb(model: tf.LayersModel): void {
  tf.tidy(() =>
    model.setWeights(
      model.getWeights().map(({ shape }, i) => tf.randomNormal(shape, 0.1, 0.4, 'float32', 30 + i).abs()),
    ),
  );
}

function problemOf(model: tf.LayersModel, xShape: number[], loss = 'meanSquaredError') {
  const x = tf.randomNormal(xShape, 0, 1, 'float32', 3);
  model.compile({ optimizer: 'sgd', loss });
  const y = tf.tidy(() => {
    const shape = (model.predict(x) as tf.Tensor).shape;
    const noise = tf.randomUniform(shape, 0.1, 0.9, 'float32', 4);
    return loss === 'categoricalCrossentropy' ? noise.softmax() : noise;
  });
  return { problem: modelProblem(model, x, y), x, y };
}

describe.each(backends)('exact products on %s agree with differences of gradients', (backend) => {
  beforeAll(() => useBackend(backend));

  const smooth = [
    'tanh',
    'sigmoid',
    'softplus',
    'softsign',
    'swish',
    'mish',
    'gelu',
    'linear',
    'softmax',
    'hardSigmoid',
  ];
  it.each(smooth)('%s', (activation) =>
    useBackend(backend).then(() =>
      expectNoLeak(() => {
        const model = tf.sequential({
          layers: [
            L.dense({
              units: 6,
              inputShape: [4],
              activation: activation as 'tanh',
              kernelInitializer: tf.initializers.randomNormal({ seed: 1 }),
            }),
            L.dense({ units: 3, kernelInitializer: tf.initializers.randomNormal({ seed: 2, stddev: 0.5 }) }),
          ],
        });
        const { problem, x, y } = problemOf(model, [20, 4]);
        expect(compare(problem).error).toBeLessThan(1e-3);
        model.dispose();
        tf.dispose([x, y]);
      }),
    ),
  );

  it.each(['relu', 'elu', 'selu', 'relu6', 'leakyReLU', 'prelu'])('%s, between its kinks', (name) =>
    useBackend(backend).then(() =>
      expectNoLeak(() => {
        const activation =
          name === 'leakyReLU'
            ? L.leakyReLU()
            : name === 'prelu'
              ? L.prelu({ alphaInitializer: 'ones' })
              : L.activation({ activation: name as 'relu' });
        const model = tf.sequential({
          layers: [
            L.dense({
              units: 6,
              inputShape: [4],
              kernelInitializer: tf.initializers.randomNormal({ seed: 1 }),
            }),
            activation,
            L.dense({
              units: 3,
              activation: 'tanh',
              kernelInitializer: tf.initializers.randomNormal({ seed: 2 }),
            }),
          ],
        });
        const { problem, x, y } = problemOf(model, [5, 4]);
        expect(compare(problem).error).toBeLessThan(5e-3);
        model.dispose();
        tf.dispose([x, y]);
      }),
    ),
  );

  it.each<[string, () => tf.layers.Layer[], number[]]>([
    [
      'conv2d, average pooling',
      () => [
        L.conv2d({ filters: 2, kernelSize: 3, activation: 'tanh', inputShape: [7, 7, 1] }),
        L.averagePooling2d({ poolSize: 2 }),
        L.flatten(),
      ],
      [3, 7, 7, 1],
    ],
    [
      'two conv2d',
      () => [
        L.conv2d({
          filters: 2,
          kernelSize: 3,
          strides: 2,
          padding: 'same',
          activation: 'sigmoid',
          inputShape: [6, 6, 1],
        }),
        L.conv2d({ filters: 2, kernelSize: 2 }),
        L.flatten(),
      ],
      [3, 6, 6, 1],
    ],
    [
      'conv2d, max pooling',
      () => [
        L.conv2d({ filters: 2, kernelSize: 3, activation: 'tanh', inputShape: [6, 6, 1] }),
        L.maxPooling2d({ poolSize: 2 }),
        L.flatten(),
      ],
      [3, 6, 6, 1],
    ],
    [
      'conv1d',
      () => [L.conv1d({ filters: 3, kernelSize: 3, activation: 'tanh', inputShape: [8, 2] }), L.flatten()],
      [3, 8, 2],
    ],
    [
      'depthwise',
      () => [
        L.depthwiseConv2d({ kernelSize: 3, activation: 'tanh', inputShape: [6, 6, 2] }),
        L.depthwiseConv2d({ kernelSize: 2 }),
        L.flatten(),
      ],
      [3, 6, 6, 2],
    ],
    [
      'separable',
      () => [
        L.separableConv2d({ filters: 2, kernelSize: 3, activation: 'tanh', inputShape: [6, 6, 2] }),
        L.flatten(),
      ],
      [3, 6, 6, 2],
    ],
    [
      'conv2dTranspose',
      () => [
        L.conv2dTranspose({ filters: 2, kernelSize: 3, activation: 'tanh', inputShape: [4, 4, 1] }),
        L.flatten(),
      ],
      [3, 4, 4, 1],
    ],
    [
      'batchNormalization',
      () => [
        L.dense({ units: 4, inputShape: [3] }),
        L.batchNormalization(),
        L.activation({ activation: 'tanh' }),
      ],
      [12, 3],
    ],
    [
      'layerNormalization',
      () => [
        L.dense({ units: 4, inputShape: [3] }),
        L.layerNormalization(),
        L.activation({ activation: 'tanh' }),
      ],
      [12, 3],
    ],
    ['lstm', () => [L.lstm({ units: 3, inputShape: [4, 2] })], [3, 4, 2]],
    ['gru', () => [L.gru({ units: 3, inputShape: [4, 2] })], [3, 4, 2]],
    ['simpleRNN', () => [L.simpleRNN({ units: 3, inputShape: [4, 2] })], [3, 4, 2]],
  ])('%s', (_name, layers, shape) =>
    useBackend(backend).then(() =>
      expectNoLeak(() => {
        const model = tf.sequential({ layers: [...layers(), L.dense({ units: 2 })] });
        perturb(model);
        const { problem, x, y } = problemOf(model, shape);
        expect(compare(problem).error).toBeLessThan(3e-3);
        model.dispose();
        tf.dispose([x, y]);
      }),
    ),
  );

  it.each([
    'categoricalCrossentropy',
    'binaryCrossentropy',
    'meanAbsoluteError',
    'meanSquaredLogarithmicError',
    'kullbackLeiblerDivergence',
    'logcosh',
    'poisson',
    'cosineProximity',
    'hinge',
  ])('%s', (loss) =>
    useBackend(backend).then(() =>
      expectNoLeak(() => {
        const model = tf.sequential({
          layers: [
            L.dense({
              units: 4,
              inputShape: [3],
              activation: 'tanh',
              kernelInitializer: tf.initializers.randomNormal({ seed: 1 }),
            }),
            L.dense({
              units: 3,
              activation: loss === 'categoricalCrossentropy' ? 'softmax' : 'sigmoid',
              kernelInitializer: tf.initializers.randomNormal({ seed: 2 }),
            }),
          ],
        });
        const { problem, x, y } = problemOf(model, [10, 3], loss);
        expect(compare(problem).error).toBeLessThan(3e-3);
        model.dispose();
        tf.dispose([x, y]);
      }),
    ),
  );
});

describe('hessianVector', () => {
  beforeAll(() => useBackend('cpu'));

  it('is the second derivative where tfjs alone would leave half of it out', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([0.5, -1]));
      const problem = optfuns(() => w.tanh().square().sum(), [w]);
      const product = new Float64Array(2);
      problem.hessianVector!(Float64Array.of(0.5, -1), Float64Array.of(1, 1), product);
      // (tanh²)″ = 2(1 − t²)(1 − 3t²)
      const exact = [0.5, -1].map((x) => 2 * (1 - Math.tanh(x) ** 2) * (1 - 3 * Math.tanh(x) ** 2));
      expect(relativeDifference(product, exact)).toBeLessThan(1e-5);
      w.dispose();
    }));

  it('refuses an operation that has no second derivative, by name, and leaks nothing', () =>
    expectNoLeak(() => {
      const w = variable(tf.randomNormal([1, 3, 3, 1], 0, 1, 'float32', 1));
      const problem = optfuns(
        () =>
          tf
            .localResponseNormalization(w as tf.Tensor4D)
            .square()
            .sum(),
        [w],
      );
      const v = direction(9);
      expect(() => hessianVectorProduct(problem, problem.p0, v)).toThrow(/LRNGrad.*'differences'/);
      const { product } = hessianVectorProduct(problem, problem.p0, v, { method: 'differences' });
      expect(product.every(Number.isFinite)).toBe(true);
      const fault = new Error('in the loss');
      const failing = optfuns(() => tf.tidy(() => { throw fault; }), [w]); // prettier-ignore
      expect(() => hessianVectorProduct(failing, problem.p0, v)).toThrow(fault);
      w.dispose();
    }));

  it('adds up over parts of the data, and is the same asynchronously', () =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const model = sineModel();
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const whole = modelProblem(model, x, y);
      const v = direction(46);
      const expected = hessianVectorProduct(whole, whole.p0, v).product;
      const parts = hessianVectorProduct(modelProblem(model, x, y, { batchSize: 30 }), whole.p0, v);
      expect(relativeDifference(parts.product, expected)).toBeLessThan(1e-5);
      const later = await modelProblemAsync(model, x, y);
      expect((await hessianVectorProductAsync(later, whole.p0, v)).product).toEqual(expected);
      model.dispose();
      tf.dispose([x, y]);
    }));

  it('serves newtonCG', () =>
    expectNoLeak(() => {
      const { x, y } = sineData();
      const model = sineModel(2);
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const { f } = minimize(modelProblem(model, x, y), newtonCG(), { maxIterations: 60 });
      expect(f).toBeLessThan(1e-2);
      model.dispose();
      tf.dispose([x, y]);
    }));
});
