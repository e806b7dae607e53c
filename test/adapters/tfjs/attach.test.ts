import * as tf from '@tensorflow/tfjs';
import { beforeEach, describe, expect, it } from 'vitest';
import { attach, BFGSOptimizer, fitFullBatch, LBFGSOptimizer, modelProblem } from 'quasi-newton/tfjs';
import { backends, expectNoLeak, glorot, sineData, sineModel, useBackend, weightsOf } from './harness.ts';

/** Kernels held in check: none below 0, columns of norm 1 at most, and exactly 1. */
function constrainedModel(): tf.Sequential {
  return tf.sequential({
    layers: [
      layer(6, 1, tf.constraints.nonNeg(), { activation: 'tanh', inputShape: [1] }),
      layer(6, 2, tf.constraints.maxNorm({ maxValue: 1, axis: 0 }), { activation: 'tanh' }),
      layer(1, 3, tf.constraints.unitNorm({ axis: 0 })),
    ],
  });
}

function layer(units: number, seed: number, kernelConstraint: Constraint, rest = {}): tf.layers.Layer {
  return tf.layers.dense({ units, kernelConstraint, kernelInitializer: glorot(seed), ...rest });
}

type Constraint = ReturnType<typeof tf.constraints.nonNeg>;

const columnNorms = (weight: tf.Tensor) =>
  tf.tidy(() => Array.from(weight.square().sum(0).sqrt().dataSync()));

describe.each(backends)('constraints on %s', (backend) => {
  beforeEach(() => useBackend(backend));

  it.each([1, 5])('hold after each call of %i iterations, and the loss falls', (maxIterations) =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const model = constrainedModel();
      const optimizer = new LBFGSOptimizer({ maxIterations }).attach(model);
      model.compile({ optimizer, loss: 'meanSquaredError' });
      const violations: number[] = [];
      const callbacks = {
        onBatchEnd() {
          const [nonNegative, , bounded, , unit] = model.getWeights();
          violations.push(
            Math.max(0, ...Array.from(nonNegative.dataSync(), (w) => -w)),
            Math.max(0, ...columnNorms(bounded).map((norm) => norm - 1)),
            ...columnNorms(unit).map((norm) => Math.abs(norm - 1)),
          );
        },
      };
      const args = { batchSize: 100, epochs: 40, verbose: 0, callbacks };
      const { history } = await model.fit(x, y, args);
      expect(Math.max(...violations)).toBeLessThan(1e-5);
      const rises = history.loss.slice(1).map((loss, i) => (loss as number) - (history.loss[i] as number));
      expect(Math.max(...rises)).toBeLessThan(1e-6);
      expect(history.loss.at(-1) as number).toBeLessThan(0.5 * (history.loss[0] as number));
      model.dispose();
      tf.dispose([x, y]);
    }),
  );
});

describe('constraints', () => {
  beforeEach(() => useBackend('cpu'));

  it('that hold already cost no evaluation', () =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const evaluations = [false, true].map(async (constraints) => {
        const model = tf.sequential({
          layers: [
            tf.layers.dense({
              units: 8,
              activation: 'tanh',
              inputShape: [1],
              kernelInitializer: glorot(4),
              kernelConstraint: tf.constraints.maxNorm({ maxValue: 100 }),
            }),
            tf.layers.dense({ units: 1, kernelInitializer: glorot(5) }),
          ],
        });
        const optimizer = new LBFGSOptimizer({ fullBatch: true }).attach(model, { constraints });
        model.compile({ optimizer, loss: 'meanSquaredError' });
        const { history } = await model.fit(x, y, { batchSize: 100, epochs: 20, verbose: 0, shuffle: false });
        const left = [history.evaluations, weightsOf(model)];
        model.dispose();
        return left;
      });
      const [without, within] = await Promise.all(evaluations);
      expect(within).toEqual(without);
      tf.dispose([x, y]);
    }));

  it('are refused by modelProblem, which cannot keep them, unless they are to be ignored', () =>
    expectNoLeak(() => {
      const { x, y } = sineData();
      const model = constrainedModel();
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      expect(() => modelProblem(model, x, y)).toThrow(/"dense_.*kernel".*must keep a constraint.*'ignore'/);
      const { f } = fitFullBatch(model, x, y, { constraints: 'ignore', maxIterations: 3 });
      expect(f).toBeLessThan(1);
      model.dispose();
      tf.dispose([x, y]);
    }));
});

describe('logs', () => {
  beforeEach(() => useBackend('cpu'));

  it('carry loss, gradient norm, step and evaluations, in batches, epochs and the history', () =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const model = sineModel();
      const optimizer = new LBFGSOptimizer();
      model.compile({ optimizer, loss: 'meanSquaredError', metrics: ['mae'] });
      optimizer.attach(model);
      const batches: tf.Logs[] = [];
      const epochs: tf.Logs[] = [];
      const callbacks = {
        onBatchEnd: (_batch: number, logs?: tf.Logs) => void batches.push({ ...logs }),
        onEpochEnd: (_epoch: number, logs?: tf.Logs) => void epochs.push({ ...logs }),
      };
      const args = {
        batchSize: 25,
        epochs: 3,
        verbose: 0,
        callbacks,
        validationData: [x, y] as [tf.Tensor, tf.Tensor],
      };
      const { history } = await model.fit(x, y, args);
      const names = ['loss', 'mae', 'gradientNorm', 'step', 'evaluations'];
      for (const logs of [...batches, ...epochs]) {
        expect(Object.keys(logs)).toEqual(expect.arrayContaining(names));
        for (const name of names) expect(logs[name]).toBeTypeOf('number');
      }
      expect(batches).toHaveLength(12);
      const sums = [0, 4, 8].map((i) =>
        batches.slice(i, i + 4).reduce((sum, logs) => sum + logs.evaluations, 0),
      );
      expect(epochs.map(({ evaluations }) => evaluations)).toEqual(sums);
      expect(history.evaluations).toEqual(sums);
      expect(history.gradientNorm.at(-1)).toBe(optimizer.progress!.gradientNorm);
      expect(history.val_loss).toHaveLength(3);
      model.dispose();
      tf.dispose([x, y]);
    }));

  it('serve early stopping, and callbacks that are classes', () =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const model = sineModel();
      const optimizer = new BFGSOptimizer({ fullBatch: true }).attach(model);
      model.compile({ optimizer, loss: 'meanSquaredError' });
      let begun = 0;
      class Counter extends tf.Callback {
        override async onEpochBegin() {
          begun++;
        }
      }
      const callbacks = [new Counter(), tf.callbacks.earlyStopping({ monitor: 'gradientNorm', patience: 3 })];
      const args = { batchSize: 100, epochs: 500, verbose: 0, callbacks };
      const { history } = await model.fit(x, y, args);
      expect(begun).toBe(history.loss.length);
      expect(begun).toBeLessThan(500);
      model.dispose();
      tf.dispose([x, y]);
    }));

  it('stop with the model, by stopTraining in a callback', () =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const model = sineModel();
      const optimizer = new LBFGSOptimizer().attach(model);
      model.compile({ optimizer, loss: 'meanSquaredError' });
      const callbacks = {
        onBatchEnd(batch: number) {
          if (batch === 1) model.stopTraining = true;
        },
      };
      const { history } = await model.fit(x, y, { batchSize: 25, epochs: 9, verbose: 0, callbacks });
      expect(history.loss).toHaveLength(1);
      expect(optimizer.iterations).toBe(2);
      model.dispose();
      tf.dispose([x, y]);
    }));

  it('are the stock ones again when the model is compiled with another optimizer', () =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const model = sineModel();
      model.compile({ optimizer: new LBFGSOptimizer().attach(model), loss: 'meanSquaredError' });
      const sgd = tf.train.sgd(0.1);
      model.compile({ optimizer: sgd, loss: 'meanSquaredError' });
      const { history } = await model.fit(x, y, { epochs: 1, verbose: 0 });
      expect(Object.keys(history)).toEqual(['loss']);
      sgd.dispose();
      model.dispose();
      tf.dispose([x, y]);
    }));
});

describe('attach', () => {
  it('refuses what is no model, and options it does not have', () => {
    const optimizer = new LBFGSOptimizer();
    expect(() => optimizer.attach({} as tf.LayersModel)).toThrow(
      /attach: the model must be a tf.LayersModel/,
    );
    const model = sineModel();
    expect(() => optimizer.attach(model, { constraint: true } as object)).toThrow(/no such option/);
    model.dispose();
  });

  it('attach as a function finds the optimizer of the model', () => {
    const model = sineModel();
    expect(() => attach(model)).toThrow(/compiled with an optimizer of quasi-newton.*undefined/);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    expect(() => attach(model)).toThrow(/its optimizer is a SGDOptimizer/);
    model.compile({ optimizer: new LBFGSOptimizer(), loss: 'meanSquaredError' });
    expect(attach(model)).toBe(model);
    model.dispose();
  });

  it('serves several models of one optimizer, each when it trains', () =>
    expectNoLeak(async () => {
      await useBackend('cpu');
      const { x, y } = sineData();
      const models = [constrainedModel(), constrainedModel()];
      const optimizer = new LBFGSOptimizer();
      for (const model of models) {
        model.compile({
          optimizer: optimizer.attach(model).attach(model),
          loss: 'meanSquaredError',
          metrics: ['mae'],
        });
      }
      for (const model of [...models, ...models]) {
        expect(await model.trainOnBatch(x, y)).toHaveLength(2);
        expect(Math.min(...weightsOf(model)[0])).toBeGreaterThanOrEqual(0);
      }
      for (const model of models) model.dispose();
      tf.dispose([x, y]);
    }));
});
