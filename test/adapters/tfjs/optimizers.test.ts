import * as tf from '@tensorflow/tfjs';
import { beforeEach, describe, expect, it } from 'vitest';
import { minimizeAsync, minimize } from 'quasi-newton';
import { BFGSOptimizer, LBFGSOptimizer, modelProblem, type SolverOptimizer } from 'quasi-newton/tfjs';
import {
  backends,
  expectNoLeak,
  sineData,
  sineModel,
  tensorsLeftBy,
  useBackend,
  variable,
  variablesOf,
  weightsOf,
} from './harness.ts';

const optimizers: readonly [string, (options?: object) => SolverOptimizer][] = [
  ['LBFGSOptimizer', (options) => new LBFGSOptimizer(options)],
  ['BFGSOptimizer', (options) => new BFGSOptimizer(options)],
];

const bowl = (w: tf.Variable) => () => w.sub([1, -2]).square().mul([1, 10]).sum() as tf.Scalar;

describe.each(backends)('on %s', (backend) => {
  beforeEach(() => useBackend(backend));

  describe.each(optimizers)('%s', (name, make) => {
    it('minimizes the closure it is given, and returns the loss at the start', () =>
      expectNoLeak(() => {
        const w = variable(tf.tensor1d([4, 3]));
        const optimizer = make();
        const losses = Array.from({ length: 15 }, () => {
          const cost = optimizer.minimize(bowl(w), true, [w])!;
          const f = cost.dataSync()[0];
          cost.dispose();
          return f;
        });
        expect(losses[0]).toBe(259);
        expect(losses.at(-1)).toBeLessThan(1e-8);
        expect([...losses].sort((a, b) => b - a)).toEqual(losses);
        expect(optimizer.minimize(bowl(w))).toBeNull();
        optimizer.dispose();
        w.dispose();
      }));

    it('runs maxIterations iterations a call, all on that closure', () =>
      expectNoLeak(() => {
        const w = variable(tf.tensor1d([4, 3]));
        const optimizer = make({ maxIterations: 15 });
        optimizer.minimize(bowl(w), false, [w]);
        expect(optimizer.progress!.loss).toBeLessThan(1e-8);
        expect(optimizer.progress!.startLoss).toBe(259);
        optimizer.dispose();
        w.dispose();
      }));

    it('trains a model through compile and fit, with little more than an evaluation an epoch on one batch', () =>
      expectNoLeak(async () => {
        const model = sineModel(2);
        const { x, y } = sineData();
        const optimizer = make({ fullBatch: true });
        model.compile({ optimizer, loss: 'meanSquaredError' });
        const evaluations: number[] = [];
        const onEpochEnd = () => void evaluations.push(optimizer.progress!.evaluations);
        const args = { batchSize: 100, epochs: 60, verbose: 0, shuffle: false, callbacks: { onEpochEnd } };
        const { history } = await model.fit(x, y, args);
        expect(history.loss.at(-1) as number).toBeLessThan(0.1 * (history.loss[0] as number));
        // A step of BFGS itself takes about two, by the scale of its H₀.
        expect(evaluations.reduce((a, b) => a + b) / 60).toBeLessThan(name === 'BFGSOptimizer' ? 2.2 : 1.5);
        optimizer.dispose();
        model.dispose();
        tf.dispose([x, y]);
      }));
  });

  it('fullBatch takes the very steps that plain calls take', () =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const trained = ([false, true] as const).map((fullBatch) => {
        const model = sineModel(4);
        model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
        const loss = () => tf.losses.meanSquaredError(y, model.apply(x) as tf.Tensor) as tf.Scalar;
        const optimizer = new LBFGSOptimizer({ fullBatch });
        const variables = variablesOf(model);
        for (let k = 0; k < 25; k++) optimizer.minimize(loss, false, variables);
        const weights = weightsOf(model);
        optimizer.dispose();
        model.dispose();
        return weights;
      });
      expect(trained[1]).toEqual(trained[0]);
      tf.dispose([x, y]);
    }));
});

describe('the run', () => {
  beforeEach(() => useBackend('cpu'));

  it('takes the steps that minimize takes with the same solver', () =>
    expectNoLeak(() => {
      const { x, y } = sineData();
      const [model, twin] = [sineModel(5), sineModel(5)];
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const optimizer = new LBFGSOptimizer({ fullBatch: true });
      const result = minimize(modelProblem(model, x, y), optimizer.solver, { maxIterations: 8 });
      const loss = () => tf.losses.meanSquaredError(y, twin.apply(x) as tf.Tensor) as tf.Scalar;
      // Few steps: one bit of difference between the two losses grows from step to step.
      for (let k = 0; k < 8; k++) optimizer.minimize(loss, false, variablesOf(twin));
      expect(optimizer.progress!.loss).toBeCloseTo(result.f, 4);
      optimizer.dispose();
      tf.dispose([x, y]);
      model.dispose();
      twin.dispose();
    }));

  it.each([
    ['shuffled', 32, true],
    ['in order', 50, false],
  ])('refuses mini-batches, %s, declared as the full batch', async (_, batchSize, shuffle) => {
    const model = sineModel(6);
    const { x, y } = sineData();
    const optimizer = new LBFGSOptimizer({ fullBatch: true });
    model.compile({ optimizer, loss: 'meanSquaredError' });
    // Of what throws, `fit` itself leaves its batch's tensors behind.
    const fit = model.fit(x, y, { batchSize, shuffle, epochs: 100, verbose: 0 });
    await expect(fit).rejects.toThrow(/fullBatch: every batch must be all the data, .* batchSize/);
    optimizer.dispose();
    model.dispose();
    tf.dispose([x, y]);
  });

  it('notices weights that somebody else has written', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([4, 3]));
      const optimizer = new LBFGSOptimizer({ fullBatch: true });
      optimizer.minimize(bowl(w), false, [w]);
      const elsewhere = tf.tensor1d([10, 10]);
      w.assign(elsewhere);
      optimizer.minimize(bowl(w), false, [w]);
      expect(optimizer.progress!.startLoss).toBe(81 + 1440);
      optimizer.dispose();
      tf.dispose([w, elsewhere]);
    }));

  it('forgets what it learned when the list of variables changes', () =>
    expectNoLeak(() => {
      const [w, v] = [variable(tf.tensor1d([4, 3])), variable(tf.tensor1d([4, 3]))];
      const both = () => tf.add(bowl(w)(), bowl(v)()) as tf.Scalar;
      const optimizer = new LBFGSOptimizer();
      const fresh = new LBFGSOptimizer();
      for (let k = 0; k < 4; k++) optimizer.minimize(both, false, [w]);
      const start = [...w.dataSync(), ...v.dataSync()];
      optimizer.minimize(both, false, [w, v]);
      const after = [...w.dataSync(), ...v.dataSync()];
      const again = [tf.tensor1d(start.slice(0, 2)), tf.tensor1d(start.slice(2))];
      w.assign(again[0]);
      v.assign(again[1]);
      fresh.minimize(both, false, [w, v]);
      expect([...w.dataSync(), ...v.dataSync()]).toEqual(after);
      tf.dispose([w, v, again]);
    }));

  it('finds the variables of the loss, and looks again when others have been added', () =>
    expectNoLeak(() => {
      const [w, other] = [variable(tf.tensor1d([4, 3])), variable(tf.scalar(1))];
      const optimizer = new BFGSOptimizer({ maxIterations: 15 });
      optimizer.minimize(bowl(w));
      expect(w.dataSync()[0]).toBeCloseTo(1, 4);
      const late = variable(tf.scalar(3));
      optimizer.minimize(() => late.square() as tf.Scalar);
      expect(late.dataSync()[0]).toBeCloseTo(0, 4);
      expect(other.dataSync()[0]).toBe(1);
      tf.dispose([w, other, late]);
    }));

  it('follows a loss that comes to depend on other variables, all of them there before', () =>
    expectNoLeak(() => {
      const [w, v] = [variable(tf.tensor1d([4, 3])), variable(tf.tensor1d([4, 3]))];
      const optimizer = new LBFGSOptimizer({ maxIterations: 15 });
      const both = () => tf.add(bowl(w)(), bowl(v)());
      optimizer.minimize(bowl(w));
      expect([...v.dataSync()]).toEqual([4, 3]);
      optimizer.minimize(bowl(v));
      expect(bowlAt(v)).toBeLessThan(1e-6);
      tf.tidy(() => w.assign(v.mul(3)));
      optimizer.minimize(both as () => tf.Scalar);
      expect(bowlAt(w)).toBeLessThan(1e-6);
      const kept = [...w.dataSync()];
      tf.tidy(() => v.assign(w.mul(2)));
      optimizer.minimize(bowl(v));
      expect([...w.dataSync()]).toEqual(kept);
      tf.dispose([w, v]);
    }));

  it('is carried by the solver within, which serves other backends too', () =>
    expectNoLeak(async () => {
      const { solver } = new LBFGSOptimizer({ memory: 5 });
      const parabola = {
        p0: Float64Array.of(3),
        async fg(x: Float64Array, gradient: Float64Array | null) {
          gradient?.set([2 * x[0]]);
          return x[0] ** 2;
        },
      };
      const result = await minimizeAsync(parabola, solver);
      expect(result.x[0]).toBeCloseTo(0, 8);
    }));
});

describe('applyGradients', () => {
  beforeEach(() => useBackend('cpu'));

  it('goes along −H∇f, no parameter further than the learning rate', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([4, 3]), 'applied');
      const optimizer = new LBFGSOptimizer({ learningRate: 0.5 });
      const gradient = tf.tensor1d([3, -6]);
      optimizer.applyGradients({ applied: gradient });
      expect([...w.dataSync()]).toEqual([3.75, 3.5]);
      optimizer.applyGradients([{ name: 'applied', tensor: gradient }]);
      expect([...w.dataSync()]).toEqual([3.5, 4]);
      optimizer.dispose();
      tf.dispose([w, gradient]);
    }));

  it('minimizes a quadratic with the H that minimize has learned', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([4, 3]));
      const optimizer = new BFGSOptimizer({ learningRate: 1 });
      for (let k = 0; k < 3; k++) optimizer.minimize(bowl(w), false, [w]);
      for (let k = 0; k < 25; k++) {
        const { value, grads } = optimizer.computeGradients(bowl(w), [w]);
        optimizer.applyGradients(grads);
        tf.dispose([value, ...Object.values(grads)]);
      }
      expect(w.dataSync()[0]).toBeCloseTo(1, 3);
      expect(w.dataSync()[1]).toBeCloseTo(-2, 3);
      optimizer.dispose();
      w.dispose();
    }));

  it('leaves the variables alone where the gradient is not finite', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([4, 3]), 'guarded');
      const gradient = tf.tensor1d([NaN, 1]);
      new LBFGSOptimizer().applyGradients({ guarded: gradient });
      expect([...w.dataSync()]).toEqual([4, 3]);
      tf.dispose([w, gradient]);
    }));

  it('names a gradient that belongs to no variable, or has another shape', () =>
    expectNoLeak(() => {
      const gradient = tf.tensor1d([1]);
      const w = variable(tf.tensor1d([4, 3]), 'longer');
      expect(() => new LBFGSOptimizer().applyGradients({ longer: gradient })).toThrow(
        'applyGradients: the gradient of "longer" has shape [1]; it must be [2].',
      );
      w.dispose();
      expect(() => new LBFGSOptimizer().applyGradients({ nobody: gradient })).toThrow(/"nobody"/);
      expect(() => new LBFGSOptimizer().applyGradients({})).toThrow(
        'applyGradients: there are no gradients.',
      );
      gradient.dispose();
    }));
});

describe('bad input', () => {
  beforeEach(() => useBackend('cpu'));

  it('options: all faults at once', () => {
    const wrong = { memory: 0, maxIterations: 1.5, fullbatch: true } as object;
    expect(() => new LBFGSOptimizer(wrong)).toThrow(
      /LBFGSOptimizer: 3 options[^]*memory[^]*maxIterations[^]*fullbatch: no such option/,
    );
  });

  it('a closure that throws: the error unchanged, the variables at the best point, nothing leaked', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([4, 3]));
      const fault = new Error('in the loss');
      const optimizer = new LBFGSOptimizer({ maxIterations: 10 });
      let evaluations = 0;
      const loss = () => {
        const value = bowl(w)();
        if (++evaluations === 5) throw fault;
        return value;
      };
      expect(() => optimizer.minimize(loss, true, [w])).toThrow(fault);
      expect(bowlAt(w)).toBeLessThan(259);
      expect(() => optimizer.minimize(() => tf.tidy(() => { throw fault; }), true, [w])).toThrow(fault); // prettier-ignore
      expect(() => optimizer.minimize(() => { throw fault; })).toThrow(fault); // prettier-ignore
      w.dispose();
    }));

  it('a closure that throws after it has kept a metric: only that of its first run is left', async () => {
    const left = await tensorsLeftBy(() => {
      const w = variable(tf.tensor1d([4, 3]));
      let evaluations = 0;
      const loss = () => {
        const value = bowl(w)();
        tf.keep(value.mul(2));
        if (++evaluations === 3) throw new Error('in the loss');
        return value;
      };
      expect(() => new LBFGSOptimizer({ maxIterations: 10 }).minimize(loss, false, [w])).toThrow(
        'in the loss',
      );
      w.dispose();
    });
    expect(left).toBe(1);
  });

  it('a loss that is NaN at the start: it is returned, the variables stay', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([4, 3]));
      const optimizer = new LBFGSOptimizer();
      const cost = optimizer.minimize(() => w.sum().mul(NaN), true, [w])!;
      expect(cost.dataSync()[0]).toBeNaN();
      expect([...w.dataSync()]).toEqual([4, 3]);
      tf.dispose([w, cost]);
    }));

  it('a loss that is NaN from some evaluation on: the weights stay finite', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([4, 3]));
      const optimizer = new LBFGSOptimizer();
      let evaluations = 0;
      const loss = () => bowl(w)().mul(++evaluations > 4 ? NaN : 1) as tf.Scalar;
      for (let k = 0; k < 6; k++) optimizer.minimize(loss, false, [w]);
      expect(bowlAt(w)).toBeLessThan(259);
      w.dispose();
    }));

  it('variables disposed in the middle of training', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([4, 3]), 'vanishing');
      const optimizer = new LBFGSOptimizer();
      optimizer.minimize(bowl(w), false, [w]);
      w.dispose();
      expect(() => optimizer.minimize(() => tf.scalar(1), false, [w])).toThrow(/"vanishing" is disposed/);
      expect(() => optimizer.minimize(() => tf.scalar(1), false, [])).toThrow(/there is nothing to train/);
    }));

  it('an optimizer shared by two models: each change of hands starts anew, and both train', () =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const optimizer = new LBFGSOptimizer();
      const models = [sineModel(1), sineModel(2)];
      for (const model of models) model.compile({ optimizer, loss: 'meanSquaredError' });
      const ends = models.map(() => [NaN, NaN]);
      for (let turn = 0; turn < 3; turn++) {
        for (const [i, model] of models.entries()) {
          const { history } = await model.fit(x, y, { batchSize: 100, epochs: 10, verbose: 0 });
          if (turn === 0) ends[i][0] = history.loss[0] as number;
          ends[i][1] = history.loss.at(-1) as number;
        }
      }
      for (const [first, last] of ends) expect(last).toBeLessThan(0.3 * first);
      tf.dispose([x, y]);
      optimizer.dispose();
      for (const model of models) model.dispose();
    }));

  it('fit broken off by a callback that throws leaves no more than it does with Adam', async () => {
    const { x, y } = sineData();
    const broken = async (optimizer: tf.Optimizer) => {
      const model = sineModel();
      model.compile({ optimizer, loss: 'meanSquaredError' });
      const callbacks = {
        onBatchEnd(batch: number) {
          if (batch === 2) throw new Error('stop');
        },
      };
      const args = { batchSize: 25, epochs: 2, verbose: 0, callbacks };
      await expect(model.fit(x, y, args)).rejects.toThrow('stop');
      expect(weightsOf(model).flat().every(Number.isFinite)).toBe(true);
      optimizer.dispose();
      model.dispose();
    };
    const adam = await tensorsLeftBy(() => broken(tf.train.adam()));
    expect(await tensorsLeftBy(() => broken(new LBFGSOptimizer()))).toBeLessThanOrEqual(adam);
    tf.dispose([x, y]);
  });
});

function bowlAt(w: tf.Variable): number {
  return tf.tidy(() => bowl(w)().dataSync()[0]);
}
