import * as ort from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import {
  adam,
  hessianVectorProductAsync,
  lbfgs,
  loadState,
  minimizeAsync,
  saveState,
  slbfgs,
  soap,
} from 'quasi-newton';
import {
  differentiate,
  graph,
  miniBatches,
  trainable,
  type Feeds,
  type Network,
  type OnnxModel,
  type OnnxProblem,
  type Ort,
  type TrainableOptions,
} from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { randomNumbers } from '../../../examples/lib/mlp.js';
import { DType, tensorOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { bitStream } from '../../../src/adapters/onnx/train/randomBits.ts';
import { body, floats, modelFrom, node, runOnce, tensor } from './written.ts';

/** Points `[samples, 3]` and a target that can be learned from them. */
function points(samples: number, seed = 3): Feeds {
  const random = randomNumbers(seed);
  const x = Array.from({ length: 3 * samples }, () => 2 * random() - 1);
  const target = Array.from({ length: samples }, (_, i) => Math.sin(x[3 * i]) + x[3 * i + 1] * x[3 * i + 2]);
  return { x: { data: x, dims: [samples, 3] }, target: { data: target, dims: [samples, 1] } };
}

const network = (change: (g: Network, h: string) => string): Uint8Array => {
  const g = graph({ seed: 4, precision: 'float64' });
  const h = g.tanh(g.dense(g.input('x', ['N', 3]), 6));
  const deep = g.tanh(g.dense(change(g, h), 5));
  g.output('hidden', deep);
  g.output('y', g.dense(g.dropout(deep, 0.2), 1));
  return g.toBytes();
};
const dropping = network((g, h) => g.dropout(h, 0.5));
const loss = { loss: 'mse', output: 'y' } as const;
const load = (bytes: Uint8Array, options: Partial<TrainableOptions> = {}, runtime: Ort = ort) =>
  trainable(runtime, bytes, { loss, ...options });
const source = (samples = 24, batchSize = 6) =>
  miniBatches(points(samples), { batchSize, random: randomNumbers(1) });

/** Compares every element of the gradient with a central difference. */
async function checkGradient({ p0, fg }: OnnxProblem, step: number, tolerance: number): Promise<void> {
  const x = p0.map((value, i) => value + 0.05 * Math.sin(3 * i));
  const gradient = new Float64Array(x.length);
  const f = await fg(x, gradient);
  for (let i = 0; i < x.length; i++) {
    const [ahead, behind] = [x.slice(), x.slice()];
    ahead[i] += step;
    behind[i] -= step;
    const numeric = ((await fg(ahead, null)) - (await fg(behind, null))) / (2 * step);
    expect(Math.abs(numeric - gradient[i]), `element ${i}`).toBeLessThan(tolerance);
  }
  expect(await fg(x, null)).toBeCloseTo(f, 12 - 6 * Number(tolerance > 1e-4));
}

/** Σ x·w with dropout on x, and the mean over the outputs as the loss: its gradient tells the mask. */
function linear(samples: number, width: number, ratio: number): Uint8Array {
  const g = graph();
  const x = g.input('x', ['N', width]);
  const w = g.weight('w', [samples, width], (i) => 1 + (i % 7));
  g.output('y', g.sumOfAll(g.mul(g.dropout(x, ratio), w)));
  return g.toBytes();
}

describe.each([
  ['float64', 1e-5, 1e-8],
  ['float32', 1e-2, 2e-3],
] as const)('in %s, the gradient at one batch', (precision, step, tolerance) => {
  test('is that of the loss with the same masks, on each of several batches', async () => {
    const model = await load(dropping, { precision });
    const problem = model.problem(source());
    for (let batch = 0; batch < 3; batch++) {
      await checkGradient(problem, step, tolerance);
      expect(problem.precision).toBe(precision);
      await problem.nextBatch!();
    }
    await model.dispose();
  });

  test('is that of the loss where the choice depends on values that are fed', async () => {
    const g = graph({ seed: 4, precision: 'float64' });
    const h = g.tanh(g.dense(g.input('x', ['N', 3]), 6));
    const [ratio, training] = [g.input('ratio', [], 'float32'), g.input('training', [], 'bool')];
    g.output('y', g.dense(g.op('Dropout', [h, ratio, training]), 1));
    const model = await load(g.toBytes(), { precision });
    const losses: number[] = [];
    for (const drops of [1, 0]) {
      const feeds: Feeds = {
        ...points(8),
        ratio: { data: [0.4], dims: [] },
        training: { data: [drops], dims: [] },
      };
      const problem = model.problem(() => feeds);
      await checkGradient(problem, step, tolerance);
      losses.push(await problem.fg(problem.p0, null));
    }
    const plain = model.problem({
      ...points(8),
      ratio: { data: [0.4], dims: [] },
      training: { data: [1], dims: [] },
    });
    expect(await plain.fg(plain.p0, null)).toBeCloseTo(losses[1], 6);
    expect(losses[0]).not.toBeCloseTo(losses[1], 3);
    await model.dispose();
  });
});

describe('masks', () => {
  const [samples, width] = [40, 50];
  const feeds: Feeds = { x: { data: Array<number>(samples * width).fill(1), dims: [samples, width] } };
  const masks = async (ratio: number, seeds: readonly number[], batches: number) => {
    const model = await trainable(ort, linear(samples, width, ratio), {
      loss: { output: 'y' },
      trainable: ['w'],
    });
    const found: Float64Array[] = [];
    const values: number[] = [];
    for (const seed of seeds) {
      const problem = model.problem(() => feeds, { seed });
      for (let batch = 0; batch < batches; batch++) {
        if (batch > 0) await problem.nextBatch!();
        const gradient = new Float64Array(samples * width);
        values.push(await problem.fg(problem.p0, gradient));
        found.push(gradient);
      }
    }
    await model.dispose();
    return { found, values };
  };

  test('keep an element with probability 1 − ratio, divided by that', async () => {
    for (const ratio of [0.1, 0.5, 0.8]) {
      const { found, values } = await masks(ratio, [1, 2], 10);
      const all = found.flatMap((mask) => Array.from(mask));
      expect(new Set(all)).toEqual(new Set([0, Math.fround(1 / (1 - Math.fround(ratio)))]));
      // Within four standard deviations: of the number kept, and of the loss about that without dropout.
      const kept = all.filter((factor) => factor > 0).length / all.length;
      expect(Math.abs(kept - (1 - ratio))).toBeLessThan(4 * Math.sqrt((ratio * (1 - ratio)) / all.length));
      const w = Array.from({ length: samples * width }, (_, i) => 1 + (i % 7));
      const expected = w.reduce((a, b) => a + b, 0);
      const variance = (ratio / (1 - ratio)) * w.reduce((a, b) => a + b * b, 0);
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      expect(Math.abs(mean - expected)).toBeLessThan(4 * Math.sqrt(variance / values.length));
      const spread = values.reduce((a, b) => a + (b - expected) ** 2, 0) / values.length / variance;
      expect(spread).toBeGreaterThan(0.3);
      expect(spread).toBeLessThan(2.5);
    }
  });

  test('differ from batch to batch, seed to seed and sample to sample, as if independent', async () => {
    const { found } = await masks(0.5, [1, 2, 2 ** 40 + 1], 4);
    // Correlation of ±1 signs: standard deviation 1/√n.
    const signs = found.map((mask) => mask.map((factor) => (factor > 0 ? 1 : -1)));
    const limit = 4.5 / Math.sqrt(samples * width);
    const correlation = (a: Float64Array, b: Float64Array) =>
      a.reduce((sum, v, i) => sum + v * b[i], 0) / a.length;
    signs.forEach((a, i) =>
      signs.slice(0, i).forEach((b) => expect(Math.abs(correlation(a, b))).toBeLessThan(limit)),
    );
    for (const a of signs)
      for (const lag of [1, 2, width])
        expect(Math.abs(correlation(a.slice(lag), a.slice(0, -lag)))).toBeLessThan(1.05 * limit);
  });

  test('are the same for the same seed, in another process too', async () => {
    const [a, b] = [await masks(0.5, [7], 3), await masks(0.5, [7], 3)];
    expect(a.found).toEqual(b.found);
    const next = bitStream(7, 2, 0, 5);
    expect(Array.from({ length: 3 }, next)).toEqual(Array.from({ length: 3 }, bitStream(7, 2, 0, 5)));
    expect(bitStream(2 ** 40, 0)()).not.toBe(bitStream(0, 0)());
  });
});

describe.each([
  ['onnxruntime-node', ort],
  ['onnxruntime-web', web],
] as const)('all evaluations of one batch, in %s', (_, runtime: Ort) => {
  test('see the same masks: with and without gradient, many at once, products of the Hessian', async () => {
    const model = await load(dropping, { hessianVector: true }, runtime);
    const problem = model.problem(source());
    const x = problem.p0.map((value, i) => value + 0.1 * Math.cos(i));
    const gradient = new Float64Array(x.length);
    const f = await problem.fg(x, gradient);
    expect(await problem.fg(x, null)).toBeCloseTo(f, 12);
    const many = new Float64Array(2);
    await problem.valuesAt!(Float64Array.of(...x, ...problem.p0), many);
    expect(many[0]).toBeCloseTo(f, 12);
    const { product } = await hessianVectorProductAsync(problem, x, gradient);
    const [ahead, behind] = [new Float64Array(x.length), new Float64Array(x.length)];
    const h = 1e-5;
    await problem.fg(
      x.map((v, i) => v + h * gradient[i]),
      ahead,
    );
    await problem.fg(
      x.map((v, i) => v - h * gradient[i]),
      behind,
    );
    product.forEach((value, i) => expect(value).toBeCloseTo((ahead[i] - behind[i]) / (2 * h), 6));
    await problem.nextBatch!();
    expect(await problem.fg(x, null)).not.toBeCloseTo(f, 6);
    await model.dispose();
  });

  test('see the same masks where layers before the trained ones are computed once', async () => {
    const run = async (frozen: 'once' | 'every') => {
      const model = await load(
        dropping,
        { frozen, trainable: ({ name }) => name.startsWith('dense_3') },
        runtime,
      );
      const { x, f } = await minimizeAsync(model.problem(source()), adam(), { maxIterations: 8 });
      await model.dispose();
      return [f, ...x];
    };
    const [once, every] = [await run('once'), await run('every')];
    once.forEach((value, i) => expect(value).toBeCloseTo(every[i], 10));
  });
});

test('the samples that two batches share have masks of their own, one function for both evaluations', async () => {
  const model = await load(dropping);
  const batches = miniBatches(points(24), { batchSize: 8, overlap: 4, random: randomNumbers(1) });
  const problem = model.problem(batches);
  await problem.nextBatch!();
  await problem.nextBatch!();
  await checkGradient({ ...problem, fg: async (x, g) => problem.overlap!(x, g) }, 1e-5, 1e-8);
  const solver = lbfgs({ pairs: 'overlap' });
  expect((await minimizeAsync(problem, solver, { maxIterations: 20 })).f).toBeGreaterThan(0);
  await model.dispose();
});

describe('shapes known only at run time', () => {
  const rows = network((g, h) => {
    // As many rows as the data have, by a shape that is computed from the values.
    const sizes = g.op('ReduceMax', [g.op('Abs', ['x']), g.integers([1])], { keepdims: 0 });
    const count = g.squeeze(g.nonZero(g.cast(sizes, DType.BOOL)), [0]);
    return g.dropout(g.op('Gather', [h, count], { axis: 0 }), 0.5);
  });

  test('are computed once a batch, and the gradient is that of the loss', async () => {
    const { noise } = differentiate(rows, {
      loss: (g, { outputs }) => g.sumOfAll(outputs[1]),
      noise: 'fed',
    });
    expect(noise.some(({ shape }) => typeof shape?.[0] === 'string' && shape[0].startsWith('?'))).toBe(true);
    const model = await trainable(ort, rows, {
      loss: (g, { outputs: [, y] }) => g.meanOfAll(g.square(g.sub(y, 1))),
    });
    for (const samples of [6, 4]) {
      const problem = model.problem(() => ({ x: points(samples).x }));
      await checkGradient(problem, 1e-5, 1e-8);
    }
    await model.dispose();
  });
});

describe('a run', () => {
  test.each([
    ['adam', () => adam({ learningRate: 0.01 })],
    ['soap', () => soap()],
    ['slbfgs', () => slbfgs()],
    ['lbfgs', () => lbfgs()],
  ] as const)('a run of %s goes on bit for bit in another process, through JSON', async (_, solver) => {
    const start = async (skip: number) => {
      const model = await load(dropping);
      const batches = source();
      for (let k = 0; k < skip; k++) batches();
      return { model, problem: model.problem(batches, { seed: 11 }) };
    };
    const whole = await start(0);
    const uninterrupted = await minimizeAsync(whole.problem, solver(), { maxIterations: 9 });
    const first = await start(0);
    const half = await minimizeAsync(first.problem, solver(), { maxIterations: 4 });
    const saved = JSON.stringify(saveState(half.state));
    // The batch of the start and one for each iteration have been drawn.
    const second = await start(5);
    const resume = loadState(JSON.parse(saved));
    const resumed = await minimizeAsync(second.problem, solver(), { maxIterations: 5, resume });
    expect(resumed.state.iterate.x).toEqual(uninterrupted.state.iterate.x);
    expect(second.model.toBytes()).toEqual(whole.model.toBytes());
    await Promise.all([whole, first, second].map(({ model }) => model.dispose()));
  });

  test('learns with dropout, and the file that is written predicts without', async () => {
    const model = await load(dropping);
    const all = points(24);
    const held = model.problem(all, { inference: true });
    const before = await held.fg(held.p0, null);
    await minimizeAsync(model.problem(source()), adam({ learningRate: 0.02 }), { maxIterations: 400 });
    expect(await held.fg(held.p0, null)).toBeLessThan(0.4 * before);
    const { y } = await model.predict({ x: all.x });
    const session = await ort.InferenceSession.create(model.toBytes({ inference: true }));
    const x = new ort.Tensor('float64', Float64Array.from(all.x.data as number[]), all.x.dims);
    const written = await session.run({ x });
    expect(Array.from(y.data)).toEqual(Array.from(written.y.data as Float64Array));
    await session.release();
    await model.dispose();
  });
});

describe('dropout is off', () => {
  const losses = async (
    options: Partial<TrainableOptions>,
    make: (model: OnnxModel) => OnnxProblem,
    times = 2,
  ) => {
    const model = await load(dropping, options);
    const problem = make(model);
    const found: number[] = [];
    for (let k = 0; k < times; k++) found.push(await problem.fg(problem.p0, null));
    const { f, outputs } = await problem.evaluate();
    await model.dispose();
    return { found, f, outputs };
  };
  const all = points(10);
  /** The loss without dropout, by the file in inference mode. */
  const plain = async () => {
    const model = await load(dropping);
    const { y } = await model.predict({ x: all.x });
    await model.dispose();
    const target = all.target.data as number[];
    return Array.from(y.data, (value, i) => (Number(value) - target[i]) ** 2).reduce((a, b) => a + b, 0) / 10;
  };

  test('dropout is off with fixed data, in inference mode, where it is refused, and in evaluate', async () => {
    const expected = await plain();
    const cases = [
      await losses({}, (model) => model.problem(all)),
      await losses({}, (model) => model.problem(() => all, { inference: true })),
      await losses({ dropout: 'on' }, (model) => model.problem(all, { inference: true })),
      await losses({ dropout: 'off' }, (model) => model.problem(() => all)),
    ];
    for (const { found } of cases) for (const f of found) expect(f).toBeCloseTo(expected, 12);
    const { found, f, outputs } = await losses({ keep: ['hidden'] }, (model) => model.problem(() => all));
    expect(found[0]).not.toBeCloseTo(expected, 3);
    expect(f).toBeCloseTo(expected, 12);
    expect(outputs.hidden.dims).toEqual([10, 5]);
  });

  test("dropout is off with fixed data unless it is 'on', which keeps one mask for good", async () => {
    const expected = await plain();
    const { found } = await losses({ dropout: 'on' }, (model) => model.problem(all), 3);
    expect(new Set(found).size).toBe(1);
    expect(found[0]).not.toBeCloseTo(expected, 3);
    const model = await load(dropping, { dropout: 'on' });
    const result = await minimizeAsync(model.problem(all), lbfgs(), { maxIterations: 200 });
    expect(result.converged).toBe(true);
    await model.dispose();
  });
});

describe('a Dropout that cannot be fed', () => {
  const inside = modelFrom({
    inputs: { x: ['N', 2], c: { dtype: DType.BOOL, shape: [] } },
    outputs: { y: ['N', 2] },
    initializers: [floats('w', [2, 2], [1, 2, 3, 4])],
    nodes: [
      node('Constant', [], 'on', { value: tensorOf('', DType.BOOL, [], [1]) }),
      node('MatMul', ['x', 'w'], 'h'),
      Object.assign(node('If', ['c'], 'y', {}, 'choice'), {
        attribute: [
          body('then_branch', {
            outputs: { t: ['N', 2] },
            nodes: [node('Dropout', ['h', '', 'on'], 't')],
          }),
          body('else_branch', { outputs: { e: ['N', 2] }, nodes: [node('Tanh', ['h'], 'e')] }),
        ],
      }),
    ],
  });
  const feeds: Feeds = {
    x: { data: [1, 2], dims: [1, 2] },
    c: { data: [1], dims: [] },
    target: { data: [0, 0], dims: [1, 2] },
  };

  test('is refused with mini-batches, by name, and left out of fixed data', async () => {
    const model = await trainable(ort, inside, { loss: 'mse' });
    expect(() => model.problem(() => feeds)).toThrow(/Dropout .*inside a subgraph.*'off'/s);
    const { p0, fg } = model.problem(feeds);
    expect(await fg(p0, null)).toBeCloseTo((7 ** 2 + 10 ** 2) / 2, 4);
    await model.dispose();
    const off = await trainable(ort, inside, { loss: 'mse', dropout: 'off' });
    const problem = off.problem(() => feeds);
    expect(await problem.fg(p0, null)).toBeCloseTo((7 ** 2 + 10 ** 2) / 2, 4);
    await off.dispose();
  });
});

describe('gradients of single samples', () => {
  test('see the masks of their batch: their mean is the gradient of the batch', async () => {
    const model = await load(dropping);
    const problem = model.problem(source());
    const n = problem.p0.length;
    const gradient = new Float64Array(n);
    const f = await problem.fg(problem.p0, gradient);
    const { losses, gradients } = await problem.sampleGradients();
    expect(losses.reduce((a, b) => a + b, 0) / losses.length).toBeCloseTo(f, 12);
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let s = 0; s < losses.length; s++) sum += gradients[s * n + i];
      expect(sum / losses.length).toBeCloseTo(gradient[i], 12);
    }
    await model.dispose();
  });

  test('are refused where samples do not lie along the first axis of a mask', async () => {
    const turned = network((g, h) => g.transpose(g.dropout(g.transpose(h, [1, 0])), [1, 0]));
    const model = await load(turned);
    await expect(model.problem(source()).sampleGradients()).rejects.toThrow(/random numbers.*first axis/s);
    await model.dispose();
  });
});

describe('nodes that draw', () => {
  const drawing = (op: string, attributes = {}, shape?: number[]) => {
    const g = graph({ precision: 'float64' });
    const x = g.input('x', ['N', 400]);
    const w = g.weight('w', [1], () => 2);
    const drawn = shape ? g.op(op, [], { shape, ...attributes }) : g.op(op, [x], attributes);
    g.output('y', g.mul(drawn, w));
    return g.toBytes();
  };
  const values = async (bytes: Uint8Array, fill: number) => {
    const model = await trainable(ort, bytes, {
      loss: (g, { outputs: [y] }) => g.meanOfAll(y),
      trainable: ['w'],
      keep: ['y'],
    });
    const feeds: Feeds = { x: { data: Array<number>(4000).fill(fill), dims: [10, 400] } };
    const problem = model.problem(feeds, { seed: 5 });
    const [a, b] = [await problem.fg(problem.p0, null), await problem.fg(problem.p0, null)];
    expect(b).toBe(a);
    const { f, outputs } = await problem.evaluate();
    expect(f).toBeCloseTo(a, 12);
    const gradient = new Float64Array(1);
    expect(await problem.fg(problem.p0, gradient)).toBeCloseTo(2 * gradient[0], 12);
    const batches = model.problem(() => feeds);
    const first = await batches.fg(batches.p0, null);
    await batches.nextBatch!();
    expect(await batches.fg(batches.p0, null)).not.toBe(first);
    await model.dispose();
    return Array.from(outputs.y.data, Number);
  };
  const moments = (all: readonly number[]) => {
    const mean = all.reduce((a, b) => a + b, 0) / all.length;
    return [mean, Math.sqrt(all.reduce((a, b) => a + (b - mean) ** 2, 0) / all.length)];
  };

  test.each([
    ['RandomNormalLike', { mean: 1.5, scale: 2.5 }, undefined, 3, 5],
    ['RandomUniformLike', { low: -0.75, high: 2.25 }, undefined, 1.5, (2 * 3) / Math.sqrt(12)],
    ['RandomNormal', { scale: 0.5 }, [10, 401], 0, 1],
    ['RandomUniform', {}, [10, 400], 1, 2 / Math.sqrt(12)],
    ['Bernoulli', {}, undefined, 0.6, 2 * Math.sqrt(0.21)],
  ] as const)(
    '%s has the same numbers for all evaluations of a problem or batch, of its distribution',
    async (op, attributes, shape, mean, deviation) => {
      const found = moments(await values(drawing(op, attributes, shape && [...shape]), 0.3));
      expect(Math.abs(found[0] - mean)).toBeLessThan((4.5 * deviation) / Math.sqrt(4000));
      expect(Math.abs(found[1] / deviation - 1)).toBeLessThan(0.06);
    },
  );

  test('are refused for residuals, which must be one function', async () => {
    const model = await trainable(ort, drawing('RandomNormalLike'), {
      loss: 'mse',
      trainable: ['w'],
    });
    const feeds: Feeds = {
      x: { data: Array<number>(400).fill(1), dims: [1, 400] },
      target: { data: Array<number>(400).fill(1), dims: [1, 400] },
    };
    expect(() => model.leastSquares(feeds)).toThrow(/draws random numbers/);
    await model.dispose();
  });
});

test('differentiate lists what is to be fed, and the mask comes out of a Dropout too', async () => {
  const bytes = modelFrom({
    inputs: { x: [2, 3] },
    outputs: { y: [2, 3] },
    initializers: [floats('ratio', [], [0.25]), tensorOf('on', DType.BOOL, [], [1])],
    nodes: [node('Dropout', ['x', 'ratio', 'on'], ['d', 'mask']), node('Where', ['mask', 'd', 'x'], 'y')],
  });
  const result = differentiate(bytes, {
    loss: (g, { outputs: [y] }) => g.sumOfAll(g.square(y)),
    wrt: ['x'],
    noise: 'fed',
    keep: ['y'],
  });
  expect(result.noise).toMatchObject([
    { name: 'noise_of/d', dtype: DType.FLOAT, shape: [2, 3], draw: { kind: 'dropout', ratio: 0.25 } },
  ]);
  const found = await runOnce(result, {
    x: tensor([2, 3], [1, 2, 3, 4, 5, 6]),
    'noise_of/d': tensor([2, 3], [0, 2, 0, 2, 2, 0]),
  });
  expect(found.y).toEqual([1, 4, 3, 8, 10, 6]);
  expect(found['grad_of/x']).toEqual([2, 16, 6, 32, 40, 12]);
});
