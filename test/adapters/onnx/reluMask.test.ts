import { InferenceSession, Tensor } from 'onnxruntime-node';
import { differentiate, gradientNameOf, graph, type Network, type Value } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { quiet, weighted } from './harness.ts';

/** ∂(Σ cᵢ·yᵢ)/∂x, with coefficients that differ. */
async function gradient(
  shape: readonly number[],
  values: readonly number[],
  build: (g: Network, x: Value) => Value,
): Promise<number[]> {
  const g = graph({ precision: 'float64' });
  g.output('y', build(g, g.input('x', shape)));
  const session = await InferenceSession.create(
    differentiate(g.toBytes(), { loss: weighted, wrt: ['x'] }),
    quiet,
  );
  const results = await session.run({ x: new Tensor('float64', Float64Array.from(values), shape) });
  await session.release();
  return Array.from(results[gradientNameOf('x')].data, Number);
}

const coefficient = (i: number) => Math.sin(1.7 * i) + 1.3;
const halved = { kernel_shape: [2, 2], strides: [2, 2] };

test('a pooled ReLU hands its cotangent to the first largest element, and to none where all are negative', async () => {
  const x = [1, 2, -1, -2, 2, 0, -3, -1];
  const found = await gradient([1, 1, 2, 4], x, (g, v) => g.op('MaxPool', [g.relu(v)], halved));
  expect(found).toEqual([0, coefficient(0), 0, 0, 0, 0, 0, 0]);
});

test('a pooled ReLU that something else reads is masked for both', async () => {
  const x = [1, 2, -1, -2, 2, 0, 3, -1];
  const found = await gradient([1, 1, 2, 4], x, (g, v) => {
    const h = g.relu(v);
    return g.concat([g.flat(g.op('MaxPool', [h], halved)), g.flat(h)], 0);
  });
  const exact = x.map((v, i) => (v > 0 ? coefficient(2 + i) : 0));
  exact[1] += coefficient(0);
  exact[6] += coefficient(1);
  found.forEach((value, i) => expect(value).toBeCloseTo(exact[i], 14));
});

test('windows that overlap hand their cotangents to the same element', async () => {
  const x = [-1, 5, -2, 1, 2, 3];
  const found = await gradient([1, 1, 1, 6], x, (g, v) =>
    g.op('MaxPool', [g.relu(v)], { kernel_shape: [1, 3], strides: [1, 1] }),
  );
  const exact = [0, coefficient(0) + coefficient(1), 0, 0, 0, coefficient(3)];
  exact[4] = coefficient(2);
  found.forEach((value, i) => expect(value).toBeCloseTo(exact[i], 14));
});

test('an infinite cotangent does not pass where a ReLU is zero', async () => {
  const found = await gradient([3], [-1, 0, 4], (g, v) => g.sqrt(g.relu(v)));
  expect(found).toEqual([0, 0, coefficient(2) / 4]);
});

test('a ReLU before a product of matrices is masked by a product', async () => {
  const weight = [2, -1, 3, 1];
  const found = await gradient([2, 2], [1, -1, 0, 2], (g, v) =>
    g.matmul(g.relu(v), g.reshape(g.constant(11, [4], weight), [2, 2])),
  );
  const d = [0, 1, 2, 3].map(coefficient);
  expect(found[0]).toBeCloseTo(2 * d[0] - d[1], 14);
  expect(found.slice(1, 3).map(Math.abs)).toEqual([0, 0]);
  expect(found[3]).toBeCloseTo(3 * d[2] + d[3], 14);
});
