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
