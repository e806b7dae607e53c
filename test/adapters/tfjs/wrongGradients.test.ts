import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, describe, expect, it } from 'vitest';
import { checkGradient } from 'quasi-newton';
import { enableSecondOrder, enableWasmConv, modelProblem, optfuns } from 'quasi-newton/tfjs';

/** Gradients that TensorFlow.js 4.22 computes wrongly, against differences of the loss. */
const random = (shape: number[], seed: number) => tf.randomNormal(shape, 0, 1, 'float32', seed);

afterAll(() => tf.setBackend('cpu'));

describe.each(['cpu', 'wasm'])('on %s', (backend) => {
  const use = async () => {
    await tf.setBackend(backend);
    if (backend === 'wasm') enableWasmConv();
  };

  /** Returns what is wrong with the gradient of a loss; null if nothing is. */
  function faultOf(loss: () => tf.Scalar, variables: tf.Variable[]): string | null {
    const { ok, message } = checkGradient(optfuns(loss, variables));
    tf.dispose(variables);
    return ok ? null : message;
  }

  it('the gradient of an extremum is shared among elements that move together', async () => {
    await use();
    for (const take of [
      (x: tf.Tensor) => x.max(),
      (x: tf.Tensor) => x.min(),
      (x: tf.Tensor) => x.max(0),
      (x: tf.Tensor) => x.min(-2, true),
      (x: tf.Tensor) => x.max([0, 1], true),
      (x: tf.Tensor) => x.logSumExp(),
    ]) {
      const w = tf.variable(tf.tensor2d([[0.3, -0.7, 1.2]]));
      expect(
        faultOf(
          () =>
            take(tf.tile(w, [4, 1]))
              .square()
              .sum(),
          [w],
        ),
      ).toBeNull();
    }
  });

  it.each([
    ['same', 2],
    ['same', 3],
    ['valid', 2],
    [1, 2],
    [0, 2],
  ] as const)(
    'the gradient of an average pooling counts the elements of each window: %s, strides %d',
    async (pad, strides) => {
      await use();
      const rounding = typeof pad === 'number' ? 'floor' : undefined;
      const solid = tf.variable(random([2, 4, 5, 3, 2], 2));
      const square = () => solid.square() as tf.Tensor5D;
      const volumes = () => tf.avgPool3d(square(), [3, 2, 2], strides, pad, rounding);
      expect(faultOf(() => volumes().square().sum(), [solid])).toBeNull();
      // On wasm, 2-D pooling with explicit padding writes beyond its memory, without a gradient, too.
      if (typeof pad === 'number' && backend === 'wasm') return;
      const x = tf.variable(random([2, 5, 6, 2], 1));
      const images = () => tf.avgPool(x.square() as tf.Tensor4D, [3, 2], strides, pad, rounding);
      expect(faultOf(() => images().square().sum(), [x])).toBeNull();
    },
  );

  it.each([false, true])('the gradient of a resized batch, corners aligned: %s', async (aligned) => {
    await use();
    for (const size of [
      [7, 11],
      [3, 4],
      [10, 12],
    ] as [number, number][])
      for (const resize of [tf.image.resizeNearestNeighbor, tf.image.resizeBilinear]) {
        const x = tf.variable(random([3, 5, 6, 2], 3));
        expect(
          faultOf(
            () =>
              resize(x.square() as tf.Tensor4D, size, aligned)
                .square()
                .sum(),
            [x],
          ),
        ).toBeNull();
      }
  });

  it('models with such layers have right gradients, without a leak', async () => {
    await use();
    const L = tf.layers;
    const before = tf.memory().numTensors;
    const image = { inputShape: [6, 5, 2] };
    const conv = () => L.conv2d({ filters: 2, kernelSize: 3, padding: 'same', activation: 'tanh', ...image });
    const models = [
      tf.sequential({ layers: [conv(), L.averagePooling2d({ poolSize: 3, strides: 1, padding: 'same' })] }),
      tf.sequential({ layers: [conv(), L.upSampling2d({ size: [2, 3] })] }),
      tf.sequential({ layers: [conv(), L.upSampling2d({ size: [2, 2] }), L.globalMaxPooling2d({})] }),
    ];
    const x = random([3, 6, 5, 2], 4);
    for (const model of models) {
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const y = random([3, ...(model.outputs[0].shape.slice(1) as number[])], 5);
      const problem = modelProblem(model, x, y);
      const { ok, message } = checkGradient(problem);
      expect(ok ? null : message).toBeNull();
      problem.dispose();
      model.dispose();
      y.dispose();
    }
    x.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

it('so are second derivatives through padded average pooling and ties', async () => {
  await tf.setBackend('cpu');
  enableSecondOrder();
  const x = tf.variable(random([2, 5, 6, 2], 6));
  const pooled = optfuns(
    () =>
      tf
        .avgPool(x.square() as tf.Tensor4D, 3, 2, 'same')
        .square()
        .sum(),
    [x],
  );
  const v = pooled.p0.map((_, i) => Math.sin(i));
  const product = new Float64Array(v.length);
  pooled.hessianVector!(pooled.p0, v, product);
  // Differences of gradients in float64: of the loss Σ (Σ wᵢxᵢ²)², written with plain loops.
  const [high, low] = [1e-5, -1e-5].map((h) => plainGradient(pooled.p0.map((value, i) => value + h * v[i])));
  product.forEach((value, i) => expect(value).toBeCloseTo((high[i] - low[i]) / 2e-5, 3));
  const w = tf.variable(tf.tensor1d([0.3, -0.7, 1.2]));
  const tied = optfuns(() => tf.tile(w.square(), [4]).max().square().asScalar(), [w]);
  const out = new Float64Array(3);
  tied.hessianVector!(tied.p0, Float64Array.of(0, 0, 1), out);
  expect(out[2]).toBeCloseTo(12 * 1.2 ** 2, 4);
});

/** Gradient of Σ avgPool(x², 3, strides 2, 'same')² for x `[2, 5, 6, 2]`; rows are padded by 1 before, columns by 0. */
function plainGradient(x: Float64Array): Float64Array {
  const gradient = new Float64Array(x.length);
  for (let b = 0; b < 2; b++)
    for (let c = 0; c < 2; c++)
      for (let i = 0; i < 3; i++)
        for (let j = 0; j < 3; j++) {
          const cells: number[] = [];
          for (let r = 2 * i - 1; r < 2 * i + 2; r++)
            for (let s = 2 * j; s < 2 * j + 3; s++)
              if (r >= 0 && r < 5 && s < 6) cells.push(((b * 5 + r) * 6 + s) * 2 + c);
          const mean = cells.reduce((sum, cell) => sum + x[cell] ** 2, 0) / cells.length;
          for (const cell of cells) gradient[cell] += (2 * mean * 2 * x[cell]) / cells.length;
        }
  return gradient;
}
