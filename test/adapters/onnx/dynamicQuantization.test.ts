import * as ort from 'onnxruntime-node';
import { adam, minimizeAsync } from 'quasi-newton';
import { differentiate, explain, lora, mergeLora, trainable, type LossFunction } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { DType, tensorOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { direction } from './harness.ts';
import { floats, modelFrom, node, runOnce, tensor } from './written.ts';

/** Σ c·y with fixed c, so that the gradient does not depend on how y is rounded. */
const weights = (count: number): number[] => direction(count, 5);
const linear =
  (shape: readonly number[]): LossFunction =>
  (g, { outputs: [y] }) =>
    g.sumOfAll(g.mul(y, g.constant(g.dtypeOf(y) ?? DType.FLOAT, [...shape], weights(count(shape)))));
const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

const apart = (got: readonly number[], wanted: readonly number[]): number =>
  Math.max(...got.map((value, i) => Math.abs(value - wanted[i])));

/** A dense layer [3, 4] whose weights are integers with a scale and a zero point for each unit, after a layer of floats. */
const scales = [0.1, 0.02, 0.5, 0.04];
const zeros = [3, 0, 120, 255];
const integers = [1, 200, 3, 77, 128, 5, 60, 7, 80, 255, 10, 0];
const real = (row: number, column: number) => scales[column] * (integers[4 * row + column] - zeros[column]);
const quantizedLayer = (data: string) => [
  node('DynamicQuantizeLinear', [data], [`${data}.q`, `${data}.s`, `${data}.z`]),
  node('MatMulInteger', [`${data}.q`, 'w', `${data}.z`, 'w.z'], 'product'),
  node('Cast', ['product'], 'whole', { to: DType.FLOAT }),
  node('Mul', [`${data}.s`, 'w.s'], 'scale'),
  node('Mul', ['whole', 'scale'], 'scaled'),
  node('Add', ['scaled', 'bias'], 'y'),
];
const constants = [
  tensorOf('w', DType.UINT8, [3, 4], integers),
  tensorOf('w.z', DType.UINT8, [4], zeros),
  floats('w.s', [4], scales),
  floats('bias', [4], [0.1, -0.2, 0.3, 0.4]),
];
const dense = modelFrom({
  inputs: { x: ['N', 3] },
  outputs: { y: ['N', 4] },
  initializers: constants,
  nodes: quantizedLayer('x'),
});
const x = [0.3, -1.2, 0.7, 2, 0, -0.4];

describe('a product of dynamically quantized data', () => {
  test('has the gradient of the product of real numbers', async () => {
    const graph = differentiate(dense, { loss: linear([2, 4]), wrt: ['x', 'bias'], keep: ['y'] });
    const bias = tensor([4], [0.1, -0.2, 0.3, 0.4]);
    const found = await runOnce(graph, { x: tensor([2, 3], x), bias });
    expect(found['y']).toEqual((await runOnce(dense, { x: tensor([2, 3], x) }))['y']);
    const c = weights(8);
    const columns = [0, 1, 2, 3];
    const expected = x.map((_, i) =>
      columns.reduce((sum, k) => sum + c[4 * Math.floor(i / 3) + k] * real(i % 3, k), 0),
    );
    expect(apart(found['grad_of/x'], expected)).toBeLessThan(1e-4);
    expect(
      apart(
        found['grad_of/bias'],
        columns.map((k) => c[k] + c[4 + k]),
      ),
    ).toBeLessThan(1e-5);
  });

  test('is the same in float64, to the rounding of float32', async () => {
    const options = { loss: linear([2, 4]), wrt: ['x'], keep: ['y'] };
    const single = await runOnce(differentiate(dense, options), { x: tensor([2, 3], x) });
    const double = await runOnce(differentiate(dense, { ...options, precision: 'float64' }), {
      x: new ort.Tensor('float64', x, [2, 3]),
    });
    expect(apart(double['y'], single['y'])).toBeLessThan(1e-4);
    expect(apart(double['grad_of/x'], single['grad_of/x'])).toBeLessThan(1e-4);
  });

  test('a product of dynamically quantized data of zeros, whose range has no width, is finite in both precisions', async () => {
    const options = { loss: linear([1, 4]), wrt: ['x'], keep: ['y'] };
    const at = [0, 0, 0];
    const single = await runOnce(differentiate(dense, options), { x: tensor([1, 3], at) });
    const double = await runOnce(differentiate(dense, { ...options, precision: 'float64' }), {
      x: new ort.Tensor('float64', at, [1, 3]),
    });
    expect(single['y'].every(Number.isFinite)).toBe(true);
    expect(apart(double['grad_of/x'], single['grad_of/x'])).toBeLessThan(1e-4);
  });
});

test('a convolution of dynamically quantized data has the gradient of the convolution of real numbers', async () => {
  const attributes = { kernel_shape: [2, 2], pads: [1, 0, 0, 1], strides: [1, 2] };
  const kernel = Array.from({ length: 2 * 3 * 4 }, (_, i) => (i * 53) % 256);
  const filterScales = [0.01, 0.2];
  const zero = 100; // ONNX Runtime takes one for all filters.
  const filter = (i: number) => Math.floor(i / 12);
  const inputs = { x: [1, 3, 4, 5] };
  const integerModel = modelFrom({
    inputs,
    outputs: { y: undefined },
    initializers: [
      tensorOf('w', DType.UINT8, [2, 3, 2, 2], kernel),
      tensorOf('w.z', DType.UINT8, [], [zero]),
      floats('w.s', [2, 1, 1], filterScales),
    ],
    nodes: [
      node('DynamicQuantizeLinear', ['x'], ['q', 's', 'z']),
      node('ConvInteger', ['q', 'w', 'z', 'w.z'], 'product', attributes),
      node('Cast', ['product'], 'whole', { to: DType.FLOAT }),
      node('Mul', ['s', 'w.s'], 'scale'),
      node('Mul', ['whole', 'scale'], 'y'),
    ],
  });
  const floatModel = modelFrom({
    inputs,
    outputs: { y: undefined },
    initializers: [
      floats(
        'w',
        [2, 3, 2, 2],
        kernel.map((k, i) => filterScales[filter(i)] * (k - zero)),
      ),
    ],
    nodes: [node('Conv', ['x', 'w'], 'y', attributes)],
  });
  const options = { loss: linear([1, 2, 4, 3]), wrt: ['x'], keep: ['y'] };
  const feeds = { x: tensor([1, 3, 4, 5], direction(60, 3)) };
  const integer = await runOnce(differentiate(integerModel, options), feeds);
  const float = await runOnce(differentiate(floatModel, options), feeds);
  expect(apart(integer['y'], float['y'])).toBeLessThan(0.05 * Math.max(...float['y'].map(Math.abs)));
  expect(apart(integer['grad_of/x'], float['grad_of/x'])).toBeLessThan(1e-4);
});

test('a quantization by range and back is the identity to the gradient', async () => {
  const bytes = modelFrom({
    inputs: { x: [3] },
    outputs: { y: [3] },
    nodes: [
      node('DynamicQuantizeLinear', ['x'], ['q', 's', 'z']),
      node('DequantizeLinear', ['q', 's', 'z'], 'y'),
    ],
  });
  const graph = differentiate(bytes, { loss: linear([3]), wrt: ['x'] });
  const found = await runOnce(graph, { x: tensor([3], [0.5, -2, 1]) });
  expect(apart(found['grad_of/x'], weights(3))).toBeLessThan(1e-5);
});

describe('the parameters of a dynamically quantized model', () => {
  const norms = modelFrom({
    inputs: { x: ['N', 3] },
    outputs: { out: ['N', 4] },
    initializers: [...constants, floats('norm', [4], [1, 1.5, 2, 0.5])],
    nodes: [...quantizedLayer('x'), node('Mul', ['y', 'norm'], 'out')],
  });

  test('biases and norms of a quantized model are trained, the scales of its weights are not', () => {
    const { parameters, faults } = explain(norms);
    expect(faults).toEqual([]);
    expect(parameters.map(({ name, byDefault, why }) => [name, byDefault || why])).toEqual([
      ['w.s', 'part of the quantization of weights'],
      ['bias', true],
      ['norm', true],
    ]);
  });

  test('the integers of a quantized model are listed as not trained', () => {
    const report = explain(norms);
    expect(report.quantized).toEqual([{ name: 'w', shape: [3, 4], dtype: 'uint8' }]);
    expect(String(report)).toMatch(/ {2}- +w +uint8\[3, 4\] +quantized weights: integers have no gradient\n/);
  });

  test('can be trained', async () => {
    const model = await trainable(ort, norms, { loss: 'mse' });
    const feeds = { x: { data: x, dims: [2, 3] } };
    const { out } = await model.predict(feeds);
    const target = { data: Array.from(out.data, (value) => 0.5 * Number(value) - 1), dims: [...out.dims] };
    const problem = model.problem({ ...feeds, target });
    const before = await problem.fg(problem.p0, null);
    const { f } = await minimizeAsync(problem, adam({ learningRate: 0.05 }), { maxIterations: 200 });
    expect(f).toBeLessThan(1e-2 * before);
    await model.dispose();
  });
});

test('frequencies of a position encoding are no parameters, the weights of a sine network are', () => {
  const angles = (...ends: string[]) =>
    explain(
      modelFrom({
        inputs: { x: ['N', 1] },
        outputs: { y: undefined },
        initializers: [floats('f', [1, 4], [1, 0.1, 0.01, 0.001]), floats('w', [4, 1], [1, 2, 3, 4])],
        nodes: [
          node('MatMul', ['x', 'f'], 'angle'),
          ...ends.map((op, k) => node(op, ['angle'], `turned${k}`)),
          node(
            'Sum',
            ends.map((_, k) => `turned${k}`),
            'sum',
          ),
          node('MatMul', ['sum', 'w'], 'y'),
        ],
      }),
    ).parameters.map(({ byDefault, why }) => byDefault || why);
  expect(angles('Sin', 'Cos')).toEqual(['frequencies of a position encoding', true]);
  expect(angles('Sin')).toEqual([true, true]);
});

describe('LoRA on a dynamically quantized layer', () => {
  const { bytes, trainable: names } = lora(dense, { rank: 2 });

  test('leaves the model unchanged, then lowers its loss', async () => {
    expect(names).toEqual(['w.lora_A', 'w.lora_B']);
    const model = await trainable(ort, bytes, { loss: 'mse', trainable: names });
    const feeds = { x: { data: x, dims: [2, 3] } };
    const { y } = await model.predict(feeds);
    expect(Array.from(y.data)).toEqual((await runOnce(dense, { x: tensor([2, 3], x) }))['y']);
    const target = { data: Array.from(y.data, (value) => Number(value) + 1), dims: [...y.dims] };
    const problem = model.problem({ ...feeds, target });
    const { f } = await minimizeAsync(problem, adam({ learningRate: 0.02 }), { maxIterations: 400 });
    expect(f).toBeLessThan(1e-4);
    const adapted = await runOnce(model.toBytes(), { x: tensor([2, 3], x) });
    expect(apart(adapted['y'], target.data)).toBeLessThan(0.05);
    expect(() => mergeLora(dense, model.toBytes())).toThrow('not a matrix of floats in the original file');
    await model.dispose();
  });

  test('is refused where the product of integers is read as it is', () => {
    const bare = modelFrom({
      inputs: { x: ['N', 3] },
      outputs: { product: undefined },
      initializers: constants.slice(0, 2),
      nodes: quantizedLayer('x').slice(0, 2),
    });
    expect(() => lora(bare)).toThrow('no MatMul, Gemm or MatMulInteger');
  });
});
