import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  BFGSOptimizer,
  ConjugateGradientOptimizer,
  GradientDescentOptimizer,
  LBFGSOptimizer,
  SLBFGSOptimizer,
  SSBFGSOptimizer,
  SSBroydenOptimizer,
  type SolverOptimizer,
} from 'quasi-newton/tfjs';
import { expectNoLeak, sineData, sineModel, useBackend, variable } from './harness.ts';

const optimizers = {
  LBFGSOptimizer,
  SLBFGSOptimizer,
  GradientDescentOptimizer,
  BFGSOptimizer,
  SSBFGSOptimizer,
  SSBroydenOptimizer,
  ConjugateGradientOptimizer,
};
type Name = keyof typeof optimizers;
const names = Object.keys(optimizers) as Name[];

beforeEach(() => useBackend('cpu'));
afterEach(() => void vi.restoreAllMocks());

const lossOf = (model: tf.LayersModel, x: tf.Tensor, y: tf.Tensor): number =>
  tf.tidy(() => (model.evaluate(x, y, { batchSize: 1000 }) as tf.Scalar).dataSync()[0]);

/** Other rows, other targets: the cosine, three times as high, of 60 points. */
function cosineData() {
  return tf.tidy(() => {
    const x = tf.linspace(-3, 3, 60).reshape([60, 1]);
    return { x, y: x.cos().mul(3) };
  });
}

async function fitAll(model: tf.LayersModel, x: tf.Tensor, y: tf.Tensor, epochs: number): Promise<number[]> {
  const { history } = await model.fit(x, y, { batchSize: x.shape[0], epochs, verbose: 0, shuffle: false });
  return history.loss as number[];
}

describe.each([true, false])('with fullBatch: %s', (fullBatch) => {
  it.each(['fit', 'fitDataset'])('another %s on other rows begins with their loss, and trains', (way) =>
    expectNoLeak(async () => {
      const [a, b] = [sineData(), cosineData()];
      const optimizer = new LBFGSOptimizer({ fullBatch });
      const model = sineModel(3);
      model.compile({ optimizer, loss: 'meanSquaredError' });
      const train = async ({ x, y }: { x: tf.Tensor; y: tf.Tensor }, epochs: number): Promise<number[]> => {
        if (way === 'fit') return fitAll(model, x, y, epochs);
        const rows = { xs: tf.data.array(await arrayOf(x)), ys: tf.data.array(await arrayOf(y)) };
        const dataset = tf.data.zip(rows).batch(1000);
        const { history } = await model.fitDataset(dataset, { epochs, verbose: 0 });
        return history.loss as number[];
      };
      await train(a, 30);
      for (const data of [b, a, b]) {
        const before = lossOf(model, data.x, data.y);
        const history = await train(data, 12);
        expect(history[0]).toBeCloseTo(before, 4);
        expect(history.at(-1)).toBeLessThan(0.7 * history[0]);
      }
      optimizer.dispose();
      model.dispose();
      tf.dispose([a, b]);
    }),
  );

  it('another loss on the same rows is noticed', () =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const optimizer = new LBFGSOptimizer({ fullBatch });
      const model = sineModel(3);
      model.compile({ optimizer, loss: 'meanSquaredError' });
      await fitAll(model, x, y, 20);
      model.compile({ optimizer, loss: 'meanAbsoluteError' });
      const before = lossOf(model, x, y);
      const history = await fitAll(model, x, y, 10);
      expect(history[0]).toBeCloseTo(before, 4);
      expect(history.at(-1)).toBeLessThan(before);
      optimizer.dispose();
      model.dispose();
      tf.dispose([x, y]);
    }));

  it('the same rows again keep what was learned', () =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const [once, twice] = await Promise.all(
        [[20], [10, 10]].map(async (parts) => {
          const optimizer = new LBFGSOptimizer({ fullBatch });
          const model = sineModel(3);
          model.compile({ optimizer, loss: 'meanSquaredError' });
          for (const epochs of parts) await fitAll(model, x, y, epochs);
          const loss = lossOf(model, x, y);
          optimizer.dispose();
          model.dispose();
          return loss;
        }),
      );
      expect(twice).toBeCloseTo(once, 6);
      tf.dispose([x, y]);
    }));
});

const arrayOf = async (tensor: tf.Tensor) => (await tensor.array()) as number[][];

it('with fullBatch, minimize notices another closure, and goes on with its own values', () =>
  expectNoLeak(() => {
    const w = variable(tf.tensor1d([4, 3]));
    const bowl = (x: number, y: number) => () => w.sub([x, y]).square().mul([1, 10]).sum() as tf.Scalar;
    const optimizer = new LBFGSOptimizer({ fullBatch: true });
    for (const [x, y] of [
      [1, -2],
      [30, 40],
      [-5, 0],
    ]) {
      // prettier-ignore
      const before = tf.tidy(() => bowl(x, y)().dataSync()[0]);
      optimizer.minimize(bowl(x, y), false, [w]);
      expect(optimizer.progress!.startLoss).toBeCloseTo(before, 2);
      for (let k = 0; k < 15; k++) optimizer.minimize(bowl(x, y), false, [w]);
      expect(optimizer.progress!.loss).toBeLessThan(1e-6);
    }
    optimizer.dispose();
    w.dispose();
  }));

/** A logistic regression on 512 samples whose labels are noisy, from zeros; and how high its loss gets. */
async function logistic(optimizer: SolverOptimizer, batchSize: number) {
  const [x, truth] = [
    tf.randomNormal([512, 20], 0, 1, 'float32', 1),
    tf.randomNormal([20, 1], 0, 1, 'float32', 2),
  ];
  const y = tf.tidy(() =>
    x
      .matMul(truth)
      .add(tf.randomNormal([512, 1], 0, 2, 'float32', 3))
      .greater(0)
      .toFloat(),
  );
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 1, activation: 'sigmoid', kernelInitializer: 'zeros', inputShape: [20] }),
    ],
  });
  model.compile({ optimizer, loss: 'binaryCrossentropy' });
  const losses: number[] = [];
  const onEpochEnd = () => void losses.push(lossOf(model, x, y));
  await model.fit(x, y, { batchSize, epochs: 5, verbose: 0, shuffle: false, callbacks: { onEpochEnd } });
  optimizer.dispose();
  model.dispose();
  tf.dispose([x, y, truth]);
  return losses;
}

describe('on mini-batches, no solver runs away from a convex loss (its minimum is 0.34, the start 0.69):', () => {
  it.each(names)(
    'on mini-batches, no solver runs away from a convex loss (its minimum is 0.34, the start 0.69): %s',
    (name) =>
      expectNoLeak(async () => {
        const losses = await logistic(new optimizers[name](), 8);
        expect(Math.max(...losses)).toBeLessThan(0.5);
        expect(losses.at(-1)).toBeLessThan(0.38);
      }),
  );

  it('no batch after the first moves a parameter by more than learningRate', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([4, 3]));
      const optimizer = new BFGSOptimizer({ learningRate: 0.25, maxIterations: 1 });
      const batch = (k: number) => () =>
        w
          .sub([Math.sin(k) * 50, k])
          .square()
          .mul([1, 10])
          .sum() as tf.Scalar;
      optimizer.minimize(batch(0), false, [w]);
      const first = w.dataSync().slice();
      for (let k = 1; k < 30; k++) {
        const before = w.dataSync().slice();
        optimizer.minimize(batch(k), false, [w]);
        const after = w.dataSync();
        const moved = Math.max(...before.map((value, i) => Math.abs(value - after[i])));
        expect(k === 1 ? 0 : moved).toBeLessThan(0.2501);
        expect(optimizer.progress!.loss).toBeCloseTo(
          tf.tidy(() => batch(k)().dataSync()[0]),
          0,
        );
      }
      // The step on the first batch is withdrawn as far, once the second shows what it was.
      expect(first[1]).not.toBe(3);
      optimizer.dispose();
      w.dispose();
    }));
});

describe('a closure that draws another batch at each evaluation', () => {
  /** 1-8-1 on the sine, a batch of 10 rows drawn inside the closure by a generator of its own. */
  function drawing() {
    const model = sineModel(4);
    const { x, y } = sineData();
    let drawn = 0;
    const loss = () => {
      const begin = (drawn++ * 37) % 90;
      const prediction = model.apply(x.slice(begin, 10)) as tf.Tensor;
      return tf.losses.meanSquaredError(y.slice(begin, 10), prediction) as tf.Scalar;
    };
    const dispose = () => {
      model.dispose();
      tf.dispose([x, y]);
    };
    return { loss, whole: () => tf.tidy(() => lossOfSine(model, x, y)), dispose, evaluations: () => drawn };
  }
  const lossOfSine = (model: tf.LayersModel, x: tf.Tensor, y: tf.Tensor) =>
    tf.losses.meanSquaredError(y, model.apply(x) as tf.Tensor).dataSync()[0];

  it.each(names)('is named in the first step, with the remedy, and trained all the same: %s', (name) =>
    expectNoLeak(() => {
      const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
      const { loss, whole, dispose, evaluations } = drawing();
      const optimizer = new optimizers[name]();
      const start = whole();
      optimizer.minimize(loss);
      expect(warn).toHaveBeenCalledWith(
        expect.stringMatching(new RegExp(`^${name}: .*changes with each evaluation.*Draw the batch before`)),
      );
      const before = evaluations();
      for (let k = 0; k < 300; k++) optimizer.minimize(loss);
      expect(warn).toHaveBeenCalledTimes(1);
      expect(evaluations() - before).toBe(300);
      expect(whole()).toBeLessThan(0.7 * start);
      optimizer.dispose();
      dispose();
    }),
  );

  it('is noticed by its gradient where the loss happens to be the same', () =>
    expectNoLeak(() => {
      const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
      const w = variable(tf.zeros([2, 1]));
      let drawn = 0;
      const loss = () => {
        const x = tf.randomNormal([8, 2], 0, 1, 'float32', ++drawn);
        return tf.losses.sigmoidCrossEntropy(x.sum(1, true).greater(0).toFloat(), x.matMul(w)) as tf.Scalar;
      };
      const optimizer = new LBFGSOptimizer();
      optimizer.minimize(loss, false, [w]);
      expect(warn).toHaveBeenCalledTimes(1);
      optimizer.dispose();
      w.dispose();
    }));

  it('is not suspected in dropout, noise and draws from Math.random', () =>
    expectNoLeak(() => {
      const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
      const w = variable(tf.ones([20]));
      const loss = () =>
        tf
          .dropout(w, 0.5)
          .sub(tf.randomNormal([20]))
          .square()
          .mean()
          .mul(1 + Math.random()) as tf.Scalar;
      const optimizer = new LBFGSOptimizer();
      for (let k = 0; k < 5; k++) optimizer.minimize(loss, false, [w]);
      expect(warn).not.toHaveBeenCalled();
      optimizer.dispose();
      w.dispose();
    }));
});

describe('an optimizer that no longer moves', () => {
  /** The mean square of a cubic's misfit to noisy points, at its minimum soon. */
  function cubic() {
    const x = tf.linspace(-1, 1, 100);
    const y = tf.tidy(() =>
      x
        .pow(3)
        .mul(-0.8)
        .add(x.mul(0.9))
        .add(tf.randomNormal([100], 0, 0.05, 'float32', 1)),
    );
    const v = [0.3, 0.6, 0.1].map((start) => variable(tf.scalar(start)));
    const three = tf.scalar(3, 'int32');
    const loss = () => x.pow(three).mul(v[0]).add(x.mul(v[1])).add(v[2]).sub(y).square().mean() as tf.Scalar;
    return { loss, v, dispose: () => tf.dispose([x, y, v, three]) };
  }

  it.each(names)('takes at most 3 evaluations a call at the floor of float32, and says why: %s', (name) =>
    expectNoLeak(() => {
      const { loss, v, dispose } = cubic();
      const optimizer = new optimizers[name]();
      const evaluations: number[] = [];
      for (let k = 0; k < 150; k++) {
        optimizer.minimize(loss, false, v);
        evaluations.push(optimizer.progress!.evaluations);
      }
      expect(Math.max(...evaluations.slice(100))).toBeLessThanOrEqual(3);
      const { stopped, step } = optimizer.progress!;
      // Gradient descent may go on and on.
      expect(stopped === null).toBe(step > 0);
      // What it is about has an end when somebody moves the weights.
      tf.tidy(() => v[0].assign(tf.scalar(5)));
      optimizer.minimize(loss, false, v);
      expect(optimizer.progress!.stopped).toBeNull();
      expect(optimizer.progress!.step).toBeGreaterThan(0);
      optimizer.dispose();
      dispose();
    }),
  );

  it('says so in the logs of an attached model, in batches and epochs', () =>
    expectNoLeak(async () => {
      const x = tf.tidy(() => tf.linspace(-1, 1, 50).reshape([50, 1]));
      const y = x.mul(2);
      const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] });
      const optimizer = new LBFGSOptimizer().attach(model);
      model.compile({ optimizer, loss: 'meanSquaredError', metrics: ['mae'] });
      const seen: unknown[][] = [[], []];
      const callbacks = {
        onBatchEnd: (_: number, logs?: tf.Logs) => void seen[0].push(logs!.stopped),
        onEpochEnd: (_: number, logs?: tf.Logs) => void seen[1].push(logs!.stopped),
      };
      const args = { batchSize: 50, epochs: 40, verbose: 0, shuffle: false, callbacks };
      const { history } = await model.fit(x, y, args);
      for (const entries of seen) {
        expect(entries[0]).toBeUndefined();
        expect(entries.at(-1)).toBe(optimizer.progress!.stopped);
      }
      expect(optimizer.progress!.stopped).not.toBeNull();
      // History holds numbers.
      expect(Object.keys(history)).not.toContain('stopped');
      optimizer.dispose();
      model.dispose();
      tf.dispose([x, y]);
    }));

  it.each(names)('says so where every element of the gradient is 0: %s', (name) =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([0, 0]));
      const optimizer = new optimizers[name]();
      optimizer.minimize(() => w.square().sum(), false, [w]);
      const { stopped, step } = optimizer.progress!;
      // Gradient descent takes its steps, of length 0.
      expect(stopped ?? '').toMatch(step === 0 ? /Every element of the gradient is 0/ : /^$/);
      optimizer.dispose();
      w.dispose();
    }),
  );

  it('says so where the loss is NaN', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([4, 3]));
      const optimizer = new LBFGSOptimizer();
      optimizer.minimize(() => w.sum().mul(NaN), false, [w]);
      expect(optimizer.progress!.stopped).toMatch(/NaN or infinite/);
      optimizer.minimize(() => w.square().sum(), false, [w]);
      expect(optimizer.progress!.stopped).toBeNull();
      optimizer.dispose();
      w.dispose();
    }));
});
