import * as ort from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import { adam, lbfgs, minimizeAsync } from 'quasi-newton';
import { miniBatches, OnnxError, trainable, type LossName, type Ort } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { mlp, randomNumbers } from '../../../examples/lib/mlp.js';
import { fixture } from './fixtures.ts';

/** 20 samples of two inputs and a smooth function of them. */
function data(precision: 'float32' | 'float64' = 'float32', samples = 20) {
  const random = randomNumbers(7);
  const reals = precision === 'float64' ? Float64Array : Float32Array;
  const x = new reals(2 * samples).map(() => 2 * random() - 1);
  const target = new reals(samples).map((_, i) => Math.sin(3 * x[2 * i]) * x[2 * i + 1]);
  return { x: { data: x, dims: [samples, 2] }, target: { data: target, dims: [samples, 1] } };
}

const network = mlp([2, 8, 1]);

const runtimes: readonly (readonly [string, Ort])[] = [
  ['onnxruntime-node', ort],
  ['onnxruntime-web', web],
];

describe.each(runtimes)('a trainable model in %s', (_, runtime) => {
  test('lays its parameters out in one vector, with their roles', async () => {
    const model = await trainable(runtime, network, { loss: 'mse' });
    expect(model.params.length).toBe(33);
    expect(model.params.layout.tensors.map(({ name, shape, role }) => [name, shape, role?.kind])).toEqual([
      ['0.weight', [8, 2], 'weight'],
      ['0.bias', [8], 'bias'],
      ['1.weight', [1, 8], 'weight'],
      ['1.bias', [1], 'bias'],
    ]);
    await model.dispose();
  });

  test.each(['float32', 'float64'] as const)(
    'has the gradient that central differences have, in %s',
    async (precision) => {
      const model = await trainable(runtime, network, { loss: 'mse', precision });
      const { p0, fg } = model.problem(data());
      const gradient = new Float64Array(p0.length);
      const f = await fg(p0, gradient);
      expect(await fg(p0, null)).toBeCloseTo(f, precision === 'float64' ? 14 : 6);
      const [h, tolerance] = precision === 'float64' ? [1e-5, 1e-9] : [1e-2, 1e-3];
      for (let i = 0; i < p0.length; i++) {
        const [above, below] = [p0.slice(), p0.slice()];
        above[i] += h;
        below[i] -= h;
        const slope = ((await fg(above, null)) - (await fg(below, null))) / (2 * h);
        expect(Math.abs(gradient[i] - slope)).toBeLessThan(tolerance);
      }
      await model.dispose();
    },
  );

  test('is trained by a solver, and then holds the best point', async () => {
    const model = await trainable(runtime, network, { loss: 'mse', precision: 'float64' });
    const problem = model.problem(data());
    const result = await minimizeAsync(problem, lbfgs(), { maxIterations: 300 });
    expect(result.f).toBeLessThan(1e-4);
    expect(model.params.copyInto(model.params.zeros())).toEqual(result.x);
    await model.dispose();
  });

  test('is not touched by evaluations, and is left at the best point by an abort and by an error', async () => {
    const model = await trainable(runtime, network, { loss: 'mse' });
    const { params } = model;
    const problem = model.problem(data());
    const start = problem.p0;
    await problem.fg(new Float64Array(params.length).fill(9), null);
    expect(params.copyInto(params.zeros())).toEqual(start);

    const controller = new AbortController();
    let best = { f: Infinity, x: start };
    const aborted = minimizeAsync(problem, lbfgs(), {
      signal: controller.signal,
      callback({ iteration, f, x }) {
        if (f < best.f) best = { f, x: x.slice() };
        if (iteration === 5) controller.abort(new Error('enough'));
      },
    });
    await expect(aborted).rejects.toThrow('enough');
    expect(params.copyInto(params.zeros())).toEqual(best.x.map(Math.fround));

    let evaluations = 0;
    const failing = {
      ...problem,
      fg: async (x: Float64Array, gradient: Float64Array | null) => {
        if (++evaluations === 4) throw new Error('broken');
        return problem.fg(x, gradient);
      },
    };
    await expect(minimizeAsync(failing, lbfgs())).rejects.toThrow('broken');
    expect(await problem.fg(params.copyInto(params.zeros()), null)).toBeLessThan(
      await problem.fg(start, null),
    );
    await model.dispose();
  });

  test('answers evaluations that overlap as if they came one after the other', async () => {
    const model = await trainable(runtime, network, { loss: 'mse' });
    const problem = model.problem(data());
    const points = [0.1, 0.2, 0.3, 0.4].map((value) => new Float64Array(33).fill(value));
    const gradients = points.map((x) => x.slice());
    const together = await Promise.all(points.map((x, i) => problem.fg(x, gradients[i])));
    for (const [i, x] of points.entries()) {
      const gradient = x.slice();
      expect(await problem.fg(x, gradient)).toBe(together[i]);
      expect(gradient).toEqual(gradients[i]);
    }
    await model.dispose();
  });

  test('learns from mini-batches', async () => {
    const model = await trainable(runtime, network, { loss: 'mse' });
    const all = data('float32', 200);
    const whole = model.problem(all);
    const before = await whole.fg(whole.p0, null);
    const problem = model.problem(miniBatches(all, { batchSize: 32, random: randomNumbers(1) }));
    await minimizeAsync(problem, adam({ learningRate: 0.02 }), { maxIterations: 300 });
    const after = await whole.fg(model.params.copyInto(model.params.zeros()), null);
    expect(after).toBeLessThan(0.1 * before);
    await model.dispose();
  });

  test("learns from what mini-batches share, with lbfgs({ pairs: 'overlap' })", async () => {
    const model = await trainable(runtime, network, { loss: 'mse' });
    const all = data('float32', 200);
    const whole = model.problem(all);
    const before = await whole.fg(whole.p0, null);
    const batches = miniBatches(all, { batchSize: 100, overlap: 50, random: randomNumbers(1) });
    const problem = model.problem(batches);
    const gradient = problem.p0.slice().fill(1);
    expect(await problem.overlap?.(problem.p0, gradient)).toBe(0);
    expect(gradient.every((slope) => slope === 0)).toBe(true);
    await problem.nextBatch?.();
    const shared = model.problem(batches.shared?.() ?? {});
    const expected = gradient.slice();
    expect(await problem.overlap?.(problem.p0, gradient)).toBe(await shared.fg(shared.p0, expected));
    expect(gradient).toEqual(expected);

    await minimizeAsync(problem, lbfgs({ pairs: 'overlap' }), { maxIterations: 60 });
    const after = await whole.fg(model.params.copyInto(model.params.zeros()), null);
    expect(after).toBeLessThan(0.1 * before);
    const plain = model.problem(miniBatches(all, { batchSize: 100 }));
    await expect(minimizeAsync(plain, lbfgs({ pairs: 'overlap' }))).rejects.toThrow('has no overlap');
    await model.dispose();
  });

  test('predicts, writes itself with its new weights, and reads back the same', async () => {
    const model = await trainable(runtime, network, { loss: 'mse' });
    const { x, target } = data();
    await minimizeAsync(model.problem({ x, target }), lbfgs(), { maxIterations: 50 });
    const { y } = await model.predict({ x });
    const session = await ort.InferenceSession.create(model.toBytes());
    const reloaded = await session.run({ x: new ort.Tensor('float32', x.data, x.dims) });
    const again = reloaded['y'].data as Float32Array;
    expect(again.length).toBe(20);
    for (const [i, value] of again.entries()) expect(value).toBeCloseTo(Number(y.data[i]), 6);
    await session.release();
    await model.dispose();
    await expect(model.predict({ x })).rejects.toThrow('disposed');
  });

  test('writes nothing but the weights', async () => {
    for (const name of ['cnn', 'transformer', 'misc', 'resnet_train']) {
      const { bytes, target } = fixture(name);
      const loss = target.integral ? 'softmaxCrossEntropy' : 'mse';
      const model = await trainable(runtime, bytes, { loss });
      expect(model.toBytes()).toEqual(bytes);
      const { params } = model;
      params.copyFrom(params.zeros().fill(0.123));
      const written = model.toBytes();
      expect(written.length).toBe(bytes.length);
      const changed = written.reduce((count, byte, i) => count + (byte === bytes[i] ? 0 : 1), 0);
      expect(changed).toBeLessThanOrEqual(4 * params.length);
      params.copyFrom(params.zeros().fill(-1.5));
      const again = await trainable(runtime, model.toBytes(), { loss });
      expect(again.params.copyInto(params.zeros())).toEqual(params.zeros().fill(-1.5));
      await Promise.all([model.dispose(), again.dispose()]);
    }
  });
});

/** The reasons for which a classifier of three classes refuses feeds. */
async function faultsOf(feeds: object, loss: LossName): Promise<string[]> {
  const model = await trainable(ort, mlp([2, 4, 3]), { loss });
  try {
    model.problem(feeds as Record<string, never>);
    return [];
  } catch (error) {
    if (!(error instanceof OnnxError)) throw error;
    return error.faults.map(({ reason }) => reason);
  } finally {
    await model.dispose();
  }
}

describe('wrong feeds are refused before a run, all faults at once', () => {
  const x = { data: new Float32Array(8), dims: [4, 2] };

  test('names, types, shapes', async () => {
    expect(await faultsOf({ y: x, target: new ort.Tensor('int32', [1, 2, 3], [3, 1]) }, 'mse')).toEqual([
      'feed "y": there is no such input; the inputs are "x", "target".',
      'feed "x": it is missing; it must be float32 of shape [N, 2].',
      'feed "target": it is int32; it must be float32, or { data, dims } without a type, to be converted.',
      'feed "target": its shape is [3, 1]; it must be [N, 3].',
    ]);
    expect(await faultsOf({ x, target: { data: new Float32Array(10), dims: [5, 3] } }, 'mse')).toEqual([
      'feed "target": its axis 0 has size 5, but feed "x" has 4 there; they must be equal.',
      'feed "target": its shape [5, 3] has 15 elements, its data 10.',
    ]);
    expect(await faultsOf({ x: 3, target: null }, 'mse')).toEqual([
      'feed "x": must be a tensor, or { data, dims }, of float32 of shape [N, 2]; got 3.',
      'feed "target": must be a tensor, or { data, dims }, of float32 of shape [N, 3]; got null.',
    ]);
  });

  test('targets out of range', async () => {
    expect(await faultsOf({ x, target: { data: [0, 3, 2, -1], dims: [4] } }, 'softmaxCrossEntropy')).toEqual([
      'feed "target": element 1 is 3, and 1 more are wrong; each must be a class, one of 0 to 2.',
    ]);
    expect(await faultsOf({ x, target: { data: [0, 1.5, 2, 1], dims: [4] } }, 'softmaxCrossEntropy')).toEqual(
      ['feed "target": element 1 is 1.5; each must be a class, one of 0 to 2.'],
    );
    expect(
      await faultsOf({ x, target: { data: new Float32Array(12), dims: [4, 3] } }, 'softmaxCrossEntropy'),
    ).toEqual([
      expect.stringMatching(/shape is \[4, 3\]; it must be \[N\]. It holds class indices, .*'probabilities'/),
    ]);
    const target = { data: new Float32Array(12).fill(1.01), dims: [4, 3] };
    expect(await faultsOf({ x, target }, 'binaryCrossEntropy')).toEqual([
      'feed "target": element 0 is 1.0099999904632568, and 11 more are wrong; each must be a number from 0 to 1.',
    ]);
  });
});

describe('wrong models, runtimes and options are refused by name', () => {
  const wrong: readonly (readonly [string, readonly unknown[], RegExp])[] = [
    [
      'a path',
      [ort, 'model.onnx', { loss: 'mse' }],
      /got "model.onnx"; if this is its path, read the file first/,
    ],
    ['a promise', [ort, Promise.resolve(network), { loss: 'mse' }], /got a Promise; await it/],
    ['no runtime', [network, { loss: 'mse' }], /ort must be ONNX Runtime.*got Uint8Array\(/],
    ['no options', [ort, network], /options must be an object, got undefined/],
    [
      'a misspelt option',
      [ort, network, { loss: 'mse', presision: 'float64' }],
      /presision: no such option; there are loss, .*trainable, dropout, frozen, sessionOptions/,
    ],
    ['another name for trainable', [ort, network, { loss: 'mse', wrt: ['x'] }], /wrt: no such option/],
    [
      'a misspelt name',
      [ort, network, { loss: 'mse', trainable: ['weigth'] }],
      /no initializer, input or inner value "weigth"; its constants are "[^"]+", /,
    ],
    [
      'a choice of nothing',
      [ort, network, { loss: 'mse', trainable: () => false }],
      /no parameter was chosen; its constants are .*option trainable/,
    ],
  ];

  test.each(wrong)(
    'wrong models, runtimes and options are refused by name: %s',
    async (_, given, message) => {
      await expect(trainable(...(given as Parameters<typeof trainable>))).rejects.toThrow(message);
    },
  );

  test('inputs have no empty entries', async () => {
    const model = await trainable(ort, network, { loss: 'mse' });
    expect(model.inputs.map(Object.keys)).toEqual(model.inputs.map(() => ['name', 'dtype', 'shape']));
    await model.dispose();
  });
});

describe('products of the Hessian', () => {
  test('are what differences of the gradient tend to', async () => {
    const model = await trainable(ort, network, { loss: 'mse', precision: 'float64', hessianVector: true });
    const problem = model.problem(data());
    const { p0, fg } = problem;
    const v = p0.map((_, i) => Math.sin(i + 1));
    const product = p0.slice();
    await problem.hessianVector?.(p0, v, product);
    const h = 1e-5;
    const [above, below] = [p0.slice(), p0.slice()];
    await fg(
      p0.map((p, i) => p + h * v[i]),
      above,
    );
    await fg(
      p0.map((p, i) => p - h * v[i]),
      below,
    );
    for (const [i, value] of product.entries()) {
      expect(value).toBeCloseTo((above[i] - below[i]) / (2 * h), 8);
    }
    await model.dispose();
  });

  test('are left out unless asked for', async () => {
    const model = await trainable(ort, network, { loss: 'mse' });
    expect('hessianVector' in model.problem(data())).toBe(false);
    await model.dispose();
  });
});

test('a cross-entropy that rounds to 0 is 0, not −0', async () => {
  const model = await trainable(ort, mlp([1, 2]), { loss: 'softmaxCrossEntropy' });
  const problem = model.problem({ x: { data: [1], dims: [1, 1] }, target: { data: [0], dims: [1] } });
  // The scores differ by 4000, whatever the input.
  const x = problem.p0.map((_, i) => (i === problem.p0.length - 2 ? 4000 : 0));
  expect(await problem.fg(x, null)).toBe(0);
  expect(
    await problem.fg(
      x,
      problem.p0.map(() => 1),
    ),
  ).toBe(0);
  expect((await problem.evaluate(x)).f).toBe(0);
  await model.dispose();
});
