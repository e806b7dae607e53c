import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import { readFile } from 'node:fs/promises';
import { checkGradientAsync, lbfgs, minimizeAsync } from 'quasi-newton';
import { addHead, freeze, graph, lora, mergeLora, OnnxError, trainable } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { randomNumbers } from '../../../../examples/lib/mlp.js';
import { DType, tensorOf } from '../../../../src/adapters/onnx/ir/tensor.ts';
import { fixture } from '../fixtures.ts';

const numbers = (n: number, seed = 3): Float32Array => {
  const random = randomNumbers(seed);
  return Float32Array.from({ length: n }, () => 2 * random() - 1);
};
async function run(bytes: Uint8Array, feeds: Record<string, ort.Tensor>) {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const outputs = (await session.run(feeds)) as Record<string, ort.Tensor>;
  const names = session.inputNames;
  await session.release();
  return { outputs, names };
}
const digits = await readFile(new URL('../../../../examples/models/digits.onnx', import.meta.url));
const pixels = (n: number) => new ort.Tensor('float32', numbers(784 * n), [n, 784]);
const close = (a: ArrayLike<unknown>, b: ArrayLike<unknown>, tolerance = 1e-5) => {
  expect(a.length).toBe(b.length);
  for (let i = 0; i < a.length; i++) {
    expect(Math.abs(Number(a[i]) - Number(b[i]))).toBeLessThan(
      tolerance * Math.max(1, Math.abs(Number(b[i]))),
    );
  }
};

describe('a new head', () => {
  test('takes the place of the outputs', async () => {
    const hidden = fromBinary(ModelProtoSchema, digits).graph!.node[1].output[0];
    const { bytes, trainable: names } = addHead(digits, { from: hidden, head: 4, name: 'shapes' });
    expect(names).toEqual(['shapes.weight', 'shapes.bias']);
    const { outputs } = await run(bytes, { pixels: pixels(5) });
    expect(Object.keys(outputs)).toEqual(['shapes']);
    const model = await trainable(ort, bytes, { loss: 'softmaxCrossEntropy', trainable: names });
    const target = { data: [0, 1, 2, 3, 1], dims: [5] };
    const problem = model.problem({ pixels: pixels(5), target });
    expect((await checkGradientAsync(problem)).wrong).toEqual([]);
    const { f } = await minimizeAsync(problem, lbfgs(), { maxIterations: 50 });
    expect(f).toBeLessThan(1e-3);
    const trained = fromBinary(ModelProtoSchema, model.toBytes()).graph!;
    // The body is as it was, and what only the old head needed is gone.
    const old = new Map(fromBinary(ModelProtoSchema, digits).graph!.initializer.map((t) => [t.name, t]));
    for (const { name, rawData } of trained.initializer.filter(({ name }) => old.has(name))) {
      expect(Buffer.from(rawData).equals(old.get(name)!.rawData)).toBe(true);
    }
    expect(trained.initializer.map(({ name }) => name)).toEqual([
      '0.weight',
      '0.bias',
      'shapes.weight',
      'shapes.bias',
    ]);
    await model.dispose();
  });

  test('may stand beside the outputs, be written by a function, and leave inputs behind', async () => {
    const g = graph();
    const [x, extra] = [g.input('x', ['N', 3]), g.input('extra', ['N', 2])];
    const features = g.tanh(g.dense(x, 4));
    g.output('y', g.dense(g.concat([features, extra], 1), 2));
    const head = (h: ReturnType<typeof graph>, from: string) =>
      h.dense(h.relu(h.dense(from, 5)), 2, { name: 'last' });
    const both = addHead(g.toBytes(), { from: features, head, keepOutputs: true });
    expect(both.trainable).toEqual(['dense_3.weight', 'dense_3.bias', 'last.weight', 'last.bias']);
    const feeds = {
      x: new ort.Tensor('float32', numbers(6), [2, 3]),
      extra: new ort.Tensor('float32', numbers(4), [2, 2]),
    };
    expect((await run(both.bytes, feeds)).outputs.head.dims).toEqual([2, 2]);
    const alone = addHead(g.toBytes(), { from: features, head });
    const { outputs, names } = await run(alone.bytes, { x: feeds.x });
    expect(names).toEqual(['x']);
    expect(Object.keys(outputs)).toEqual(['head']);
  });

  test('may be put on a file of an older opset', async () => {
    const old = fixture('cnn');
    const { graph: parts, opsetImport } = fromBinary(ModelProtoSchema, old.bytes);
    expect(opsetImport[0].version).toBeLessThan(18n);
    const from = parts!.node.at(-1)!.input[0];
    const { bytes, trainable: names } = addHead(old.bytes, { from, head: 2, keepOutputs: true });
    const [{ name, shape, values }] = old.inputs;
    const feeds = { [name]: new ort.Tensor('float32', Float32Array.from(values), shape) };
    const [before, after] = [await run(old.bytes, feeds), await run(bytes, feeds)];
    const [output] = Object.keys(before.outputs);
    expect(after.outputs[output].data).toEqual(before.outputs[output].data);
    expect(names).toEqual(['head.weight', 'head.bias']);
  });

  test('names what is wrong', () => {
    expect(() => addHead(digits, { from: 'features', head: 3 })).toThrow(
      /addHead: the model computes no value "features"; its outputs are logits/,
    );
    expect(() => addHead(digits, { from: 'logits', head: 0 })).toThrow(
      /head: must be a whole number ≥ 1, or a function/,
    );
    expect(() => addHead(digits, { head: 3 } as never)).toThrow(/from and head must be given/);
    expect(() => addHead(digits, { from: 'logits', head: 3, name: 'pixels' })).toThrow(OnnxError);
    expect(() => addHead(new Uint8Array(3), { from: 'logits', head: 3 })).toThrow(OnnxError);
    expect(() => addHead('model.onnx' as never, { from: 'logits', head: 3 })).toThrow(
      /a model must be the bytes/,
    );
  });
});

describe('freezing', () => {
  test('leaves the names of the other layers', () => {
    expect(freeze(digits, '0')).toEqual(['2.weight', '2.bias']);
    expect(freeze(digits, ['0.weight', /bias$/])).toEqual(['2.weight']);
    expect(freeze(digits, (name) => name.includes('weight'))).toEqual(['0.bias', '2.bias']);
    expect(freeze(digits, [])).toHaveLength(4);
  });

  test('refuses what stands for nothing, or leaves nothing', () => {
    expect(() => freeze(digits, 'backbone')).toThrow(/freeze: "backbone" matches none of 0.weight, 0.bias/);
    expect(() => freeze(digits, /./)).toThrow(/nothing is left to train/);
    expect(() => freeze(new Uint8Array(2), '0')).toThrow(OnnxError);
  });
});

describe('low-rank adaptation', () => {
  test('changes nothing at first, trains only its matrices, and merges into the original file', async () => {
    const { bytes, trainable: names } = lora(digits, { rank: 3, alpha: 6, seed: 2 });
    expect(names).toEqual(['0.weight.lora_A', '0.weight.lora_B', '2.weight.lora_A', '2.weight.lora_B']);
    const before = await run(digits, { pixels: pixels(6) });
    close((await run(bytes, { pixels: pixels(6) })).outputs.logits.data, before.outputs.logits.data);

    const model = await trainable(ort, bytes, { loss: 'softmaxCrossEntropy', trainable: names });
    expect(model.params.length).toBe(3 * (784 + 32) + 3 * (32 + 10));
    const target = { data: [0, 1, 2, 3, 4, 5], dims: [6] };
    const problem = model.problem({ pixels: pixels(6), target });
    expect((await checkGradientAsync(problem)).wrong).toEqual([]);
    await minimizeAsync(problem, lbfgs(), { maxIterations: 30 });
    const trained = model.toBytes();
    await model.dispose();
    const merged = mergeLora(digits, trained);
    expect(merged.length).toBe(digits.length);
    const [a, b] = await Promise.all([
      run(trained, { pixels: pixels(6) }),
      run(merged, { pixels: pixels(6) }),
    ]);
    close(b.outputs.logits.data, a.outputs.logits.data, 1e-4);
    const labels = Array.from({ length: 6 }, (_, i) => {
      const row = Array.from((b.outputs.logits.data as Float32Array).subarray(10 * i, 10 * i + 10));
      return row.indexOf(Math.max(...row));
    });
    expect(labels).toEqual(target.data);
  });

  test('is s·A·B, also of square matrices in either layout, of sequences and shared weights', async () => {
    const g = graph({ seed: 5 });
    const x = g.input('x', ['N', 3, 4]);
    const shared = g.weight('shared', [4, 4], 0.5);
    const once = g.tanh(g.matmul(x, shared));
    const twice = g.tanh(g.matmul(once, shared));
    const flat = g.reshape(twice, [-1, 4]);
    g.output('y', g.dense(flat, 4, { name: 'gemm', bias: false }));
    const original = g.toBytes();
    const { bytes, trainable: names } = lora(original, { rank: 2, alpha: 5 });
    expect(names).toEqual(['shared.lora_A', 'shared.lora_B', 'gemm.weight.lora_A', 'gemm.weight.lora_B']);
    const model = await trainable(ort, bytes, { loss: { loss: 'mse' }, trainable: names });
    const values = numbers(model.params.length, 11);
    model.params.copyFrom(values);
    const adapted = model.toBytes();
    const feeds = { x: new ort.Tensor('float32', numbers(24), [2, 3, 4]) };
    const merged = mergeLora(original, adapted);
    close((await run(merged, feeds)).outputs.y.data, (await run(adapted, feeds)).outputs.y.data);
    // By hand: W + 5/2·A·B.
    const tensor = (name: string) => {
      const found = fromBinary(ModelProtoSchema, merged).graph!.initializer.find((t) => t.name === name)!;
      return new Float32Array(found.rawData.slice().buffer);
    };
    const old = new Float32Array(
      fromBinary(ModelProtoSchema, original)
        .graph!.initializer.find((t) => t.name === 'gemm.weight')!
        .rawData.slice().buffer,
    );
    const [a, b] = [values.subarray(16, 24), values.subarray(24, 32)];
    for (let i = 0; i < 4; i++) {
      for (let j = 0; j < 4; j++) {
        const product = a[2 * i] * b[j] + a[2 * i + 1] * b[4 + j];
        expect(tensor('gemm.weight')[4 * j + i]).toBeCloseTo(old[4 * j + i] + 2.5 * product, 5);
      }
    }
    await model.dispose();
  });

  test('adapts the layers that are named in a transformer of torch, and keeps its gradients', async () => {
    const { bytes: original, inputs } = fixture('transformer');
    const all = lora(original, { rank: 2 });
    expect(all.trainable.length).toBeGreaterThan(6);
    const some = lora(original, { rank: 2, layers: all.trainable[0].replace(/\.lora_A$/, '') });
    expect(some.trainable).toEqual(all.trainable.slice(0, 2));
    const feeds = Object.fromEntries(
      inputs.map(({ name, shape, values, integral }) => [
        name,
        integral
          ? new ort.Tensor('int64', BigInt64Array.from(values, BigInt), shape)
          : new ort.Tensor('float32', Float32Array.from(values), shape),
      ]),
    );
    const [before, after] = [await run(original, feeds), await run(all.bytes, feeds)];
    const [output] = Object.keys(before.outputs);
    close(after.outputs[output].data, before.outputs[output].data);
  });

  test('has no more columns than the matrix has rows or columns', () => {
    const { bytes } = lora(digits, { rank: 1e9, layers: '2.weight' });
    const { initializer } = fromBinary(ModelProtoSchema, bytes).graph!;
    const dims = (name: string) => initializer.find((tensor) => tensor.name === name)!.dims.map(Number);
    expect([dims('2.weight.lora_A'), dims('2.weight.lora_B')]).toEqual([
      [32, 10],
      [10, 10],
    ]);
  });

  test('adapts quantized weights, which cannot be merged', async () => {
    const g = graph();
    const x = g.input('x', ['N', 4]);
    g.addConstant(
      tensorOf(
        'q',
        DType.INT8,
        [4, 3],
        Array.from({ length: 12 }, (_, i) => 20 * i - 110),
      ),
    );
    g.addConstant(tensorOf('scale', DType.FLOAT, [], [0.01]));
    g.output('y', g.matmul(x, g.op('DequantizeLinear', ['q', 'scale'])));
    const original = g.toBytes();
    const { bytes, trainable: names } = lora(original, { rank: 2 });
    expect(names).toEqual(['q.lora_A', 'q.lora_B']);
    const model = await trainable(ort, bytes, { loss: 'mse', trainable: names });
    const problem = model.problem({
      x: { data: numbers(40), dims: [10, 4] },
      target: { data: numbers(30, 9), dims: [10, 3] },
    });
    expect((await checkGradientAsync(problem)).wrong).toEqual([]);
    const { f, trace } = await minimizeAsync(problem, lbfgs(), { maxIterations: 50 });
    expect(f).toBeLessThan(trace[0].f);
    expect(() => mergeLora(original, model.toBytes())).toThrow(
      /"q" is not a matrix of floats in the original file/,
    );
    await model.dispose();
  });

  test('names what is wrong', () => {
    expect(() => lora(digits, { rank: 0 })).toThrow(/lora: rank: must be a whole number in \[1, /);
    expect(() => lora(digits, { layers: 'attention' })).toThrow(
      /"attention" matches no matrix of a dense layer; there are 0.weight, 2.weight/,
    );
    expect(() => lora(digits, { layers: 3 as never })).toThrow(/layers: must be a name, a pattern/);
    const g = graph();
    g.output('y', g.conv(g.input('x', ['N', 1, 4, 4]), 2, 3));
    expect(() => lora(g.toBytes())).toThrow(/no dense layer/);
    expect(() => mergeLora(digits, digits)).toThrow(/no low-rank matrices/);
    expect(() => mergeLora(g.toBytes(), lora(digits).bytes)).toThrow(
      /"0.weight" is not a matrix of floats in the original/,
    );
  });
});
