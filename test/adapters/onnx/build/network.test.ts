import * as ort from 'onnxruntime-node';
import {
  adam,
  cosineDecay,
  loadState,
  minimizeAsync,
  saveState,
  warmup,
  type SavedState,
} from 'quasi-newton';
import { explain, graph, OnnxError, trainable, type Feeds, type Network } from 'quasi-newton/onnx';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { randomNumbers } from '../../../../examples/lib/mlp.js';

/** Runs a network on one input. */
async function run(
  bytes: Uint8Array,
  feeds: Record<string, ort.Tensor>,
): Promise<Record<string, ort.Tensor>> {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const outputs = (await session.run(feeds)) as Record<string, ort.Tensor>;
  await session.release();
  return outputs;
}

const numbers = (n: number, seed = 3): Float32Array => {
  const random = randomNumbers(seed);
  return Float32Array.from({ length: n }, () => 2 * random() - 1);
};
const reals = (shape: number[], seed?: number) =>
  new ort.Tensor(
    'float32',
    numbers(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
    shape,
  );

/** Every layer there is. */
function image(g: Network = graph({ seed: 4 })): Uint8Array {
  const x = g.input('image', ['N', 2, 8, 8]);
  const words = g.input('words', ['N', 3], 'int64');
  const blurred = g.relu(g.batchNorm(g.conv(x, 4, 3, { padding: 'same', bias: false })));
  const strided = g.conv(g.maxPool(blurred, 2), 6, [3, 3], {
    stride: 2,
    padding: 1,
    groups: 2,
    name: 'strided',
  });
  const seen = g.dense(g.globalAveragePool(strided), 5);
  const read = g.layerNorm(g.gelu(g.dense(g.embedding(words, 7, 4), 5, { bias: false })));
  const both = g.add(g.mean(read, [1], false), seen);
  g.output('scores', g.dense(g.flatten(both), 3, { name: 'head' }));
  g.output('probabilities', g.softmax('scores'));
  return g.toBytes();
}

describe('a network written with the builder', () => {
  test('runs in ONNX Runtime, and every layer of it is trained', async () => {
    const bytes = image();
    const words = new ort.Tensor('int64', BigInt64Array.from([0n, 6n, 3n, 1n, 1n, 2n]), [2, 3]);
    const { scores, probabilities } = await run(bytes, { image: reals([2, 2, 8, 8]), words });
    expect(scores.dims).toEqual([2, 3]);
    const sum = Array.from(probabilities.data as Float32Array).reduce((a, b) => a + b, 0);
    expect(sum).toBeCloseTo(2, 5);
    const report = explain(bytes);
    expect(report.faults).toEqual([]);
    expect(
      report.parameters
        .filter(({ byDefault }) => byDefault)
        .map(({ name, shape, role }) => [name, shape, role.kind]),
    ).toEqual([
      ['conv_1.weight', [4, 2, 3, 3], 'weight'],
      ['norm_1.weight', [4], 'norm'],
      ['norm_1.bias', [4], 'norm'],
      ['strided.weight', [6, 2, 3, 3], 'weight'],
      ['strided.bias', [6], 'bias'],
      ['dense_1.weight', [5, 6], 'weight'],
      ['dense_1.bias', [5], 'bias'],
      ['embedding_1.weight', [7, 4], 'embedding'],
      ['dense_2.weight', [5, 4], 'weight'],
      ['norm_2.weight', [5], 'norm'],
      ['norm_2.bias', [5], 'norm'],
      ['head.weight', [3, 5], 'weight'],
      ['head.bias', [3], 'bias'],
    ]);
  });

  test('has the gradients of differences, in float64', async () => {
    const g = graph({ seed: 2, precision: 'float64' });
    const x = g.input('x', ['N', 3]);
    const h = g.layerNorm(g.gelu(g.dense(x, 4)));
    g.output('y', g.dense(h, 2));
    const model = await trainable(ort, g.toBytes(), { loss: 'mse' });
    expect(model.precision).toBe('float64');
    const { p0, fg } = model.problem({
      x: { data: numbers(15), dims: [5, 3] },
      target: { data: numbers(10, 8), dims: [5, 2] },
    });
    const gradient = new Float64Array(p0.length);
    await fg(p0, gradient);
    for (let i = 0; i < p0.length; i++) {
      const [above, below] = [p0.slice(), p0.slice()];
      above[i] += 1e-5;
      below[i] -= 1e-5;
      const slope = ((await fg(above, null)) - (await fg(below, null))) / 2e-5;
      expect(Math.abs(gradient[i] - slope)).toBeLessThan(1e-8);
    }
    await model.dispose();
  });

  test('computes the formulas of its layers', async () => {
    const g = graph();
    const x = g.input('x', ['N', 2]);
    g.output('dense', g.dense(x, 2, { name: 'd' }));
    g.output('gelu', g.gelu(x));
    g.output('flat', g.dense(g.unsqueeze(x, [1]), 2, { name: 'e', bias: false }));
    const [w, b] = [Float32Array.of(1, 2, 3, 4), Float32Array.of(10, 20)];
    const own = graph();
    const y = own.input('x', ['N', 2]);
    own.output('y', own.op('Gemm', [y, own.weight('w', [2, 2], w), own.weight('b', [2], b)], { transB: 1 }));
    const at = { x: new ort.Tensor('float32', Float32Array.of(1, -1), [1, 2]) };
    expect(Array.from((await run(own.toBytes(), at)).y.data as Float32Array)).toEqual([9, 19]);
    const { gelu, flat } = await run(g.toBytes(), at);
    expect((gelu.data as Float32Array)[0]).toBeCloseTo(0.8413447, 6);
    expect((gelu.data as Float32Array)[1]).toBeCloseTo(-0.1586553, 6);
    expect(flat.dims).toEqual([1, 1, 2]);
  });

  test('is the same for the same seed, uniform in ±1/√n', () => {
    expect(image(graph({ seed: 9 }))).toEqual(image(graph({ seed: 9 })));
    expect(image(graph({ seed: 9 }))).not.toEqual(image(graph({ seed: 8 })));
    const g = graph();
    g.dense(g.input('x', ['N', 100]), 50);
    const [weight] = g.proto.initializer;
    const values = new Float32Array(weight.rawData.slice().buffer);
    expect(Math.max(...values)).toBeLessThanOrEqual(0.1);
    expect(Math.max(...values)).toBeGreaterThan(0.09);
    expect(Math.min(...values)).toBeLessThan(-0.09);
  });

  test('names what is wrong', () => {
    const g = graph();
    const x = g.input('x', ['N', 3]);
    const faults: [() => unknown, RegExp][] = [
      [() => g.input('x', [1]), /input: the graph already has a value "x"/],
      [() => g.input('', [1]), /a name must be a string, got ""/],
      [() => g.input('z', [1.5]), /its shape must be a list of sizes and names of sizes, got \[1.5\]/],
      [() => g.input('z', 'N' as never), /its shape must be a list/],
      [() => g.input('z', [1], 'float16' as never), /its type must be one of float32, .*, got "float16"/],
      [() => g.weight('w', [2, 2], [1, 2, 3]), /its shape \[2, 2\] has 4 elements, got 3/],
      [() => g.weight('w', [0], 1), /its shape must be sizes ≥ 1/],
      [() => g.dense('h', 3), /dense: the graph has no value "h"; methods take values that other methods/],
      [() => g.dense(g.input('any', ['N', 'M']), 3), /the size of axis -1 of "any", \[N, M\], must be known/],
      [() => g.conv(x, 3, 3), /conv "conv_1": x must be .*; x is \[N, 3\], the kernel \[\], groups 1/],
      [() => g.add(x, 'elsewhere'), /Add: the graph has no value "elsewhere"/],
      [() => g.output('y', 'nothing'), /output: the graph has no value "nothing"/],
      [() => g.toBytes(), /the network has no output/],
    ];
    for (const [attempt, message] of faults) {
      expect(attempt).toThrow(message);
      expect(attempt).toThrow(OnnxError);
    }
    expect(() => graph({ sed: 1 } as never)).toThrow(/graph: sed: no such option/);
    const odd = { strides: 2, padding: 'SAME', groups: 0 } as never;
    expect(() => g.conv(x, 3, 3, odd)).toThrow(/^conv: 3 options are wrong:[^]*strides/);
    expect(() => g.dense(x, 3, { bias: 1 } as never)).toThrow(/^dense: bias: must be true or false, got 1/);
    expect(() => g.batchNorm(x, { bias: false } as never)).toThrow(/^batchNorm: .*bias/);
  });
});

interface Fixture {
  readonly start: readonly (readonly number[])[];
  readonly end: readonly (readonly number[])[];
  readonly losses: readonly number[];
  readonly rates: readonly number[];
}

/** The network, data and settings of test/fixtures/adamw.py. */
async function adamw(precision: 'float32' | 'float64') {
  const fixture = JSON.parse(
    await readFile(new URL('../../../fixtures/adamw.json', import.meta.url), 'utf8'),
  ) as Fixture;
  const g = graph({ precision });
  const x = g.input('x', ['N', 4]);
  const [w1, b1, w2, b2] = fixture.start;
  const h = g.tanh(g.op('Gemm', [x, g.weight('w1', [8, 4], w1), g.weight('b1', [8], b1)], { transB: 1 }));
  g.output('y', g.op('Gemm', [h, g.weight('w2', [3, 8], w2), g.weight('b2', [3], b2)], { transB: 1 }));
  const model = await trainable(ort, g.toBytes(), { loss: 'softmaxCrossEntropy' });
  /** Batches from number `first` on. */
  const batches = (first: number) => {
    let step = first;
    return (): Feeds => {
      // The run evaluates its first batch once more, before the first step.
      const rows = Array.from({ length: 8 }, (_, i) => (8 * Math.max(0, step) + i) % 40);
      step++;
      return {
        x: {
          data: rows.flatMap((row) => [0, 1, 2, 3].map((k) => 3 * Math.sin(1.7 * (4 * row + k)))),
          dims: [8, 4],
        },
        target: { data: rows.map((row) => row % 3), dims: [8] },
      };
    };
  };
  const solver = adam({
    learningRate: warmup({ steps: 5, after: cosineDecay({ from: 0.05, to: 0.001, steps: 25 }) }),
    beta2: 0.99,
    weightDecay: 0.1,
    clipNorm: 0.3,
  });
  return { fixture, model, batches, solver };
}

describe('AdamW with clipping, warm-up and cosine decay on mini-batches', () => {
  test.each(['float32', 'float64'] as const)('is that of torch over 30 steps, in %s', async (precision) => {
    const { fixture, model, batches, solver } = await adamw(precision);
    const { x, trace } = await minimizeAsync(model.problem(batches(-1)), solver, { maxIterations: 30 });
    const end = fixture.end.flat();
    const digits = precision === 'float64' ? 1e-6 : 1e-5;
    end.forEach((value, i) =>
      expect(Math.abs(x[i] - value)).toBeLessThan(digits * Math.max(1, Math.abs(value))),
    );
    trace.slice(1).forEach(({ f, alpha }, i) => {
      expect(alpha).toBeCloseTo(fixture.rates[i], 12);
      expect(Math.abs(f - fixture.losses[i])).toBeLessThan(1e-5);
    });
    await model.dispose();
  });

  test('continues bit for bit in another process, through JSON', async () => {
    const whole = await adamw('float32');
    const expected = await minimizeAsync(whole.model.problem(whole.batches(-1)), whole.solver, {
      maxIterations: 30,
    });
    const first = await adamw('float32');
    const { state } = await minimizeAsync(first.model.problem(first.batches(-1)), first.solver, {
      maxIterations: 13,
    });
    const text = JSON.stringify(saveState(state));
    await first.model.dispose();
    // Another model, from the original file: the state brings the point along.
    const second = await adamw('float32');
    const resume = loadState(JSON.parse(text) as SavedState);
    const problem = second.model.problem(second.batches(13));
    const { x } = await minimizeAsync(problem, second.solver, { maxIterations: 17, resume });
    expect(x).toEqual(expected.x);
    expect(second.model.toBytes()).toEqual(whole.model.toBytes());
    await Promise.all([whole.model.dispose(), second.model.dispose()]);
  });
});
