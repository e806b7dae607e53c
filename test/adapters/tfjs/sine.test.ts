/**
 * The sine problem: 1-5-5-1 with tanh, 46 parameters, 100 points, 500 iterations, 10 seeds, float32; published
 * for FluxOptTools.jl with medians of 2.1e-3 (Adam), 4.2e-4 (SLBFGS) and 1.9e-7 (BFGS).
 */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { BFGSOptimizer, LBFGSOptimizer, type SolverOptimizer } from 'quasi-newton/tfjs';
import { sineData, sineModel, useBackend, variablesOf } from './harness.ts';

/** The benchmarks take 10; so does this with `SINE_SEEDS=10`. */
const SEEDS = Number(process.env['SINE_SEEDS'] ?? 5);
const ITERATIONS = 500;

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** Median loss at the end, and evaluations an iteration. */
function trained(make: () => tf.Optimizer, iterations: number): { loss: number; evaluations: number } {
  const { x, y } = sineData();
  const losses: number[] = [];
  let evaluations = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const model = sineModel(seed);
    const optimizer = make();
    const variables = variablesOf(model);
    const loss = () => tf.losses.meanSquaredError<tf.Tensor, tf.Scalar>(y, model.apply(x) as tf.Tensor);
    for (let k = 0; k < iterations; k++) {
      optimizer.minimize(loss, false, variables);
      evaluations += (optimizer as SolverOptimizer).progress?.evaluations ?? 1;
    }
    losses.push(tf.tidy(() => loss().dataSync()[0]));
    optimizer.dispose();
    model.dispose();
  }
  tf.dispose([x, y]);
  return { loss: median(losses), evaluations: evaluations / (SEEDS * iterations) };
}

describe('the sine problem', () => {
  beforeAll(() => useBackend('cpu'));

  it('is solved to 2e-5 by L-BFGS, to the floor of float32 by BFGS, and not nearly so by a tuned Adam', () => {
    const lbfgs = trained(() => new LBFGSOptimizer({ fullBatch: true }), ITERATIONS);
    const bfgs = trained(() => new BFGSOptimizer({ fullBatch: true }), ITERATIONS);
    const adams = [0.02, 0.05, 0.1].map((rate) => trained(() => tf.train.adam(rate), ITERATIONS).loss);
    const adam = Math.min(...adams);
    console.log({ lbfgs, bfgs, adam });
    // Measured 8.0e-6 with 10 seeds, Adam at its best rate 1.7e-4.
    expect(lbfgs.loss).toBeLessThan(2e-5);
    // Measured 1.1e-10.
    expect(bfgs.loss).toBeLessThan(1e-9);
    expect(adam).toBeGreaterThan(4 * lbfgs.loss);
    expect(lbfgs.evaluations).toBeLessThan(1.6);
    // A step of BFGS itself takes about two, by the scale of its H₀.
    expect(bfgs.evaluations).toBeLessThan(2.2);
  }, 240_000);
});
