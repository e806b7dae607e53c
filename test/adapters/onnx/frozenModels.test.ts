import { create } from '@bufbuild/protobuf';
import { AttributeProto_AttributeType as Kind, AttributeProtoSchema } from 'onnx-buf';
import type { NodeProto } from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import { adam, minimizeAsync } from 'quasi-newton';
import { differentiate, trainable } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
import { withFloats } from './forms.ts';
import { direction } from './harness.ts';
import { floats, modelFrom, node, runOnce, tensor, type Described } from './written.ts';

/** Adds attributes of strings to a node. */
const withStrings = (made: NodeProto, name: string, values: readonly string[]): NodeProto => {
  const strings = values.map((value) => new TextEncoder().encode(value));
  made.attribute.push(create(AttributeProtoSchema, { name, type: Kind.STRINGS, strings }));
  return made;
};

/** Two trees of one threshold each, for two targets. */
const treeLists = {
  nodes_values: [0.1, 0, 0, -0.2, 0, 0],
  target_weights: [1, 2, -1, 0.5],
};
const tree = (
  opType: 'TreeEnsembleRegressor' | 'TreeEnsembleClassifier',
  output: readonly string[],
): NodeProto => {
  const kind = opType === 'TreeEnsembleRegressor' ? 'target' : 'class';
  const made = node(`ai.onnx.ml::${opType}`, ['x'], output, {
    nodes_treeids: [0, 0, 0, 1, 1, 1],
    nodes_nodeids: [0, 1, 2, 0, 1, 2],
    nodes_featureids: [0, 0, 0, 1, 0, 0],
    nodes_truenodeids: [1, 0, 0, 1, 0, 0],
    nodes_falsenodeids: [2, 0, 0, 2, 0, 0],
    [`${kind}_treeids`]: [0, 0, 1, 1],
    [`${kind}_nodeids`]: [1, 2, 1, 2],
    [`${kind}_ids`]: [0, 0, 1, 1],
    ...(kind === 'target' ? { n_targets: 2 } : { classlabels_int64s: [0, 1] }),
  });
  withFloats(made, { nodes_values: treeLists.nodes_values, [`${kind}_weights`]: treeLists.target_weights });
  return withStrings(made, 'nodes_modes', ['BRANCH_LEQ', 'LEAF', 'LEAF', 'BRANCH_LEQ', 'LEAF', 'LEAF']);
};

const machine = (): NodeProto =>
  withFloats(node('ai.onnx.ml::SVMRegressor', ['x'], 'features', { kernel_type: 'RBF', n_supports: 3 }), {
    kernel_params: [0.5, 0, 0],
    support_vectors: [1, 2, 0.5, 0.1, -0.3, 0.4],
    coefficients: [1, 2, -0.5],
    rho: [0.3],
  });

const words = node('TfIdfVectorizer', ['x'], 'features', {
  mode: 'TF',
  min_gram_length: 1,
  max_gram_length: 1,
  max_skip_count: 0,
  ngram_counts: [0],
  ngram_indexes: [0, 1, 2],
  pool_int64s: [2, 3, 5],
});

interface Frozen {
  readonly name: string;
  readonly nodes: readonly NodeProto[];
  readonly width: number;
  readonly x: Described;
}
const numbers: Described = ['N', 2];
const cases: readonly Frozen[] = [
  { name: 'trees', nodes: [tree('TreeEnsembleRegressor', ['features'])], width: 2, x: numbers },
  {
    name: 'a forest of classes',
    nodes: [tree('TreeEnsembleClassifier', ['label', 'features'])],
    width: 2,
    x: numbers,
  },
  { name: 'a support vector machine', nodes: [machine()], width: 1, x: numbers },
  { name: 'counts of words', nodes: [words], width: 3, x: { dtype: DType.INT64, shape: ['N', 4] } },
];

describe.each(cases)('a float head on $name', ({ nodes, width, x }) => {
  const bytes = modelFrom({
    inputs: { x },
    outputs: { y: ['N', 1] },
    initializers: [floats('w', [width, 1], direction(width, 1)), floats('b', [1], [0.1])],
    nodes: [...nodes, node('Gemm', ['features', 'w', 'b'], 'y')],
    domains: ['ai.onnx.ml'],
  });
  const integral = 'dtype' in x;
  const data = integral ? [2, 3, 5, 5, 2, 2, 2, 9, 5, 3, 3, 2] : [0.5, -0.3, -0.7, 0.9, 0.2, 0.4];
  const shape = [3, integral ? 4 : 2];

  test.each(['float32', 'float64'] as const)('trains in %s', async (precision) => {
    const model = await trainable(ort, bytes, { loss: 'mse', precision });
    const feed = { data: integral ? BigInt64Array.from(data, BigInt) : data, dims: shape };
    const problem = model.problem({ x: feed, target: { data: [1, -0.5, 0.7], dims: [3, 1] } });
    const before = await problem.fg(problem.p0, null);
    const { f } = await minimizeAsync(problem, adam({ learningRate: 0.05 }), { maxIterations: 150 });
    expect(f).toBeLessThan(0.9 * before);
    await model.dispose();
  });
});

test('trees pass no gradient on, other paths do', async () => {
  const bytes = modelFrom({
    inputs: { x: [1, 2] },
    outputs: { y: [1, 2] },
    nodes: [tree('TreeEnsembleRegressor', ['t']), node('Mul', ['x', 't'], 'y')],
    domains: ['ai.onnx.ml'],
  });
  const graph = differentiate(bytes, {
    loss: (g, { outputs: [y] }) => g.sumOfAll(y),
    wrt: ['x'],
    keep: ['t'],
  });
  const found = await runOnce(graph, { x: tensor([1, 2], [0.5, -0.3]) });
  expect(found['t']).toEqual([2, -1]);
  expect(found['grad_of/x']).toEqual(found['t']);
});
