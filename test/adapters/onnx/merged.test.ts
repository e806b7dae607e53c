import { create } from '@bufbuild/protobuf';
import { StringStringEntryProtoSchema } from 'onnx-buf';
import type { NodeProto } from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import { explain, trainable } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { direction } from './harness.ts';
import { floats, modelFrom, node } from './written.ts';

/** A node with the module that it was written for, as `torch.onnx.export(dynamo=True)` notes it. */
const scoped = (made: NodeProto, ...modules: readonly string[]): NodeProto => {
  const value = `[${['', ...modules, made.output[0]].map((path) => `'${path}'`).join(', ')}]`;
  made.metadataProps.push(create(StringStringEntryProtoSchema, { key: 'pkg.torch.onnx.name_scopes', value }));
  return made;
};

const [ones, zeros] = [
  [1, 1, 1],
  [0, 0, 0],
];

/** A new network of norms; each has tensors of its own, or all those that are equal are merged. */
function network(isMerged: boolean, { producerName = 'pytorch', second = 'net.d' } = {}): Uint8Array {
  const of = (owner: string, leaf: string) => {
    const isOne = leaf === 'weight' || leaf === 'running_var';
    return isMerged ? `net.b.${isOne ? 'weight' : 'bias'}` : `${owner}.${leaf}`;
  };
  const affine = (owner: string) => [of(owner, 'weight'), of(owner, 'bias')];
  const statistics = [of('net.c', 'running_mean'), of('net.c', 'running_var')];
  const owners = isMerged ? ['net.b'] : ['net.b', 'net.c', 'net.d'];
  return modelFrom(
    {
      inputs: { x: ['N', 3] },
      outputs: { y: ['N', 3] },
      initializers: [
        floats('net.a.weight', [3, 3], direction(9, 1)),
        ...owners.flatMap((owner) => [
          floats(`${owner}.weight`, [3], ones),
          floats(`${owner}.bias`, [3], zeros),
        ]),
        ...(isMerged ? [] : [floats(statistics[0], [3], zeros), floats(statistics[1], [3], ones)]),
      ],
      nodes: [
        scoped(node('MatMul', ['x', 'net.a.weight'], 'h'), 'net', 'net.a'),
        scoped(node('LayerNormalization', ['h', ...affine('net.b')], 'i'), 'net', 'net.b'),
        scoped(node('BatchNormalization', ['i', ...affine('net.c'), ...statistics], 'j'), 'net', 'net.c'),
        scoped(node('LayerNormalization', ['j', ...affine('net.d')], 'y'), 'net', second),
      ],
      opset: 20,
    },
    { producerName },
  );
}

const trainedIn = (bytes: Uint8Array) =>
  explain(bytes)
    .parameters.filter(({ byDefault }) => byDefault)
    .map(({ name }) => name)
    .toSorted();

const names = ['a.weight', 'b.bias', 'b.weight', 'c.bias', 'c.weight', 'd.bias', 'd.weight'].map(
  (name) => `net.${name}`,
);

test('norms whose tensors torch has merged are trained one by one, by their own names', () => {
  expect(trainedIn(network(false))).toEqual(names);
  expect(trainedIn(network(true))).toEqual(names);
});

test('a norm that is used twice has one scale, and files of others are left as they are', () => {
  const shared = network(true, { second: 'net.b' });
  expect(trainedIn(shared)).toEqual(names.filter((name) => !name.startsWith('net.d')));
  expect(trainedIn(network(true, { producerName: 'other' }))).toEqual(names.slice(0, 3));
});

test('they have the gradients of separate tensors, and are written back separately', async () => {
  const x = { data: direction(6, 2), dims: [2, 3] };
  const target = { data: direction(6, 3), dims: [2, 3] };
  const found = await Promise.all(
    [true, false].map(async (isMerged) => {
      const model = await trainable(ort, network(isMerged), { loss: 'mse', trainable: names });
      const moved = Float64Array.from(
        model.params.layout.tensors.flatMap(({ name, size }) => direction(size, 10 + names.indexOf(name))),
      );
      model.params.copyFrom(moved);
      const gradient = new Float64Array(moved.length);
      const f = await model.problem({ x, target }).fg(moved, gradient);
      const { y: predicted } = await model.predict({ x });
      const session = await ort.InferenceSession.create(model.toBytes(), { logSeverityLevel: 3 });
      const { y } = await session.run({ x: new ort.Tensor('float32', Float32Array.from(x.data), x.dims) });
      await session.release();
      const gradients = model.params.layout.tensors.map(
        ({ name, offset, size }) => [name, [...gradient.subarray(offset, offset + size)]] as const,
      );
      await model.dispose();
      expect([...(y.data as Float32Array)]).toEqual([...(predicted.data as Float32Array)]);
      return { f, y: [...(y.data as Float32Array)], gradients: new Map(gradients) };
    }),
  );
  const [merged, separate] = found;
  expect(merged.f).toBeCloseTo(separate.f, 6);
  merged.y.forEach((value, i) => expect(value).toBeCloseTo(separate.y[i], 6));
  for (const name of names) {
    merged.gradients.get(name)?.forEach((value, i) => {
      expect(value).toBeCloseTo(separate.gradients.get(name)?.[i] ?? Number.NaN, 6);
    });
  }
});
