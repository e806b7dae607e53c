import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { bfgs, lbfgs, minimize, minimizeAsync } from 'quasi-newton';
import {
  fitFullBatch,
  fitFullBatchAsync,
  LBFGSOptimizer,
  modelProblem,
  modelProblemAsync,
  optfuns,
  optfunsAsync,
  tfParams,
} from 'quasi-newton/tfjs';
import { backends, expectNoLeak, sineData, sineModel, useBackend, variable, variablesOf } from './harness.ts';

/** A backend that answers later, as webgpu does. */
function forbidSyncReads() {
  return vi.spyOn(tf.Tensor.prototype, 'dataSync').mockImplementation(() => {
    throw new Error('OffscreenCanvas is not defined');
  });
}

describe.each(backends)('on %s', (backend) => {
  beforeEach(() => useBackend(backend));
  afterEach(() => void vi.restoreAllMocks());

  it('the asynchronous path takes the same steps bit for bit', () =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const [model, twin] = [sineModel(3), sineModel(3)];
      for (const each of [model, twin]) each.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const now = minimize(modelProblem(model, x, y, { batchSize: 40 }), bfgs(), { maxIterations: 30 });
      forbidSyncReads();
      const problem = await modelProblemAsync(twin, x, y, { batchSize: 40 });
      const later = await minimizeAsync(problem, bfgs(), { maxIterations: 30 });
      expect(later.trace.map(({ f }) => f)).toEqual(now.trace.map(({ f }) => f));
      expect(later.x).toEqual(now.x);
      expect(await problem.params.read(problem.params.zeros())).toEqual(now.x);
      model.dispose();
      twin.dispose();
      tf.dispose([x, y]);
    }));

  it('fitFullBatchAsync trains as fitFullBatch does', () =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const [model, twin] = [sineModel(4), sineModel(4)];
      for (const each of [model, twin]) each.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const now = fitFullBatch(model, x, y, { maxIterations: 10 });
      const later = await fitFullBatchAsync(twin, x, y, { maxIterations: 10 });
      expect(later.history.loss).toEqual(now.history.loss);
      model.dispose();
      twin.dispose();
      tf.dispose([x, y]);
    }));

  it('optfunsAsync has the functions of optfuns', () =>
    expectNoLeak(async () => {
      const [w, unused] = [variable(tf.tensor1d([3, -4])), variable(tf.scalar(1))];
      const loss = () => w.square().sum();
      const { lossfun, gradfun, p0 } = await optfunsAsync(loss, [w, unused]);
      expect([...p0]).toEqual([3, -4, 1]);
      expect(await lossfun([1, 2, 3])).toBe(5);
      expect([...(await gradfun([1, 2, 3]))]).toEqual([2, 4, 0]);
      await expect(gradfun([1, 2, 3], new Float64Array(2))).rejects.toThrow(/length 2; it must be 3/);
      tf.dispose([w, unused]);
    }));

  it('a loss that throws leaves nothing behind', () =>
    expectNoLeak(async () => {
      const w = variable(tf.ones([3]));
      const fault = new Error('in the loss');
      let evaluations = 0;
      const failing = () => {
        const value = w.square().sum();
        if (++evaluations === 2) throw fault;
        return value;
      };
      await expect(minimizeAsync(await optfunsAsync(failing, [w]), lbfgs())).rejects.toBe(fault);
      await expect(optfunsAsync(3 as unknown as () => tf.Scalar, [w])).rejects.toThrow(/must be a function/);
      const vector = await optfunsAsync(() => w.square(), [w]);
      await expect(minimizeAsync(vector, lbfgs())).rejects.toThrow(/scalar.*shape \[3\]/);
      w.dispose();
    }));
});

describe('on a backend that answers later, what reads at once', () => {
  beforeEach(() => useBackend('cpu'));
  afterEach(() => void vi.restoreAllMocks());

  it.each([
    ['an optimizer', (w: tf.Variable) => new LBFGSOptimizer().minimize(() => w.square().sum(), false, [w])],
    ['optfuns', (w: tf.Variable) => optfuns(() => w.square().sum(), [w])],
    ['a set', (w: tf.Variable) => tfParams([w]).copyInto(new Float64Array(3))],
  ])('%s says what to use instead, and leaks nothing', (_name, use) =>
    expectNoLeak(() => {
      const w = variable(tf.ones([3]));
      forbidSyncReads();
      expect(() => use(w)).toThrow(/"cpu" cannot be read synchronously.*optfunsAsync.*fitFullBatchAsync/);
      vi.restoreAllMocks();
      expect([...w.dataSync()]).toEqual([1, 1, 1]);
      w.dispose();
    }),
  );
});

it('minimize takes a list of variables read as the model has them', async () => {
  await useBackend('cpu');
  const model = sineModel();
  const params = tfParams(variablesOf(model));
  expect(await params.read(params.zeros())).toEqual(params.copyInto(params.zeros()));
  await expect(params.read(new Float64Array(2))).rejects.toThrow(/length 2; it must be 46/);
  model.dispose();
});
