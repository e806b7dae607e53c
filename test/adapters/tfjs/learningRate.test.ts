import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  BFGSOptimizer,
  GradientDescentOptimizer,
  LBFGSOptimizer,
  SOAPOptimizer,
  type SolverOptimizer,
} from 'quasi-newton/tfjs';
import { expectNoLeak, variable } from './harness.ts';

beforeAll(() => tf.setBackend('cpu'));

/** Change of one weight by each of two batches: the second makes an optimizer notice that there are batches. */
function changes(optimizer: SolverOptimizer, between: () => void, calls: number): number[] {
  const w = variable(tf.tensor1d([0, 0]));
  const moved: number[] = [];
  for (let k = 0; k < calls; k++) {
    const [before] = w.dataSync();
    const target = 100 + 10 * (k % 2);
    optimizer.minimize(() => w.sub(target).square().sum(), false, [w]);
    moved.push(w.dataSync()[0] - before);
    between();
  }
  w.dispose();
  optimizer.dispose();
  return moved;
}

describe('learningRate', () => {
  it.each([
    ['LBFGSOptimizer', LBFGSOptimizer],
    ['BFGSOptimizer', BFGSOptimizer],
  ])(
    'learningRate of %s bounds the change by a batch, also when it is changed between steps',
    (_name, Optimizer) => {
      const optimizer = new Optimizer({ learningRate: 0.5 });
      const rates = [0.5];
      const moved = changes(
        optimizer,
        () => {
          rates.push(rates.at(-1)! / 2);
          optimizer.learningRate = rates.at(-1)!;
        },
        8,
      );
      for (let k = 3; k < 8; k++) expect(Math.abs(moved[k])).toBeLessThanOrEqual(rates[k] * (1 + 1e-5));
      expect(Math.abs(moved[3])).toBeGreaterThan(0.5 * rates[3]);
    },
  );

  it('learningRate of SOAPOptimizer is the rate of its solver, which vectors follow as with Adam', () =>
    expectNoLeak(() => {
      // A gradient that hardly changes: each of Adam's steps is the learning rate.
      const optimizer = new SOAPOptimizer({ learningRate: 0.01 });
      expect(optimizer.learningRate).toBe(0.01);
      let call = 0;
      const moved = changes(optimizer, () => void (++call === 4 && (optimizer.learningRate = 0.04)), 8);
      for (const move of moved.slice(0, 4)) expect(move).toBeCloseTo(0.01, 2);
      for (const move of moved.slice(4)) expect(move).toBeCloseTo(0.04, 2);
    }));

  it('learningRate of SOAPOptimizer may be a schedule, or set by the method of tf.train.sgd', () => {
    const optimizer = new SOAPOptimizer({ learningRate: (step) => (step < 3 ? 0.02 : 0.005), maxChange: 1 });
    const moved = changes(optimizer, () => {}, 6);
    expect(moved[1]).toBeCloseTo(0.02, 2);
    expect(moved[5]).toBeCloseTo(0.005, 3);
    optimizer.setLearningRate(0.1);
    expect(optimizer.learningRate).toBe(0.1);
  });

  it('learningRate of GradientDescentOptimizer is a fixed rate instead of a line search', () => {
    const w = variable(tf.tensor1d([3]));
    const optimizer = new GradientDescentOptimizer({ learningRate: 0.25, maxChange: 100 });
    const values = [0.25, 0.125].map((rate) => {
      optimizer.learningRate = rate;
      optimizer.minimize(() => w.square().sum(), false, [w]);
      return w.dataSync()[0];
    });
    expect(values).toEqual([3 - 0.25 * 6, 1.5 - 0.125 * 3]);
    const searching = new GradientDescentOptimizer();
    expect(searching.learningRate).toBeNull();
    expect(() => void (searching.learningRate = 0.1)).toThrow(/has a line search/);
    w.dispose();
  });

  it('is saved as it is now', () => {
    for (const optimizer of [new LBFGSOptimizer(), new SOAPOptimizer(), new GradientDescentOptimizer()]) {
      if (optimizer.learningRate !== null) optimizer.learningRate = 0.125;
      const again = (optimizer.constructor as typeof SolverOptimizer).fromConfig(
        optimizer.constructor as never,
        optimizer.getConfig(),
      ) as SolverOptimizer;
      expect(again.learningRate).toBe(optimizer.learningRate);
    }
  });

  it('is refused if it is not a rate', () => {
    const message = /learningRate: must be a finite number > 0/;
    for (const wrong of [0, -1, NaN, Infinity, '0.1', null]) {
      for (const optimizer of [new LBFGSOptimizer(), new SOAPOptimizer()]) {
        expect(() => void (optimizer.learningRate = wrong as number)).toThrow(message);
      }
    }
    expect(() => new SOAPOptimizer({ maxChange: 0 })).toThrow(/maxChange: must be a finite number > 0/);
  });
});

describe('variables without a gradient', () => {
  it('that are integers are left alone, listed or not', () =>
    expectNoLeak(() => {
      const a = variable(tf.scalar(1));
      const steps = variable(tf.scalar(2, 'int32'));
      for (const list of [undefined, [a, steps]]) {
        tf.tidy(() => a.assign(tf.scalar(1)));
        const optimizer = new LBFGSOptimizer();
        for (let k = 0; k < 4; k++) {
          optimizer.minimize(() => a.mul(steps.toFloat()).sub(3).square().asScalar(), false, list);
        }
        expect(a.dataSync()[0]).toBeCloseTo(1.5, 4);
        expect(steps.dataSync()[0]).toBe(2);
        optimizer.dispose();
      }
      tf.dispose([a, steps]);
    }));

  it('are all there is: the message says so', async () => {
    const steps = variable(tf.scalar(2, 'int32'));
    const loss = () => tf.scalar(0);
    expect(() => new LBFGSOptimizer().minimize(loss, false, [steps])).toThrow(
      /LBFGSOptimizer: none of the 1 variables is trainable and float32/,
    );
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] });
    model.trainable = false;
    model.compile({ optimizer: new LBFGSOptimizer(), loss: 'meanSquaredError' });
    await expect(model.trainOnBatch(tf.ones([2, 1]), tf.ones([2, 1]))).rejects.toThrow(
      /LBFGSOptimizer: there is nothing to train/,
    );
    steps.dispose();
    model.dispose();
  });
});
