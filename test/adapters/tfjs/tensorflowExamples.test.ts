/** TensorFlow.js's own examples, written again in little, with the line of the optimizer changed. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { enableWasmConv, LBFGSOptimizer } from 'quasi-newton/tfjs';
import { examples } from '../../../bench/lib/tensorflowExamples.js';
import { expectNoLeak, useBackend } from './harness.ts';

/** Losses before training, about; for cart-pole the steps of a game, less a margin. */
const before: Readonly<Record<string, number>> = {
  polynomial: 0.05,
  iris: 1.1,
  'boston housing': 300,
  'addition RNN': 2.48,
  'MNIST core': 2.3,
  'MNIST layers': 2.3,
  'MNIST transfer': 1.6,
  'date attention': 2.56,
  VAE: 40,
};

beforeAll(async () => {
  await useBackend('wasm');
  enableWasmConv();
});

describe('with L-BFGS in the place of its own optimizer', () => {
  it.each(examples)(
    '$name trains, and leaves no tensor behind',
    { timeout: 120_000 },
    async ({ name, train }) => {
      // The core example draws another batch at each evaluation, and is told so.
      vi.spyOn(console, 'warn').mockImplementation(() => {});
      const value = await expectNoLeak(async () => {
        const optimizer = new LBFGSOptimizer();
        const reached = await train(optimizer);
        optimizer.dispose();
        return reached;
      });
      const gained = name in before ? before[name] - value : value - 9;
      expect(gained).toBeGreaterThan(0);
    },
  );
});
