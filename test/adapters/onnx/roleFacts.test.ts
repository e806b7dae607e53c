import { expect, test } from 'vitest';
import { opOf, plainOp, roleFacts } from '../../../src/adapters/onnx/passes/roleFacts.ts';
import { DType, tensorOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { floats, graphOf, integers, node, type Written } from './written.ts';

const factsOf = (written: Omit<Written, 'outputs'>) => roleFacts(graphOf({ outputs: {}, ...written }));
const list = (values: ReadonlySet<string>) => [...values].toSorted();

test("an op of ONNX Runtime's domains has the name of the standard op that it optimizes, others keep theirs", () => {
  const names = {
    Conv: 'Conv',
    'com.microsoft.nchwc::Conv': 'Conv',
    'com.microsoft::Gelu': 'Gelu',
    'ai.onnx.ml::Scaler': 'ai.onnx.ml::Scaler',
    'my.com.microsoft::Conv': 'my.com.microsoft::Conv',
    'com.microsoftware::Conv': 'com.microsoftware::Conv',
    'com.microsoft.a.b::Conv': 'com.microsoft.a.b::Conv',
  };
  for (const [op, plain] of Object.entries(names)) expect(plainOp(node(op, ['x'], 'y'))).toBe(plain);
  expect(opOf(node('com.microsoft.nchwc::Conv', ['x'], 'y'))).toBe(opOf(node('Conv', ['x'], 'y')));
  expect(opOf(node('my.domain::Conv', ['x'], 'y'))).toBeUndefined();
});

const w = floats('w', [2, 2], [1, 2, 3, 4]);
const at = integers('at', [0]);

test('values that a graph computes from constants, one of them of weights, are computed weights', () => {
  const { computed } = factsOf({
    inputs: { x: [2, 2] },
    initializers: [
      w,
      at,
      tensorOf('quantized', DType.INT8, [2], [1, 2]),
      tensorOf('wide', DType.DOUBLE, [1], [1]),
    ],
    nodes: [
      node('Mul', ['w', 'w'], 'square'),
      node('Gather', ['square', 'at'], 'row'),
      node('Clip', ['w', '', 'wide'], 'clipped'),
      node('Neg', ['quantized'], 'negative'),
      node('Split', ['w'], ['first', 'second']),
      // Neither of data, nor of integers alone, nor of values that are none of these.
      node('Mul', ['w', 'x'], 'product'),
      node('Add', ['at', 'at'], 'sum'),
      node('Add', ['square', 'product'], 'mixed'),
      node('RandomNormal', [], 'noise'),
      node('Mul', ['w', 'noise'], 'noisy'),
    ],
  });
  expect(list(computed)).toEqual(['clipped', 'first', 'negative', 'row', 'second', 'square']);
});

test('positions that a scatter sets may be computed from integers, other inputs not', () => {
  const nodes = [
    node('Add', ['at', 'at'], 'place'),
    node('Unsqueeze', ['place', ''], 'places'),
    node('Add', ['at', 'fed'], 'anywhere'),
    node('RandomNormal', [], 'noise'),
  ];
  const facts = (...more: ReturnType<typeof node>[]) =>
    list(factsOf({ inputs: { fed: [1] }, initializers: [w, at], nodes: [...nodes, ...more] }).computed);
  expect(facts(node('ScatterND', ['w', 'places', 'w'], 'set'))).toEqual(['set']);
  expect(facts(node('ScatterElements', ['w', 'place', 'w'], 'set'))).toEqual(['set']);
  expect(facts(node('ScatterND', ['w', 'anywhere', 'w'], 'set'))).toEqual([]);
  expect(facts(node('ScatterND', ['w', 'noise', 'w'], 'set'))).toEqual([]);
  // An update that is computed from integers is no position, and an op that gathers sets nothing.
  expect(facts(node('ScatterND', ['w', 'at', 'places'], 'set'))).toEqual([]);
  expect(facts(node('Gather', ['w', 'places'], 'row'))).toEqual([]);
});

test('values that depend on a layer with weights are learned, those before the first layer are not', () => {
  const { learned, makers } = factsOf({
    inputs: { x: [2, 2], shape: { dtype: DType.INT64, shape: [2] } },
    initializers: [w, at, floats('mean', [2], [1, 2])],
    nodes: [
      node('Sub', ['x', 'mean'], 'centered'),
      node('MatMul', ['centered', 'w'], 'h'),
      node('Relu', ['h'], 'y'),
      node('MatMul', ['x', 'at'], 'integral'),
      // The weight of a layer is computed by a product, which is no layer.
      node('MatMul', ['w', 'w'], 'both'),
      node('MatMul', ['centered', 'both'], 'z'),
      // Moved weights are weights.
      node('Transpose', ['w'], 'turned'),
      node('MatMul', ['x', 'turned'], 'v'),
      node('DynamicQuantizeLinear', ['h'], ['bytes', 'scale', 'zero']),
      node('my.domain::Layer', ['x', 'w'], 'unknown'),
      // Also to a shape that is fed; what is computed with data is no weight.
      node('Expand', ['w', 'shape'], 'wide'),
      node('MatMul', ['x', 'wide'], 'u'),
      node('Min', ['w', 'x'], 'least'),
      node('MatMul', ['x', 'least'], 't'),
      node('Split', ['h'], ['half', 'other']),
      node('my.domain::Split', ['h'], ['third', 'rest']),
    ],
  });
  expect(list(learned)).toEqual('bytes h half other rest third u v y z'.split(' '));
  expect(makers.get('zero')?.opType).toBe('DynamicQuantizeLinear');
  expect(makers.get('y')?.opType).toBe('Relu');
  expect(makers.has('x')).toBe(false);
});

test('learned values are followed into bodies and out of them', () => {
  const loop = (name: string, input: string, inner: ReturnType<typeof node>[], result: string) =>
    node('Scan', [input], name, {
      num_scan_inputs: 1,
      body: graphOf({ inputs: { [`${name}_in`]: [2] }, outputs: { [result]: [2] }, nodes: inner }),
    });
  const { learned } = factsOf({
    inputs: { x: [2, 2], h0: [2, 2] },
    initializers: [w],
    nodes: [
      node('MatMul', ['x', 'w'], 'h'),
      loop('carried', 'h', [node('Relu', ['carried_in'], 'r')], 'r'),
      loop('inside', 'x', [node('MatMul', ['inside_in', 'w'], 'p')], 'p'),
      node('Scan', ['x'], ['one', 'two'], {
        num_scan_inputs: 1,
        body: graphOf({
          inputs: { both_in: [2] },
          outputs: { plain: [2], layer: [2] },
          nodes: [node('Relu', ['both_in'], 'plain'), node('MatMul', ['both_in', 'w'], 'layer')],
        }),
      }),
      loop('outside', 'x', [node('Relu', ['outside_in'], 'q')], 'q'),
    ],
  });
  expect(list(learned)).toEqual('carried carried_in h inside layer one p r two'.split(' '));
});

test('scales of values quantized by their range, and their products with constants', () => {
  const { scales } = factsOf({
    inputs: { x: [2, 2], y: [1] },
    initializers: [floats('own', [1], [2])],
    nodes: [
      node('DynamicQuantizeLinear', ['x'], ['bytes', 'scale', 'zero']),
      node('DynamicQuantizeLinear', ['y'], ['bytes2', 'scale2', 'zero2']),
      node('Mul', ['scale', 'own'], 'product'),
      node('Mul', ['own', 'product'], 'again'),
      node('Mul', ['scale', 'scale2'], 'both'),
      node('Mul', ['scale', 'y'], 'fed'),
      node('Add', ['scale', 'own'], 'sum'),
      node('Mul', ['own', 'own'], 'constant'),
    ],
  });
  expect(list(scales)).toEqual(['again', 'both', 'product', 'scale', 'scale2']);
});

test('products with a weight of one column are layers of one unit', () => {
  const { singles } = factsOf({
    inputs: { x: [2, 2], h: [1, 2], v: [2] },
    initializers: [
      w,
      floats('column', [2, 1], [1, 2]),
      floats('row', [1, 2], [1, 2]),
      floats('vector', [1], [1]),
      floats('cube', [2, 2, 1], [1, 2, 3, 4]),
    ],
    nodes: [
      node('MatMul', ['x', 'column'], 'one'),
      node('MatMul', ['x', 'cube'], 'stacked'),
      node('MatMul', ['x', 'w'], 'two'),
      node('MatMul', ['h', 'row'], 'wide'),
      node('MatMul', ['v', 'vector'], 'scalar'),
      node('MatMul', ['column', 'h'], 'left'),
      node('Transpose', ['row'], 'turned'),
      node('MatMul', ['x', 'turned'], 'one_turned'),
      node('Transpose', ['column'], 'lying'),
      node('MatMul', ['h', 'lying'], 'wide_turned'),
      node('Add', ['x', 'column'], 'sum'),
    ],
  });
  expect(list(singles)).toEqual(['one', 'one_turned', 'stacked']);
});
