import * as tf from '@tensorflow/tfjs';
import { lbfgs, loadState, minimize, minimizeAsync, saveState, type SavedState } from 'quasi-newton';
import { fitFullBatch, fitFullBatchAsync, modelProblem } from 'quasi-newton/tfjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** A network that overfits ten noisy points. */
function network() {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({
        units: 24,
        activation: 'tanh',
        inputShape: [1],
        kernelInitializer: tf.initializers.randomNormal({ seed: 3, stddev: 2 }),
        biasInitializer: tf.initializers.randomNormal({ seed: 4 }),
      }),
      tf.layers.dense({ units: 1, kernelInitializer: tf.initializers.glorotNormal({ seed: 5 }) }),
    ],
  });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  return model;
}
const column = (values: number[]) => tf.tensor2d(values, [values.length, 1]);
const at = Array.from({ length: 10 }, (_, i) => i / 5 - 1);
const between = Array.from({ length: 9 }, (_, i) => i / 5 - 0.9);

describe('a tf.LayersModel', () => {
  let data: { x: tf.Tensor; y: tf.Tensor; heldX: tf.Tensor; heldY: tf.Tensor };
  beforeEach(async () => {
    await tf.setBackend('cpu');
    data = {
      x: column(at),
      y: column(at.map((t, i) => Math.sin(2 * t) + 0.3 * Math.cos(7 * i))),
      heldX: column(between),
      heldY: column(between.map((t) => Math.sin(2 * t))),
    };
  });
  afterEach(() => tf.dispose(data));

  it('is left at the weights whose loss on data held out is least, by minimize as by fitFullBatch', () => {
    const { x, y, heldX, heldY } = data;
    const model = network();
    const held = modelProblem(model, heldX, heldY);
    const { validation, x: point } = minimize(modelProblem(model, x, y), lbfgs(), {
      maxIterations: 60,
      validation: { problem: held, patience: 12 },
    });
    const left = (model.evaluate(heldX, heldY) as tf.Scalar).dataSync()[0];
    expect(left).toBeCloseTo(validation!.best!.f, 6);
    expect(held.fg(point, null)).toBe(validation!.best!.f);

    const other = network();
    const fit = fitFullBatch(other, x, y, {
      solver: lbfgs(),
      maxIterations: 60,
      validationData: [heldX, heldY],
      earlyStopping: { patience: 12 },
    });
    expect(fit.bestEpoch).toBe(validation!.best!.iteration);
    expect(fit.x).toEqual(point);
  });

  it('goes on from the state of a fit, bit for bit, through JSON', async () => {
    const { x, y } = data;
    const whole = fitFullBatch(network(), x, y, { solver: lbfgs(), maxIterations: 12, gtol: 0 });
    const model = network();
    const first = fitFullBatch(model, x, y, { solver: lbfgs(), maxIterations: 5, gtol: 0 });
    const resume = loadState(JSON.parse(JSON.stringify(saveState(first.state))) as SavedState);
    // Another network of these shapes: its variables have other names.
    const second = fitFullBatch(network(), x, y, { solver: lbfgs(), maxIterations: 7, gtol: 0, resume });
    expect(second.x).toEqual(whole.x);
    const later = await fitFullBatchAsync(network(), x, y, {
      solver: lbfgs(),
      maxIterations: 7,
      gtol: 0,
      resume,
    });
    expect(later.x).toEqual(whole.x);
  });

  it('is trained while a callback takes its time', async () => {
    const { x, y } = data;
    const model = network();
    const seen: number[] = [];
    const result = await minimizeAsync(modelProblem(model, x, y), lbfgs(), {
      async callback({ iteration }) {
        await tf.nextFrame();
        seen.push(iteration);
        return iteration === 3;
      },
    });
    expect(seen).toEqual([0, 1, 2, 3]);
    expect(result.termination).toBe('callback');
  });
});

/** Layers that differ in training and inference, also inside of others. */
function stochastic(kind: 'plain' | 'nested' | 'recurrent') {
  const dense = (units: number, seed: number, more = {}) =>
    tf.layers.dense({
      units,
      activation: 'tanh',
      kernelInitializer: tf.initializers.glorotNormal({ seed }),
      ...more,
    });
  const inside = tf.sequential({
    layers: [
      dense(8, 1, { inputShape: [3] }),
      tf.layers.batchNormalization(),
      tf.layers.dropout({ rate: 0.4 }),
    ],
  });
  const layers: Record<typeof kind, tf.layers.Layer[]> = {
    plain: [
      dense(8, 1, { inputShape: [3] }),
      tf.layers.batchNormalization(),
      tf.layers.dropout({ rate: 0.4 }),
    ],
    nested: [inside],
    recurrent: [
      tf.layers.reshape({ targetShape: [3, 1], inputShape: [3] }),
      tf.layers.bidirectional({
        layer: tf.layers.gru({
          units: 4,
          dropout: 0.3,
          kernelInitializer: tf.initializers.glorotNormal({ seed: 8 }),
        }),
        mergeMode: 'concat',
      }),
      tf.layers.gaussianNoise({ stddev: 0.3 }),
    ],
  };
  const last = tf.layers.dense({
    units: 1,
    kernelInitializer: tf.initializers.glorotNormal({ seed: 2 }),
    kernelRegularizer: tf.regularizers.l2({ l2: 0.01 }),
  });
  const model = tf.sequential({ layers: [...layers[kind], last] });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  return model;
}

describe('the loss in inference mode', () => {
  const draw = (rows: number, seed: number) => tf.randomNormal([rows, 3], 0, 1, 'float32', seed);
  const target = (x: tf.Tensor) => tf.tidy(() => x.sin().sum(1, true));

  it.each(['plain', 'nested', 'recurrent'] as const)(
    'is that of predict with penalties, and has its gradient: %s',
    async (kind) => {
      await tf.setBackend('cpu');
      const model = stochastic(kind);
      const x = draw(12, 3);
      const y = target(x);
      const problem = modelProblem(model, x, y, { inference: true });
      const penalty = tf.tidy(
        () => model.layers.at(-1)!.getWeights()[0].square().sum().mul(0.01).dataSync()[0],
      );
      const expected = tf.tidy(() => (model.predict(x) as tf.Tensor).sub(y).square().mean().dataSync()[0]);
      const tensors = tf.memory().numTensors;
      const f = problem.fg(problem.p0, null);
      expect(f).toBeCloseTo(expected + penalty, 5);
      expect(problem.fg(problem.p0, null)).toBe(f);
      expect(modelProblem(model, x, y).fg(problem.p0, null)).not.toBeCloseTo(f, 3);
      const gradient = new Float64Array(problem.p0.length);
      expect(problem.fg(problem.p0, gradient)).toBeCloseTo(f, 6);
      const step = 1e-2;
      let [numeric, exact] = [0, 0];
      const along = gradient.map((_, i) => Math.sin(i + 1) / Math.sqrt(gradient.length));
      const at = (h: number) =>
        problem.fg(
          problem.p0.map((v, i) => v + h * along[i]),
          null,
        );
      numeric = (at(step) - at(-step)) / (2 * step);
      exact = along.reduce((sum, v, i) => sum + v * gradient[i], 0);
      expect(numeric).toBeCloseTo(exact, 3);
      expect(tf.memory().numTensors).toBe(tensors);
      // Afterwards layers are trained as before.
      const training = modelProblem(model, x, y);
      expect(training.fg(problem.p0, null)).toBe(training.fg(problem.p0, null));
      expect(training.fg(problem.p0, null)).not.toBeCloseTo(f, 3);
      tf.dispose([x, y]);
    },
  );

  it('stops a run, with the moving statistics of the point that is returned', async () => {
    await tf.setBackend('cpu');
    const model = stochastic('plain');
    const [x, heldX] = [draw(30, 5), draw(20, 6)];
    const [y, heldY] = [target(x), target(heldX)];
    const held = modelProblem(model, heldX, heldY, { inference: true });
    const training = modelProblem(model, x, y);
    const { validation, x: point } = minimize(training, lbfgs(), {
      maxIterations: 25,
      validation: { problem: held, patience: 8 },
    });
    // At the weights and statistics that are left, and with statistics of the data computed anew.
    expect(held.fg(point, null)).toBe(validation!.best!.f);
    const before = model.layers[1].getWeights(false).map((weight) => Array.from(weight.dataSync()));
    training.settleStatistics();
    model.layers[1]
      .getWeights(false)
      .forEach((weight, i) =>
        weight.dataSync().forEach((value, k) => expect(value).toBeCloseTo(before[i][k], 5)),
      );
    const asEvaluated = (model.evaluate(heldX, heldY) as tf.Scalar).dataSync()[0];
    expect(asEvaluated).toBeLessThanOrEqual(held.fg(point, null));
    tf.dispose([x, y, heldX, heldY]);
  });

  it('is no option of fitFullBatch, which trains', () => {
    const x = draw(4, 1);
    expect(() =>
      fitFullBatch(stochastic('plain'), x, target(x), { inference: true } as Parameters<
        typeof fitFullBatch
      >[3]),
    ).toThrow(/inference: no such option/);
    x.dispose();
  });
});
