import { differentiate, type LossFunction } from 'quasi-newton/onnx';
import * as ort from 'onnxruntime-node';
import type { NodeProto } from 'onnx-buf';
import { expect, test } from 'vitest';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
import { direction } from './harness.ts';
import { body, floats, integers, modelFrom, node, runOnce, tensor, type Written } from './written.ts';

/** s → w·min(tanh s, 0.9), with nodes that have names, or none. */
const step = (named: boolean, ...more: readonly NodeProto[]): NodeProto[] =>
  [node('Tanh', ['s'], 'a'), node('Clip', ['a', '', 'hi'], 'b'), node('Mul', ['b', 'w'], 's2'), ...more].map(
    (each) => Object.assign(each, named && { name: `n_${each.output[0]}` }),
  );

const scalar = (dtype: number) => ({ dtype, shape: [] });
const holding = (each: NodeProto, ...attributes: NodeProto['attribute']) =>
  Object.assign(each, { attribute: [...each.attribute, ...attributes] });
const weights = [floats('w', [2], [0.7, 1.3]), floats('hi', [], [0.9])];

const models: Readonly<Record<string, (named: boolean) => Written>> = {
  Loop: (named) => ({
    inputs: { x: [2] },
    outputs: { y: [2] },
    initializers: [...weights, integers('M', [3], [])],
    nodes: [
      holding(
        node('Loop', ['M', '', 'x'], 'y'),
        body('body', {
          inputs: { i: scalar(DType.INT64), going: scalar(DType.BOOL), s: [2] },
          outputs: { on: scalar(DType.BOOL), s2: [2] },
          nodes: step(named, node('Identity', ['going'], 'on')),
        }),
      ),
    ],
  }),
  Scan: (named) => ({
    inputs: { x: [2] },
    outputs: { y: [2] },
    initializers: [...weights, floats('seq', [2, 2], [1, 2, 3, 4])],
    nodes: [
      holding(
        node('Scan', ['x', 'seq'], 'y', { num_scan_inputs: 1 }),
        body('body', {
          inputs: { s: [2], q: [2] },
          outputs: { s3: [2] },
          nodes: step(named, node('Add', ['s2', 'q'], 's3')),
        }),
      ),
    ],
  }),
  If: (named) => ({
    inputs: { x: [2], c: scalar(DType.BOOL) },
    outputs: { y: [2] },
    initializers: weights,
    nodes: [
      node('Identity', ['x'], 's'),
      holding(
        node('If', ['c'], 'y'),
        body('then_branch', { outputs: { s2: [2] }, nodes: step(named) }),
        body('else_branch', {
          outputs: { z: [2] },
          nodes: [node('Neg', ['s'], 'z0'), node('Exp', ['z0'], 'z')],
        }),
      ),
    ],
  }),
};

test.each(Object.keys(models))('%s may hold nodes without names', async (op) => {
  const gradients = (named: boolean) => {
    const wrt = ['x', 'w'];
    const bytes = differentiate(modelFrom(models[op](named)), {
      loss: (g, { outputs: [y] }) => g.sumOfAll(y),
      wrt,
    });
    const feeds = { x: tensor([2], [0.3, 2.5]), w: tensor([2], [0.7, 1.3]) };
    return runOnce(bytes, op === 'If' ? { ...feeds, c: new ort.Tensor('bool', [true], []) } : feeds);
  };
  const found = await gradients(false);
  expect(found['grad_of/w'][1]).not.toBe(0);
  expect(found).toEqual(await gradients(true));
});

test('a composite op has a gradient inside subgraphs too', async () => {
  const model = modelFrom({
    inputs: { x: [3], c: scalar(DType.BOOL) },
    outputs: { y: [3] },
    nodes: [
      holding(
        node('If', ['c'], 'y'),
        body('then_branch', {
          outputs: { s: [3] },
          nodes: [node('com.microsoft::QuickGelu', ['x'], 's', { alpha: 1.5 })],
        }),
        body('else_branch', { outputs: { t: [3] }, nodes: [node('Neg', ['x'], 't')] }),
      ),
    ],
    domains: ['com.microsoft'],
  });
  const loss: LossFunction = (g, { outputs: [y] }) => g.sumOfAll(y);
  const x = [-1.2, 0.3, 2];
  const feeds = { x: tensor([3], x), c: new ort.Tensor('bool', [true], []) };
  const { 'grad_of/x': found } = await runOnce(differentiate(model, { loss, wrt: ['x'] }), feeds);
  x.forEach((at, i) => {
    const s = 1 / (1 + Math.exp(-1.5 * at));
    expect(found[i]).toBeCloseTo(s + 1.5 * at * s * (1 - s), 5);
  });
});

/**
 * Bags of rows of a table, summed, as torch.onnx.export(dynamo=True) writes EmbeddingBag: a Loop appends one row a bag to a
 * sequence, zeros for an empty bag.
 */
const bags = (read: readonly NodeProto[], member = 'row'): Written => ({
  inputs: {
    rows: { dtype: DType.INT64, shape: ['R'] },
    starts: { dtype: DType.INT64, shape: ['B'] },
    at: scalar(DType.INT64),
  },
  outputs: { y: undefined },
  initializers: [floats('table', [5, 2], direction(10, 1)), integers('one', [1]), integers('n1', [-1])],
  nodes: [
    node('Gather', ['table', 'rows'], 'picked'),
    node('Shape', ['rows'], 'end'),
    node('Concat', ['starts', 'end'], 'bounds', { axis: 0 }),
    node('Size', ['starts'], 'count'),
    node('SequenceEmpty', [], 'none'),
    holding(
      node('Loop', ['count', '', 'none', 'count'], ['list', 'last']),
      body('body', {
        inputs: {
          i: scalar(DType.INT64),
          going: scalar(DType.BOOL),
          before: undefined,
          s: scalar(DType.INT64),
        },
        outputs: { on: scalar(DType.BOOL), after: undefined, s2: scalar(DType.INT64) },
        initializers: [floats('zeros', [1, 2], [0, 0]), integers('first', [0])],
        nodes: [
          node('Identity', ['going'], 'on'),
          node('Identity', ['i'], 's2'),
          node('Reshape', ['i', 'n1'], 'k'),
          node('Add', ['k', 'one'], 'k1'),
          node('Add', ['k1', 'one'], 'k2'),
          node('Slice', ['bounds', 'k', 'k1'], 'a'),
          node('Slice', ['bounds', 'k1', 'k2'], 'b'),
          node('Equal', ['a', 'b'], 'empty'),
          node('Slice', ['picked', 'a', 'b', 'first'], 'bag'),
          holding(
            node('If', ['empty'], 'row'),
            body('then_branch', { outputs: { zero: [1, 2] }, nodes: [node('Identity', ['zeros'], 'zero')] }),
            body('else_branch', {
              outputs: { sum: [1, 2] },
              nodes: [node('ReduceSum', ['bag', 'first'], 'sum', { keepdims: 1 })],
            }),
          ),
          node('SequenceInsert', ['before', member], 'after'),
        ],
      }),
    ),
    ...read,
  ],
  opset: 18,
});
const sumOfSquares: LossFunction = (g, { outputs: [y] }) => g.sumOfAll(g.square(y));
const whole = (shape: number[], values: readonly number[]) =>
  new ort.Tensor('int64', BigInt64Array.from(values, BigInt), shape);
const bagFeeds = (rows: readonly number[], starts: readonly number[], at = 0) => ({
  rows: whole([rows.length], rows),
  starts: whole([starts.length], starts),
  at: whole([], [at]),
  table: tensor([5, 2], direction(10, 1)),
});
const rows = [1, 2, 4, 0, 4, 3, 2, 1];
const starts = [0, 4, 4, 7];

/** 2·(sum of the bag), for each row in it: the gradient of the squares of the bags `counted`. */
const gradientOfBags = (counted: readonly number[]) => {
  const table = direction(10, 1);
  const gradient = Array<number>(10).fill(0);
  for (const bag of counted) {
    const inside = rows.slice(starts[bag], starts[bag + 1] ?? rows.length);
    for (const c of [0, 1]) {
      const sum = inside.reduce((total, row) => total + table[2 * row + c], 0);
      for (const row of inside) gradient[2 * row + c] += 2 * sum;
    }
  }
  return gradient;
};

test.each([
  ['joined', [node('ConcatFromSequence', ['list'], 'y', { axis: 0 })], 0, [0, 1, 2, 3]],
  ['joined along another axis', [node('ConcatFromSequence', ['list'], 'y', { axis: 1 })], 0, [0, 1, 2, 3]],
  ['stacked', [node('ConcatFromSequence', ['list'], 'y', { axis: -1, new_axis: 1 })], 0, [0, 1, 2, 3]],
  [
    'joined beside another result of the Loop',
    [
      node('ConcatFromSequence', ['list'], 'joined', { axis: 0 }),
      node('CastLike', ['last', 'joined'], 'three'),
      node('Mul', ['joined', 'three'], 'tripled'),
      node('Div', ['tripled', 'three'], 'y'),
    ],
    0,
    [0, 1, 2, 3],
  ],
  ['read at its end', [node('SequenceAt', ['list', 'n1'], 'y')], 0, [3]],
  ['read at a position that is fed', [node('SequenceAt', ['list', 'at'], 'y')], 2, [2]],
] as const)('a sequence that a Loop makes may be %s', async (_, read, at, counted) => {
  const graph = differentiate(modelFrom(bags(read)), { loss: sumOfSquares });
  expect(graph.parameters.map(({ name }) => name)).toEqual(['table']);
  const { 'grad_of/table': found } = await runOnce(graph, bagFeeds(rows, starts, at));
  gradientOfBags(counted).forEach((value, i) => expect(found[i]).toBeCloseTo(value, 5));
});

test('a sequence of which a Loop makes tensors of different sizes is refused by name', () => {
  const read = [node('ConcatFromSequence', ['list'], 'y', { axis: 0 })];
  expect(() => differentiate(modelFrom(bags(read, 'bag')), { loss: sumOfSquares })).toThrow(
    /ConcatFromSequence "y": .* not through a sequence of tensors that an If makes, or a Loop whose tensors may differ/,
  );
});

test('a sequence that a Loop lengthens is refused by name', () => {
  const model = modelFrom({
    inputs: { x: [1, 2] },
    outputs: { y: ['N', 2] },
    initializers: [integers('M', [3], [])],
    nodes: [
      node('SequenceConstruct', ['x'], 'one'),
      holding(
        node('Loop', ['M', '', 'one'], 'list'),
        body('body', {
          inputs: { i: scalar(DType.INT64), going: scalar(DType.BOOL), before: undefined },
          outputs: { on: scalar(DType.BOOL), after: undefined },
          nodes: [node('Identity', ['going'], 'on'), node('SequenceInsert', ['before', 'x'], 'after')],
        }),
      ),
      node('ConcatFromSequence', ['list'], 'y', { axis: 0 }),
    ],
  });
  expect(() => differentiate(model, { loss: sumOfSquares, wrt: ['x'] })).toThrow(
    /ConcatFromSequence "y": "list" is of unknown type; .* not through a sequence of tensors/,
  );
});
