import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
import type { Builder } from '../../../src/adapters/onnx/ir/builder.ts';
import { bodyIn } from '../../../src/adapters/onnx/ir/body.ts';
import { differentiate, explain, gradientNameOf, registerVjp, type Value } from 'quasi-newton/onnx';
import { nodeAttributes, type AttributeValues } from '../../../src/adapters/onnx/ir/attributes.ts';
import { decodeModel, encodeModel } from '../../../src/adapters/onnx/ir/model.ts';
import { InferenceSession } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import {
  checkGradients,
  direction,
  feedsOf,
  modelOf,
  quiet,
  weighted,
  type Build,
  type Input,
} from './harness.ts';

const x: Input = { shape: [2, 3], values: [1, 2, 3, 4, 5, 6] };
const differentiated = (build: (g: Builder, x: Value) => Value) => () =>
  differentiate(
    modelOf({ x }, (g, { x }) => build(g, x)),
    { loss: weighted, wrt: ['x'] },
  );

test('an input that a rule says nothing of is refused where the gradient goes through it', () => {
  registerVjp('com.example::Half', ({ g, dy }) => [g.mul(0.5, dy)]);
  const half = (g: Builder, a: Value, b: Value) => {
    const y = g.op('Sum', [a, b]);
    Object.assign(g.proto.node.at(-1) ?? {}, { domain: 'com.example', opType: 'Half', name: 'half' });
    return y;
  };
  expect(differentiated((g, x) => half(g, x, g.scalar(1)))).not.toThrow();
  expect(differentiated((g, x) => half(g, x, x))).toThrow(
    'com.example::Half "half": it has no rule for the gradient of its input 1, "x", which depends on what is differentiated by.',
  );
});

/** An If of which one branch is `then`. */
const inside = (then: (b: Builder, x: Value) => Value) => (g: Builder, x: Value) => {
  const [first, second] = [bodyIn(g, [x]), bodyIn(g, [x])];
  first.addOutput('then', then(first, x));
  second.addOutput('else', x);
  const branches = { then_branch: first.proto, else_branch: second.proto };
  return g.op('If', [g.greater(g.sumOfAll(x), 0)], branches);
};

test('what is in training mode inside a branch is refused', () => {
  const vector = (b: Builder) => b.constant(DType.DOUBLE, [3], [1, 1, 1]);
  const normalized = (b: Builder, x: Value) =>
    b.ops(
      'BatchNormalization',
      [x, ...Array.from({ length: 4 }, () => vector(b))],
      { training_mode: 1 },
      3,
    )[0];
  const dropped = (b: Builder, x: Value) => b.op('Dropout', [x, undefined, b.constant(DType.BOOL, [], [1])]);
  const reason = 'in training mode inside a subgraph, it has no rule';
  expect(differentiated(inside(normalized))).toThrow(reason);
  expect(differentiated(inside(dropped))).toThrow(reason);
});

const real = (...shape: number[]): Input => ({
  shape,
  values: direction(
    shape.reduce((a, b) => a * b, 1),
    3,
  ),
});

test.each([
  ['ij,ij->ij', false],
  ['ij,ij->ij', true],
  ['ij,ij->j', false],
  ['ij,ij->j', true],
])('sizes of 1 broadcast in the Einsum %s, dynamic sizes: %s', async (equation, dynamic) => {
  const inputs = { a: real(1, 3), b: real(2, 3) };
  const build = (g: Builder, { a, b }: Readonly<Record<string, Value>>) =>
    g.op('Einsum', [a, b], { equation });
  await expect(checkGradients(inputs, build, { dynamic })).resolves.toBeUndefined();
});

test.each([false, true])('a Resize may leave an axis at its size, dynamic sizes: %s', async (dynamic) => {
  expect.hasAssertions();
  const image = real(1, 1, 4, 4);
  const scaled =
    (antialias: number, ...scales: number[]): Build =>
    (g, { image }) =>
      g.op('Resize', [image, undefined, g.constant(DType.FLOAT, [4], [1, 1, ...scales])], {
        mode: 'linear',
        antialias,
      });
  const wrt = ['image'];
  expect(() =>
    differentiate(modelOf({ image }, scaled(1, 1.2, 2), { dynamic }), { loss: weighted, wrt }),
  ).toThrow('with antialias, a scale of 1.2 that may leave axis 2 at its size has no rule; give sizes.');
  for (const scales of [
    [1.2, 2],
    [1.2, 1.1],
    [1, 2],
  ])
    await checkGradients({ image }, scaled(0, ...scales), { dynamic });
});

test('Conv with auto_pad and dilations is refused', () => {
  const attributes = { auto_pad: 'SAME_UPPER', dilations: [2, 2], kernel_shape: [3, 3] };
  const build = (g: Builder, { image, w }: Readonly<Record<string, Value>>) =>
    g.op('Conv', [image, w], attributes);
  const model = modelOf({ image: real(1, 1, 7, 7), w: real(1, 1, 3, 3) }, build);
  expect(() => differentiate(model, { loss: weighted, wrt: ['image'] })).toThrow(
    'auto_pad SAME_UPPER with dilations has no rule; give pads.',
  );
});

test('rows that were picked twice are added one after the other, never by the threads of a ScatterND', () => {
  const indices = (g: Builder) => g.constant(DType.INT64, [3, 1], [0, 1, 0]);
  for (const op of ['Gather', 'GatherND']) {
    const bytes = differentiated((g, x) => g.op(op, [x, indices(g)]))();
    const ops = decodeModel(bytes).graph.node.map(({ opType }) => opType);
    expect(ops).toContain('ScatterElements');
    expect(ops).not.toContain('ScatterND');
  }
});

test.each<AttributeValues>([{ value_float: 0.5 }, { value_floats: [0.5, 1, 2] }])(
  'a Constant of %o is converted with the rest',
  async (attributes) => {
    const inputs = { x: real(2, 3), z: real(2, 3) };
    const single = modelOf(
      inputs,
      (g, { x, z }) => {
        const constant = (b: Builder) => b.op('Constant', [], attributes);
        const [then, otherwise] = [bodyIn(g, [x]), bodyIn(g, [x])];
        then.addOutput('then', then.mul(x, constant(then)));
        otherwise.addOutput('else', x);
        const branches = { then_branch: then.proto, else_branch: otherwise.proto };
        return g.add(g.mul(z, constant(g)), g.op('If', [g.less(g.sumOfAll(z), 1e3)], branches));
      },
      { precision: 'float32' },
    );
    const bytes = differentiate(single, { loss: weighted, wrt: ['x', 'z'], precision: 'float64' });
    const session = await InferenceSession.create(bytes, quiet);
    const results = await session.run(feedsOf(inputs, 'float64'));
    await session.release();
    expect(results[gradientNameOf('x')].data).toEqual(results[gradientNameOf('z')].data);
  },
);

test('constants that an upgrade of the opset adds are no parameters', () => {
  const clip = (g: Builder, x: Value) => {
    const y = g.op('Identity', [x]);
    Object.assign(g.proto.node.at(-1) ?? {}, {
      opType: 'Clip',
      attribute: nodeAttributes({ min: -1, max: 1 }),
    });
    return g.matmul(y, g.constant(DType.FLOAT, [3, 1], [1, 2, 3]));
  };
  const old = modelOf({ x }, (g, { x }) => clip(g, x), { precision: 'float32', opset: 9 });
  expect(explain(old).parameters.map(({ name }) => name)).toEqual(['m/constant_1']);
  const { parameters } = differentiate(old, { loss: 'mse', wrt: () => true });
  expect(parameters.map(({ name }) => name)).toEqual(['m/constant_1']);
});

test('integers are followed where they make shapes: three of them, and products of rows with columns', async () => {
  const integers = (g: Builder, shape: number[], ...values: number[]) => g.reshape(g.integers(values), shape);
  const largest = (g: Builder, { x }: Readonly<Record<string, Value>>) => {
    const of = (value: number) => g.integers([value]);
    const rows = g.op('Max', [of(1), of(2), of(3)]);
    return g.mean(g.reshape(g.square(x), g.concat([rows, of(-1)], 0)), [0]);
  };
  await expect(checkGradients({ x: real(6, 2) }, largest)).resolves.toBeUndefined();
  const outer = (g: Builder, { x }: Readonly<Record<string, Value>>) => {
    const table = g.op('Mul', [integers(g, [2, 1], 2, 1), integers(g, [1, 2], 1, 1)]);
    return g.meanOfAll(g.op('Expand', [g.square(x), g.reshape(table, [-1])]));
  };
  await expect(checkGradients({ x: real(2, 2) }, outer)).resolves.toBeUndefined();
});

test('a final Softmax of opset 11 along the last axis is looked through as one of today', () => {
  const build = (g: Builder, { x }: Readonly<Record<string, Value>>) =>
    g.matmul(x, g.constant(DType.FLOAT, [3, 2], [1, 2, 3, 4, 5, 6]));
  const model = decodeModel(modelOf({ x }, build, { opset: 11, precision: 'float32' }));
  Object.assign(model.graph.node.at(-1) ?? {}, { opType: 'Softmax', attribute: nodeAttributes({ axis: 1 }) });
  const bytes = differentiate(encodeModel(model), { loss: 'softmaxCrossEntropy' });
  expect(decodeModel(bytes).graph.node.map(({ opType }) => opType)).not.toContain('Flatten');
});

test('a weight that a branch reads too is trained like others', () => {
  const build = (g: Builder, { x }: Readonly<Record<string, Value>>) => {
    const w = g.constant(DType.DOUBLE, [3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    return inside((b, y) => b.matmul(y, w))(g, g.matmul(x, w));
  };
  const trained = explain(modelOf({ x }, build)).parameters.filter(({ byDefault }) => byDefault);
  expect(trained.map(({ name }) => name)).toEqual(['m/constant_0']);
});
