import * as tf from '@tensorflow/tfjs';
import { beforeEach, expect, it } from 'vitest';
import { adam, soap } from 'quasi-newton';
import { SOAPOptimizer, SolverOptimizer } from 'quasi-newton/tfjs';
import { expectNoLeak, useBackend, variable } from './harness.ts';

beforeEach(() => useBackend('cpu'));

const BETA = 0.8;
const options = { beta1: BETA, learningRate: 0.05, scheduleFree: true };
const bound = { learningRate: 10 };

/** A loss that is another one in each call, and the points that it was evaluated at. */
function batches(w: tf.Variable) {
  const points: number[][] = [];
  let call = 0;
  const loss = (): tf.Scalar => {
    points.push([...w.dataSync()]);
    return tf.tidy(() =>
      w
        .sub(Math.sin(call))
        .square()
        .mul([1, 3, 2])
        .sum()
        .add(call % 3)
        .asScalar(),
    );
  };
  return { points, loss, next: () => void call++ };
}

it.each([
  ['adam', () => new SolverOptimizer(adam(options), bound)],
  ['soap', () => new SolverOptimizer(soap(options), bound)],
  [
    'SOAPOptimizer',
    () =>
      new SOAPOptimizer({
        maxChange: bound.learningRate,
        learningRate: 0.05,
        beta1: BETA,
        scheduleFree: true,
      }),
  ],
])(
  '%s: the model holds the average between batches, gradients are taken between it and the base point',
  (_name, make) =>
    expectNoLeak(() => {
      const w = variable(tf.tensor2d([2, -1, 0.5], [1, 3]));
      const optimizer = make();
      const { points, loss, next } = batches(w);
      const averages: number[][] = [];
      const taken: number[][] = [];
      for (let k = 0; k < 12; k++) {
        next();
        points.length = 0;
        optimizer.minimize(loss, false, [w]);
        taken.push(points[0]);
        averages.push([...w.dataSync()]);
      }
      // That the calls are batches shows at the second: there the average begins.
      for (let k = 3; k < 11; k++) {
        const steps = k;
        taken[k + 1].forEach((y, i) => {
          const z = (y - BETA * averages[k][i]) / (1 - BETA);
          const average = averages[k - 1][i] + (z - averages[k - 1][i]) / steps;
          expect(Math.abs(averages[k][i] - average)).toBeLessThan(2e-6);
          expect(Math.abs(y - averages[k][i])).toBeGreaterThan(1e-5);
        });
      }
      optimizer.dispose();
      w.dispose();
    }),
);

it('adopts weights set from outside, and restarts from the average when given gradients', () =>
  expectNoLeak(() => {
    const w = variable(tf.tensor2d([2, -1, 0.5], [1, 3]));
    const optimizer = new SolverOptimizer(soap(options), bound);
    const { points, loss, next } = batches(w);
    for (let k = 0; k < 6; k++) {
      next();
      optimizer.minimize(loss, false, [w]);
    }
    const before = [...w.dataSync()];
    const y = [...optimizerPoint(optimizer)];
    tf.tidy(() => w.assign(w.add(tf.tensor2d([1, 0, -2], [1, 3]))));
    points.length = 0;
    next();
    optimizer.minimize(loss, false, [w]);
    [1, 0, -2].forEach((shift, i) => expect(points[0][i]).toBeCloseTo(y[i] + shift, 5));
    expect(Math.abs(w.dataSync()[0] - before[0] - 1)).toBeLessThan(0.1);

    const average = [...w.dataSync()];
    tf.tidy(() =>
      optimizer.applyGradients({ [w.name]: tf.tensor2d([0, 0, 1], [1, 3]) }, { learningRate: 0.01 }),
    );
    const after = [...w.dataSync()];
    expect(after.slice(0, 2)).toEqual(average.slice(0, 2));
    expect(Math.abs(after[2] - average[2] + 0.01)).toBeLessThan(1e-5);
    optimizer.dispose();
    w.dispose();
  }));

it('leaves a model within its constraints, even if the average of feasible points is not', () =>
  expectNoLeak(async () => {
    const model = tf.sequential({
      layers: [
        tf.layers.dense({
          units: 2,
          inputShape: [3],
          useBias: false,
          kernelConstraint: tf.constraints.unitNorm({ axis: 0 }),
          kernelInitializer: tf.initializers.glorotUniform({ seed: 3 }),
        }),
      ],
    });
    const optimizer = new SOAPOptimizer({ learningRate: 0.05, scheduleFree: true, maxChange: 1 }).attach(
      model,
    );
    model.compile({ optimizer, loss: 'meanSquaredError' });
    const x = tf.randomNormal([40, 3], 0, 1, 'float32', 1);
    const y = tf.randomNormal([40, 2], 0, 1, 'float32', 2);
    await model.fit(x, y, { batchSize: 10, epochs: 3, shuffle: false, verbose: 0 });
    const norms = tf.tidy(() => [...model.getWeights()[0].square().sum(0).sqrt().dataSync()]);
    norms.forEach((norm) => expect(norm).toBeCloseTo(1, 5));
    optimizer.dispose();
    model.dispose();
    tf.dispose([x, y]);
  }));

/** Where the next gradient will be taken. */
function optimizerPoint(optimizer: SolverOptimizer): Float64Array {
  return (
    optimizer as unknown as { run: { knowledge: { state: { x: Float64Array } } } }
  ).run.knowledge.state.x.slice();
}
