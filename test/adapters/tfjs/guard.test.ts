import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { lbfgs } from 'quasi-newton';
import { fitFullBatch, LBFGSOptimizer, modelProblem, type SolverOptimizer } from 'quasi-newton/tfjs';
import { guard } from '../../../src/adapters/tfjs/guard/guard.ts';
import {
  backends,
  expectNoLeak,
  glorot,
  tensorsLeftBy,
  useBackend,
  variable,
  variablesOf,
  weightsOf,
} from './harness.ts';

/** BatchNorm, dropout and noise between dense layers. */
function noisyModel(): tf.Sequential {
  return tf.sequential({
    layers: [
      tf.layers.dense({ units: 6, inputShape: [3], kernelInitializer: glorot(1) }),
      tf.layers.batchNormalization(),
      tf.layers.activation({ activation: 'tanh' }),
      tf.layers.dropout({ rate: 0.3 }),
      tf.layers.gaussianNoise({ stddev: 0.1 }),
      tf.layers.dense({ units: 4, activation: 'tanh', kernelInitializer: glorot(2) }),
      tf.layers.batchNormalization(),
      tf.layers.dense({ units: 2, activation: 'softmax', kernelInitializer: glorot(3) }),
    ],
  });
}

function noisyData() {
  const x = tf.randomNormal([32, 3], 0, 1, 'float32', 5);
  const y = tf.tidy(() => tf.oneHot(x.sum(1).greater(0).toInt(), 2).toFloat());
  return { x, y };
}

/** Two softmax outputs from one hidden layer. */
function forked(): tf.LayersModel {
  const input = tf.input({ shape: [3] });
  const hidden = tf.layers.dense({ units: 4, activation: 'tanh', kernelInitializer: glorot(1) }).apply(input);
  const outputs = ['left', 'right'].map((name, i) =>
    tf.layers
      .dense({ units: 2, name, activation: 'softmax', kernelInitializer: glorot(i + 2) })
      .apply(hidden),
  );
  return tf.model({ inputs: input, outputs: outputs as tf.SymbolicTensor[] });
}
/** A GRU that keeps its state from batch to batch. */
const stateful = () =>
  tf.sequential({
    layers: [
      tf.layers.gru({
        units: 3,
        stateful: true,
        batchInputShape: [4, 3, 2],
        kernelInitializer: glorot(1),
        recurrentInitializer: glorot(2),
      }),
      tf.layers.dense({ units: 1, kernelInitializer: glorot(3) }),
    ],
  });

const valueOf = (f: () => tf.Scalar) => tf.tidy(() => f().dataSync()[0]);

const compiling = { loss: 'categoricalCrossentropy', metrics: ['mae', 'acc'] };

/** `Math.random` that starts the same in each test. */
function seedRandom(): void {
  let state = 1;
  vi.spyOn(Math, 'random').mockImplementation(() => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  });
}

/** Evaluates each closure once and then writes the weights it is told: what one evaluation leaves behind. */
class OneEvaluation extends tf.Optimizer {
  private step = 0;
  private readonly path: number[][][];
  constructor(path: number[][][]) {
    super();
    this.path = path;
  }
  override minimize(f: () => tf.Scalar, _returnCost?: boolean, variables?: tf.Variable[]): tf.Scalar {
    const cost = tf.variableGrads(f, variables);
    tf.dispose(cost.grads);
    const next = this.path[this.step++];
    variables!.forEach((v, i) => {
      const value = tf.tensor(next[i], v.shape);
      v.assign(value);
      value.dispose();
    });
    return cost.value;
  }
  override applyGradients() {}
  override getConfig() {
    return {};
  }
}

/** Calls `afterwards` after each `minimize`. */
function observed<Optimizer extends SolverOptimizer>(
  optimizer: Optimizer,
  afterwards: () => void,
): Optimizer {
  const minimize = optimizer.minimize.bind(optimizer);
  optimizer.minimize = (...args) => {
    const cost = minimize(...args);
    afterwards();
    return cost;
  };
  return optimizer;
}

const numbers = (variables: readonly tf.Variable[]) => variables.map((v) => Array.from(v.dataSync()));

describe.each(backends)('fit on %s', (backend) => {
  beforeEach(() => useBackend(backend));
  afterEach(() => void vi.restoreAllMocks());

  it.each([false, true])('keeps no tensors over epochs, batches and metrics (attached: %s)', (attached) =>
    expectNoLeak(async () => {
      const model = noisyModel();
      const { x, y } = noisyData();
      const optimizer = new LBFGSOptimizer();
      if (attached) optimizer.attach(model);
      model.compile({ optimizer, ...compiling });
      const counts = new Set<number>();
      const onEpochBegin = () => void counts.add(tf.memory().numTensors);
      const { history } = await model.fit(x, y, {
        epochs: 20,
        batchSize: 8,
        verbose: 0,
        callbacks: { onEpochBegin },
      });
      // Unless a callback reads them, the history holds each epoch's loss and metrics as tensors until the end.
      const growth = [...counts].map((count, i, all) => count - all[i - 1]).slice(1);
      expect(new Set(growth)).toEqual(new Set(attached ? [] : [3]));
      expect(Object.keys(history)).toEqual(expect.arrayContaining(['loss', 'mae', 'acc']));
      model.dispose();
      optimizer.dispose();
      tf.dispose([x, y]);
    }),
  );

  it('leaves BatchNorm and metrics exactly as one evaluation a batch does, and as many random numbers drawn', () =>
    expectNoLeak(async () => {
      const { x, y } = noisyData();
      const run = async (model: tf.Sequential, optimizer: tf.Optimizer) => {
        seedRandom();
        model.compile({ optimizer, ...compiling });
        const args = { epochs: 5, batchSize: 8, shuffle: false, verbose: 0 };
        const { history } = await model.fit(x, y, args);
        const left = { history: { ...history }, weights: weightsOf(model), next: Math.random() };
        model.dispose();
        return left;
      };
      const path: number[][][] = [];
      const model = noisyModel();
      const optimizer = observed(new LBFGSOptimizer(), () => void path.push(numbers(variablesOf(model))));
      const evaluations: number[] = [];
      observed(optimizer, () => void evaluations.push(optimizer.progress!.evaluations));
      const trained = await run(model, optimizer);
      expect(Math.max(...evaluations)).toBeGreaterThan(2);
      expect(await run(noisyModel(), new OneEvaluation(path))).toEqual(trained);
      optimizer.dispose();
      tf.dispose([x, y]);
    }));
});

describe('trainOnBatch and fitDataset', () => {
  beforeEach(() => useBackend('cpu'));

  it('return and keep what they should, with the model attached', () =>
    expectNoLeak(async () => {
      const model = noisyModel();
      const { x, y } = noisyData();
      const optimizer = new LBFGSOptimizer().attach(model);
      model.compile({ optimizer, ...compiling });
      expect(await model.trainOnBatch(x, y)).toHaveLength(3);
      const batch = { xs: x, ys: y };
      const dataset = tf.data.generator(function* () {
        for (let i = 0; i < 3; i++) yield { xs: batch.xs.clone(), ys: batch.ys.clone() };
      });
      expect(
        await tensorsLeftBy(async () => {
          await model.fitDataset(dataset, { epochs: 3, verbose: 0 });
        }),
      ).toBe(0);
      model.dispose();
      tf.dispose([x, y]);
    }));

  it('trainOnBatch and fitDataset without the model keep one batch aside, until the next call or dispose', () =>
    expectNoLeak(async () => {
      const model = noisyModel();
      const { x, y } = noisyData();
      const optimizer = new LBFGSOptimizer();
      model.compile({ optimizer, ...compiling });
      for (let i = 0; i < 3; i++) expect(await tensorsLeftBy(() => model.trainOnBatch(x, y))).toBe(0);
      model.dispose();
      optimizer.dispose();
      tf.dispose([x, y]);
    }));
});

describe('several outputs and weighted classes', () => {
  beforeEach(() => useBackend('cpu'));
  afterEach(() => void vi.restoreAllMocks());

  it('report what one evaluation reports', () =>
    expectNoLeak(async () => {
      const { x, y } = noisyData();
      const run = async (model: tf.LayersModel, optimizer: tf.Optimizer) => {
        model.compile({ optimizer, ...compiling });
        const classWeight = [
          { 0: 1, 1: 3 },
          { 0: 2, 1: 1 },
        ];
        const args = { epochs: 4, batchSize: 16, shuffle: false, verbose: 0, classWeight };
        const { history } = await model.fit(x, [y, y], args);
        model.dispose();
        return history;
      };
      const path: number[][][] = [];
      const model = forked();
      const optimizer = observed(new LBFGSOptimizer(), () => void path.push(numbers(variablesOf(model))));
      const trained = await run(model, optimizer);
      expect(trained.loss.at(-1) as number).toBeLessThan(trained.loss[0] as number);
      expect(await run(forked(), new OneEvaluation(path))).toEqual(trained);
      tf.dispose([x, y]);
    }));
});

describe('a stateful RNN', () => {
  beforeEach(() => useBackend('cpu'));

  it('carries on from the states of one evaluation, when attached', () =>
    expectNoLeak(async () => {
      const x = tf.randomNormal([4, 3, 2], 0, 1, 'float32', 5);
      const y = tf.randomNormal([4, 1], 0, 1, 'float32', 6);
      const run = async (model: tf.Sequential, optimizer: tf.Optimizer) => {
        model.compile({ optimizer, loss: 'meanSquaredError' });
        const args = { epochs: 5, batchSize: 4, shuffle: false, verbose: 0 };
        let history: tf.History['history'];
        const left = await tensorsLeftBy(async () => void ({ history } = await model.fit(x, y, args)));
        const states = (model.layers[0] as unknown as { getStates(): tf.Tensor[] }).getStates();
        const after = {
          history: history!,
          left,
          states: states.map((state) => Array.from(state.dataSync())),
        };
        model.resetStates();
        tf.dispose(states);
        tf.dispose((model.layers[0] as unknown as { getStates(): tf.Tensor[] }).getStates());
        model.dispose();
        return after;
      };
      const path: number[][][] = [];
      const model = stateful();
      const optimizer = observed(
        new LBFGSOptimizer().attach(model),
        () => void path.push(numbers(variablesOf(model))),
      );
      const trained = await run(model, optimizer);
      const { gradientNorm, step, evaluations, ...history } = trained.history;
      expect([gradientNorm, step, evaluations].map(({ length }) => length)).toEqual([5, 5, 5]);
      expect(await run(stateful(), new OneEvaluation(path))).toEqual({ ...trained, history });
      tf.dispose([x, y]);
    }));
});

describe('guard', () => {
  beforeEach(() => useBackend('cpu'));

  it('makes a random closure one function, bit for bit', () =>
    expectNoLeak(() => {
      const w = variable(tf.ones([50]));
      const loss = () =>
        tf
          .dropout(w, 0.5)
          .add(tf.randomNormal([50]))
          .square()
          .mean() as tf.Scalar;
      expect(valueOf(loss)).not.toBe(valueOf(loss));
      const guarded = guard(loss, { own: new Set([w]), model: null });
      const first = valueOf(guarded.loss);
      expect([valueOf(guarded.loss), valueOf(guarded.loss)]).toEqual([first, first]);
      expect(guarded.varies()).toBe(true);
      guarded.release();
      expect(valueOf(guard(loss, { own: new Set([w]), model: null }).loss)).not.toBe(first);
      w.dispose();
    }));

  it('lets variables be written once, and each run see what the first saw', () =>
    expectNoLeak(() => {
      const [w, count] = [variable(tf.scalar(2)), variable(tf.scalar(10))];
      const loss = () => {
        count.assign(count.add(1));
        return w.mul(count) as tf.Scalar;
      };
      const guarded = guard(loss, { own: new Set([w]), model: null });
      const values = [1, 2, 3].map(() => tf.tidy(() => guarded.loss().dataSync()[0]));
      expect(values).toEqual([22, 22, 22]);
      expect(count.dataSync()[0]).toBe(11);
      guarded.release();
      const traceless = guard(loss, { own: new Set([w]), model: null, keepFirst: false });
      expect(tf.tidy(() => traceless.loss().dataSync()[0])).toBe(24);
      expect(count.dataSync()[0]).toBe(11);
      traceless.release();
      tf.dispose([w, count]);
    }));

  it('puts Math.random and Variable.assign back, also when the closure throws', () => {
    const { random } = Math;
    const { assign } = tf.Variable.prototype; // oxlint-disable-line typescript/unbound-method
    const failing = guard(() => { throw new Error('inside'); }, { own: new Set(), model: null }); // prettier-ignore
    expect(() => failing.loss()).toThrow('inside');
    expect(Math.random).toBe(random);
    expect(tf.Variable.prototype.assign).toBe(assign); // oxlint-disable-line typescript/unbound-method
  });
});

describe.each(backends)('modelProblem on %s, of a model with BatchNorm and dropout,', (backend) => {
  beforeEach(() => useBackend(backend));

  it('is one function, and evaluations change nothing but the weights', () =>
    expectNoLeak(() => {
      const model = noisyModel();
      model.compile({ optimizer: 'sgd', ...compiling });
      const { x, y } = noisyData();
      const before = weightsOf(model);
      const { fg, p0, lossfun } = modelProblem(model, x, y);
      const gradients = [new Float64Array(p0.length), new Float64Array(p0.length)];
      const f = fg(p0, gradients[0]);
      expect(lossfun(p0.map((p) => p + 0.1))).not.toBe(f);
      expect(fg(p0, gradients[1])).toBe(f);
      expect(gradients[1]).toEqual(gradients[0]);
      expect(weightsOf(model)).toEqual(before);
      model.dispose();
      tf.dispose([x, y]);
    }));

  it('is left by fitFullBatch with the statistics of the data at the weights found', () =>
    expectNoLeak(() => {
      const model = noisyModel();
      model.compile({ optimizer: 'sgd', ...compiling });
      const { x, y } = noisyData();
      fitFullBatch(model, x, y, { solver: lbfgs(), maxIterations: 15 });
      const [mean, variance] = model.layers[1]
        .getWeights()
        .slice(2)
        .map((w) => w.dataSync());
      const expected = tf.tidy(() => {
        const moments = tf.moments(model.layers[0].apply(x) as tf.Tensor, 0);
        return [moments.mean.dataSync(), moments.variance.dataSync()];
      });
      expect([...mean]).toEqual([...expected[0]]);
      for (const [i, v] of variance.entries()) expect(v).toBeCloseTo(expected[1][i], 5);
      model.dispose();
      tf.dispose([x, y]);
    }));
});
