import { create } from '@bufbuild/protobuf';
import { AttributeProto_AttributeType as Kind, AttributeProtoSchema, FunctionProtoSchema } from 'onnx-buf';
import type { NodeProto } from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { differentiate, explain, trainable, type Feeds, type TrainableOptions } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
import { body, floats, integers, modelFrom, node, runOnce, tensor, typed, type Written } from './written.ts';

const scalar = (dtype: number) => ({ dtype, shape: [] });
const holding = (each: NodeProto, ...attributes: NodeProto['attribute']) =>
  Object.assign(each, { attribute: [...each.attribute, ...attributes] });
const weight = (name: string, ...values: number[]) => floats(name, [2, 2], values);
const x = { data: [0.5, -1, 2, 0.3], dims: [2, 2] };
const tensorOf = (...dims: number[]) => ({ data: new Float32Array(dims.reduce((a, b) => a * b, 1)), dims });
const target = { data: [1, 0.2, -0.4, 0.6], dims: [2, 2] };

/** Trains a model, and holds its gradient against differences, and what it predicts against the file it writes. */
async function train(bytes: Uint8Array, more: Feeds = {}, options: Partial<TrainableOptions> = {}) {
  const model = await trainable(ort, bytes, { loss: 'mse', ...options });
  const names = model.params.layout.tensors.map(({ name }) => name);
  const problem = model.problem({ x, target, ...more });
  const gradient = problem.p0.slice();
  const before = await problem.fg(problem.p0, gradient);
  for (const [i, slope] of gradient.entries()) {
    const at = async (h: number) => problem.fg(problem.p0.with(i, problem.p0[i] + h), null);
    expect(Math.abs(((await at(1e-2)) - (await at(-1e-2))) / 2e-2 - slope)).toBeLessThan(2e-3);
  }
  const { f } = await minimizeAsync(problem, lbfgs(), { maxIterations: 5 });
  expect(f).toBeLessThan(before);
  const inputs = { x, ...more };
  const { y } = await model.predict(inputs);
  const fixed = Object.fromEntries(
    Object.entries(options.fix ?? {}).map(([name, value]) => [name, { data: [Number(value)], dims: [] }]),
  );
  const feeds = Object.entries({ ...inputs, ...fixed }).map(([name, { data, dims }]) => {
    if (name === 'c') return [name, new ort.Tensor('bool', [Boolean(data[0])], dims)] as const;
    if (name === 'rate') return [name, new ort.Tensor('int64', [BigInt(data[0])], dims)] as const;
    return [name, tensor(dims, Array.from(data, Number))] as const;
  });
  const written = await runOnce(model.toBytes(), Object.fromEntries(feeds));
  written['y'].forEach((value, i) => expect(value).toBeCloseTo(Number(y.data[i]), 5));
  await model.dispose();
  return names;
}

const chosen = (then: Partial<Written>, otherwise: Partial<Written>): Written => ({
  inputs: { x: ['n', 2], c: scalar(DType.BOOL) },
  outputs: { y: ['n', 2] },
  nodes: [
    holding(
      node('If', ['c'], 'y'),
      body('then_branch', { outputs: { t: ['n', 2] }, nodes: [], ...then }),
      body('else_branch', { outputs: { e: ['n', 2] }, nodes: [], ...otherwise }),
    ),
  ],
});

describe('weights are trained and written back that lie', () => {
  test('weights are trained and written back that lie in the branches of an If, under one name', async () => {
    const bytes = modelFrom(
      chosen(
        { initializers: [weight('W', 1, 2, 3, 4)], nodes: [node('MatMul', ['x', 'W'], 't')] },
        { initializers: [weight('W', 0.5, 0, 1, 2)], nodes: [node('MatMul', ['x', 'W'], 'e')] },
      ),
    );
    expect(await train(bytes, { c: { data: [1], dims: [] } })).toEqual([
      'y/then_branch/W',
      'y/else_branch/W',
    ]);
    expect(await train(bytes, { c: { data: [0], dims: [] } })).toHaveLength(2);
  });

  test('weights are trained and written back that lie in a branch, where the other makes a value of the same name', async () => {
    const bytes = modelFrom(
      chosen(
        { initializers: [weight('W', 1, 2, 3, 4)], nodes: [node('MatMul', ['x', 'W'], 't')] },
        { nodes: [node('Tanh', ['x'], 'W'), node('Neg', ['W'], 'e')] },
      ),
    );
    expect(await train(bytes, { c: { data: [1], dims: [] } })).toEqual(['y/then_branch/W']);
  });

  test('weights are trained and written back that lie in Constant nodes of a branch, as typed data and as a list', async () => {
    const value = typed({ dims: [2n, 2n], dataType: DType.FLOAT, floatData: [1, 2, 3, 4] });
    const bytes = modelFrom(
      chosen(
        {
          nodes: [
            node('Constant', [], 'W', { value }),
            node('Constant', [], 'b', { value_floats: [0.5, 0.25] }),
            node('MatMul', ['x', 'W'], 'h'),
            node('Add', ['h', 'b'], 't'),
          ],
        },
        { nodes: [node('Tanh', ['x'], 'e')] },
      ),
    );
    expect(await train(bytes, { c: { data: [1], dims: [] } })).toEqual(['W', 'b']);
  });

  test('weights are trained and written back that lie in the body of a Loop', async () => {
    const bytes = modelFrom({
      inputs: { x: ['n', 2] },
      outputs: { y: ['n', 2] },
      initializers: [integers('count', [3], [])],
      nodes: [
        holding(
          node('Loop', ['count', '', 'x'], 'y'),
          body('body', {
            inputs: { i: scalar(DType.INT64), going: scalar(DType.BOOL), s: ['n', 2] },
            outputs: { on: scalar(DType.BOOL), s2: ['n', 2] },
            initializers: [weight('W', 0.4, 0.2, -0.1, 0.5)],
            nodes: [
              node('Identity', ['going'], 'on'),
              node('MatMul', ['s', 'W'], 'h'),
              node('Tanh', ['h'], 's2'),
            ],
          }),
        ),
      ],
    });
    expect(await train(bytes)).toEqual(['W']);
  });

  test('weights are trained and written back that lie in a function that is called twice: one weight for both calls', async () => {
    const layer = create(FunctionProtoSchema, {
      name: 'Layer',
      domain: 'my',
      input: ['a'],
      output: ['b'],
      opsetImport: [{ domain: '', version: 17n }],
      node: [
        node('Constant', [], 'W', { value: weight('', 0.4, 0.2, -0.1, 0.5) }),
        node('MatMul', ['a', 'W'], 'h'),
        node('Tanh', ['h'], 'b'),
      ],
    });
    const bytes = modelFrom(
      {
        inputs: { x: ['n', 2] },
        outputs: { y: ['n', 2] },
        nodes: [node('my::Layer', ['x'], 'h'), node('my::Layer', ['h'], 'y')],
        domains: ['my'],
      },
      { functions: [layer] },
    );
    expect(await train(bytes)).toEqual(['W']);
  });

  test('weights are trained and written back that lie in the attributes of a linear model, behind a Scaler', async () => {
    const list = (name: string, values: number[]) =>
      create(AttributeProtoSchema, { name, type: Kind.FLOATS, floats: values });
    const bytes = modelFrom(
      {
        inputs: { x: ['n', 2] },
        outputs: { y: ['n', 2] },
        nodes: [
          holding(node('ai.onnx.ml::Scaler', ['x'], 's'), list('offset', [0.5, 0]), list('scale', [2, 1])),
          holding(
            node('ai.onnx.ml::LinearRegressor', ['s'], 'y', { targets: 2 }),
            list('coefficients', [1, 2, 3, 4]),
            list('intercepts', [0.5, -0.5]),
          ),
        ],
      },
      {
        opsetImport: [
          { domain: '', version: 15n },
          { domain: 'ai.onnx.ml', version: 1n },
        ],
      },
    );
    expect(await train(bytes)).toEqual(['y/coefficients', 'y/intercepts']);
  });
});

test('an If that a fixed input decides is settled, and its weights are those of the network', async () => {
  const bytes = modelFrom({
    inputs: { x: ['n', 2], rate: scalar(DType.INT64) },
    outputs: { y: ['n', 2] },
    initializers: [integers('high', [16000], [])],
    nodes: [
      node('Equal', ['rate', 'high'], 'c'),
      holding(
        node('If', ['c'], 'y'),
        body('then_branch', {
          outputs: { t: ['n', 2] },
          initializers: [weight('W', 1, 2, 3, 4)],
          nodes: [node('MatMul', ['x', 'W'], 't')],
        }),
        body('else_branch', {
          outputs: { e: ['n', 2] },
          initializers: [weight('V', 1, 2, 3, 4)],
          nodes: [node('MatMul', ['x', 'V'], 'e')],
        }),
      ),
    ],
  });
  expect(await train(bytes, {}, { fix: { rate: 16000 } })).toEqual(['W']);
  expect(await train(bytes, {}, { fix: { rate: 8000 } })).toEqual(['V']);
  const fixed = (fix: Record<string, number | number[]>) => () => differentiate(bytes, { loss: 'mse', fix });
  expect(fixed({ speed: 1 })).toThrow('fix: the model has no input "speed"; it has "x", "rate".');
  expect(fixed({ rate: [1, 2] })).toThrow(
    'fix: the input "rate" is int64 of shape []; got 2 values, which do not fit.',
  );
});

test('an If on a size is settled by sizes that are given, and wrong ones are refused', async () => {
  const bytes = modelFrom({
    inputs: { x: ['n', 2], z: ['n', 'm'] },
    outputs: { y: ['n', 2] },
    initializers: [integers('two', [2])],
    nodes: [
      node('Shape', ['z'], 'sizes', { start: 1 }),
      node('Equal', ['sizes', 'two'], 'c'),
      holding(
        node('If', ['c'], 'y'),
        body('then_branch', {
          outputs: { t: ['n', 2] },
          initializers: [weight('W', 1, 2, 3, 4)],
          nodes: [node('MatMul', ['x', 'W'], 't')],
        }),
        body('else_branch', {
          outputs: { e: ['n', 2] },
          initializers: [weight('V', 1, 2, 3, 4)],
          nodes: [node('MatMul', ['x', 'V'], 'e')],
        }),
      ),
    ],
  });
  // z decides, but nothing of it is read.
  expect(await train(bytes, { z: tensorOf(2, 2) }, { shapes: { z: [null, 2] } })).toEqual(['W']);
  expect(await train(bytes, { z: tensorOf(2, 3) }, { shapes: { z: [2, 3] } })).toEqual(['V']);
  const shaped = (shapes: object) => () => differentiate(bytes, { loss: 'mse', shapes } as never);
  expect(shaped({ speed: [1] })).toThrow('shapes: the model has no input "speed"; it has "x", "z".');
  expect(shaped({ x: [1] })).toThrow('shapes: the input "x" has the shape [?, 2], which does not fit [1].');
  expect(shaped({ x: [1, 3] })).toThrow(
    'shapes: the input "x" has the shape [?, 2], which does not fit [1, 3].',
  );
  expect(shaped({ x: [1, 2], z: [3, 2] })).toThrow('shapes: the size "n" cannot be both 1 and 3.');
  expect(shaped({ x: ['n', 2] })).toThrow('shapes: must be an object of lists of sizes');
});

test('a classifier whose probabilities a ZipMap sorts into maps gives them as a matrix', async () => {
  const bytes = modelFrom(
    {
      inputs: { x: ['n', 2] },
      outputs: { label: { dtype: DType.INT64, shape: ['n'] }, probabilities: undefined },
      nodes: [
        holding(
          node('ai.onnx.ml::LinearClassifier', ['x'], ['label', 'scores'], {
            classlabels_ints: [5, 6, 9],
            post_transform: 'SOFTMAX',
          }),
          create(AttributeProtoSchema, {
            name: 'coefficients',
            type: Kind.FLOATS,
            floats: [1, 2, -1, 0, 0.5, -2],
          }),
          create(AttributeProtoSchema, { name: 'intercepts', type: Kind.FLOATS, floats: [0.1, 0.2, 0.3] }),
        ),
        node('ai.onnx.ml::Normalizer', ['scores'], 'normal', { norm: 'L1' }),
        node('ai.onnx.ml::ZipMap', ['normal'], 'probabilities', { classlabels_int64s: [5, 6, 9] }),
      ],
    },
    {
      opsetImport: [
        { domain: '', version: 15n },
        { domain: 'ai.onnx.ml', version: 1n },
      ],
    },
  );
  expect(explain(bytes).faults).toEqual([]);
  const model = await trainable(ort, bytes, { loss: 'softmaxCrossEntropy', output: 'probabilities' });
  const problem = model.problem({ x, target: { data: [2, 0], dims: [2] } });
  await minimizeAsync(problem, lbfgs(), { maxIterations: 30 });
  const { label, probabilities } = await model.predict({ x });
  expect(Array.from(label.data, Number)).toEqual([9, 5]);
  expect(probabilities.dims).toEqual([2, 3]);
  expect(Number(probabilities.data[2])).toBeGreaterThan(0.9);
  await model.dispose();
});

describe('a Dropout in training mode', () => {
  const bytes = modelFrom({
    inputs: { x: [4, 8] },
    outputs: { y: [4, 8] },
    initializers: [floats('ratio', [], [0.25]), integers('one', [1], [])],
    nodes: [
      node('Cast', ['one'], 'training', { to: DType.BOOL }),
      holding(
        node('Dropout', ['x', 'ratio', 'training'], 'y'),
        create(AttributeProtoSchema, { name: 'seed', type: Kind.INT, i: 7n }),
      ),
    ],
  });
  const feeds = { x: tensor([4, 8], Array<number>(32).fill(1)) };
  const options = {
    loss: (g, { outputs: [y] }) => g.sumOfAll(y),
    wrt: ['x'],
    keep: ['y'],
  } satisfies Parameters<typeof differentiate>[1];

  test('drops as the file says, and its gradient goes through what was kept', async () => {
    const { y, 'grad_of/x': gradient } = await runOnce(differentiate(bytes, options), feeds);
    expect(new Set(y)).toEqual(new Set([0, Math.fround(4 / 3)]));
    expect(gradient).toEqual(y);
  });

  test('drops nothing where that is asked for', async () => {
    const { y, 'grad_of/x': gradient } = await runOnce(
      differentiate(bytes, { ...options, dropout: 'off' }),
      feeds,
    );
    expect(y).toEqual(Array<number>(32).fill(1));
    expect(gradient).toEqual(y);
  });
});
