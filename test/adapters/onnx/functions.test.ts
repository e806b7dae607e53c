import { create } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType as Kind,
  AttributeProtoSchema,
  FunctionProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
} from 'onnx-buf';
import type { FunctionProto, NodeProto } from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import { differentiate, explain, trainable } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { nodeAttributes, type AttributeValues } from '../../../src/adapters/onnx/ir/attributes.ts';
import { DType, tensorOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { decodeModel, encodeModel } from '../../../src/adapters/onnx/ir/model.ts';
import { realInput } from './cases/arbitrary.ts';
import { modelOf } from './harness.ts';

const domain = 'com.example';
const opset = (domain: string, version: bigint) => create(OperatorSetIdProtoSchema, { domain, version });

const node = (
  opType: string,
  input: string[],
  output: string[],
  attributes: AttributeValues = {},
  of = '',
): NodeProto =>
  create(NodeProtoSchema, {
    domain: of,
    opType,
    name: output[0],
    input,
    output,
    attribute: nodeAttributes(attributes),
  });

/** A node with an attribute that the function is called with. */
const referring = (made: NodeProto, name: string, refAttrName: string): NodeProto => {
  made.attribute.push(create(AttributeProtoSchema, { name, refAttrName, type: Kind.FLOAT }));
  return made;
};

const functionOf = (name: string, input: string[], output: string[], nodes: NodeProto[]) =>
  create(FunctionProtoSchema, {
    name,
    domain,
    input,
    output,
    node: nodes,
    opsetImport: [opset('', 21n), opset(domain, 1n)],
  });

const slopeOf = (f: number) => create(AttributeProtoSchema, { name: 'slope', type: Kind.FLOAT, f });

const squash = functionOf(
  'Squash',
  ['x'],
  ['y'],
  [
    referring(node('Elu', ['x'], ['t']), 'alpha', 'slope'),
    node('Constant', [], ['half'], { value: tensorOf('', DType.FLOAT, [], [0.5]) }),
    node('Mul', ['t', 'half'], ['y']),
  ],
);
squash.attributeProto = [slopeOf(0.3)];

const dense = functionOf(
  'Dense',
  ['x', 'w', 'b'],
  ['t'],
  [
    node('MatMul', ['x', 'w'], ['z']),
    node('Add', ['z', 'b'], ['s']),
    referring(node('Squash', ['s'], ['t'], {}, domain), 'slope', 'slope'),
  ],
);
dense.attribute = ['slope'];

const [x, w, v] = [realInput([5, 3], 1), realInput([3, 4], 2), realInput([4, 2], 3)];

/** Two dense layers with an Elu, as calls of functions or written out. */
function network(slope: number | undefined, called: boolean): Uint8Array {
  const bytes = modelOf(
    { x },
    (g, { x }) => {
      g.addConstant(tensorOf('w', DType.FLOAT, [3, 4], w.values));
      g.addConstant(tensorOf('b', DType.FLOAT, [4], [0.1, -0.2, 0.3, 0.4]));
      g.addConstant(tensorOf('v', DType.FLOAT, [4, 2], v.values));
      g.addConstant(tensorOf('c', DType.FLOAT, [2], [0.5, -0.5]));
      const layer = (input: string, weight: string, bias: string, alpha: number | undefined) => {
        if (!called) {
          const z = g.add(g.matmul(input, weight), bias);
          return g.mul(g.op('Elu', [z], { alpha: alpha ?? 0.3 }), 0.5);
        }
        const output = g.fresh('Dense');
        const made = node('Dense', [input, weight, bias], [output], {}, domain);
        if (alpha !== undefined) made.attribute.push(slopeOf(alpha));
        g.append(made);
        return output;
      };
      return layer(layer(x, 'w', 'b', slope), 'v', 'c', 0.9);
    },
    { precision: 'float32' },
  );
  const model = decodeModel(bytes);
  if (called) model.functions = [squash, dense];
  return encodeModel(model);
}

const feeds = {
  x: { data: Float32Array.from(x.values), dims: x.shape },
  target: { data: new Float32Array(10).fill(0.2), dims: [5, 2] },
};

async function gradientOf(bytes: Uint8Array): Promise<number[]> {
  const model = await trainable(ort, bytes, { loss: 'mse' });
  const { p0, fg } = model.problem(feeds);
  const gradient = new Float64Array(p0.length);
  const f = await fg(p0, gradient);
  await model.dispose();
  return [f, ...gradient];
}

test.each([0.7, undefined])('functions of the model are inlined; slope %s', async (slope) => {
  const [called, written] = [network(slope, true), network(slope, false)];
  expect(await gradientOf(called)).toEqual(await gradientOf(written));
  const report = explain(called);
  expect(report.differentiable).toBe(true);
  expect(report.parameters.filter(({ byDefault }) => byDefault).map(({ name }) => name)).toEqual([
    'w',
    'b',
    'v',
    'c',
  ]);
});

test('ONNX Runtime computes from the functions what was trained without them', async () => {
  const bytes = network(0.7, true);
  const model = await trainable(ort, bytes, { loss: 'mse' });
  model.params.copyFrom(Float64Array.from({ length: model.params.length }, (_, i) => Math.sin(i)));
  const [mine, written] = [await model.predict({ x: feeds.x }), model.toBytes()];
  await model.dispose();
  expect(written.length).toBe(bytes.length);
  const session = await ort.InferenceSession.create(written, { logSeverityLevel: 3 });
  const { y } = await session.run({ x: new ort.Tensor('float32', feeds.x.data, [5, 3]) });
  await session.release();
  const errors = Array.from(mine['y'].data, (value, i) => Math.abs(Number(value) - Number(y.data[i])));
  expect(Math.max(...errors)).toBeLessThan(1e-6);
});

const edited = (edit: (functions: FunctionProto[]) => void) => {
  const model = decodeModel(network(0.7, true));
  edit(model.functions);
  return encodeModel(model);
};

test('what cannot be inlined is refused', () => {
  const recursive = edited(([, dense]) => (dense.node[2].opType = 'Dense'));
  expect(() => differentiate(recursive, { loss: 'mse' })).toThrow('the function Dense calls itself');
  const older = edited(([squash]) => (squash.opsetImport[0].version = 13n));
  expect(() => differentiate(older, { loss: 'mse' })).toThrow(
    /"Squash" is of opset 13, the model of opset 21/,
  );
});

test('a constant of a function can be trained, and is written back into it', async () => {
  const bytes = network(0.7, true);
  const half = explain(bytes).parameters.find(({ origin }) => origin.kind === 'nested');
  const model = await trainable(ort, bytes, { loss: 'mse', trainable: [half?.name ?? ''] });
  model.params.copyFrom(model.params.zeros().fill(0.3));
  const mine = await model.predict({ x: feeds.x });
  const session = await ort.InferenceSession.create(model.toBytes(), { logSeverityLevel: 3 });
  const { y } = await session.run({ x: new ort.Tensor('float32', feeds.x.data, [5, 3]) });
  await session.release();
  await model.dispose();
  const errors = Array.from(mine['y'].data, (value, i) => Math.abs(Number(value) - Number(y.data[i])));
  expect(Math.max(...errors)).toBeLessThan(1e-6);
});

test('an If on a rank is resolved to the branch taken', () => {
  const branch = (name: string, op: string) => {
    const inner = decodeModel(modelOf({ x }, (g, { x }) => g.op(op, [x]), { precision: 'float32' })).graph;
    inner.name = name;
    inner.input = [];
    return inner;
  };
  const bytes = modelOf(
    { x },
    (g, { x }) => {
      const scalar = g.equal(g.op('Size', [g.op('Shape', [x])]), g.scalar(0, DType.INT64));
      const branches = { then_branch: branch('then', 'Mystery'), else_branch: branch('else', 'Tanh') };
      const taken = g.op('If', [g.op('Not', [g.op('Not', [scalar])])], branches);
      return g.matmul(taken, g.constant(DType.FLOAT, [3, 4], w.values));
    },
    { precision: 'float32' },
  );
  const report = explain(bytes);
  expect(report.differentiable).toBe(true);
  expect(report.ops.map(({ op, rewritten }) => `${op} ${rewritten}`)).toContain('If 1');
});
