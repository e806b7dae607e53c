import * as node from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { trainable, type Ort } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import type { Builder } from '../../../src/adapters/onnx/ir/builder.ts';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
import { direction, modelOf, type Build } from './harness.ts';

const [samples, size] = [24, 8];

/** A weight of the network, about 1/√(number of inputs of a unit) in size. */
const weight = (g: Builder, shape: readonly number[], seed: number) => {
  const count = shape.reduce((a, b) => a * b, 1);
  const scale = Math.sqrt(shape[0] / count);
  return g.constant(
    DType.FLOAT,
    shape,
    direction(count, seed).map((v) => scale * v),
  );
};

/** Two convolutions, a BatchNormalization of the batch's own statistics, poolings of both kinds, and a dense layer. */
const network: Build = (g, { x }) => {
  const vector = (value: number) => g.constant(DType.FLOAT, [6], Array<number>(6).fill(value));
  const conv = (h: string, w: string) => g.op('Conv', [h, w, vector(0)], { pads: [1, 1, 1, 1] });
  const halved = { kernel_shape: [2, 2], strides: [2, 2] };
  const convolved = conv(x, weight(g, [6, 1, 3, 3], 1));
  const statistics = [vector(1), vector(0.1), vector(0.2), vector(1)];
  const [normed] = g.ops('BatchNormalization', [convolved, ...statistics], { training_mode: 1 }, 3);
  const first = g.op('MaxPool', [g.op('Relu', [normed])], halved);
  const second = g.op('Relu', [conv(first, weight(g, [6, 6, 3, 3], 2))]);
  const flat = g.op('Flatten', [g.op('AveragePool', [second], halved)]);
  return g.op('Gemm', [flat, weight(g, [3, 24], 3), weight(g, [3], 4)], { transB: 1 });
};

/** Bars, in one of three directions, anywhere in the image. */
function bars() {
  const places = Array.from({ length: samples * size * size }, (_, i) => {
    const [sample, row, column] = [Math.floor(i / size ** 2), Math.floor(i / size) % size, i % size];
    return { sample, along: [row, column, row + column][sample % 3] };
  });
  return {
    x: {
      data: Float32Array.from(places, ({ sample, along }) => ((along + sample) % 4 === 0 ? 1 : 0)),
      dims: [samples, 1, size, size],
    },
    target: { data: Int32Array.from({ length: samples }, (_, i) => i % 3), dims: [samples] },
  };
}

const image = { shape: [samples, 1, size, size], values: [] };
const bytes = modelOf({ x: image }, network, { precision: 'float32' });

test('a convolutional network trains in onnxruntime-web as in onnxruntime-node', async () => {
  const runtimes: readonly Ort[] = [node, web];
  const results = await Promise.all(
    runtimes.map(async (ort) => {
      const model = await trainable(ort, bytes, { loss: 'softmaxCrossEntropy' });
      const losses: number[] = [];
      const problem = model.problem(bars());
      const result = await minimizeAsync(problem, lbfgs(), {
        maxIterations: 30,
        callback: ({ f }) => void losses.push(f),
      });
      const { y } = await model.predict({ x: bars().x });
      const classes = Array.from({ length: samples }, (_, i) => {
        const scores = Array.from(y.data, Number).slice(3 * i, 3 * i + 3);
        return scores.indexOf(Math.max(...scores));
      });
      await model.dispose();
      return { f: result.f, losses, classes };
    }),
  );
  for (const { f, losses, classes } of results) {
    expect(f).toBeLessThan(0.01 * losses[0]);
    expect(classes).toEqual(Array.from(bars().target.data));
  }
  const [first, second] = results.map(({ losses }) => losses.slice(0, 5));
  for (const [k, loss] of second.entries()) expect(Math.abs(loss - first[k])).toBeLessThan(1e-4 * first[0]);
});

/** Strides that leave a remainder, so that its weight's gradient is cut, and its second derivative padded. */
const strided: Build = (g, { x }) => {
  const conv = (h: string, w: string, strides: number[]) => g.op('Conv', [h, w], { strides });
  const first = g.tanh(conv(x, weight(g, [4, 1, 3, 3], 1), [2, 2]));
  const second = g.tanh(conv(first, weight(g, [4, 4, 1, 1], 2), [2, 2]));
  return g.op('Gemm', [g.op('Flatten', [second]), weight(g, [3, 16], 3)], { transB: 1 });
};

/** One channel, one channel a group with and without a stride, and windows of one element. */
const separable: Build = (g, { x }) => {
  const conv = (h: string, w: string, group = 1, stride = 1, pad = 1) =>
    g.relu(g.op('Conv', [h, w], { group, strides: [stride, stride], pads: [pad, pad, pad, pad] }));
  const first = conv(x, weight(g, [4, 1, 3, 3], 1));
  const second = conv(conv(first, weight(g, [4, 1, 3, 3], 2), 4), weight(g, [6, 4, 1, 1], 3), 1, 1, 0);
  const third = conv(second, weight(g, [6, 1, 3, 3], 4), 6, 2);
  return g.op('Gemm', [g.op('Flatten', [third]), weight(g, [3, 96], 5)], { transB: 1 });
};

test.each([
  ['poolings', network],
  ['strides', strided],
  ['one channel a group', separable],
])('products of the Hessian of convolutions with %s are those of float64', async (_, build) => {
  const file = modelOf({ x: image }, build, { precision: 'float32' });
  const products = await Promise.all(
    (['float32', 'float64'] as const).map(async (precision) => {
      const model = await trainable(node, file, {
        loss: 'softmaxCrossEntropy',
        precision,
        hessianVector: true,
      });
      const problem = model.problem(bars());
      const product = problem.p0.slice();
      await problem.hessianVector?.(problem.p0, Float64Array.from(direction(product.length, 5)), product);
      await model.dispose();
      return product;
    }),
  );
  const largest = Math.max(...products[1].map(Math.abs));
  expect(largest).toBeGreaterThan(0);
  for (const [i, value] of products[1].entries()) {
    expect(Math.abs(products[0][i] - value)).toBeLessThan(1e-4 * largest);
  }
});
