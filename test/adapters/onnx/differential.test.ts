import { appendFileSync } from 'node:fs';
import * as ort from 'onnxruntime-node';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { OnnxError, trainable, type Feeds } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { random, size } from './cases/arbitrary.ts';
import { direction } from './harness.ts';
import { randomModel, type RandomModel } from './randomModel.ts';

const count = Number(process.env['ONNX_RANDOM_MODELS'] ?? 150);
const firstSeed = Number(process.env['ONNX_RANDOM_SEED'] ?? 1);
const log = process.env['ONNX_RANDOM_LOG'];

/** What became of a file: why ONNX Runtime does not run it, why it was refused, or what is wrong; '' if all is right. */
type Outcome = readonly ['invalid' | 'refused' | 'wrong' | 'right', string];

const dataOf = (shape: readonly number[], next: () => number) =>
  Float64Array.from({ length: size(shape) }, () => 2 * next() - 1);

async function runFile(bytes: Uint8Array, feeds: Feeds, double: boolean): Promise<Tensor> {
  const session = await InferenceSession.create(bytes, {
    logSeverityLevel: 4,
    intraOpNumThreads: 1,
    graphOptimizationLevel: 'disabled',
  });
  try {
    const type = double ? 'float64' : 'float32';
    const tensors = Object.entries(feeds).map(([name, { data, dims }]) => {
      const numbers = Float64Array.from(data as ArrayLike<number>);
      return [name, new Tensor(type, double ? numbers : Float32Array.from(numbers), dims)] as const;
    });
    const results = await session.run(Object.fromEntries(tensors));
    return Object.values(results)[0];
  } finally {
    await session.release();
  }
}

const differs = (a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number): boolean => {
  const scale = Math.max(1, ...Array.from(b, Math.abs));
  return a.length !== b.length || Array.from(a).some((v, i) => !(Math.abs(v - b[i]) <= tolerance * scale));
};

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error)).split('\n')[0];

async function examine(model: RandomModel, seed: number): Promise<Outcome> {
  const next = random(seed + 17);
  const { bytes, inputs, double, output, weights } = model;
  const feeds: Record<string, { data: Float64Array; dims: readonly number[] }> = {};
  for (const [name, dims] of Object.entries(inputs)) feeds[name] = { data: dataOf(dims, next), dims };
  let y: Tensor;
  try {
    y = await runFile(bytes, feeds, double);
  } catch (error) {
    return ['invalid', messageOf(error)];
  }
  const values = Float64Array.from(y.data as Float32Array);
  if (values.length === 0 || values.some((v) => !Number.isFinite(v)))
    return ['invalid', 'empty or not finite'];
  const target = { data: dataOf(y.dims, next), dims: y.dims };
  const error = values.map((v, i) => v - target.data[i]);
  const wanted = error.reduce((sum, e) => sum + e * e, 0) / error.length;
  const options = {
    loss: { loss: 'mse', output, target: 'wanted values' } as const,
    trainable: [...weights],
    sessionOptions: { intraOpNumThreads: 1 },
  };
  const data = { ...feeds, 'wanted values': target };
  let exact: Awaited<ReturnType<typeof trainable>>;
  let plain: Awaited<ReturnType<typeof trainable>>;
  try {
    exact = await trainable(ort, bytes, { ...options, precision: 'float64' });
  } catch (thrown) {
    const isClear =
      thrown instanceof OnnxError && !/ONNX Runtime refuses|cannot be processed/.test(thrown.message);
    return [isClear ? 'refused' : 'wrong', `float64: ${messageOf(thrown)}`];
  }
  try {
    plain = await trainable(ort, bytes, options);
  } catch (thrown) {
    await exact.dispose();
    return ['wrong', `as in the file: ${messageOf(thrown)}`];
  }
  try {
    const problem = exact.problem(data);
    const { p0 } = problem;
    const gradient = new Float64Array(p0.length);
    const f = await problem.fg(p0, gradient);
    if (!(Math.abs(f - wanted) <= 2e-4 * Math.max(1, wanted))) return ['wrong', `loss ${f} for ${wanted}`];
    let worst = 0;
    for (const k of [1, 2]) {
      const along = direction(p0.length, seed + k);
      const terms = Array.from(gradient, (g, i) => g * along[i]);
      const slope = terms.reduce((a, b) => a + b, 0);
      const scale = Math.max(0.1, ...terms.map(Math.abs));
      let least = Infinity;
      // A kink within one step is passed over by a smaller one.
      for (const h of [1e-5, 1e-6, 1e-4]) {
        const at = (t: number) =>
          problem.fg(
            p0.map((v, i) => v + t * along[i]),
            null,
          );
        least = Math.min(least, Math.abs(((await at(h)) - (await at(-h))) / (2 * h) - slope) / scale);
      }
      worst = Math.max(worst, least);
    }
    if (!(worst < 1e-5)) return ['wrong', `gradient off by ${worst}`];
    const same = new Float64Array(p0.length);
    const g = plain.problem(data);
    const single = await g.fg(p0, same);
    if (differs(same, gradient, 5e-3) || Math.abs(single - f) > 1e-3 * Math.max(1, f))
      return ['wrong', `float32: loss ${single} for ${f}`];
    // The file written with other weights computes what predict does.
    const moved = p0.map((v, i) => v + 0.03 * direction(p0.length, seed)[i]);
    plain.params.copyFrom(moved);
    const predicted = (await plain.predict(feeds))[output];
    const written = await runFile(plain.toBytes(), feeds, double);
    if (
      differs(
        Float64Array.from(written.data as Float32Array),
        Float64Array.from(predicted.data as Float32Array),
        1e-4,
      )
    )
      return ['wrong', 'toBytes differs from predict'];
    return ['right', ''];
  } catch (thrown) {
    return ['wrong', `run: ${messageOf(thrown)}`];
  } finally {
    await exact.dispose();
    await plain.dispose();
  }
}

test(
  `${count} random files train as central differences say, or are refused in words`,
  { timeout: 3_600_000 },
  async () => {
    const wrong: string[] = [];
    const counts = { invalid: 0, refused: 0, wrong: 0, right: 0 };
    for (let seed = firstSeed; seed < firstSeed + count; seed++) {
      if (log) appendFileSync(log, `${seed} `);
      const model = randomModel(seed);
      const begin = performance.now();
      const [outcome, reason] = await examine(model, seed);
      counts[outcome]++;
      const slow = performance.now() - begin > 20_000 ? 'slow ' : '';
      const line = `${outcome} ${slow}${reason} [opset ${model.opset}${model.double ? ', float64' : ''}: ${model.ops.join(' ')}]`;
      if (log) appendFileSync(log, `${line}\n`);
      if (outcome === 'wrong' || slow) wrong.push(`${seed}: ${line}`);
    }
    expect(wrong).toEqual([]);
    // Most files are valid, and most of those train.
    expect(counts.right).toBeGreaterThan(0.4 * count);
  },
);
