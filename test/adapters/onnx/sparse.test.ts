import { create } from '@bufbuild/protobuf';
import { SparseTensorProtoSchema } from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import { differentiate, trainable } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { decodeModel, encodeModel } from '../../../src/adapters/onnx/ir/model.ts';
import { floats, integers, modelFrom, node, runOnce, tensor } from './written.ts';

/** y = (x·S)·w with S = [[1.5, 0], [0, 0], [0, −2]], whose elements lie at these places. */
function model(places: readonly number[], shape: readonly number[]): Uint8Array {
  const read = decodeModel(
    modelFrom({
      inputs: { x: ['N', 3] },
      outputs: { y: ['N', 1] },
      initializers: [floats('w', [2, 1], [3, 0.5])],
      nodes: [node('MatMul', ['x', 'S'], 'h'), node('MatMul', ['h', 'w'], 'y')],
    }),
  );
  const [values, indices] = [floats('S', [2], [1.5, -2]), integers('', places, [...shape])];
  read.graph.sparseInitializer = [create(SparseTensorProtoSchema, { values, indices, dims: [3n, 2n] })];
  return encodeModel(read);
}

test.each([
  ['row by row', [0, 5], [2]],
  ['by axes', [0, 0, 2, 1], [2, 2]],
])('a sparse initializer, its places counted %s, is a constant of the graph', async (_, places, shape) => {
  const bytes = model(places, shape);
  const graph = differentiate(bytes, { loss: (g, { outputs: [y] }) => g.sumOfAll(y) });
  expect(graph.parameters.map(({ name }) => name)).toEqual(['w']);
  const { loss, 'grad_of/w': found } = await runOnce(graph, {
    x: tensor([1, 3], [2, 7, 4]),
    w: tensor([2, 1], [3, 0.5]),
  });
  expect([...loss, ...found]).toEqual([5, 3, -8]);

  const trained = await trainable(ort, bytes, { loss: (g, { outputs: [y] }) => g.sumOfAll(y) });
  trained.params.copyFrom([1, 10]);
  const { y } = await runOnce(trained.toBytes(), { x: tensor([1, 3], [2, 7, 4]) });
  await trained.dispose();
  expect(y).toEqual([-77]);
});

test('elements of a sparse initializer that lie outside it are refused', () => {
  expect(() => differentiate(model([0, 6], [2]), { loss: 'mse' })).toThrow(
    'sparse initializer "S" of shape [3, 2]: its element 1 has no place in it; the file is damaged.',
  );
});
