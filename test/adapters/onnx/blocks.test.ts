import * as ort from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import { graph, trainable, type TrainableOptions } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { inBlocks } from '../../../src/adapters/onnx/passes/blocked.ts';
import { blockSize } from '../../../src/adapters/onnx/train/blocks.ts';
import { planOf } from '../../../src/adapters/onnx/train/options.ts';

/** Convolutions in every form: of few channels, with bias and ReLU, depthwise, with strides, and a shortcut. */
function network(): Uint8Array {
  const g = graph({ seed: 2 });
  const first = g.relu(g.conv(g.input('x', ['N', 3, 9, 8]), 16, 3, { padding: 1 }));
  const second = g.relu(g.batchNorm(g.conv(first, 16, 3, { padding: 1, bias: false })));
  const deep = g.conv(g.add(first, second), 16, 3, { padding: 1, groups: 16, stride: 2 });
  const last = g.maxPool(g.relu(g.conv(deep, 24, 3, { padding: 1 })), 2);
  g.output('y', g.dense(g.globalAveragePool(last), 4));
  return g.toBytes();
}

async function computed(sessionOptions?: object) {
  const model = await trainable(ort, network(), { loss: 'mse', ...(sessionOptions && { sessionOptions }) });
  const wave = (length: number, rate: number) => Float32Array.from({ length }, (_, i) => Math.sin(rate * i));
  const problem = model.problem({
    x: { data: wave(5 * 3 * 72, 1.3), dims: [5, 3, 9, 8] },
    target: { data: wave(20, 0.7), dims: [5, 4] },
  });
  const gradient = new Float64Array(problem.p0.length);
  const f = await problem.fg(problem.p0, gradient);
  const alone = await problem.fg(problem.p0, null);
  await model.dispose();
  return { f, alone, gradient };
}

test('a model in blocks has the loss and gradients that it has in the standard layout', async () => {
  const [blocks, standard] = [await computed(), await computed({ graphOptimizationLevel: 'extended' })];
  expect(Math.abs(blocks.f / standard.f - 1)).toBeLessThan(1e-5);
  expect(Math.abs(blocks.alone / blocks.f - 1)).toBeLessThan(1e-6);
  const scale = Math.max(...standard.gradient.map(Math.abs));
  const errors = standard.gradient.map((value, i) => Math.abs(value - blocks.gradient[i]));
  expect(Math.max(...errors)).toBeLessThan(1e-5 * scale);
});

test('where a trial of blocks fails, their size is 0', async () => {
  expect(await blockSize(web)).toBe(0);
  const refusing = {
    Tensor: ort.Tensor,
    env: ort.env,
    InferenceSession: { create: () => Promise.reject(new Error('not a registered op')) },
  };
  expect(await blockSize(refusing)).toBe(0);
});

test('a model without convolutions stays as it is', () => {
  const g = graph();
  g.output('y', g.dense(g.input('x', ['N', 3]), 2));
  const bytes = g.toBytes();
  expect(inBlocks(bytes, 16)).toBe(bytes);
});

const cases: readonly (readonly [Partial<TrainableOptions>, boolean])[] = [
  [{}, true],
  [{ target: 'cpu' }, true],
  [{ target: 'wasm' }, false],
  [{ target: 'webgpu' }, false],
  [{ sessionOptions: { executionProviders: ['cpu'] } }, true],
  [{ sessionOptions: { executionProviders: [{ name: 'cpu' }] } }, true],
  [{ sessionOptions: { executionProviders: ['cuda', 'cpu'] } }, false],
  [{ sessionOptions: { executionProviders: [{ name: 'dml' }] } }, false],
  [{ sessionOptions: { graphOptimizationLevel: 'all' } }, true],
  [{ sessionOptions: { graphOptimizationLevel: 'extended' } }, false],
  [{ sessionOptions: { graphOptimizationLevel: 'disabled' } }, false],
];

test.each(cases)('blocks are for the processor, fully optimized: %o', (options, uses) => {
  expect(planOf('trainable', { loss: 'mse', ...options }).usesLayouts).toBe(uses);
});
