import * as ort from 'onnxruntime-node';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { explain, trainable } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import {
  fromBfloat16,
  fromFloat16,
  toBfloat16,
  toFloat16,
} from '../../../src/adapters/onnx/ir/halfFloats.ts';
import { DType, numbersOf, tensorOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { decodeModel } from '../../../src/adapters/onnx/ir/model.ts';
import { randomNumbers } from '../../../examples/lib/mlp.js';
import { modelFrom, node } from './written.ts';

const all = Array.from({ length: 65_536 }, (_, bits) => bits);

test.each([
  ['float16', fromFloat16, toFloat16],
  ['bfloat16', fromBfloat16, toBfloat16],
])('every number of %s is written as it was read', (_, from, to) => {
  const wrong = all.filter((bits) => !Number.isNaN(from(bits)) && to(from(bits)) !== bits);
  expect(wrong).toEqual([]);
  expect(from(to(NaN))).toBeNaN();
});

test.each([
  ['float16', fromFloat16, toFloat16, 65_504, 5],
  ['bfloat16', fromBfloat16, toBfloat16, 3.3895313892515355e38, 38],
])('any other number becomes the nearest of %s, the even one of two', (_, from, to, greatest, digits) => {
  const numbers = all.map(from).filter((value) => value >= 0 && value < Infinity);
  expect(Math.max(...numbers.slice(-5))).toBe(greatest);
  const random = randomNumbers(3);
  for (let k = 0; k < 500; k++) {
    const value = Math.fround(10 ** ((2 * random() - 1.2) * digits));
    if (value >= greatest) continue;
    const i = numbers.findIndex((candidate) => candidate >= value);
    const [below, above] = [numbers[Math.max(0, i - 1)], numbers[i]];
    const even = i % 2 === 0 ? above : below;
    const nearest = value - below < above - value ? below : value - below > above - value ? above : even;
    expect(from(to(value))).toBe(nearest);
    expect(from(to(-value))).toBe(-nearest);
  }
  expect([to(0.1), from(to(0))]).toEqual([to(Math.fround(0.1)), 0]);
});

test.each([
  ['float16', DType.FLOAT16],
  ['bfloat16', DType.BFLOAT16],
])('weights in %s are trained in float32 and written back in their type', async (name, dtype) => {
  const bytes = modelFrom({
    inputs: { x: ['n', 2] },
    outputs: { y: ['n', 1] },
    initializers: [tensorOf('w', dtype, [2, 1], [0.5, 0.25])],
    nodes: [node('Cast', ['w'], 'wide', { to: DType.FLOAT }), node('MatMul', ['x', 'wide'], 'y')],
  });
  expect(String(explain(bytes))).toMatch(new RegExp(`w +${name}\\[2, 1\\] +weight +.*; trained in float32`));
  const model = await trainable(ort, bytes, { loss: 'mse' });
  const x = { data: [1, 2, 3, 5], dims: [2, 2] };
  const { f } = await minimizeAsync(model.problem({ x, target: { data: [1, -1], dims: [2, 1] } }), lbfgs());
  expect(f).toBeLessThan(1e-6);
  const written = model.toBytes();
  const [w] = decodeModel(written).graph.initializer;
  const values = model.params.copyInto(model.params.zeros());
  expect(w.dataType).toBe(dtype);
  expect(numbersOf(w)).toEqual(numbersOf(tensorOf('', dtype, [2, 1], values)));
  await model.dispose();
});

test('a model in float16 throughout is fed and computed in float32', async () => {
  const half = (shape: (number | string)[]) => ({ dtype: DType.FLOAT16, shape });
  const bytes = modelFrom({
    inputs: { x: half(['n', 2]) },
    outputs: { y: half(['n', 1]) },
    initializers: [tensorOf('w', DType.FLOAT16, [2, 1], [0.5, 0.25])],
    nodes: [node('MatMul', ['x', 'w'], 'h'), node('Tanh', ['h'], 'y')],
  });
  const model = await trainable(ort, bytes, { loss: 'mse' });
  expect(model.inputs.map(({ name, dtype }) => [name, dtype])).toEqual([
    ['x', 'float32'],
    ['target', 'float32'],
  ]);
  const { y } = await model.predict({ x: { data: [1, 2], dims: [1, 2] } });
  expect(Number(y.data[0])).toBeCloseTo(Math.tanh(1), 6);
  expect(model.toBytes()).toEqual(bytes);
  await model.dispose();
});
