import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { explain } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { fixture } from './fixtures.ts';
import { direction, modelOf } from './harness.ts';
import { floats, integers, modelFrom, node } from './written.ts';

test('of a model that can be trained, the parameters with their roles, and the ops', () => {
  const report = explain(fixture('cnn').bytes);
  expect(report.differentiable).toBe(true);
  expect(report.inputs).toEqual(['x']);
  const trained = report.parameters.filter(({ byDefault }) => byDefault);
  expect(trained.map(({ name, role }) => `${name} ${role.kind} ${role.filterAxes?.join(',') ?? ''}`)).toEqual(
    [
      'c1.weight weight 0',
      'c1.bias bias ',
      'c2.weight weight 0',
      'c2.bias bias ',
      'c3.weight weight 0',
      'dw.weight weight 0',
      'dw.bias bias ',
      'fc.weight weight 0',
      'fc.bias bias ',
    ],
  );
  expect(report.ops.find(({ op }) => op === 'Conv')).toMatchObject({ count: 4, onPath: 4, covered: true });
  expect(String(report)).toMatch(/^differentiable: 9 parameters, \d+ numbers\n/);
});

test('torch writes linear layers as [out, in], and stacks the gates of an LSTM row by row', () => {
  const roles = new Map(explain(fixture('lstm').bytes).parameters.map(({ name, role }) => [name, role]));
  expect(roles.get('h.weight')).toEqual({ kind: 'weight', filterAxes: [0] });
  expect(roles.get('r.weight_ih_l0')).toEqual({ kind: 'weight', filterAxes: [0] });
  const transformer = new Map(
    explain(fixture('transformer').bytes).parameters.map(({ name, role }) => [name, role]),
  );
  expect(transformer.get('qkv.weight')).toEqual({ kind: 'weight', filterAxes: [0] });
  expect(transformer.get('emb.weight')).toEqual({ kind: 'embedding', filterAxes: [0] });
  expect(transformer.get('n1.weight')).toEqual({ kind: 'norm' });
});

test('running statistics, masks and preprocessing are no parameters', () => {
  const batch = explain(fixture('resnet_train').bytes).parameters.filter(({ name }) =>
    name.includes('running'),
  );
  expect(batch.map(({ byDefault }) => byDefault)).toEqual(Array(6).fill(false));
  const bytes = modelOf(
    { x: { shape: [2, 3], values: [] } },
    (g, { x }) => {
      const scaled = g.div(g.sub(x, g.constant(1, [3], [1, 2, 3])), g.constant(1, [3], [4, 5, 6]));
      const scores = g.matmul(scaled, g.constant(1, [3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]));
      return g.add(scores, g.constant(1, [2, 3], [0, -1e9, 0, 0, 0, -1e9]));
    },
    { precision: 'float32' },
  );
  expect(explain(bytes).parameters.map(({ byDefault, why }) => (byDefault ? 'trained' : why))).toEqual([
    'applied before any layer: part of the preprocessing',
    'applied before any layer: part of the preprocessing',
    'trained',
    'looks like a mask: it has values beyond ±1e4',
  ]);
});

test('of a model that cannot, every reason', () => {
  const report = explain(
    modelOf(
      { x: { shape: [2, 3], values: [] } },
      (g, { x }) => g.op('Mystery', [g.matmul(x, g.constant(1, [3, 3], Array(9).fill(0.5)))]),
      { precision: 'float32' },
    ),
  );
  expect(report.differentiable).toBe(false);
  expect(report.ops.find(({ op }) => op === 'Mystery')).toMatchObject({
    covered: false,
    reasons: [expect.stringContaining('no rule')],
  });
  expect(String(report)).toContain('refused');
  expect(explain(new Uint8Array([1, 2, 3])).differentiable).toBe(false);
});

describe('a model that can be trained only with options', () => {
  const bytes = readFileSync(
    createRequire(import.meta.url).resolve('@ricky0123/vad-web/dist/silero_vad_legacy.onnx'),
  );

  test('is refused without them, naming the options and the nodes by their names in the file', () => {
    const report = explain(bytes);
    expect(report.differentiable).toBe(false);
    const text = String(report);
    expect(text).toContain('Conv "Conv_132": the rank of "mean0"');
    expect(text).toContain('shapes (sizes of inputs) and fix');
    expect(text).not.toMatch(/\bad\/|step_\d/);
  });

  test('is differentiable with them', () => {
    const report = explain(bytes, { output: 'output', fix: { sr: 16000 } });
    expect(report.faults).toEqual([]);
    expect(report.inputs).toEqual(['input', 'h', 'c']);
  });

  test('names an output that does not exist', () => {
    const { faults } = explain(bytes, { output: 'outpt', fix: { sr: 16000 } });
    expect(faults.map(({ reason }) => reason)).toEqual([
      'output: the model has no output "outpt"; it has "output", "hn", "cn".',
    ]);
  });
});

test('weights that are computed from others: those of weight normalization are trained, masks are not', () => {
  const model = modelFrom({
    inputs: { x: ['N', 3] },
    outputs: { y: ['N', 2] },
    initializers: [
      floats('v', [4, 3], direction(12, 1)),
      floats('g', [4, 1], [1, 2, 0.5, 1]),
      floats('w', [4, 2], direction(8, 2)),
      floats('mask', [4, 2], [1, 0, 1, 1, 0, 1, 1, 1]),
      integers('along', [1]),
      floats('power', [2], direction(2, 3)),
    ],
    nodes: [
      node('ReduceL2', ['v', 'along'], 'norm', { keepdims: 1 }),
      node('Div', ['g', 'norm'], 'ratio'),
      node('Mul', ['v', 'ratio'], 'normed'),
      node('Gemm', ['x', 'normed'], 'h', { transB: 1 }),
      node('Mul', ['w', 'mask'], 'masked'),
      node('MatMul', ['h', 'masked'], 'z'),
      node('Exp', ['power'], 'factor'),
      node('Mul', ['z', 'factor'], 'y'),
    ],
  });
  const found = Object.fromEntries(
    explain(model).parameters.map(({ name, byDefault, why }) => [name, [byDefault, why]]),
  );
  expect(found).toEqual({
    v: [true, 'weight of Gemm "h", which is computed from it'],
    g: [true, 'weight of Gemm "h", which is computed from it'],
    w: [true, 'weight of MatMul "z", which is computed from it'],
    mask: [false, 'a mask: it holds only zeros and ones'],
    power: [false, 'computed into a value that is no weight of a layer'],
  });
});

test('torch writes a group normalization with ones and zeros of its own, which are not trained', () => {
  const model = modelFrom({
    inputs: { x: [2, 4, 5] },
    outputs: { y: [2, 4, 5], z: [2, 4, 5] },
    initializers: [
      integers('grouped', [2, 2, 10]),
      integers('shape', [2, 4, 5]),
      floats('ones', [2], [1, 1]),
      floats('zeros', [2], [0, 0]),
      floats('gamma', [4, 1], [1, 1, 1, 1]),
      floats('beta', [4, 1], [0, 0, 0, 0]),
      floats('scale', [4], [1, 1, 1, 1]),
      floats('bias', [4], [0, 0, 0, 0]),
    ],
    nodes: [
      node('Reshape', ['x', 'grouped'], 'groups'),
      node('InstanceNormalization', ['groups', 'ones', 'zeros'], 'standard'),
      node('Reshape', ['standard', 'shape'], 'channels'),
      node('Mul', ['channels', 'gamma'], 'scaled'),
      node('Add', ['scaled', 'beta'], 'y'),
      node('InstanceNormalization', ['y', 'scale', 'bias'], 'z'),
    ],
  });
  const found = explain(model).parameters.map(({ name, byDefault, why }) => (byDefault ? name : why));
  const added = 'ones or zeros added by an exporter';
  expect(found).toEqual([added, added, 'gamma', 'beta', 'scale', 'bias']);
});

test('a class token is trained, zeros and coordinates that are joined with features are not', () => {
  const model = modelFrom({
    inputs: { x: [2, 3, 4] },
    outputs: { y: [2, 6, 6] },
    initializers: [
      floats('w', [4, 5], direction(20, 1)),
      floats('token', [1, 1, 5], direction(5, 2)),
      floats('flat', [5], direction(5, 3)),
      floats('padding', [1, 1, 5], [0, 0, 0, 0, 0]),
      floats('coordinates', [2, 6, 1], direction(12, 4)),
      integers('shape', [2, 1, 5]),
    ],
    nodes: [
      node('MatMul', ['x', 'w'], 'h'),
      ...['token', 'flat', 'padding'].map((name) => node('Expand', [name, 'shape'], `${name}s`)),
      node('Concat', ['tokens', 'h', 'flats', 'paddings'], 'sequence', { axis: 1 }),
      node('Concat', ['sequence', 'coordinates'], 'y', { axis: 2 }),
    ],
  });
  const found = explain(model).parameters.map(({ name, byDefault, why }) => [name, byDefault, why]);
  expect(found).toEqual([
    ['w', true, 'weight of MatMul "h"'],
    ['token', true, 'token of Concat "sequence"'],
    ['flat', true, 'token of Concat "sequence"'],
    ['padding', false, 'a constant, not used as a weight'],
    ['coordinates', false, 'a constant, not used as a weight'],
  ]);
});

test('the bias of a weight that is computed and repeated is trained', () => {
  const model = modelFrom({
    inputs: { x: [4, 2, 3] },
    outputs: { y: [4, 2, 5] },
    initializers: [
      floats('table', [5, 2], direction(10, 1)),
      floats('w', [2, 3], direction(6, 2)),
      floats('b', [3], direction(3, 3)),
      integers('times', [4, 1, 1]),
      integers('front', [0]),
    ],
    nodes: [
      node('MatMul', ['table', 'w'], 'keys'),
      node('Add', ['keys', 'b'], 'biased'),
      node('Unsqueeze', ['biased', 'front'], 'one'),
      node('Tile', ['one', 'times'], 'all'),
      node('Transpose', ['all'], 'turned', { perm: [0, 2, 1] }),
      node('MatMul', ['x', 'turned'], 'y'),
    ],
  });
  expect(explain(model).parameters.map(({ byDefault }) => byDefault)).toEqual([true, true, true]);
});
