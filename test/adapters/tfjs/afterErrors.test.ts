import * as tf from '@tensorflow/tfjs';
import { beforeEach, describe, expect, it } from 'vitest';
import { adam, lbfgs, levenbergMarquardt, minimize, minimizeAsync, type Progress } from 'quasi-newton';
import {
  fitFullBatch,
  fitFullBatchAsync,
  leastSquaresProblem,
  modelProblem,
  optfuns,
  optfunsAsync,
} from 'quasi-newton/tfjs';
import {
  backends,
  expectNoLeak,
  Failure,
  fuse,
  glorot,
  meanSquared,
  sineData,
  useBackend,
  valuesOf,
  variable,
  variablesOf,
  weightsOf,
} from './harness.ts';

/** Remembers the lowest point shown to a callback. */
function lowest() {
  const seen: { x: number[]; f: number } = { x: [], f: Infinity };
  const callback = ({ x, f }: Progress): void => {
    if (f < seen.f) Object.assign(seen, { x: Array.from(x), f });
  };
  return { seen, callback };
}

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
