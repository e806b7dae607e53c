import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { explain } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
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
