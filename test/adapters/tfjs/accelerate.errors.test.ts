import * as tf from '@tensorflow/tfjs';
import { beforeEach, describe, expect, it } from 'vitest';
import { accelerate, LBFGSOptimizer, SOAPOptimizer } from 'quasi-newton/tfjs';
import { faultyRuntime } from '../faultyRuntime.ts';
import { batchNormModel, normal, oneHot } from './accelerate.harness.ts';
import { expectNoLeak, useBackend, weightsOf } from './harness.ts';

describe.each<[string, () => tf.Optimizer, number]>([
  ['sgd', () => tf.train.sgd(0.1), 10],
  ['adam', () => tf.train.adam(0.01), 10],
  ['LBFGSOptimizer', () => new LBFGSOptimizer({ fullBatch: true, maxIterations: 1 }), 40],
  ['SOAPOptimizer', () => new SOAPOptimizer(), 10],
])('an accelerated fit with %s whose session fails', (_, make, batchSize) => {
  beforeEach(() => useBackend('cpu'));

  it('leaves the weights of the last batch, and goes on', () =>
    expectNoLeak(async () => {
      for (const at of [1, 2, 3, 6, 9]) {
        const failure = new Error(`run ${at}`);
        const { runtime, counts, failRun } = faultyRuntime();
        const [x, y] = [normal([40, 6, 6, 1], 1), oneHot(40, 3, 2)];
        const model = batchNormModel();
        const optimizer = make();
        model.compile({ optimizer, loss: 'categoricalCrossentropy' });
        const fast = accelerate(runtime, model, { random: () => 0.5 });
        const path = [weightsOf(model)];
        const onBatchEnd = () => {
          fast.sync();
          path.push(weightsOf(model));
        };
        const fit = (epochs: number) =>
          fast.fit(x, y, { batchSize, epochs, shuffle: false, verbose: 0, callbacks: { onBatchEnd } });
        await fit(1); // opens the sessions
        failRun(at, failure);
        const outcome = await fit(9).catch((error: unknown) => error);
        expect(outcome).toMatchObject({ cause: failure });
        expect(weightsOf(model)).toEqual(path.at(-1));
        await fit(1);
        expect(weightsOf(model)).not.toEqual(path[0]);
        await fast.dispose();
        expect(counts.open).toBe(0);
        optimizer.dispose();
        model.dispose();
        tf.dispose([x, y]);
      }
    }));
});
