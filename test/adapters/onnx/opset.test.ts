import { create } from '@bufbuild/protobuf';
import { AttributeProto_AttributeType, AttributeProtoSchema, NodeProtoSchema } from 'onnx-buf';
import { InferenceSession } from 'onnxruntime-node';
import { differentiate } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { nodeAttributes, type AttributeValues } from '../../../src/adapters/onnx/ir/attributes.ts';
import { realInput } from './cases/arbitrary.ts';
import { checkGradients, feedsOf, modelOf, quiet, weighted, type Build } from './harness.ts';

const x = realInput([2, 3, 4], 1, { avoid: [0, 0.5, -0.5], distinct: true, low: -5, high: 5 });
const image = realInput([1, 2, 2, 3], 2);

const simple =
  (op: string, attributes: AttributeValues): Build =>
  (g, { x }) =>
    g.op(op, [x], attributes);

// The form that each op had in an older opset.
const cases: [string, number, Build, typeof x?][] = [
  ['Softmax of everything from its axis on', 11, simple('Softmax', { axis: 1 })],
  ['Softmax with the axis of default', 9, simple('Softmax', {})],
  ['LogSoftmax along the last axis', 12, simple('LogSoftmax', { axis: 2 })],
  [
    'Squeeze, its axes an attribute',
    11,
    (g, { x }) => g.op('Squeeze', [g.op('Unsqueeze', [x], { axes: [0, 2] })], { axes: [0] }),
  ],
  ['ReduceSum, its axes an attribute', 11, simple('ReduceSum', { axes: [1], keepdims: 0 })],
  ['ReduceMean, its axes an attribute', 17, simple('ReduceMean', { axes: [-1, 0] })],
  ['ReduceMax over everything', 13, simple('ReduceMax', { keepdims: 0 })],
  ['Clip, its bounds attributes', 6 + 1, simple('Clip', { min: -0.5, max: 0.5 })],
  ['Clip, one bound', 10, simple('Clip', { max: 0.5 })],
  ['Pad, its pads an attribute', 8, simple('Pad', { pads: [0, 1, 0, 0, 0, 2], value: 1.5 })],
  ['Slice, its bounds attributes', 9, simple('Slice', { starts: [1, 0], ends: [3, 2], axes: [1, 2] })],
  [
    'Slice to the end, written as the largest int64',
    9,
    (g, { x }) => {
      const output = g.fresh('Slice');
      const ends = { name: 'ends', type: AttributeProto_AttributeType.INTS, ints: [2n ** 63n - 1n] };
      const attribute = [...nodeAttributes({ starts: [1], axes: [2] }), create(AttributeProtoSchema, ends)];
      const fields = { opType: 'Slice', name: output, input: [x], output: [output], attribute };
      g.append(create(NodeProtoSchema, fields));
      return output;
    },
  ],
  ['TopK, its k an attribute', 9, (g, { x }) => g.ops('TopK', [x], { k: 2, axis: 1 }, 2)[0]],
  ['Split, its sizes an attribute', 11, (g, { x }) => g.ops('Split', [x], { axis: 2, split: [1, 3] }, 2)[1]],
  ['Split into equal parts', 13, (g, { x }) => g.ops('Split', [x], { axis: 2 }, 2)[1]],
  ['Dropout with a ratio', 10, (g, { x }) => g.square(g.op('Dropout', [x], { ratio: 0.5 }))],
  [
    'Upsample',
    9,
    (g, { x }) => g.op('Upsample', [x, g.constant(1, [4], [1, 1, 2, 2])], { mode: 'nearest' }),
    image,
  ],
  [
    'Resize of opset 10',
    10,
    (g, { x }) => g.op('Resize', [x, g.constant(1, [4], [1, 1, 2, 3])], { mode: 'nearest' }),
    image,
  ],
  [
    'BatchNormalization for inference',
    8,
    (g, { x }) => {
      const two = (a: number, b: number) => g.constant(g.float, [2], [a, b]);
      return g.op('BatchNormalization', [x, two(1, 2), two(0.1, 0.2), two(0.3, -0.1), two(1, 2)], {
        epsilon: 0.01,
      });
    },
    image,
  ],
];

test.each(cases)('%s (opset %i)', async (_name, opset, build, data = x) => {
  const single = modelOf({ x: data }, build, { opset, precision: 'float32' });
  const plain = await InferenceSession.create(single, quiet);
  const { y } = await plain.run(feedsOf({ x: data }, 'float32'));
  await plain.release();

  const trainer = differentiate(single, { loss: weighted, wrt: ['x'], keep: ['y'], precision: 'float64' });
  const session = await InferenceSession.create(trainer, quiet);
  const results = await session.run(feedsOf({ x: data }, 'float64'));
  expect(results['y'].dims).toEqual(y.dims);
  const [wanted, got] = [y, results['y']].map(({ data }) => Array.from(data as Iterable<number>, Number));
  const size = Math.max(1, ...wanted.map(Math.abs));
  expect(Math.max(...wanted.map((v, i) => Math.abs(v - got[i])))).toBeLessThan(1e-6 * size);
  await session.release();
  await expect(checkGradients({ x: data }, build, { opset })).resolves.toBeUndefined();
});

const modern: Build = (g, { x }) => g.op('Softmax', [g.op('Gelu', [x])], { axis: 1 });

test('the newest opset of ONNX Runtime', async () => {
  for (const opset of [22, 23, 24, 25]) {
    await expect(checkGradients({ x }, modern, { opset })).resolves.toBeUndefined();
  }
});
