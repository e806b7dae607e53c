import { create } from '@bufbuild/protobuf';
import { FunctionProtoSchema, OperatorSetIdProtoSchema } from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { differentiate, registerVjp, trainable } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { attributesOf, subgraphsOf } from '../../../src/adapters/onnx/ir/attributes.ts';
import { decodeModel } from '../../../src/adapters/onnx/ir/model.ts';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
import { body, floats, modelFrom, node, runOnce, tensor } from './written.ts';

/** y = x·A·B, with these names for A and B. */
const product = (a: string, b: string) =>
  modelFrom({
    inputs: { x: ['n', 2] },
    outputs: { y: ['n', 1] },
    initializers: [floats(a, [2, 2], [1, 2, 3, 4]), floats(b, [2, 1], [1, -1])],
    nodes: [node('MatMul', ['x', a], 'h'), node('MatMul', ['h', b], 'y')],
  });

test.each([
  ['loss', 'B'],
  ['A', 'grad_of/A'],
  ['A', 'hessian_vector_of/A'],
  ['A', 'vector_of/A'],
  ['A', 'many_of/A'],
  ['many_losses', 'loss'],
  ['grad_of/loss', 'loss'],
])('initializers called %s and %s are trained and written back', async (a, b) => {
  const model = await trainable(ort, product(a, b), { loss: 'mse', hessianVector: true });
  expect(model.params.layout.tensors.map(({ name }) => name)).toEqual([a, b]);
  const x = { data: [1, 2, 3, 5], dims: [2, 2] };
  const problem = model.problem({ x, target: { data: [1, -1], dims: [2, 1] } });
  const losses = new Float64Array(1);
  await problem.valuesAt?.(problem.p0, losses);
  expect(losses[0]).toBe(await problem.fg(problem.p0, null));
  await problem.hessianVector?.(problem.p0, problem.p0, problem.p0.slice());
  const { f } = await minimizeAsync(problem, lbfgs());
  expect(f).toBeLessThan(1e-8);
  const { y } = await model.predict({ x });
  const written = await runOnce(model.toBytes(), { x: tensor(x.dims, x.data) });
  written['y'].forEach((value, i) => expect(value).toBeCloseTo(Number(y.data[i]), 5));
  await model.dispose();
});

test('a parameter tells which input of the graph it is fed to', async () => {
  const { bytes, parameters } = differentiate(product('loss', 'B'), { loss: 'mse' });
  expect(parameters.map(({ name, input, gradient }) => [name, input, gradient])).toEqual([
    ['loss', 'inner/loss', 'grad_of/loss'],
    ['B', 'B', 'grad_of/B'],
  ]);
  const session = await ort.InferenceSession.create(bytes);
  expect(session.inputNames).toEqual(['x', 'target', 'inner/loss', 'B']);
  await session.release();
});

test('names that are taken are refused', () => {
  const own = modelFrom({
    inputs: { x: ['n', 2] },
    outputs: { loss: [] },
    initializers: [floats('w', [2, 1], [1, 2])],
    nodes: [node('MatMul', ['x', 'w'], 'h'), node('ReduceMean', ['h'], 'loss', { keepdims: 0 })],
  });
  expect(() => differentiate(own, { loss: { output: 'loss' }, keep: ['loss'] })).toThrow(
    'keep: the result has an output "loss" of its own; rename the model\'s.',
  );
  expect(() =>
    differentiate(own, { loss: (g, { target, value }) => g.sumOfAll(target('w', value('h'))) }),
  ).toThrow('target: the graph already has a value "w"; choose another name.');
});

test('a loss graph reads the weights and inner values that its inputs are named after', async () => {
  const penalty = modelFrom({
    inputs: { h: ['n', 2], B: [2, 1] },
    outputs: { total: [] },
    nodes: [
      node('ReduceSumSquare', ['B'], 'squares', { keepdims: 0 }),
      node('ReduceSum', ['h'], 'sum', { keepdims: 0 }),
      node('Add', ['squares', 'sum'], 'total'),
    ],
    opset: 18,
  });
  const { bytes } = differentiate(product('A', 'B'), { loss: { graph: penalty } });
  const feeds = { x: tensor([1, 2], [1, 1]), A: tensor([2, 2], [1, 2, 3, 4]), B: tensor([2, 1], [1, -1]) };
  const { loss, 'grad_of/B': gradient } = await runOnce(bytes, feeds);
  expect([loss, gradient]).toEqual([[12], [2, -2]]);
});

test("ONNX's own domain may be called ai.onnx", async () => {
  const bytes = modelFrom({
    inputs: { x: [2, 1, 2, 2] },
    outputs: { y: [2, 1, 2, 2], kept: { dtype: DType.FLOAT, shape: [1] } },
    initializers: ['scale', 'bias', 'mean', 'variance'].map((name, i) =>
      floats(name, [1], [i % 2 === 0 ? 1 : 2]),
    ),
    nodes: [
      node(
        'ai.onnx::BatchNormalization',
        ['x', 'scale', 'bias', 'mean', 'variance'],
        ['b', 'kept', 'moved'],
        {
          training_mode: 1,
        },
      ),
      node('ai.onnx::Identity', ['b'], 'y'),
    ],
  });
  const model = await trainable(ort, bytes, { loss: 'mse', output: 'y' });
  const x = { data: [1, 2, 3, 4, 5, 6, 7, 8], dims: [2, 1, 2, 2] };
  const { y, kept } = await model.predict({ x });
  const feeds = { x: tensor(x.dims, x.data) };
  const written = await runOnce(model.toBytes({ inference: true }), feeds);
  expect(written['y']).toEqual(Array.from(y.data, Number));
  expect(written['kept']).toEqual(Array.from(kept.data, Number));
  expect(written['y']).not.toEqual((await runOnce(model.toBytes(), feeds))['y']);
  await model.dispose();
});

test('a written file is out of training mode in branches and functions too, also where they say ai.onnx', async () => {
  const statistics = ['scale', 'bias', 'mean', 'variance'];
  const normalize = () =>
    node('ai.onnx::BatchNormalization', ['x', ...statistics], ['z'], { training_mode: 1 });
  const choice = node('If', ['flag'], 'chosen');
  for (const name of ['then_branch', 'else_branch'])
    choice.attribute.push(body(name, { outputs: { z: ['n', 2] }, nodes: [normalize()] }));
  const norm = create(FunctionProtoSchema, {
    name: 'Norm',
    domain: 'own',
    input: ['x', ...statistics],
    output: ['z'],
    node: [normalize()],
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: 'ai.onnx', version: 17n })],
  });
  const bytes = modelFrom(
    {
      inputs: { x: ['n', 2], flag: { dtype: DType.BOOL, shape: [] } },
      outputs: { y: ['n', 1], chosen: ['n', 2], called: ['n', 2] },
      initializers: [...statistics.map((name) => floats(name, [2], [1, 2])), floats('w', [2, 1], [1, 2])],
      nodes: [choice, node('own::Norm', ['x', ...statistics], 'called'), node('MatMul', ['x', 'w'], 'y')],
      domains: ['own'],
    },
    { functions: [norm] },
  );
  const model = await trainable(ort, bytes, { loss: 'mse', output: 'y' });
  const modes = (file: Uint8Array) => {
    const { graph, functions } = decodeModel(file);
    const nodes = [...graph.node, ...functions.flatMap((each) => each.node)];
    return [...nodes, ...nodes.flatMap(subgraphsOf).flatMap((branch) => branch.node)]
      .filter(({ opType }) => opType === 'BatchNormalization')
      .map((each) => attributesOf(each).int('training_mode', 0));
  };
  expect(modes(model.toBytes())).toEqual([1, 1, 1]);
  expect(modes(model.toBytes({ inference: true }))).toEqual([0, 0, 0]);
  await model.dispose();
});

test('a rule may be registered for ai.onnx::Op', () => {
  const rule = () => [];
  registerVjp('ai.onnx::NoSuchOp', rule);
  const bytes = modelFrom({
    inputs: { x: [2] },
    outputs: { y: [2] },
    nodes: [node('NoSuchOp', ['x'], 'h'), node('Add', ['h', 'x'], 'y')],
  });
  expect(() =>
    differentiate(bytes, { loss: (g, { outputs: [y] }) => g.sumOfAll(y), wrt: ['x'] }),
  ).not.toThrow();
});
