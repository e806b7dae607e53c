import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { checkGradient } from 'quasi-newton';
import { enableSecondOrder, enableWasmConv, modelProblem, optfuns } from 'quasi-newton/tfjs';

/** Gradients that TensorFlow.js 4.22 computes wrongly, against differences of the loss. */
const random = (shape: number[], seed: number) => tf.randomNormal(shape, 0, 1, 'float32', seed);

/** Returns the message that `f` throws, or 'none' if it returns null. */
function errorOf(f: () => string | null): string {
  try {
    return f() ?? 'none';
  } catch (error) {
    return String(error);
  }
}

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

  it.each<[string, number[][], (...inputs: tf.Tensor[]) => tf.Tensor]>([
    ['a cumulative sum along the first axis', [[3, 3]], (x) => tf.cumsum(x, 0)],
    ['a reverse, exclusive one along the middle axis', [[2, 3, 4]], (x) => tf.cumsum(x, 1, true, true)],
    ['a product, keeping axes', [[2, 3, 4]], (x) => tf.prod(x, [0, 2], true)],
    ['a product of all', [[2, 3]], (x) => tf.prod(x)],
    ['reflected padding', [[3, 4]], (x) => tf.mirrorPad(x, [[1, 2], [2, 0]], 'reflect')], // prettier-ignore
    ['symmetric padding', [[2, 3, 4]], (x) => tf.mirrorPad(x, [[0, 0], [3, 1], [2, 4]], 'symmetric')], // prettier-ignore
    ['bilinear resizing with pixel centers', [[2, 3, 4, 2]], (x) => tf.image.resizeBilinear(x as tf.Tensor4D, [5, 6], false, true)], // prettier-ignore
    ['bilinear reduction with pixel centers', [[2, 3, 4, 2]], (x) => tf.image.resizeBilinear(x as tf.Tensor4D, [2, 3], false, true)], // prettier-ignore
    ['neighbors with pixel centers', [[2, 3, 4, 2]], (x) => tf.image.resizeNearestNeighbor(x as tf.Tensor4D, [2, 7], false, true)], // prettier-ignore
    // The kernel of cpu did not end.
    ['one neighbor, corners aligned', [[3, 4, 1, 2]], (x) => tf.image.resizeNearestNeighbor(x as tf.Tensor4D, [1, 1], true)], // prettier-ignore
    ['squared differences of broadcast tensors', [[3, 1], [2, 1, 4]], (a, b) => tf.squaredDifference(a, b)], // prettier-ignore
    ['a maximum of broadcast tensors', [[3, 4], []], (a, b) => tf.maximum(a, b)],
    ['a minimum of broadcast tensors', [[1], [2, 3]], (a, b) => tf.minimum(a, b)],
    ['products of a matrix and many', [[1, 2, 3], [4, 3, 2]], (a, b) => tf.matMul(a, b)], // prettier-ignore
    ['products of many and a matrix', [[4, 2, 3], [2, 3]], (a, b) => tf.matMul(a, b, false, true)], // prettier-ignore
  ])('the gradient of %s', async (_, shapes, f) => {
    await use();
    const inputs = shapes.map((shape, i) => tf.variable(random(shape, 7 + i)));
    expect(faultOf(() => f(...inputs).square().sum(), inputs)).toBeNull(); // prettier-ignore
  });

  it('the gradient of staircases is zero', async () => {
    await use();
    const x = tf.variable(tf.tensor1d([2.7, 1.2, 3.5]));
    const gradientOf = (loss: () => tf.Scalar) => {
      const { p0, fg } = optfuns(loss, [x]);
      const gradient = new Float64Array(p0.length);
      fg(p0, gradient);
      return [...gradient];
    };
    expect(gradientOf(() => x.mul(x.toInt().toFloat()).sum())).toEqual([2, 1, 3]);
    expect(gradientOf(() => x.mul(x.floorDiv(tf.scalar(0.5))).sum().asScalar())).toEqual([
      ...x.floorDiv(tf.scalar(0.5)).dataSync(),
    ]); // prettier-ignore
    x.dispose();
  });

  it('gradients of windows that TensorFlow.js loses are refused', async () => {
    await use();
    const gradient = (f: () => tf.Tensor, x: tf.Variable) => () => faultOf(() => f().square().sum(), [x]);
    const x = tf.variable(random([1, 6, 6, 2], 1));
    const filter = random([3, 3, 2, 2], 2) as tf.Tensor4D;
    const conv = (images: tf.Variable) => () =>
      tf.conv2d(images as tf.Variable<tf.Rank.R4>, filter, 2, 0, 'NHWC', 1, 'ceil');
    expect(gradient(conv(x), x)).toThrow(/Conv2D with dimRoundingMode 'ceil'.*tf\.pad/);
    const y = tf.variable(random([1, 5, 5, 2], 1));
    expect(gradient(conv(y), y)()).toBeNull();
    const volume = tf.variable(random([1, 4, 4, 4, 2], 3));
    const pooled = gradient(
      () => tf.maxPool3d(volume as tf.Variable<tf.Rank.R5>, [2, 3, 2], 2, 'same'),
      volume,
    );
    expect(errorOf(pooled)).toContain(backend === 'cpu' ? 'height (3) and width (2)' : 'none');
    tf.dispose([x, volume, filter]);
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

it('two copies of the package correct a gradient once', async () => {
  await tf.setBackend('cpu');
  const x = tf.variable(tf.ones<tf.Rank.R4>([1, 3, 3, 1]));
  const gradientOf = (make: typeof optfuns) => {
    const { p0, fg } = make(() => tf.avgPool(x, 2, 2, 'same').sum(), [x]);
    const gradient = new Float64Array(p0.length);
    fg(p0, gradient);
    return [...gradient];
  };
  const right = [0.25, 0.25, 0.5, 0.25, 0.25, 0.5, 0.5, 0.5, 1];
  expect(gradientOf(optfuns)).toEqual(right);
  vi.resetModules();
  const copy = await import('quasi-newton/tfjs');
  expect(copy.optfuns).not.toBe(optfuns);
  expect(gradientOf(copy.optfuns)).toEqual(right);
  x.dispose();
});

it('products along axes counted from the last have gradients', async () => {
  // The kernel of wasm reads beyond its memory, without a gradient, too.
  await tf.setBackend('cpu');
  const x = tf.variable(tf.tensor2d([[2, 0, 3], [1, 4, 5]])); // prettier-ignore
  const { p0, fg } = optfuns(() => x.prod(-1).sum(), [x]);
  const gradient = new Float64Array(6);
  expect(fg(p0, gradient)).toBe(20);
  expect([...gradient]).toEqual([0, 6, 0, 20, 5, 4]);
  x.dispose();
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
  const image = tf.variable(tf.tensor4d([1, 2, 3, 5], [1, 2, 2, 1]));
  const resized = optfuns(() => tf.image.resizeBilinear(image, [4, 4], false, true).square().sum(), [image]);
  const curvature = new Float64Array(4);
  resized.hessianVector!(resized.p0, Float64Array.of(1, 0, 0, 0), curvature);
  // Along each axis, the weights of the first pixel are 1, 3/4, 1/4, 0, and of the second those in reverse.
  const [own, shared] = [1 + 9 / 16 + 1 / 16, 3 / 8];
  [own * own, own * shared, shared * own, shared * shared].forEach((value, i) =>
    expect(curvature[i]).toBeCloseTo(2 * value, 5),
  );
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
