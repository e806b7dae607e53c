import * as tf from '@tensorflow/tfjs';
import { beforeEach, describe, expect, it } from 'vitest';
import { enableWasmConv, fitFullBatch, LBFGSOptimizer, modelProblem, optfunsAsync } from 'quasi-newton/tfjs';
import { useBackend, variablesOf } from './harness.ts';

/** A small convolutional network on one image, compiled. */
function convolutional(optimizer: tf.Optimizer | 'sgd') {
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ filters: 2, kernelSize: 3, inputShape: [5, 5, 1] }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 1 }),
    ],
  });
  model.compile({ optimizer, loss: 'meanSquaredError' });
  return { model, x: tf.ones([2, 5, 5, 1]), y: tf.ones([2, 1]) };
}

const sentence = /no kernel Conv2DBackpropFilter.*Call enableWasmConv\(\).*setBackend\('cpu'\)/;

describe('on wasm as it comes, a convolution is refused with what to do:', () => {
  beforeEach(() => useBackend('wasm'));

  it('on wasm as it comes, a convolution is refused with what to do by model.fit with an optimizer', async () => {
    const { model, x, y } = convolutional(new LBFGSOptimizer());
    await expect(model.fit(x, y, { verbose: 0 })).rejects.toThrow(sentence);
  });

  it('on wasm as it comes, a convolution is refused with what to do by minimize without a list of variables', () => {
    const { model, x } = convolutional('sgd');
    const loss = () => tf.mean(model.apply(x) as tf.Tensor) as tf.Scalar;
    expect(() => new LBFGSOptimizer().minimize(loss)).toThrow(sentence);
  });

  it('on wasm as it comes, a convolution is refused with what to do by fitFullBatch, modelProblem and optfunsAsync', async () => {
    const { model, x, y } = convolutional('sgd');
    expect(() => fitFullBatch(model, x, y)).toThrow(sentence);
    const problem = modelProblem(model, x, y);
    expect(() => problem.gradfun(problem.p0)).toThrow(sentence);
    const loss = () => tf.mean(model.apply(x) as tf.Tensor);
    const later = await optfunsAsync(loss, variablesOf(model));
    await expect(later.gradfun(later.p0)).rejects.toThrow(sentence);
  });

  it('on wasm, a convolution trains after enableWasmConv()', () => {
    enableWasmConv();
    const { model, x, y } = convolutional('sgd');
    expect(fitFullBatch(model, x, y, { maxIterations: 20 }).f).toBeLessThan(1e-6);
  });
});
