import * as tf from '@tensorflow/tfjs';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  adam,
  lbfgs,
  levenbergMarquardt,
  minimize,
  minimizeAsync,
  newtonCG,
  sequence,
  type Progress,
} from 'quasi-newton';
import {
  BFGSOptimizer,
  ConjugateGradientOptimizer,
  fitFullBatch,
  fitFullBatchAsync,
  LBFGSOptimizer,
  leastSquaresProblem,
  modelProblem,
  optfuns,
  optfunsAsync,
  SLBFGSOptimizer,
  SOAPOptimizer,
  SolverOptimizer,
} from 'quasi-newton/tfjs';
import { projectStep } from '../../../src/adapters/tfjs/optimizers/projectedStep.ts';
import {
  backends,
  expectNoLeak,
  glorot,
  sineData,
  useBackend,
  variable,
  variablesOf,
  weightsOf,
} from './harness.ts';

class Failure extends Error {}

/** A function that throws at its call of this number, counted from the last `arm`. */
function fuse(failure: unknown) {
  let left = Infinity;
  return {
    arm: (calls: number) => void (left = calls),
    burn: () => {
      if (--left === 0) throw failure;
    },
  };
}

/** Remembers the lowest point shown to a callback. */
function lowest() {
  const seen: { x: number[]; f: number } = { x: [], f: Infinity };
  const callback = ({ x, f }: Progress): void => {
    if (f < seen.f) Object.assign(seen, { x: Array.from(x), f });
  };
  return { seen, callback };
}

const valuesOf = (variables: readonly tf.Variable[]) =>
  variables.flatMap((each) => Array.from(each.dataSync()));

describe.each(backends)('after an error on %s', (backend) => {
  beforeEach(() => useBackend(backend));

  it.each(['optfuns', 'optfunsAsync', 'leastSquaresProblem'])(
    'variables trained through %s hold the best point accepted, and no tensor is left',
    async (name) => {
      const [left, accepted]: number[][][] = [[], []];
      for (let at = 1; at <= 25; at++) {
        await expectNoLeak(async () => {
          const failure = new Failure(String(at));
          const { arm, burn } = fuse(failure);
          const [a, b] = [variable(tf.scalar(-1.2)), variable(tf.scalar(1))];
          const residuals = () => {
            const r = tf.stack([a.sub(1), b.sub(a.square()).mul(10)]);
            burn(); // tensors exist by now
            return r;
          };
          const loss = () => residuals().square().sum();
          const problem =
            name === 'optfuns'
              ? optfuns(loss, [a, b])
              : name === 'optfunsAsync'
                ? await optfunsAsync(loss, [a, b])
                : leastSquaresProblem(residuals, [a, b]);
          arm(at);
          const { seen, callback } = lowest();
          seen.x = Array.from(problem.p0);
          const solver = name === 'leastSquaresProblem' ? levenbergMarquardt() : lbfgs();
          const outcome = await minimizeAsync(problem, solver, { callback }).catch((error: unknown) => error);
          if (outcome === failure) {
            left.push(valuesOf([a, b]));
            accepted.push(seen.x);
          }
          tf.dispose([a, b]);
        });
      }
      expect(left.length).toBeGreaterThan(10);
      expect(left).toEqual(accepted);
    },
  );

  describe.each(['fitFullBatch', 'fitFullBatchAsync'] as const)('%s', (name) => {
    const fit = name === 'fitFullBatch' ? async (...args: Parameters<typeof fitFullBatch>) => fitFullBatch(...args) : fitFullBatchAsync; // prettier-ignore

    it('leaves the best point accepted, with its statistics', async () => {
      for (let at = 1; at <= 20; at += 3) {
        await expectNoLeak(async () => {
          const failure = new Failure(String(at));
          const { arm, burn } = fuse(failure);
          const { x, y } = sineData();
          const model = normalized((target, output) => {
            burn();
            return meanSquared(target, output);
          });
          const { seen, callback } = lowest();
          seen.x = valuesOf(variablesOf(model));
          const before = weightsOf(model);
          arm(at);
          const outcome = await fit(model, x, y, { callback, maxIterations: 30 }).catch(
            (error: unknown) => error,
          );
          arm(Infinity);
          expect(outcome).toBe(failure);
          expect([at, ...valuesOf(variablesOf(model))]).toEqual([at, ...seen.x]);
          expect(weightsOf(model)).toEqual(at === 1 ? before : settled(model, x, y));
          const again = await fit(model, x, y, { maxIterations: 3 });
          expect(again.f).toBeLessThanOrEqual(seen.f);
          model.dispose();
          tf.dispose([x, y]);
        });
      }
    });
  });
});

const meanSquared = (target: tf.Tensor, output: tf.Tensor) => tf.losses.meanSquaredError(target, output);

/** A network with a batch normalization. */
function normalized(
  loss: (target: tf.Tensor, output: tf.Tensor) => tf.Tensor,
  optimizer: string | tf.Optimizer = 'sgd',
) {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 5, activation: 'tanh', inputShape: [1], kernelInitializer: glorot(1) }),
      tf.layers.batchNormalization(),
      tf.layers.dense({ units: 1, kernelInitializer: glorot(2) }),
    ],
  });
  model.compile({ optimizer, loss });
  return model;
}

/** Returns the weights with the moving statistics of the data. */
function settled(model: tf.LayersModel, x: tf.Tensor, y: tf.Tensor): number[][] {
  const problem = modelProblem(model, x, y);
  problem.settleStatistics();
  problem.dispose();
  return weightsOf(model);
}

describe('the moving statistics of a model', () => {
  beforeEach(() => useBackend('cpu'));

  it('are those of the weights that minimize returns, if a later point was higher', () => {
    const { x, y } = sineData();
    const model = normalized(meanSquared);
    const { f, trace } = minimize(modelProblem(model, x, y), adam({ learningRate: 0.3 }), {
      maxIterations: 20,
    });
    expect(f).toBeLessThan(trace.at(-1)!.f);
    expect(weightsOf(model)).toEqual(settled(model, x, y));
  });

  it('stay as they were if they cannot be settled', () => {
    const { x, y } = sineData();
    const failure = new Failure('no loss');
    const { arm, burn } = fuse(failure);
    const model = normalized((target, output) => {
      burn();
      return meanSquared(target, output);
    });
    const problem = modelProblem(model, x, y);
    const before = weightsOf(model);
    arm(1);
    expect(() => problem.settleStatistics()).toThrow(failure);
    expect(weightsOf(model)).toEqual(before);
    const tensors = tf.memory().numTensors;
    problem.settleStatistics();
    expect(weightsOf(model)).not.toEqual(before);
    expect(tf.memory().numTensors).toBe(tensors);
  });
});

type Options = { readonly maxIterations: number };
const full = { fullBatch: true };

describe.each<[string, (options: Options) => SolverOptimizer]>([
  ['LBFGSOptimizer', (options) => new LBFGSOptimizer({ ...options, ...full })],
  ['LBFGSOptimizer without fullBatch', (options) => new LBFGSOptimizer(options)],
  ['BFGSOptimizer', (options) => new BFGSOptimizer({ ...options, ...full })],
  ['SOAPOptimizer', (options) => new SOAPOptimizer(options)],
  ['SLBFGSOptimizer', (options) => new SLBFGSOptimizer(options)],
  ['ConjugateGradientOptimizer', (options) => new ConjugateGradientOptimizer({ ...options, ...full })],
  ['Adam', (options) => new SolverOptimizer(adam({ learningRate: 0.05 }), options)],
  [
    'schedule-free Adam',
    (options) => new SolverOptimizer(adam({ learningRate: 0.05, scheduleFree: true }), options),
  ],
  ['Newton-CG', (options) => new SolverOptimizer(newtonCG(), { ...options, ...full })],
  [
    'a sequence',
    (options) =>
      new SolverOptimizer(sequence({ solver: adam({ learningRate: 0.05 }), iterations: 3 }, lbfgs()), {
        ...options,
        ...full,
      }),
  ],
])('after an error of the loss, %s', (_, make) => {
  beforeEach(() => useBackend('cpu'));

  /** Calls an optimizer on Rosenbrock's function until evaluation `at` throws. */
  const run = (at: number, failure: unknown, maxIterations: number, calls: number) => {
    const { arm, burn } = fuse(failure);
    const pars = [variable(tf.scalar(-1.2)), variable(tf.scalar(1))];
    const [a, b] = pars;
    const loss = (): tf.Scalar => {
      const value = tf
        .stack([a.sub(1), b.sub(a.square()).mul(10)])
        .square()
        .sum()
        .asScalar();
      burn();
      return value;
    };
    const optimizer = make({ maxIterations });
    const path = [valuesOf(pars)];
    arm(at);
    let outcome: unknown;
    for (let k = 0; k < calls && outcome === undefined; k++) {
      try {
        optimizer.minimize(loss, false, pars);
        path.push(valuesOf(pars));
      } catch (error) {
        outcome = error;
      }
    }
    const evaluate = () => tf.tidy(() => loss().dataSync()[0]);
    const left = valuesOf(pars);
    return { outcome, path, left, evaluate, more: () => void optimizer.minimize(loss, false, pars), dispose: () => { optimizer.dispose(); tf.dispose(pars); } }; // prettier-ignore
  };

  it.each([1, 4])(
    'of %i iterations a call leaves a point that it had accepted, and goes on',
    (maxIterations) =>
      expectNoLeak(() => {
        const { path, dispose } = run(Infinity, null, 1, 40);
        dispose();
        for (let at = 1; at <= 24; at += 3) {
          const failure = new Failure(String(at));
          const failed = run(at, failure, maxIterations, 100);
          expect(failed.outcome).toBe(failure);
          const done = maxIterations * (failed.path.length - 1);
          expect(path.slice(done, done + maxIterations + 1), `evaluation ${at}`).toContainEqual(failed.left);
          const before = failed.evaluate();
          for (let k = 0; k < 30; k++) failed.more();
          expect(failed.evaluate()).toBeLessThan(before);
          failed.dispose();
        }
      }),
  );
});

describe('with layer constraints, an error', () => {
  beforeEach(() => useBackend('cpu'));

  /** Fits a model with non-negative weights, until evaluation or projection `at` throws. */
  const run = async (
    what: 'loss' | 'constraint' | 'nothing',
    at: number,
    failure: unknown,
    batchSize: number,
  ) => {
    const { arm, burn } = fuse(failure);
    const kernelConstraint = tf.constraints.nonNeg();
    kernelConstraint.apply = (w: tf.Tensor) => {
      if (what === 'constraint') burn();
      return w.relu();
    };
    const x = tf.tensor2d([[1, 2, 3, 4, -5], [2, 1, 0, 3, 1], [0, 0, 1, -1, 2], [1, 1, 1, 1, 1]]); // prettier-ignore
    const y = tf.ones([4, 1]);
    const optimizer = new LBFGSOptimizer({ fullBatch: batchSize === 4, learningRate: 0.5 });
    const layer = tf.layers.dense({ units: 1, inputShape: [5], kernelConstraint, kernelInitializer: tf.initializers.randomUniform({ minval: 0, maxval: 1, seed: 3 }) }); // prettier-ignore
    const model = tf.sequential({ layers: [layer] });
    optimizer.attach(model);
    const loss = (target: tf.Tensor, output: tf.Tensor) => {
      if (what === 'loss') burn();
      return meanSquared(target, output);
    };
    model.compile({ optimizer, loss });
    const path = [weightsOf(model)];
    const onBatchEnd = () => void path.push(weightsOf(model));
    arm(at);
    const fit = (epochs: number) =>
      model.fit(x, y, { batchSize, epochs, shuffle: false, verbose: 0, callbacks: { onBatchEnd } });
    const outcome = await fit(12).catch((error: unknown) => error);
    arm(Infinity);
    const left = weightsOf(model);
    await fit(1);
    optimizer.dispose();
    model.dispose();
    tf.dispose([x, y]);
    return { path, left, outcome };
  };

  // TensorFlow.js itself leaves a tensor or two when its fit fails.
  it.each([
    ['loss', 4],
    ['loss', 2],
    ['constraint', 4],
    ['constraint', 2],
  ] as const)(
    'of the %s in batches of %i leaves a feasible point that was accepted',
    async (what, batchSize) => {
      const { path, left: last } = await run('nothing', Infinity, undefined, batchSize);
      const accepted = [...path, last];
      const left: number[][][] = [];
      for (let at = 1; at <= 24; at++) {
        const failure = new Failure(String(at));
        const failed = await run(what, at, failure, batchSize);
        if (failed.outcome === failure) left.push(failed.left);
      }
      expect(left.length).toBeGreaterThan(5);
      expect(accepted).toEqual(expect.arrayContaining(left));
    },
  );
});

it('a projected step whose evaluation throws leaves the state where it began', () => {
  const start = { x: Float64Array.of(1), gradient: Float64Array.of(2), f: 1 };
  const state = { x: Float64Array.of(-3), gradient: Float64Array.of(0), f: 0 };
  const failure = new Failure('no loss');
  const steps = projectStep(state, start, {
    project: (x) => x[0] !== (x[0] = Math.max(0, x[0])),
    evaluate: () => {
      throw failure;
    },
  });
  expect(() => steps.next()).toThrow(failure);
  expect(state).toEqual(start);
});
