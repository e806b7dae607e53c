import { differentiate, type DifferentiateOptions, type LossFunction } from 'quasi-newton/onnx';
import * as ort from 'onnxruntime-node';
import type { NodeProto } from 'onnx-buf';
import { expect, test } from 'vitest';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
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

test('a sequence that a Loop makes is refused by name', () => {
  // As torch.onnx.export(dynamo=True) writes EmbeddingBag.
  const model = modelFrom({
    inputs: { x: [2] },
    outputs: { y: ['N'] },
    initializers: [integers('M', [3], [])],
    nodes: [
      node('SequenceEmpty', [], 'none'),
      holding(
        node('Loop', ['M', '', 'none'], 'list'),
        body('body', {
          inputs: { i: scalar(DType.INT64), going: scalar(DType.BOOL), before: undefined },
          outputs: { on: scalar(DType.BOOL), after: undefined },
          nodes: [node('Identity', ['going'], 'on'), node('SequenceInsert', ['before', 'x'], 'after')],
        }),
      ),
      node('ConcatFromSequence', ['list'], 'y', { axis: 0 }),
    ],
  });
  const asked = { loss: (g, { outputs: [y] }) => g.sumOfAll(y), wrt: ['x'] } satisfies DifferentiateOptions;
  expect(() => differentiate(model, asked)).toThrow(
    /ConcatFromSequence "y": .* not through sequences of tensors that a Loop or If makes/,
  );
});
