import * as ort from 'onnxruntime-node';
import { differentiate, graph, trainable, type LossFunction, type Network } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { decodeModel } from '../../../src/adapters/onnx/ir/model.ts';
import { numbersOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { isDense } from '../../../src/adapters/onnx/train/denseGraph.ts';

/** A network of two layers with something between. */
function network(between: (g: Network, x: string) => string): Uint8Array {
  const g = graph({ seed: 1 });
  g.output('y', g.dense(between(g, g.dense(g.input('x', ['N', 4]), 6)), 2));
  return g.toBytes();
}
const tanh = network((g, x) => g.tanh(x));
const gradients = (bytes: Uint8Array) => differentiate(bytes, { loss: 'mse' });

test.each([
  ['dense layers', tanh],
  ['an ELU', network((g, x) => g.op('Elu', [x]))],
  ['a softmax', network((g, x) => g.softmax(x, -1))],
])('a graph of %s and its gradient is dense', (_, bytes) => {
  expect(isDense(bytes)).toBe(true);
  expect(isDense(gradients(bytes))).toBe(true);
});

test.each([
  ['a GELU', network((g, x) => g.mul(x, g.add(1, g.op('Erf', [x]))))],
  ['a layer normalization', network((g, x) => g.layerNorm(x))],
  ['a product that is not a Gemm', network((g, x) => g.matmul(x, g.weight('w', [6, 6], 1)))],
  ['a transposition', network((g, x) => g.transpose(g.transpose(x, [1, 0]), [1, 0]))],
])('a graph with %s is not', (_, bytes) => {
  expect(isDense(gradients(bytes))).toBe(false);
});

/** Records the optimization level of each session. */
function recorded() {
  const levels: unknown[] = [];
  const create = (bytes: Uint8Array, options?: { graphOptimizationLevel?: string }) => {
    levels.push(options?.graphOptimizationLevel);
    return ort.InferenceSession.create(bytes, options as ort.InferenceSession.SessionOptions);
  };
  return { levels, own: { Tensor: ort.Tensor, env: ort.env, InferenceSession: { create } } };
}

test.each([
  ['dense', tanh, {}, 'disabled'],
  ['dense, with a level of the user', tanh, { graphOptimizationLevel: 'basic' }, 'basic'],
  ['dense, with the processor named', tanh, { executionProviders: ['cpu'] }, 'disabled'],
  ['another', network((g, x) => g.layerNorm(x)), {}, undefined],
])('ONNX Runtime optimizes no dense graph by itself: %s', async (_, bytes, sessionOptions, level) => {
  const { levels, own } = recorded();
  await (await trainable(own, bytes, { loss: 'mse', sessionOptions })).dispose();
  expect(levels).toEqual([level]);
});

const wave = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(i * i + i));
const curved: LossFunction = (g, { outputs: [y], gradient }) => {
  const [slope] = gradient(y, ['x']);
  return g.meanOfAll(g.square(g.add(g.sum(slope, [1]), g.square(g.sum(y, [1])))));
};

test.each([
  ['a mean of squares', tanh, 'mse'],
  ['absolute errors and a penalty', network((g, x) => g.relu(x)), { loss: 'mae' }],
  ['a differential equation', tanh, curved],
] as const)('its numbers are those of the optimized graph to the last bit: %s', async (_, bytes, loss) => {
  const found = [];
  for (const sessionOptions of [{}, { graphOptimizationLevel: 'all' }]) {
    const model = await trainable(ort, bytes, { loss, l2: 1e-2, sessionOptions });
    const data = { x: { data: wave(28), dims: [7, 4] } };
    const problem = model.problem(
      loss === curved ? data : { ...data, target: { data: wave(14), dims: [7, 2] } },
    );
    const gradient = new Float64Array(problem.p0.length);
    found.push([await problem.fg(problem.p0, gradient), await problem.fg(problem.p0, null), ...gradient]);
    await model.dispose();
  }
  expect(found[0]).toEqual(found[1]);
});

test('no two nodes of a gradient graph compute the same, and none multiplies by 1', () => {
  const bytes = network((g, x) => g.tanh(x));
  const { node, initializer } = decodeModel(differentiate(bytes, { loss: curved })).graph;
  const plain = node.filter(({ attribute }) => attribute.length === 0);
  const keys = plain.map(({ opType, input }) => [opType, ...input].join());
  expect(keys.filter((key, i) => keys.indexOf(key) !== i)).toEqual([]);
  const empty = new Set(initializer.filter(({ dims }) => dims.join() === '0').map(({ name }) => name));
  const seeds = node.filter(({ opType, input }) => opType === 'ConstantOfShape' && empty.has(input[0]));
  const ones = initializer.filter((tensor) => tensor.dims.length === 0 && numbersOf(tensor)[0] === 1);
  const factors = new Set(node.filter(({ opType }) => opType === 'Mul').flatMap(({ input }) => input));
  const names = [...seeds.map(({ output }) => output[0]), ...ones.map(({ name }) => name)];
  expect(names.filter((name) => factors.has(name))).toEqual([]);
});

test('a result that is an output keeps its name, though another node computes it', async () => {
  const g = graph({ seed: 1 });
  const x = g.input('x', ['N', 2]);
  const y = g.dense(x, 2);
  g.output('a', g.mul(y, y));
  g.output('b', g.mul(y, y));
  const file = differentiate(g.toBytes(), { loss: { loss: 'mse', output: 'a' }, keep: ['a', 'b'] });
  const session = await ort.InferenceSession.create(file);
  const names = file.parameters.map(({ input }) => input);
  expect(session.outputNames).toEqual(expect.arrayContaining(['a', 'b']));
  expect(names).toHaveLength(2);
  await session.release();
});
