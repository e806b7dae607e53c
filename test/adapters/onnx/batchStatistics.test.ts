import * as ort from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import {
  batchStatisticNameOf,
  differentiate,
  gradientNameOf,
  graph,
  hessianVectorNameOf,
  lossName,
  vectorNameOf,
} from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { direction, type Precision } from './harness.ts';

/** A convolution whose result two normalizations read, one of them twice as large, with a ReLU and a shortcut. */
function twoNormalizations(): Uint8Array {
  const g = graph({ seed: 3 });
  const convolved = g.conv(g.input('x', ['N', 2, 5, 4]), 4, 3, { padding: 1, name: 'c' });
  const first = g.relu(g.batchNorm(convolved, { name: 'a' }));
  const second = g.batchNorm(convolved, { name: 'b' });
  const last = g.batchNorm(g.conv(g.add(first, second), 3, [2, 3], { name: 'd' }), { name: 'e' });
  g.output('y', g.mul(last, last, g.input('weights', ['N', 3, 4, 2])));
  return g.toBytes();
}

const samples = 6;
const shapes = { x: [samples, 2, 5, 4], weights: [samples, 3, 4, 2] };

/** Loss, gradients, products with the Hessian and statistics, by name. */
async function computed(precision: Precision, runtime: typeof ort | typeof web, afterNaN = false) {
  const made = differentiate(twoNormalizations(), {
    loss: (l, { outputs: [y] }) => l.sumOfAll(y),
    precision,
    hessianVector: true,
  });
  const tensor = (shape: readonly number[], seed: number, scale = 1) => {
    const numbers = direction(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ).map((value) => Math.fround(value * scale));
    const data = precision === 'float64' ? Float64Array.from(numbers) : Float32Array.from(numbers);
    return new ort.Tensor(precision, data as Float32Array, [...shape]);
  };
  const feeds: Record<string, ort.Tensor> = {
    x: tensor(shapes.x, 1, 10),
    weights: tensor(shapes.weights, 2),
  };
  for (const [i, { name, input, shape }] of made.parameters.entries()) {
    feeds[input] = tensor(shape, 3 + i, 3);
    feeds[vectorNameOf(name)] = tensor(shape, 30 + i);
  }
  const session = await (runtime as typeof ort).InferenceSession.create(made, { logSeverityLevel: 3 });
  const weight = made.parameters[0].input;
  const { data, dims } = feeds[weight];
  const spoiled = new ort.Tensor(
    precision,
    (data as Float32Array).map(() => NaN),
    dims,
  );
  if (afterNaN) await session.run({ ...feeds, [weight]: spoiled });
  const results = await session.run(feeds);
  await session.release();
  const names = [
    lossName,
    ...made.parameters.flatMap(({ name }) => [gradientNameOf(name), hessianVectorNameOf(name)]),
    ...made.statistics.map(({ name }) => batchStatisticNameOf(name)),
  ];
  expect(made.statistics).toHaveLength(6);
  const usesOneNode = Buffer.from(made.bytes).includes('training_mode');
  return {
    usesOneNode,
    values: new Map(names.map((name) => [name, Array.from(results[name].data, Number)])),
  };
}

/** The largest error, relative to the largest element of each value and to 1. */
function errorOf(values: ReadonlyMap<string, number[]>, exact: ReadonlyMap<string, number[]>): number {
  const errors = Array.from(exact).flatMap(([name, numbers]) => {
    const scale = Math.max(...numbers.map(Math.abs), 1);
    return numbers.map((value, i) => Math.abs(value - (values.get(name)?.[i] ?? NaN)) / scale);
  });
  return Math.max(...errors);
}

test.each([
  ['node', ort],
  ['web', web],
] as const)(
  'batch normalization by one node has the derivatives of its parts, in onnxruntime-%s',
  async (_, runtime) => {
    web.env.wasm.numThreads = 1;
    // In float64 it is written in simpler ops.
    const exact = await computed('float64', ort);
    const single = await computed('float32', runtime);
    expect([exact.usesOneNode, single.usesOneNode]).toEqual([false, true]);
    expect(errorOf(single.values, exact.values)).toBeLessThan(3e-5);
  },
);

test('batch normalization by one node forgets a run with NaN', async () => {
  const exact = await computed('float64', ort);
  const afterNaN = await computed('float32', ort, true);
  expect(errorOf(afterNaN.values, exact.values)).toBeLessThan(3e-5);
});

test('for WebGPU, whose kernels lack the training mode, batch normalization is written in its parts', () => {
  const made = differentiate(twoNormalizations(), {
    loss: (l, { outputs: [y] }) => l.sumOfAll(y),
    target: 'webgpu',
  });
  expect(Buffer.from(made.bytes).includes('training_mode')).toBe(false);
});
