import * as ort from 'onnxruntime-node';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { graph, lora, mergeLora, trainable, type Network, type Value } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';

const ROWS = 6;
const x = Float32Array.from({ length: 4 * ROWS }, (_, i) => Math.sin(1.7 * i + 0.3));

async function run(bytes: Uint8Array): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const { y } = await session.run({ x: new ort.Tensor('float32', x, [ROWS, 4]) });
  await session.release();
  return y.data as Float32Array;
}

const distance = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);

/** Returns a file with one input x, `[N, 4]`, and its adapted form after training. */
async function trained(
  build: (g: Network, input: Value) => Value,
): Promise<{ bytes: Uint8Array; adapted: Uint8Array }> {
  const g = graph({ seed: 4 });
  g.output('y', build(g, g.input('x', ['N', 4])));
  const bytes = g.toBytes();
  const before = await run(bytes);
  const { bytes: start, trainable: names } = lora(bytes, { rank: 2, alpha: 3 });
  expect(distance(await run(start), before)).toBe(0);
  const model = await trainable(ort, start, { loss: 'mse', trainable: names });
  const target = { data: before.map((value, i) => value + Math.cos(i)), dims: [ROWS, before.length / ROWS] };
  const { f, trace } = await minimizeAsync(
    model.problem({ x: { data: x, dims: [ROWS, 4] }, target }),
    lbfgs(),
    { maxIterations: 20 },
  );
  expect(f).toBeLessThan(0.97 * trace[0].f);
  const adapted = model.toBytes();
  await model.dispose();
  expect(distance(await run(adapted), before)).toBeGreaterThan(0.05);
  return { bytes, adapted };
}

const transpose = (g: Network, value: Value) => g.op('Transpose', [value], { perm: [1, 0] });

describe('merged weights give what the adapted file gives', () => {
  test.each<[string, (g: Network, input: Value) => Value]>([
    ['a product', (g, input) => g.matmul(input, g.weight('w', [4, 3], 0.5))],
    [
      'Gemm',
      (g, input) => g.op('Gemm', [input, g.weight('w', [3, 4], 0.5), g.weight('b', [3], 1)], { transB: 1 }),
    ],
    [
      'Gemm with factors',
      (g, input) =>
        g.op('Gemm', [input, g.weight('w', [4, 3], 0.5), g.weight('b', [3], 1)], { alpha: 0.5, beta: 2 }),
    ],
    [
      'Gemm with a negative factor',
      (g, input) => g.op('Gemm', [input, g.weight('w', [3, 4], 0.5)], { alpha: -3, transB: 1 }),
    ],
    [
      'a weight that is read twice',
      (g, input) => g.matmul(g.tanh(g.matmul(input, g.weight('w', [4, 4], 0.5))), 'w'),
    ],
    [
      'a weight that is read in both directions',
      (g, input) => g.matmul(g.tanh(g.matmul(input, g.weight('w', [4, 5], 0.5))), transpose(g, 'w')),
    ],
    [
      'a square weight that is read in both directions',
      (g, input) => g.op('Gemm', [g.tanh(g.matmul(input, g.weight('w', [4, 4], 0.5))), 'w'], { transB: 1 }),
    ],
    ['a copy', (g, input) => g.matmul(input, g.op('Identity', [g.weight('w', [4, 3], 0.5)]))],
  ])('merged weights give what the adapted file gives: %s', async (_, build) => {
    const { bytes, adapted } = await trained(build);
    expect(distance(await run(mergeLora(bytes, adapted)), await run(adapted))).toBeLessThan(2e-6);
  });
});

describe('a weight that other nodes read, too', () => {
  test.each<[string, (g: Network, input: Value) => Value]>([
    [
      'Gather',
      (g, input) => {
        const row = g.op('Gather', [g.weight('w', [7, 4], 0.5), g.op('Cast', [g.scalar(2)], { to: 7 })]);
        return g.matmul(g.add(input, row), transpose(g, 'w'));
      },
    ],
    [
      'ReduceSum',
      (g, input) =>
        g.add(g.matmul(input, g.weight('w', [4, 3], 0.5)), g.op('ReduceSum', ['w'], { keepdims: 0 })),
    ],
  ])('is not merged: %s', async (reader, build) => {
    const { bytes, adapted } = await trained(build);
    expect(() => mergeLora(bytes, adapted)).toThrow(`mergeLora: "w" is also read by ${reader} "`);
  });
});

test('a file is adapted once', () => {
  const g = graph();
  g.output('y', g.matmul(g.input('x', ['N', 4]), g.weight('w', [4, 3], 0.5)));
  const { bytes } = lora(g.toBytes(), { rank: 2 });
  expect(() => lora(bytes)).toThrow(/^lora: the file has "w\.lora_A" already/);
});
