import * as tf from '@tensorflow/tfjs';
import { beforeEach, describe, expect, it } from 'vitest';
import { flatten, tfGrads, tfParams } from 'quasi-newton/tfjs';
import { backends, expectNoLeak, sineModel, useBackend, variable } from './harness.ts';

describe.each(backends)('tfParams on %s', (backend) => {
  beforeEach(() => useBackend(backend));

  it('reads and writes variables in their order', () =>
    expectNoLeak(() => {
      const w = variable(
        tf.tensor2d([
          [1, 2],
          [3, 4],
        ]),
        `w-${backend}`,
      );
      const b = variable(tf.scalar(5), `b-${backend}`);
      const params = tfParams([w, b]);
      const vector = params.copyInto(params.zeros());
      expect([...vector]).toEqual([1, 2, 3, 4, 5]);
      params.copyFrom(vector.map((p) => 2 * p));
      expect([...w.dataSync(), ...b.dataSync()]).toEqual([2, 4, 6, 8, 10]);
      expect(w.shape).toEqual([2, 2]);
      expect(params.layout.tensors.map(({ name, offset, size }) => [name, offset, size])).toEqual([
        [w.name, 0, 4],
        [b.name, 4, 1],
      ]);
      tf.dispose([w, b]);
    }));

  it('copies: later changes of the vector do not reach the variables', () =>
    expectNoLeak(() => {
      const w = variable(tf.zeros([3]));
      const params = tfParams([w]);
      const vector = Float64Array.of(1, 2, 3);
      params.copyFrom(vector);
      vector.fill(9);
      const read = params.copyInto(params.zeros());
      expect([...read]).toEqual([1, 2, 3]);
      read.fill(7);
      expect([...w.dataSync()]).toEqual([1, 2, 3]);
      w.dispose();
    }));

  it('separates two variables that share their data', () =>
    expectNoLeak(() => {
      const start = tf.zeros([2]);
      const a = tf.variable(start);
      const b = tf.variable(start);
      tfParams([a]).copyFrom([1, 2]);
      expect([...b.dataSync(), ...start.dataSync()]).toEqual([0, 0, 0, 0]);
      tf.dispose([a, b, start]);
    }));

  it('leaves clones and reshapes that somebody keeps as they are', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([1, 2, 3, 4]));
      const params = tfParams([w]);
      params.copyFrom([5, 6, 7, 8]);
      const clone = w.clone();
      params.copyFrom([0, 0, 0, 0]);
      const matrix = w.reshape([2, 2]);
      const values = w.dataSync();
      params.copyFrom([9, 9, 9, 9]);
      params.copyFrom([10, 11, 12, 13]);
      expect([...clone.dataSync()]).toEqual([5, 6, 7, 8]);
      expect([...matrix.dataSync(), ...values]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
      expect([...w.dataSync()]).toEqual([10, 11, 12, 13]);
      tf.dispose([w, clone, matrix]);
    }));

  it('leaves no kernel with old weights: products and convolutions equal those of a new model', () =>
    expectNoLeak(() => {
      const x = tf.randomNormal([3, 6, 6, 2], 0, 1, 'float32', 1);
      const made = () =>
        tf.sequential({
          layers: [
            tf.layers.conv2d({ filters: 4, kernelSize: 3, activation: 'relu', inputShape: [6, 6, 2] }),
            tf.layers.separableConv2d({ filters: 3, kernelSize: 2 }),
            tf.layers.flatten(),
            tf.layers.dense({ units: 5, activation: 'tanh' }),
            tf.layers.dense({ units: 2 }),
          ],
        });
      const output = (model: tf.Sequential) =>
        tf.tidy(() => [...(model.predictOnBatch(x) as tf.Tensor).dataSync()]);
      const model = made();
      const params = tfParams(model);
      for (const scale of [0.3, 1, 0.5]) {
        const vector = Float64Array.from({ length: params.length }, (_, i) => scale * Math.sin(7 * i));
        params.copyFrom(vector);
        const fresh = made();
        const weights = fresh.trainableWeights.map(({ shape }, i) => {
          const { offset, size } = params.layout.tensors[i];
          return tf.tensor(Float32Array.from(vector.subarray(offset, offset + size)), shape as number[]);
        });
        fresh.setWeights(weights);
        expect(output(model)).toEqual(output(fresh));
        tf.dispose(weights);
        fresh.dispose();
      }
      model.dispose();
      x.dispose();
    }));

  it('allocates nothing for new values, once it has its variables for itself', () =>
    expectNoLeak(() => {
      const w = variable(tf.zeros([100]));
      const params = tfParams([w]);
      const { dataId } = w;
      params.copyFrom(params.zeros());
      expect(w.dataId === dataId).toBe(backend === 'wasm');
      w.dispose();
    }));

  it('finds the variables again when the memory of the backend has grown', () =>
    expectNoLeak(() => {
      const w = variable(tf.zeros([2]));
      const shared = tf.zeros([3_000_000]);
      // Not its alone: it gets new data, between those that are written in place.
      const big = tf.variable(shared);
      const last = variable(tf.zeros([2]));
      const params = tfParams([w, big, last]);
      for (let k = 1; k < 4; k++) {
        const block = tf.zeros([20_000_000 * k]);
        params.copyFrom(params.zeros().fill(k));
        const read = params.copyInto(params.zeros());
        expect([read[0], read[2], read[read.length - 1]]).toEqual([k, k, k]);
        block.dispose();
      }
      expect(tf.tidy(() => shared.max().dataSync()[0])).toBe(0);
      tf.dispose([w, big, last, shared]);
    }));

  it('takes the trainable weights of a model, with their roles', () =>
    expectNoLeak(() => {
      const model = sineModel();
      const { length, layout } = tfParams(model);
      expect(length).toBe(46);
      expect(layout.tensors.map(({ role }) => role?.kind)).toEqual([
        'weight',
        'bias',
        'weight',
        'bias',
        'weight',
        'bias',
      ]);
      model.dispose();
    }));
});

describe('tfParams', () => {
  it('writes variables that live on another backend than the one in use', async () => {
    await useBackend('cpu');
    const w = variable(tf.tensor1d([1, 2]));
    await useBackend('wasm');
    const params = tfParams([w]);
    params.copyFrom([3, 4]);
    params.copyFrom([5, 6]);
    expect([...w.dataSync()]).toEqual([5, 6]);
    expect([...tf.tidy(() => w.square().dataSync())]).toEqual([25, 36]);
    w.dispose();
  });
});

describe('tfParams refuses', () => {
  it('an empty list, other things, other dtypes, disposed and doubled variables, naming all', () =>
    expectNoLeak(() => {
      const good = variable(tf.zeros([2]));
      const counts = variable(tf.zeros([2], 'int32'), 'counts');
      const gone = variable(tf.zeros([2]), 'gone');
      gone.dispose();
      expect(() => tfParams([])).toThrow(RangeError);
      expect(() => tfParams([])).toThrow(/no variables/);
      const wrong = [good, good, counts, gone, 3] as tf.Variable[];
      expect(() => tfParams(wrong)).toThrow(
        /comes twice[^]*counts[^]*int32[^]*gone[^]*disposed[^]*\[4\] is 3/,
      );
      tf.dispose([good, counts]);
    }));

  it('vectors of another length, and leaves the variables as they were', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([1, 2]));
      const params = tfParams([w]);
      expect(() => params.copyFrom([1, 2, 3])).toThrow(/has length 3; it must be 2/);
      expect(() => params.copyInto(new Float64Array(1))).toThrow(/has length 1; it must be 2/);
      expect([...w.dataSync()]).toEqual([1, 2]);
      w.dispose();
    }));

  it('refuses variables that were disposed of after the set was made', () =>
    expectNoLeak(() => {
      const w = variable(tf.zeros([2]), 'lost');
      const params = tfParams([w]);
      w.dispose();
      expect(() => params.copyFrom([1, 2])).toThrow(/"lost" is disposed/);
      expect(() => params.copyInto(params.zeros())).toThrow(/"lost" is disposed/);
    }));
});

describe('tfGrads', () => {
  it('has zeros for a variable that the loss does not depend on', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([3, -4]));
      const unused = variable(tf.ones([2]));
      const params = tfParams([unused, w]);
      const { value, grads } = tf.variableGrads(() => w.square().sum());
      const vector = new Float64Array(4).fill(9);
      expect([...tfGrads(grads, params).copyInto(vector)]).toEqual([0, 0, 6, -8]);
      tf.dispose([value, ...Object.values(grads), w, unused]);
    }));

  it('refuses a gradient of another shape', () =>
    expectNoLeak(() => {
      const w = variable(tf.zeros([2]), 'shaped');
      const wrong = tf.zeros([3]);
      expect(() => tfGrads({ shaped: wrong }, tfParams([w]))).toThrow(/"shaped" has shape \[3\].*\[2\]/);
      tf.dispose([w, wrong]);
    }));
});

describe('flatten', () => {
  it('gives tensors back as tensors of their shape and dtype', () =>
    expectNoLeak(() => {
      const tree = { kernel: tf.ones([2, 2]), counts: tf.tensor1d([1, 2], 'int32'), scale: 3 };
      const { vector, unflatten } = flatten(tree);
      expect([...vector]).toEqual([1, 1, 1, 1, 1, 2, 3]);
      const doubled = unflatten(vector.map((v) => 2 * v));
      expect(doubled.kernel.arraySync()).toEqual([
        [2, 2],
        [2, 2],
      ]);
      expect(doubled.counts.dtype).toBe('int32');
      expect(doubled.scale).toBe(6);
      tf.dispose([tree.kernel, tree.counts, doubled.kernel, doubled.counts]);
    }));
});
