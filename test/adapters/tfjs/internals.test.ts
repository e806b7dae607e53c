/**
 * The private parts of TensorFlow.js that the adapter touches. Where one of these fails after an update of
 * tfjs, `src/adapters/tfjs/internals/` has to follow.
 */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { inPlaceWriter } from '../../../src/adapters/tfjs/internals/wasmHeap.ts';
import { useBackend } from './harness.ts';

type Private = Record<string, unknown>;

describe('tfjs still has', () => {
  beforeAll(() => useBackend('cpu'));

  it.each([
    ['a Sequential', () => tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] })],
    [
      'a LayersModel',
      () => {
        const input = tf.input({ shape: [1] });
        return tf.model({
          inputs: input,
          outputs: tf.layers.dense({ units: 1 }).apply(input) as tf.SymbolicTensor,
        });
      },
    ],
  ])('what trains %s', (_name, make: () => tf.LayersModel) => {
    const model = make();
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: ['mae'] });
    const inner = ((model as unknown as Private).model ?? model) as Private;
    expect(inner.optimizer_).toBe(model.optimizer);
    expect(inner.metricsTensors).toHaveLength(1);
    expect(inner.makeTrainFunction).toBeTypeOf('function');
    expect(inner.standardizeUserDataXY).toBeTypeOf('function');
    expect(inner.layers).toBeInstanceOf(Array);
    model.dispose();
  });

  it('what fit of a model works with', () => {
    const input = tf.input({ shape: [2] });
    const layer = tf.layers.dense({ units: 1, kernelRegularizer: 'l1l2' });
    const outputs = layer.apply(input) as tf.SymbolicTensor;
    const model = tf.model({ inputs: input, outputs });
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: ['mae'] });
    const own = model as unknown as Private;
    expect(own.isTraining).toBe(false);
    model.stopTraining = true;
    expect(own.stopTraining_).toBe(true);
    expect([own.loss, own.metricsNames]).toEqual(['meanSquaredError', ['loss', 'mae']]);
    expect([own.lossFunctions, own.collectedTrainableWeights]).toMatchObject([{ length: 1 }, { length: 2 }]);
    expect(own.checkTrainableWeightsConsistency).toBeTypeOf('function');
    expect(own.containerNodes).toContain(`${layer.name}_ib-0`);
    expect((layer as unknown as Private).losses).toHaveLength(1);
    expect(layer.getConfig().kernelRegularizer).toMatchObject({ className: 'L1L2', config: { l1: 0.01 } });
    model.dispose();
  });

  it.each([
    ['accumulations', () => tf.train.momentum(0.1, 0.9)],
    ['accumulatedFirstMoment accumulatedSecondMoment accBeta1 accBeta2', () => tf.train.adam()],
    ['accumulatedFirstMoment accumulatedWeightedInfNorm accBeta1 iteration', () => tf.train.adamax()],
    ['accumulatedGrads', () => tf.train.adagrad(0.1)],
    ['accumulatedMeanSquares accumulatedMoments', () => tf.train.rmsprop(0.1)],
    ['accumulatedMeanSquares accumulatedMeanGrads', () => tf.train.rmsprop(0.1, 0.9, 0, 1e-7, true)],
    ['accumulatedGrads accumulatedUpdates', () => tf.train.adadelta()],
  ])('%s in an optimizer', (fields, make: () => tf.Optimizer) => {
    const optimizer = make() as tf.Optimizer & { iterations_?: number };
    const weight = tf.variable(tf.tensor1d([1, 2]));
    optimizer.minimize(() => weight.square().sum(), false, [weight]);
    for (const name of fields.split(' ')) {
      const field = (optimizer as unknown as Private)[name];
      const [slot] = Array.isArray(field) ? (field as { variable: tf.Variable }[]) : [{ variable: field }];
      expect(slot.variable).toBeInstanceOf(tf.Variable);
    }
    expect(optimizer.iterations).toBe(1);
    tf.dispose(weight);
    optimizer.dispose();
  });

  it('states and kept states in stateful RNNs', () => {
    const layer = tf.layers.lstm({ units: 2, stateful: true, batchInputShape: [1, 2, 3] });
    const model = tf.sequential({ layers: [layer] });
    const rnn = layer as unknown as Private;
    expect(rnn.states_).toHaveLength(2);
    expect(rnn.keptStates).toEqual([]);
    model.dispose();
  });

  it('momentum and moving statistics in BatchNormalization', () => {
    const layer = tf.layers.batchNormalization({ momentum: 0.9, inputShape: [2] });
    const model = tf.sequential({ layers: [layer] });
    const norm = layer as unknown as Private;
    expect(norm.momentum).toBe(0.9);
    expect([norm.movingMean, norm.movingVariance]).toEqual(layer.nonTrainableWeights);
    model.dispose();
  });

  it('scopes and a tape in the engine', () => {
    const { state } = tf.engine() as unknown as { state: Private };
    expect(state.activeScope).toBeNull();
    tf.tidy(() => tf.grad((x) => x.square())(tf.scalar(1)));
    expect(state.activeTape).toBeNull();
    expect(state.gradientDepth).toBe(0);
    tf.tidy(() => {
      const kept = tf.keep(tf.scalar(1)) as tf.Tensor & Private;
      const scope = state.activeScope as Private;
      expect(scope.track).toContain(kept);
      expect([kept.kept, kept.scopeId]).toEqual([true, scope.id]);
      kept.dispose();
    });
  });

  it('gradients, custom gradients and ids of tensors in the engine', () => {
    const engine = tf.engine() as unknown as Private & { constructor: Private };
    expect([typeof engine.gradients, typeof engine.customGrad]).toEqual(['function', 'function']);
    const before = engine.constructor.nextTensorId as number;
    const scalar = tf.scalar(1);
    expect(scalar.id).toBe(before);
    expect(engine.constructor.nextTensorId).toBe(before + 1);
    scalar.dispose();
  });

  it('the memory of the wasm backend, with how many hold the data of a tensor', async () => {
    await useBackend('wasm');
    const backend = tf.backend();
    expect(inPlaceWriter(backend)).toBeTypeOf('function');
    const { wasm, dataIdMap } = backend as unknown as { wasm: Private; dataIdMap: Map<object, Private> };
    const x = tf.tensor1d([1, 2, 3]);
    const data = dataIdMap.get(x.dataId)!;
    expect(data.refCount).toBe(1);
    const { buffer } = wasm.HEAPU8 as Uint8Array;
    expect([...new Float32Array(buffer, data.memoryOffset as number, 3)]).toEqual([1, 2, 3]);
    const column = x.reshape([3, 1]);
    expect(data.refCount).toBe(2);
    tf.dispose([x, column]);
    await useBackend('cpu');
    expect(inPlaceWriter()).toBeNull();
    // Where a part is gone, variables are written in the public way.
    expect(inPlaceWriter({ wasm: { ...wasm, tfjs: {} }, dataIdMap })).toBeNull();
  });

  it('a constraint on its weights', () => {
    const model = tf.sequential({
      layers: [tf.layers.dense({ units: 1, inputShape: [1], kernelConstraint: 'nonNeg' })],
    });
    expect(model.trainableWeights.map(({ constraint }) => constraint?.getClassName())).toEqual([
      'NonNeg',
      undefined,
    ]);
    model.dispose();
  });
});
