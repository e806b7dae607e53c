import * as tf from '@tensorflow/tfjs';
import { beforeEach, describe, expect, it } from 'vitest';
import { BFGSOptimizer, fitFullBatch, LBFGSOptimizer, SSBroydenOptimizer } from 'quasi-newton/tfjs';
import { expectNoLeak, useBackend } from './harness.ts';

beforeEach(() => useBackend('cpu'));

/** A network 2-8-1 for XOR whose small weights make the loss nearly level: float32 hardly shows its slopes. */
function levelXor() {
  const small = (seed: number) => tf.initializers.randomNormal({ stddev: 0.01, seed });
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 8, activation: 'tanh', inputShape: [2], kernelInitializer: small(1) }),
      tf.layers.dense({ units: 1, activation: 'sigmoid', kernelInitializer: small(2) }),
    ],
  });
  const x = tf.tensor2d([
    [-1, -1],
    [-1, 1],
    [1, -1],
    [1, 1],
  ]);
  const y = tf.tensor2d([[0], [1], [1], [0]]);
  return { model, x, y };
}

describe('on gentle slopes in float32', () => {
  it.each([
    ['L-BFGS', () => new LBFGSOptimizer()],
    ['L-BFGS on the full batch', () => new LBFGSOptimizer({ fullBatch: true })],
    ['L-BFGS with Hager and Zhang’s search', () => new LBFGSOptimizer({ lineSearch: 'hagerZhang' })],
    ['BFGS', () => new BFGSOptimizer()],
    ['SSBroyden', () => new SSBroydenOptimizer()],
  ])('fit learns XOR from small weights with %s, and says when it is done', (_, make) =>
    expectNoLeak(async () => {
      const { model, x, y } = levelXor();
      const optimizer = make();
      model.compile({ optimizer, loss: 'binaryCrossentropy' });
      const { history } = await model.fit(x, y, { batchSize: 4, epochs: 120, verbose: 0, shuffle: false });
      const losses = history.loss as number[];
      expect(losses[0]).toBeCloseTo(Math.LN2, 4);
      expect(losses.at(-1)).toBeLessThan(1e-5);
      expect(optimizer.progress!.stopped).toMatch(/every element of the gradient is 0|precision of f/i);
      optimizer.dispose();
      model.dispose();
      tf.dispose([x, y]);
    }),
  );

  it('fitFullBatch learns it too', () => {
    const { model, x, y } = levelXor();
    model.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy' });
    expect(fitFullBatch(model, x, y)).toMatchObject({ converged: true, f: expect.closeTo(0, 5) as number });
    model.dispose();
    tf.dispose([x, y]);
  });
});
