import * as ort from 'onnxruntime-node';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { differentiate, explain, trainable, type TrainableOptions } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
import { body, floats, modelFrom, node, runOnce, tensor, typed } from './written.ts';

/** y = x·W + x·V, where V is W by way of some Identity nodes. */
const twice = (values: readonly number[], hops = 1) =>
  modelFrom({
    inputs: { x: ['n', 2] },
    outputs: { y: ['n', 1] },
    initializers: [floats('W', [2, 1], values)],
    nodes: [
      ...Array.from({ length: hops }, (_, i) =>
        node('Identity', [i === 0 ? 'W' : `V${i - 1}`], i === hops - 1 ? 'V' : `V${i}`),
      ),
      node('MatMul', ['x', 'V'], 'a'),
      node('MatMul', ['x', 'W'], 'b'),
      node('Add', ['a', 'b'], 'y'),
    ],
  });

/** The gradient of Σy by some tensors at x = [5, 6]. */
async function gradients(
  bytes: Uint8Array,
  wrt: readonly string[],
  more = {},
): Promise<Record<string, number[]>> {
  const found = differentiate(bytes, { loss: (g, { outputs: [y] }) => g.sumOfAll(y), wrt });
  const weights = found.parameters.map(({ name }) => [name, tensor([2, 1], [3, 4])] as const);
  return runOnce(found.bytes, { x: tensor([1, 2], [5, 6]), ...Object.fromEntries(weights), ...more });
}

test.each([1, 2, 3])(
  'the gradient by W goes through %i Identity nodes that tie another tensor to it',
  async (hops) => {
    expect((await gradients(twice([3, 4], hops), ['W']))['grad_of/W']).toEqual([10, 12]);
    expect((await gradients(twice([1, 1], hops), ['W']))['grad_of/W']).toEqual([10, 12]);
  },
);

test('a tensor that is read through an Identity alone is a parameter', async () => {
  const once = modelFrom({
    inputs: { x: ['n', 2] },
    outputs: { y: ['n', 1] },
    initializers: [floats('W', [2, 1], [1, 1])],
    nodes: [node('Identity', ['W'], 'V'), node('MatMul', ['x', 'V'], 'y')],
  });
  expect((await gradients(once, ['W']))['grad_of/W']).toEqual([5, 6]);
  const trained = explain(once).parameters.filter(({ byDefault }) => byDefault);
  expect(trained.map(({ name }) => name)).toEqual(['W']);
});

test('copies that are named are parameters of their own', async () => {
  const both = await gradients(twice([3, 4]), ['W', 'V']);
  expect([both['grad_of/W'], both['grad_of/V']]).toEqual([
    [5, 6],
    [5, 6],
  ]);
  expect(explain(twice([3, 4])).parameters.map(({ name, byDefault, why }) => [name, byDefault, why])).toEqual(
    [
      ['W', true, 'weight of MatMul "b"'],
      ['V', false, 'a copy of "W", trained with it unless chosen too'],
    ],
  );
});

test('tensors that hold one number throughout are taken apart by default: they happened to be equal', () => {
  const trained = explain(twice([1, 1])).parameters.filter(({ byDefault }) => byDefault);
  expect(trained.map(({ name }) => name)).toEqual(['W', 'V']);
});

test('a copy of a constant that is not trained stays a constant', async () => {
  const bytes = modelFrom({
    inputs: { x: [1, 1, 2, 2] },
    outputs: { y: [1, 1, 4, 4] },
    initializers: [floats('scales', [4], [1, 1, 2, 2]), floats('w', [1, 1, 1, 1], [3])],
    nodes: [
      node('Identity', ['scales'], 'copied'),
      node('Conv', ['x', 'w'], 'c'),
      node('Resize', ['c', '', 'copied'], 'y', { mode: 'linear' }),
    ],
  });
  const graph = differentiate(bytes, { loss: (g, { outputs: [y] }) => g.sumOfAll(y), wrt: ['w'] });
  const feeds = { x: tensor([1, 1, 2, 2], [1, 2, 3, 4]), w: tensor([1, 1, 1, 1], [3]) };
  expect((await runOnce(graph.bytes, feeds))['grad_of/w']).toEqual([40]);
});

test('an Identity inside a branch hands its cotangent on', async () => {
  const branch = (name: string) => ({
    outputs: { [name]: ['n', 1] },
    nodes: [node('Identity', ['W'], `${name}_w`), node('MatMul', ['x', `${name}_w`], name)],
  });
  const bytes = modelFrom({
    inputs: { x: ['n', 2], c: { dtype: DType.BOOL, shape: [] } },
    outputs: { y: ['n', 1] },
    initializers: [floats('W', [2, 1], [3, 4])],
    nodes: [
      Object.assign(node('If', ['c'], 'y'), {
        attribute: [body('then_branch', branch('then')), body('else_branch', branch('else'))],
      }),
    ],
  });
  const c = new ort.Tensor('bool', [true], []);
  expect((await gradients(bytes, ['W'], { c }))['grad_of/W']).toEqual([5, 6]);
});

const x = { data: [1, 2, 3, 5], dims: [2, 2] };

/** The largest difference between what a trained model predicts and what the file that it writes gives. */
async function difference(bytes: Uint8Array, options: Partial<TrainableOptions>): Promise<number> {
  const model = await trainable(ort, bytes, { loss: 'mse', ...options });
  await minimizeAsync(model.problem({ x, target: { data: [1, -1], dims: [2, 1] } }), lbfgs(), {
    maxIterations: 5,
  });
  const { y } = await model.predict({ x });
  const written = await runOnce(model.toBytes(), { x: tensor(x.dims, x.data) });
  await model.dispose();
  return Math.max(...written['y'].map((value, i) => Math.abs(value - Number(y.data[i]))));
}

test.each([
  [[3, 4], 1],
  [[3, 4], 3],
  [[1, 1], 1],
  [[1, 1], 3],
])(
  'the file of tied tensors that held %o, over %i Identity nodes, is the model that was trained',
  async (values, hops) => {
    const choices = [['W'], ['V'], ['W', 'V'], ...(hops > 1 ? [['V0'], ['W', 'V0'], ['V0', 'V']] : [])];
    for (const only of choices) {
      expect(await difference(twice(values, hops), { trainable: only })).toBeLessThan(1e-5);
      const trained = (candidate: { name: string }) => only.includes(candidate.name);
      expect(await difference(twice(values, hops), { trainable: trained })).toBeLessThan(1e-5);
    }
    expect(await difference(twice(values, hops), {})).toBeLessThan(1e-5);
  },
);

test('running statistics tied to a scale and a bias, as in a fresh export, stay what they are', async () => {
  const bytes = modelFrom({
    inputs: { x: [2, 1, 2, 2] },
    outputs: { y: [2, 2, 2, 2] },
    initializers: [
      floats('conv', [2, 1, 1, 1], [0.5, -0.7]),
      floats('scale', [2], [1, 1]),
      floats('bias', [2], [0, 0]),
    ],
    nodes: [
      node('Identity', ['bias'], 'mean'),
      node('Identity', ['scale'], 'variance'),
      node('Conv', ['x', 'conv'], 'c'),
      node('BatchNormalization', ['c', 'scale', 'bias', 'mean', 'variance'], 'y'),
    ],
  });
  const image = { data: [1, 2, 3, 4, 5, 6, 7, 8], dims: [2, 1, 2, 2] };
  const target = { data: Array.from({ length: 16 }, (_, i) => Math.sin(i)), dims: [2, 2, 2, 2] };
  for (const options of [{}, { trainable: ['scale', 'bias'] }]) {
    const model = await trainable(ort, bytes, { loss: 'mse', ...options });
    await minimizeAsync(model.problem({ x: image, target }), lbfgs());
    const { y } = await model.predict({ x: image });
    const written = await runOnce(model.toBytes(), { x: tensor(image.dims, image.data) });
    const errors = written['y'].map((value, i) => Math.abs(value - Number(y.data[i])));
    expect(Math.max(...errors)).toBeLessThan(1e-5);
    await model.dispose();
  }
});

test('a file in float64 keeps its type in the copies that are taken apart', async () => {
  const W = { name: 'W', dims: [2n, 1n], dataType: DType.DOUBLE, doubleData: [1 / 3, 1 / 3] };
  const double = { dtype: DType.DOUBLE, shape: ['n', 1] };
  const bytes = modelFrom({
    inputs: { x: { dtype: DType.DOUBLE, shape: ['n', 2] } },
    outputs: { y: double },
    initializers: [typed(W)],
    nodes: [
      node('Identity', ['W'], 'V'),
      node('MatMul', ['x', 'V'], 'a'),
      node('MatMul', ['x', 'W'], 'b'),
      node('Add', ['a', 'b'], 'y'),
    ],
  });
  const model = await trainable(ort, bytes, { loss: 'mse', trainable: ({ name }) => name === 'W' });
  model.params.copyFrom([2, 3]);
  const feed = new ort.Tensor('float64', [1, 2], [1, 2]);
  expect((await runOnce(model.toBytes(), { x: feed }))['y']).toEqual([1 / 3 + 2 / 3 + 8]);
  await model.dispose();
});
