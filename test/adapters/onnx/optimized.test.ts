import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import {
  differentiate,
  explain,
  gradientNameOf,
  registerVjp,
  trainable,
  type Differentiated,
} from 'quasi-newton/onnx';
import { afterAll, describe, expect, test } from 'vitest';
import { numbersOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { decodeModel, encodeModel } from '../../../src/adapters/onnx/ir/model.ts';
import { feedsOf, fixture, type Fixture } from './fixtures.ts';

const folder = mkdtempSync(join(tmpdir(), 'optimized-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The model that ONNX Runtime makes of one. */
async function optimized(bytes: Uint8Array, level: 'basic' | 'extended'): Promise<Uint8Array> {
  const optimizedModelFilePath = join(folder, 'optimized.onnx');
  const session = await ort.InferenceSession.create(bytes, {
    graphOptimizationLevel: level,
    optimizedModelFilePath,
    logSeverityLevel: 3,
  });
  await session.release();
  return new Uint8Array(readFileSync(optimizedModelFilePath));
}

const lossOf = ({ target }: Fixture) => (target.integral ? 'softmaxCrossEntropy' : 'mse');

interface Gradient {
  readonly name: string;
  readonly shape: readonly number[];
  readonly value: readonly number[];
  readonly gradient: readonly number[];
}

async function gradientsOf(reference: Fixture, made: Differentiated): Promise<Gradient[]> {
  const session = await ort.InferenceSession.create(made.bytes, { logSeverityLevel: 3 });
  const results = await session.run(feedsOf(reference, made));
  await session.release();
  return made.parameters.map(({ name, shape, tensor }) => ({
    name,
    shape,
    value: numbersOf(tensor),
    gradient: Array.from(results[gradientNameOf(name)].data, Number),
  }));
}

/** The gradient of a tensor as it lies in another of the same elements, which may be its transpose. */
const laidOutAs = (other: readonly number[], { shape: [rows, columns], value, gradient }: Gradient) =>
  other.join() === value.join()
    ? gradient
    : gradient.map((_, i) => gradient[(i % rows) * columns + Math.floor(i / rows)]);

const sorted = (values: readonly number[]) => values.toSorted((a, b) => a - b).join();

describe.each(['basic', 'extended'] as const)('a model that was optimized to the level %s', (level) => {
  test.each(['mlp_acts_mse', 'mlp_ce', 'mlp_tanh_mse', 'cnn', 'resnet_train', 'transformer'])(
    '%s has the gradients of the original',
    async (name) => {
      const reference = fixture(name);
      const loss = lossOf(reference);
      const file = await optimized(reference.bytes, level);
      const originals = await gradientsOf(reference, differentiate(reference.bytes, { loss }));
      const scale = Math.max(...originals.flatMap(({ gradient }) => gradient).map(Math.abs));
      let seen = 0;
      for (const { value, gradient } of await gradientsOf(reference, differentiate(file, { loss }))) {
        // Tensors that are equal have become one; its gradient is the sum of theirs.
        const same = originals.filter((original) => sorted(original.value) === sorted(value));
        seen += same.length;
        const wanted = same.map((original) => laidOutAs(value, original));
        const errors = gradient.map((v, i) => v - wanted.reduce((sum, other) => sum + other[i], 0));
        expect(Math.max(...errors.map(Math.abs))).toBeLessThan(1e-5 * scale);
      }
      expect(seen).toBe(originals.length);
    },
  );
});

test('an optimized model is trained, and written back as it was but for its weights', async () => {
  const reference = fixture('transformer');
  const file = await optimized(reference.bytes, 'extended');
  expect(decodeModel(file).graph.node.map(({ opType }) => opType)).toContain('BiasGelu');
  const report = explain(file);
  expect(report.differentiable).toBe(true);
  expect(report.ops.find(({ op }) => op === 'com.microsoft::BiasGelu')).toMatchObject({ count: 1 });
  expect(String(report)).toMatch(/com\.microsoft::FusedMatMul +×1 +replaced by other ops/);

  const model = await trainable(ort, file, { loss: lossOf(reference) });
  const { x, target } = feedsOf(reference, differentiate(file, { loss: lossOf(reference) }));
  const problem = model.problem({ x, target });
  const { f } = await minimizeAsync(problem, lbfgs(), { maxIterations: 20 });
  expect(f).toBeLessThan(0.1 * reference.loss);
  const trained = model.toBytes();
  await model.dispose();

  expect(trained.length).toBe(file.length);
  const again = await trainable(ort, trained, { loss: lossOf(reference) });
  const { p0, fg } = again.problem({ x, target });
  expect(await fg(p0, null)).toBeCloseTo(f, 5);
  await again.dispose();
  const plain = await ort.InferenceSession.create(trained, { logSeverityLevel: 3 });
  expect((await plain.run({ x }))['y'].data.length).toBeGreaterThan(0);
  await plain.release();
});

test('ops bound to a processor are refused, with what to do', () => {
  const model = decodeModel(fixture('cnn').bytes);
  model.graph.node[0].domain = 'com.microsoft.nchwc';
  model.opsetImport.push({ ...model.opsetImport[0], domain: 'com.microsoft.nchwc', version: 1n });
  expect(() => differentiate(encodeModel(model), { loss: 'softmaxCrossEntropy' })).toThrow(
    /com\.microsoft\.nchwc::Conv .*optimize it only to the level 'basic' or 'extended'/,
  );
});

test('a rule of the user takes precedence', async () => {
  const file = await optimized(fixture('mlp_acts_mse').bytes, 'extended');
  const op = 'com.microsoft::QuickGelu';
  let asked = 0;
  registerVjp(op, ({ dy }) => {
    asked++;
    return [dy];
  });
  differentiate(file, { loss: 'mse' });
  expect(asked).toBe(1);
});
