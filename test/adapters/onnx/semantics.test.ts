import * as ort from 'onnxruntime-node';
import { differentiate, trainable } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { DType, tensorOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { floats, integers, modelFrom, node, runOnce, tensor } from './written.ts';

const sum = { loss: (g, { outputs: [y] }) => g.sumOfAll(y) } satisfies Pick<
  Parameters<typeof differentiate>[1],
  'loss'
>;
const ramp = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

/** Attention of two queries on two keys, with a mask. */
const masked = (dtype: DType, attributes = {}) =>
  modelFrom({
    inputs: {
      q: [1, 1, 2, 1],
      k: [1, 1, 2, 1],
      v: [1, 1, 2, 1],
      mask: { dtype, shape: [2, 2] },
    },
    outputs: { y: [1, 1, 2, 1] },
    nodes: [node('Attention', ['q', 'k', 'v', 'mask'], 'y', attributes)],
    opset: 23,
  });

test.each([
  ['hides all keys from a query', new ort.Tensor('bool', [false, false, true, true], [2, 2]), {}, [0.5, 0.5]],
  ['is −∞ for all keys of a query', tensor([2, 2], [-Infinity, -Infinity, 0, 0]), {}, [0.5, 0.5]],
  [
    'hides what the past alone would leave',
    tensor([2, 2], [-Infinity, 0, 0, 0]),
    { is_causal: 1 },
    [0.5, 0.5],
  ],
  ['is −∞ for one key', tensor([2, 2], [-Infinity, 0, 0, 0]), {}, [0.5, 1.5]],
])(
  'Attention whose mask %s gives that query what ONNX Runtime gives it',
  async (_, mask, attributes, right) => {
    const shape = [1, 1, 2, 1];
    const feeds = { q: tensor(shape, [1, 1]), k: tensor(shape, [0, 0]), v: tensor(shape, [3, 5]), mask };
    const bytes = masked(mask.type === 'bool' ? DType.BOOL : DType.FLOAT, attributes);
    const { y } = await runOnce(bytes, feeds);
    const found = await runOnce(differentiate(bytes, { ...sum, wrt: ['v', 'q'], keep: ['y'] }), feeds);
    expect(found['y']).toEqual(y);
    expect(found['grad_of/v']).toEqual(right);
    expect(found['grad_of/q']).toEqual([0, 0]);
  },
);

test.each([
  [3, 3],
  [2, 4],
  [3, 5],
  [4, 2],
])(
  'unidirectional attention of %i queries on %i keys sees the keys that ONNX Runtime sees',
  async (queries, keys) => {
    const bytes = modelFrom({
      inputs: { q: [1, queries, 1], k: [1, keys, 1], v: [1, keys, 1] },
      outputs: { y: [1, queries, 1] },
      nodes: [
        node('com.microsoft::MultiHeadAttention', ['q', 'k', 'v'], 'y', { num_heads: 1, unidirectional: 1 }),
      ],
      domains: ['com.microsoft'],
    });
    const zeros = (n: number) => tensor([1, n, 1], Array<number>(n).fill(0));
    const feeds = { q: zeros(queries), k: zeros(keys), v: tensor([1, keys, 1], ramp(keys)) };
    const { y } = await runOnce(bytes, feeds);
    const found = await runOnce(differentiate(bytes, { ...sum, wrt: ['v'], keep: ['y'] }), feeds);
    y.forEach((value, i) => expect(found['y'][i]).toBeCloseTo(value, 6));
  },
);

/** Resize of opset 10 by scales that are a constant, or fed. */
const resize10 = (shape: readonly number[], scales: readonly number[], fed: boolean) =>
  modelFrom({
    inputs: { x: shape, ...(fed && { scales: [4] }) },
    outputs: { y: ['a', 'b', 'c', 'd'] },
    initializers: fed ? [] : [floats('scales', [4], scales)],
    nodes: [node('Resize', ['x', 'scales'], 'y', { mode: 'nearest' })],
    opset: 10,
  });

test.each(
  [
    [1, 0.6],
    [1, 0.5],
    [1, 0.7],
    [1, 1.5],
    [1, 2],
    [2, 0.6],
    [0.4, 1.6],
  ].flatMap(([a, b]) => [false, true].map((fed): [number, number, boolean] => [a, b, fed])),
)(
  'nearest neighbors of opset 10 by scales of %d and %d (fed: %s) are those of ONNX Runtime',
  async (a, b, fed) => {
    const [shape, scales] = [
      [1, 1, 5, 6],
      [1, 1, a, b],
    ];
    const bytes = resize10(shape, scales, fed);
    const feeds = { x: tensor(shape, ramp(30)), ...(fed && { scales: tensor([4], scales) }) };
    const { y } = await runOnce(bytes, feeds);
    const { y: kept, 'grad_of/x': gradient } = await runOnce(
      differentiate(bytes, { ...sum, wrt: ['x'], keep: ['y'] }),
      feeds,
    );
    expect(kept).toEqual(y);
    expect(gradient).toEqual(ramp(30).map((value) => y.filter((other) => other === value).length));
  },
);

test.each(['linear', 'nearest'])(
  'a Resize by sizes of opset 11 has empty scales beside them, mode %s',
  async (mode) => {
    const bytes = modelFrom({
      inputs: { x: [1, 1, 2, 2] },
      outputs: { y: [1, 1, 4, 4] },
      initializers: [floats('none', [0], []), integers('sizes', [1, 1, 4, 4])],
      nodes: [node('Resize', ['x', 'none', 'none', 'sizes'], 'y', { mode })],
      opset: 11,
    });
    const feeds = { x: tensor([1, 1, 2, 2], [1, 2, 3, 4]) };
    const { 'grad_of/x': gradient } = await runOnce(differentiate(bytes, { ...sum, wrt: ['x'] }), feeds);
    expect(gradient).toEqual([4, 4, 4, 4]);
  },
);

test('a layer normalization written out, its epsilon trained or fed, is the same in every graph', async () => {
  const last = { axes: [-1] };
  const bytes = (fed: boolean) =>
    modelFrom({
      inputs: { x: [2, 3], ...(fed && { eps: [] }) },
      outputs: { y: [2, 3] },
      initializers: [
        floats('w', [3, 3], [1, 2, 0, 1, 0, 1, 2, 1, 1]),
        floats('scale', [3], [1, 1, 1]),
        floats('bias', [3], [0, 0, 0]),
        tensorOf('two', DType.FLOAT, [], [2]),
        ...(fed ? [] : [floats('eps', [], [0.5])]),
      ],
      nodes: [
        node('MatMul', ['x', 'w'], 'h'),
        node('ReduceMean', ['h'], 'm', last),
        node('Sub', ['h', 'm'], 'c'),
        node('Pow', ['c', 'two'], 'c2'),
        node('ReduceMean', ['c2'], 'v', last),
        node('Add', ['v', 'eps'], 've'),
        node('Sqrt', ['ve'], 's'),
        node('Div', ['c', 's'], 'n'),
        node('Mul', ['n', 'scale'], 'ns'),
        node('Add', ['ns', 'bias'], 'y'),
      ],
      opset: 13,
    });
  const x = { data: [1, 2, 3, -1, 0.5, 2], dims: [2, 3] };
  const target = { data: [0, 0, 0, 0, 0, 0], dims: [2, 3] };
  const file = await runOnce(bytes(false), { x: tensor(x.dims, x.data) });
  const right = file['y'].reduce((total, value) => total + value * value, 0) / 6;
  for (const fed of [false, true]) {
    const feeds = { x, target, ...(fed && { eps: { data: [0.5], dims: [] } }) };
    const model = await trainable(ort, bytes(fed), {
      loss: 'mse',
      trainable: fed ? ['w'] : ['w', 'eps'],
    });
    const problem = model.problem(feeds);
    expect(await problem.fg(problem.p0, problem.p0.slice())).toBeCloseTo(right, 5);
    expect(await problem.fg(problem.p0, null)).toBeCloseTo(right, 5);
    const { target: _, ...inputs } = feeds;
    const { y } = await model.predict(inputs);
    file['y'].forEach((value, i) => expect(Number(y.data[i])).toBeCloseTo(value, 5));
    await model.dispose();
  }
});
