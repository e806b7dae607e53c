import * as tf from '@tensorflow/tfjs';
import { beforeEach, describe, expect, it } from 'vitest';
import { adam, lbfgs, newtonCG, sequence } from 'quasi-newton';
import {
  BFGSOptimizer,
  ConjugateGradientOptimizer,
  LBFGSOptimizer,
  SLBFGSOptimizer,
  SOAPOptimizer,
  SolverOptimizer,
} from 'quasi-newton/tfjs';
import { projectStep } from '../../../src/adapters/tfjs/optimizers/projectedStep.ts';
import {
  expectNoLeak,
  Failure,
  fuse,
  meanSquared,
  useBackend,
  valuesOf,
  variable,
  weightsOf,
} from './harness.ts';

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
