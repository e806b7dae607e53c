import { explain } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { fixture } from './fixtures.ts';
import { modelOf } from './harness.ts';

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
