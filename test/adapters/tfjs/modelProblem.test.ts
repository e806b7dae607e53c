import * as tf from '@tensorflow/tfjs';
import { beforeEach, describe, expect, it } from 'vitest';
import { bfgs, lbfgs, minimize } from 'quasi-newton';
import { fitFullBatch, fitFullBatchAsync, modelProblem, optfuns, tfParams } from 'quasi-newton/tfjs';
import {
  backends,
  centralDifferences,
  expectNoLeak,
  glorot,
  relativeDifference,
  sineData,
  sineModel,
  useBackend,
  weightsOf,
} from './harness.ts';

/** Two inputs, two outputs with losses and weights of their own, and a regularizer. */
function forkedModel(): tf.LayersModel {
  const a = tf.input({ shape: [3], name: 'a' });
  const b = tf.input({ shape: [2], name: 'b' });
  const joined = tf.layers.concatenate().apply([a, b]);
  const hidden = tf.layers
    .dense({ units: 4, activation: 'tanh', kernelInitializer: glorot(1), kernelRegularizer: 'l1l2' })
    .apply(joined);
  const mean = tf.layers.dense({ units: 1, name: 'mean', kernelInitializer: glorot(2) }).apply(hidden);
  const kind = tf.layers
    .dense({ units: 2, name: 'kind', activation: 'softmax', kernelInitializer: glorot(3) })
    .apply(hidden);
  const outputs = [mean, kind] as tf.SymbolicTensor[];
  const model = tf.model({ inputs: [a, b], outputs });
  model.compile({
    optimizer: 'sgd',
    loss: ['meanSquaredError', 'categoricalCrossentropy'],
    metrics: ['mae'],
  });
  return model;
}

function forkedData() {
  return {
    x: [tf.randomNormal([12, 3], 0, 1, 'float32', 5), tf.randomNormal([12, 2], 0, 1, 'float32', 6)],
    y: [
      tf.randomNormal([12, 1], 0, 1, 'float32', 7),
      tf.tidy(() => tf.oneHot(tf.tensor1d([0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0], 'int32'), 2).toFloat()),
    ],
  };
}

describe.each(backends)('modelProblem on %s', (backend) => {
  beforeEach(() => useBackend(backend));

  it('is the loss that fit reports, regularizers included, for several inputs and outputs', () =>
    expectNoLeak(async () => {
      const model = forkedModel();
      const { x, y } = forkedData();
      const problem = modelProblem(model, x, y);
      const f = problem.lossfun(problem.p0);
      const { history } = await model.fit(x, y, { batchSize: 12, epochs: 1, verbose: 0 });
      expect(f).toBeCloseTo(history.loss[0] as number, 6);
      model.optimizer.dispose();
      model.dispose();
      tf.dispose([x, y]);
    }));

  it('has the gradient that central differences give', () =>
    expectNoLeak(() => {
      const model = forkedModel();
      const { x, y } = forkedData();
      const { gradfun, lossfun, p0 } = modelProblem(model, x, y);
      expect(relativeDifference(gradfun(p0), centralDifferences(lossfun, p0, 1e-2), 0.1)).toBeLessThan(2e-3);
      model.dispose();
      tf.dispose([x, y]);
    }));

  it('adds up to the same in parts', () =>
    expectNoLeak(() => {
      const model = sineModel();
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const { x, y } = sineData();
      const whole = modelProblem(model, x, y);
      const parts = modelProblem(model, x, y, { batchSize: 33 });
      expect(parts.lossfun(parts.p0)).toBeCloseTo(whole.lossfun(whole.p0), 6);
      expect(relativeDifference(parts.gradfun(parts.p0), whole.gradfun(whole.p0))).toBeLessThan(1e-5);
      model.dispose();
      tf.dispose([x, y]);
    }));

  it('is minimized, and the model holds the result', () =>
    expectNoLeak(() => {
      const model = sineModel(3);
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const { x, y } = sineData();
      const problem = modelProblem(model, x, y);
      const result = minimize(problem, bfgs(), { maxIterations: 300 });
      expect(result.f).toBeLessThan(1e-4);
      expect(problem.params.copyInto(problem.params.zeros())).toEqual(result.x);
      model.dispose();
      tf.dispose([x, y]);
    }));
});

describe('fitFullBatch', () => {
  beforeEach(() => useBackend('cpu'));

  it('tells the run by columns, the start first', () =>
    expectNoLeak(() => {
      const model = sineModel();
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: ['mae'] });
      const { x, y } = sineData();
      const result = fitFullBatch(model, x, y, { maxIterations: 20, solver: lbfgs() });
      const { loss, gradientNorm, evaluations, seconds } = result.history;
      expect([loss, gradientNorm, evaluations, seconds].map(({ length }) => length)).toEqual([
        21, 21, 21, 21,
      ]);
      expect(Math.min(...loss)).toBe(result.f);
      expect(String(result)).toMatch(/L-BFGS/);
      model.dispose();
      tf.dispose([x, y]);
    }));
});

describe('data of one axis', () => {
  beforeEach(() => useBackend('cpu'));

  it('count as columns, and leave no tensor behind', () =>
    expectNoLeak(async () => {
      const model = sineModel();
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const { x, y } = sineData();
      const [x1, y1] = [x.flatten(), y.flatten()];
      const column = modelProblem(model, x, y);
      const flat = modelProblem(model, x1, y1);
      expect(flat.fg(flat.p0, null)).toBe(column.fg(column.p0, null));
      flat.dispose();
      column.dispose();
      expect(x.isDisposed || y.isDisposed).toBe(false);
      fitFullBatch(model, x1, y1, { maxIterations: 2 });
      await fitFullBatchAsync(model, x1, y1, { maxIterations: 2 });
      const stop = {
        maxIterations: 2,
        callback: () => {
          throw new Error('stop');
        },
      };
      expect(() => fitFullBatch(model, x1, y1, stop)).toThrow('stop');
      model.dispose();
      tf.dispose([x, y, x1, y1]);
    }));
});

describe('modelProblem refuses', () => {
  beforeEach(() => useBackend('cpu'));

  it('a model that is not compiled', () =>
    expectNoLeak(() => {
      const model = sineModel();
      const { x, y } = sineData();
      expect(() => modelProblem(model, x, y)).toThrow(/not compiled; call model.compile/);
      model.dispose();
      tf.dispose([x, y]);
    }));

  it('a model that is frozen altogether', () =>
    expectNoLeak(() => {
      const model = sineModel();
      const { x, y } = sineData();
      for (const layer of model.layers) layer.trainable = false;
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      expect(() => modelProblem(model, x, y)).toThrow(/^modelProblem: the model has no trainable weights/);
      model.dispose();
      tf.dispose([x, y]);
    }));

  it('data of the wrong shape, in the words of tfjs, the model as it was', () =>
    expectNoLeak(() => {
      const model = sineModel();
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const before = weightsOf(model);
      const { x, y } = sineData();
      const [wide, short] = [tf.zeros([100, 2]), tf.zeros([99, 1])];
      expect(() => modelProblem(model, wide, y)).toThrow(/shape/);
      expect(() => modelProblem(model, x, wide)).toThrow(/shape/);
      expect(() => modelProblem(model, x, short)).toThrow(/number of samples/);
      expect(weightsOf(model)).toEqual(before);
      model.dispose();
      tf.dispose([x, y, wide, short]);
    }));

  it('data that are disposed, then and later', () =>
    expectNoLeak(() => {
      const model = sineModel();
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const { x, y } = sineData();
      for (const options of [{}, { batchSize: 30 }]) {
        const data = tf.clone(x);
        const problem = modelProblem(model, data, y, options);
        data.dispose();
        expect(() => minimize(problem, lbfgs())).toThrow(/modelProblem: x or y is disposed/);
        expect(() => modelProblem(model, data, y, options)).toThrow(/modelProblem: x or y is disposed/);
      }
      model.dispose();
      tf.dispose([x, y]);
    }));

  it('no samples, no data and no model', () =>
    expectNoLeak(() => {
      const model = sineModel();
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const [none, one] = [tf.zeros([0, 1]), tf.ones([1, 1])];
      expect(() => modelProblem(model, none, none)).toThrow(/modelProblem: x has no samples/);
      expect(() => modelProblem(model, [[1]] as never, none)).toThrow(/x must be a tensor.*got Array\(1\)/);
      expect(() => modelProblem(model, one, undefined as never)).toThrow(/y must be a tensor.*got undefined/);
      expect(() => modelProblem(undefined as never, none, none)).toThrow(
        /must be a tf.LayersModel, got undefined/,
      );
      expect(() => tfParams(undefined as never)).toThrow(
        /source must be variables or a model, got undefined/,
      );
      expect(() => optfuns(() => tf.scalar(1), 3 as never)).toThrow(
        /source must be variables or a model, got 3/,
      );
      model.dispose();
      tf.dispose([none, one]);
    }));

  it('unknown and wrongly typed options, all at once', () =>
    expectNoLeak(() => {
      const model = sineModel();
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const { x, y } = sineData();
      const wrong = { batchSize: 0, batches: 3 } as object;
      expect(() => modelProblem(model, x, y, wrong)).toThrow(/batchSize.*≥ 1[^]*batches: no such option/);
      model.dispose();
      tf.dispose([x, y]);
    }));
});
