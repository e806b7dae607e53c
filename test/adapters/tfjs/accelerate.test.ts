/** Models trained by `accelerate`: losses, histories and weights are those of TensorFlow.js. */
import * as ort from 'onnxruntime-node';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { accelerate } from 'quasi-newton/tfjs';
import { alea, fillNormal } from '../../../src/adapters/tfjs/random.ts';
import {
  apart,
  batchNormModel,
  both,
  convolutionModel,
  denseModel,
  lossesOf,
  isFast,
  lstmModel,
  modelOf,
  normal,
  oneHot,
  twoInputModel,
} from './accelerate.harness.ts';
import { glorot, useBackend, weightsOf } from './harness.ts';

const { layers: L } = tf;

beforeAll(() => useBackend('cpu'));

describe('a fit has the losses and the history that TensorFlow.js has', () => {
  const compiled = (model: tf.LayersModel, args: Partial<tf.ModelCompileArgs> = {}): tf.LayersModel => {
    model.compile({
      optimizer: tf.train.adam(0.01),
      loss: 'categoricalCrossentropy',
      metrics: ['accuracy'],
      ...args,
    });
    return model;
  };
  const embedding = (): tf.Sequential =>
    tf.sequential({
      layers: [
        L.embedding({ inputDim: 9, outputDim: 5, inputLength: 6, embeddingsInitializer: glorot(1) }),
        L.gru({ units: 5, kernelInitializer: glorot(2), recurrentInitializer: glorot(3), dropout: 0.2 }),
        L.dense({ units: 4, activation: 'softmax', kernelInitializer: glorot(4) }),
      ],
    });
  const noisy = (): tf.Sequential =>
    tf.sequential({
      layers: [
        L.gaussianNoise({ stddev: 0.3, inputShape: [6, 3] }),
        L.bidirectional({
          layer: L.simpleRNN({
            units: 4,
            returnSequences: true,
            kernelInitializer: glorot(1),
            recurrentInitializer: glorot(2),
          }),
        }),
        L.spatialDropout1d({ rate: 0.3, seed: 4 }),
        L.gaussianDropout({ rate: 0.2 }),
        L.conv1d({ filters: 4, kernelSize: 3, activation: 'selu', kernelInitializer: glorot(3) }),
        L.alphaDropout({ rate: 0.2 }),
        L.dropout({ rate: 0.2, noiseShape: [null as never, 1, 4] }),
        L.globalMaxPooling1d({}),
        L.dense({ units: 3, activation: 'softmax', kernelInitializer: glorot(4) }),
      ],
    });
  const classes = (shape: number[], count = 72) =>
    [normal([count, ...shape], 7), oneHot(count, 3, 8)] as const;

  it.each<[string, () => tf.LayersModel, () => readonly [tf.Tensor | tf.Tensor[], tf.Tensor | tf.Tensor[]]]>([
    ['dense layers with dropout', () => compiled(denseModel()), () => classes([8])],
    ['a convolutional network', () => compiled(convolutionModel()), () => classes([12, 12, 1])],
    ['an LSTM', () => compiled(lstmModel()), () => classes([7, 4])],
    ['an LSTM with dropout', () => compiled(lstmModel({ dropout: 0.3 })), () => classes([7, 4])],
    ['BatchNorms', () => compiled(batchNormModel(), { optimizer: 'sgd' }), () => classes([6, 6, 1])],
    [
      'two inputs and two outputs',
      () => compiled(twoInputModel(), { loss: ['categoricalCrossentropy', 'meanSquaredError'] }),
      () => [
        [normal([72, 4], 1), normal([72, 4], 2)],
        [oneHot(72, 3, 3), normal([72, 1], 4)],
      ],
    ],
    [
      'an embedding and sparse targets',
      () => compiled(embedding(), { loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] }),
      () => [
        tf.tidy(() => tf.randomUniform([72, 6], 0, 9, 'int32', 1).toFloat()),
        tf.tidy(() => tf.randomUniform([72, 1], 0, 4, 'int32', 2).toFloat()),
      ],
    ],
    [
      'a frozen model inside, with a BatchNorm',
      () => {
        const base = tf.sequential({
          layers: [
            L.conv2d({
              filters: 3,
              kernelSize: 3,
              useBias: false,
              inputShape: [6, 6, 1],
              kernelInitializer: glorot(1),
            }),
            L.batchNormalization({ momentum: 0.7 }),
            L.flatten(),
          ],
        });
        // TensorFlow.js trains the weights of a nested model of which only the model itself is frozen.
        for (const layer of base.layers) layer.trainable = false;
        const head = L.dense({ units: 3, activation: 'softmax', kernelInitializer: glorot(2) });
        return compiled(tf.sequential({ layers: [base, head] }));
      },
      () => classes([6, 6, 1]),
    ],
    ['noise and dropout of all kinds', () => compiled(noisy()), () => classes([6, 3])],
  ])('a fit has the losses and the history that TensorFlow.js has with %s', async (_name, make, dataOf) => {
    const [x, y] = dataOf();
    const { stock, fast } = await both(make, (trained) =>
      lossesOf(trained, x, y, { batchSize: 16, epochs: 3, validationSplit: 0.2 }),
    );
    expect(fast.result.losses.length).toBe(12);
    expect(apart(fast.result.losses, stock.result.losses)).toBeLessThan(1e-4);
    expect(Object.keys(fast.result.history)).toEqual(Object.keys(stock.result.history));
    expect(apart(Object.values(fast.result.history), Object.values(stock.result.history))).toBeLessThan(1e-4);
    expect(apart(fast.weights, stock.weights)).toBeLessThan(1e-4);
    expect(fast.left).toBe(0);
    tf.dispose([x, y].flat());
  });
});

describe('an optimizer takes the steps that it takes in TensorFlow.js', () => {
  it.each<[string, () => tf.Optimizer]>([
    ['sgd', () => tf.train.sgd(0.1)],
    ['momentum', () => tf.train.momentum(0.05, 0.9)],
    ['Nesterov momentum', () => tf.train.momentum(0.05, 0.8, true)],
    ['adam', () => tf.train.adam(0.02, 0.8, 0.99, 1e-6)],
    ['adamax with decay', () => tf.train.adamax(0.02, 0.9, 0.99, 1e-7, 0.1)],
    ['adagrad', () => tf.train.adagrad(0.1, 0.2)],
    ['rmsprop', () => tf.train.rmsprop(0.01)],
    ['rmsprop with momentum', () => tf.train.rmsprop(0.005, 0.8, 0.5, 1e-6)],
    // TensorFlow.js takes the root of the variance less ε, which is NaN for a tiny one: a large ρ, so that it is not.
    ['rmsprop, centered', () => tf.train.rmsprop(0.001, 0.99, 0, 1e-12, true)],
    ['adadelta', () => tf.train.adadelta(1, 0.9, 1e-3)],
  ])('an optimizer takes the steps that it takes in TensorFlow.js: %s', async (_name, optimizer) => {
    const [x, y] = [normal([60, 8], 7), oneHot(60, 3, 8)];
    const make = () => {
      const model = denseModel();
      model.compile({ optimizer: optimizer(), loss: 'categoricalCrossentropy' });
      return model;
    };
    const { stock, fast } = await both(make, (trained) =>
      lossesOf(trained, x, y, { batchSize: 12, epochs: 4 }),
    );
    expect(stock.result.losses.every(Number.isFinite)).toBe(true);
    expect(apart(fast.result.losses, stock.result.losses)).toBeLessThan(2e-5);
    expect(apart(fast.weights, stock.weights)).toBeLessThan(2e-5);
    tf.dispose([x, y]);
  });

  it('an optimizer takes the steps that it takes in TensorFlow.js with another learning rate from a callback on', async () => {
    const [x, y] = [normal([60, 8], 7), oneHot(60, 3, 8)];
    const make = () => {
      const model = denseModel();
      model.compile({ optimizer: tf.train.adam(0.02), loss: 'categoricalCrossentropy' });
      return model;
    };
    const { stock, fast } = await both(make, async (trained) => {
      const callbacks = {
        onEpochBegin(epoch: number) {
          Object.assign(modelOf(trained).optimizer, { learningRate: 0.02 / (epoch + 1) });
        },
      };
      return (await trained.fit(x, y, { epochs: 3, verbose: 0, callbacks })).history;
    });
    expect(apart(fast.result.loss, stock.result.loss)).toBeLessThan(2e-5);
    tf.dispose([x, y]);
  });

  it('an optimizer takes the steps that it takes in TensorFlow.js from the moments on that it has gathered in model.fit, and hands them back', async () => {
    const [x, y] = [normal([60, 8], 7), oneHot(60, 3, 8)];
    const train = async (order: readonly ('stock' | 'fast')[]) => {
      const model = denseModel();
      model.compile({ optimizer: tf.train.adam(0.02), loss: 'categoricalCrossentropy' });
      const fast = accelerate(ort, model, { random: () => 0.5 });
      const { random } = Math;
      Math.random = () => 0.5;
      for (const who of order) {
        const trained = who === 'fast' ? fast : model;
        await trained.fit(x, y, { epochs: 2, verbose: 0, shuffle: false });
        if (who === 'fast') await fast.handOver();
      }
      Math.random = random;
      await fast.dispose();
      return { weights: weightsOf(model), iterations: model.optimizer.iterations };
    };
    const stock = await train(['stock', 'stock', 'stock']);
    for (const order of [
      ['stock', 'fast', 'fast'],
      ['fast', 'stock', 'fast'],
      ['fast', 'fast', 'stock'],
    ] as const) {
      const mixed = await train(order);
      expect(mixed.iterations).toBe(stock.iterations);
      expect(apart(mixed.weights, stock.weights)).toBeLessThan(2e-5);
    }
    tf.dispose([x, y]);
  });
});

describe('a loss is that of TensorFlow.js', () => {
  const positive = (shape: number[], seed: number) =>
    tf.tidy(() => tf.randomUniform(shape, 0.1, 1, 'float32', seed));
  const signs = (shape: number[], seed: number) => tf.tidy(() => normal(shape, seed).sign());
  const bits = (shape: number[], seed: number) => tf.tidy(() => normal(shape, seed).greater(0).toFloat());
  const hot = (shape: number[], seed: number) => oneHot(shape[0], 3, seed);
  it.each<[string, unknown, 'linear' | 'sigmoid' | 'softmax', (shape: number[], seed: number) => tf.Tensor]>([
    ['meanSquaredError', null, 'linear', normal],
    ['meanAbsoluteError', null, 'linear', normal],
    ['meanAbsolutePercentageError', null, 'linear', normal],
    ['meanSquaredLogarithmicError', null, 'sigmoid', positive],
    ['squaredHinge', null, 'linear', signs],
    ['hinge', null, 'linear', signs],
    ['categoricalHinge', null, 'linear', hot],
    ['logcosh', null, 'linear', normal],
    ['categoricalCrossentropy', null, 'softmax', hot],
    ['categoricalCrossentropy', null, 'sigmoid', hot],
    ['binaryCrossentropy', null, 'sigmoid', bits],
    ['kullbackLeiblerDivergence', null, 'softmax', positive],
    ['poisson', null, 'sigmoid', positive],
    ['cosineProximity', null, 'linear', normal],
    ['tf.losses.absoluteDifference', tf.losses.absoluteDifference, 'linear', normal],
    ['tf.losses.meanSquaredError', tf.losses.meanSquaredError, 'linear', normal],
    ['tf.losses.hingeLoss', tf.losses.hingeLoss, 'linear', bits],
    ['tf.losses.huberLoss', tf.losses.huberLoss, 'linear', normal],
    ['tf.losses.logLoss', tf.losses.logLoss, 'sigmoid', bits],
    ['tf.losses.sigmoidCrossEntropy', tf.losses.sigmoidCrossEntropy, 'linear', bits],
    ['tf.losses.softmaxCrossEntropy', tf.losses.softmaxCrossEntropy, 'linear', hot],
    ['tf.metrics.meanAbsoluteError', tf.metrics.meanAbsoluteError, 'linear', normal],
  ])('a loss is that of TensorFlow.js: %s on %#', async (name, given, activation, targets) => {
    const [x, y] = [normal([20, 4], 1), targets([20, 3], 2)];
    const make = () => {
      const model = tf.sequential({
        layers: [L.dense({ units: 3, activation, inputShape: [4], kernelInitializer: glorot(1) })],
      });
      model.compile({ optimizer: tf.train.sgd(0.01), loss: (given ?? name) as string });
      return model;
    };
    const { stock, fast } = await both(make, async (trained) => {
      const { losses } = await lossesOf(trained, x, y, { batchSize: 10, epochs: 2, shuffle: false });
      const value = (await trained.evaluate(x, y)) as tf.Scalar;
      losses.push(...value.dataSync());
      value.dispose();
      return losses;
    });
    const scale = Math.max(1, ...stock.result.map(Math.abs));
    expect(apart(fast.result, stock.result) / scale).toBeLessThan(1e-5);
    expect(apart(fast.weights, stock.weights)).toBeLessThan(1e-5 * scale);
    tf.dispose([x, y]);
  });

  it('weighted by classes, and by samples', async () => {
    const [x, y] = [normal([40, 8], 1), oneHot(40, 3, 2)];
    const make = () => {
      const model = denseModel();
      model.compile({ optimizer: tf.train.sgd(0.1), loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
      return model;
    };
    const classWeight = { 0: 1, 1: 5, 2: 0.2 };
    const { stock, fast } = await both(make, (trained) =>
      lossesOf(trained, x, y, { classWeight, epochs: 3, batchSize: 16, validationSplit: 0.25 }),
    );
    expect(apart(fast.result.losses, stock.result.losses)).toBeLessThan(1e-5);
    expect(apart(Object.values(fast.result.history), Object.values(stock.result.history))).toBeLessThan(1e-5);

    // A weight for each sample is that of its class here.
    const sampleWeight = tf.tidy(() => tf.tensor1d([1, 5, 0.2]).gather(y.argMax(1).toInt()));
    const byClass = await both(make, (trained) => lossesOf(trained, x, y, { classWeight, shuffle: false }));
    const bySample = await both(make, (trained) =>
      isFast(trained)
        ? lossesOf(trained, x, y, { sampleWeight, shuffle: false })
        : lossesOf(trained, x, y, { classWeight, shuffle: false }),
    );
    expect(apart(bySample.fast.result.losses, byClass.fast.result.losses)).toBe(0);
    tf.dispose([x, y, sampleWeight]);
  });
});

describe('random numbers', () => {
  it('are those of tf.randomUniform with the same seed', () => {
    for (const seed of ['7', '0.123', 'words']) {
      const uniform = alea(seed);
      const own = Float32Array.from({ length: 50 }, () => uniform());
      expect([...own]).toEqual([...tf.randomUniform([50], 0, 1, 'float32', seed).dataSync()]);
    }
  });

  it('are those of tf.randomNormal with the same seed', () => {
    for (const count of [1, 8, 51]) {
      const own = new Float32Array(count);
      fillNormal(own, alea('3'), { mean: 0.5, deviation: 2 });
      expect([...own]).toEqual([...tf.randomNormal([count], 0.5, 2, 'float32', 3).dataSync()]);
    }
  });
});
