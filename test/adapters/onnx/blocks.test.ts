import * as ort from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { differentiate, graph, trainable, type TrainableOptions } from 'quasi-newton/onnx';
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

test('poolings and their gradients stay in blocks', () => {
  const g = graph({ seed: 1 });
  const first = g.relu(g.conv(g.input('x', ['N', 16, 8, 8]), 32, 3, { padding: 1 }));
  const second = g.relu(g.conv(g.maxPool(first, 2), 16, 3, { padding: 1 }));
  g.output('y', g.dense(g.flatten(g.maxPool(second, 2)), 4));
  const bytes = differentiate(g.toBytes(), { loss: 'mse' });
  const model = fromBinary(ModelProtoSchema, inBlocks(bytes, 16));
  const count = (op: string) => model.graph?.node.filter(({ opType }) => opType === op).length;
  expect(
    model.graph?.node.filter(({ domain, opType }) => domain !== '' && opType === 'MaxPool'),
  ).toHaveLength(2);
  // Into blocks: only x. Out of them: the results of both poolings, and the gradient with respect to the first.
  expect([count('ReorderInput'), count('ReorderOutput')]).toEqual([1, 3]);
});

/** Whole numbers from a seed, for shapes. */
function shapes(seed: number) {
  let state = seed;
  const draw = () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
  return (low: number, high: number) => low + Math.floor(draw() * (high - low + 1));
}

/** Blocks of normalized convolutions with shortcuts, in widths and activations drawn at random. */
function normalizedNetwork(seed: number) {
  const draw = shapes(seed);
  const g = graph({ seed });
  const norm = (x: string, filters: number, kernel: number) =>
    g.batchNorm(g.conv(x, filters, kernel, { padding: (kernel - 1) / 2, bias: draw(0, 1) === 0 }));
  const act = (x: string) => g[(['relu', 'tanh', 'sigmoid'] as const)[draw(0, 2)]](x);
  let value = act(norm(g.input('x', ['N', [1, 3, 16][draw(0, 2)], 7, 6]), 16, 3));
  for (let layers = draw(1, 3); layers > 0; layers--) {
    const filters = 16 * draw(1, 2);
    const first = norm(act(norm(value, filters, [1, 3][draw(0, 1)])), filters, 3);
    const shortcut = draw(0, 1) === 0 ? norm(value, filters, 1) : g.conv(value, filters, 1);
    value = act(draw(0, 1) === 0 ? g.add(first, shortcut) : g.mul(first, shortcut));
  }
  g.output('y', g.dense(draw(0, 1) === 0 ? g.globalAveragePool(value) : g.flatten(value), 3));
  return g.toBytes();
}

/** Normalized convolutions with shortcuts of one element, with strides that fit the image or leave its end out. */
function stridedNetwork(seed: number) {
  const draw = shapes(seed);
  const g = graph({ seed });
  const norm = (x: string, filters: number, kernel: number, stride: number) =>
    g.batchNorm(g.conv(x, filters, kernel, { padding: (kernel - 1) / 2, stride, bias: false }));
  let value = g.relu(norm(g.input('x', ['N', 3, draw(6, 13), draw(6, 13)]), 16, 3, 1));
  for (let layers = draw(1, 2); layers > 0; layers--) {
    const filters = 16 * draw(1, 2);
    const stride = draw(1, 3);
    const terms = [norm(value, filters, [3, 1, 5][draw(0, 2)], stride), norm(value, filters, 1, stride)];
    const sum = draw(0, 3) === 0 ? g.tanh(terms[1]) : g.add(terms[draw(0, 1)], terms[1]);
    value = g.relu(draw(0, 1) === 0 ? sum : g.add(norm(sum, filters, 3, 1), sum));
  }
  g.output('y', g.dense(draw(0, 1) === 0 ? g.globalAveragePool(value) : g.flatten(value), 3));
  return g.toBytes();
}

test.each([
  ['normalized', normalizedNetwork],
  ['strided', stridedNetwork],
])(
  '%s networks in blocks have the loss and gradients of float64',
  async (_, network) => {
    const wrong: string[] = [];
    for (let seed = 1; seed <= 25; seed++) {
      const bytes = network(seed);
      const computedIn = async (precision: 'float32' | 'float64') => {
        const model = await trainable(ort, bytes, { loss: 'mse', precision });
        const [{ shape }] = model.inputs;
        const dims = [5, ...(shape ?? []).slice(1).map(Number)];
        const count = dims.reduce((a, b) => a * b);
        const data = Float32Array.from({ length: count }, (_, i) => Math.sin(1.3 * i * i) + 0.5);
        const target = Float32Array.from({ length: 15 }, (_, i) => Math.cos(i));
        const problem = model.problem({ x: { data, dims }, target: { data: target, dims: [5, 3] } });
        const gradient = new Float64Array(problem.p0.length);
        const f = await problem.fg(problem.p0, gradient);
        const again = await problem.fg(problem.p0, gradient);
        const alone = await problem.fg(problem.p0, null);
        await model.dispose();
        return { values: [f, again, alone], gradient };
      };
      const [single, exact] = [await computedIn('float32'), await computedIn('float64')];
      const scale = Math.max(...exact.gradient.map(Math.abs));
      const error = Math.max(...exact.gradient.map((value, i) => Math.abs(value - single.gradient[i])));
      const isNear = single.values.every((f) => Math.abs(f / exact.values[0] - 1) < 1e-5);
      if (!(error <= 1e-4 * scale && isNear))
        wrong.push(`seed ${seed}: ${error / scale}, ${single.values.join(' ')}`);
    }
    expect(wrong).toEqual([]);
  },
  120_000,
);

test('the gradient of a shortcut with strides stays in blocks', () => {
  const g = graph({ seed: 1 });
  const norm = (x: string, kernel: number, stride: number) =>
    g.batchNorm(g.conv(x, 32, kernel, { padding: (kernel - 1) / 2, stride, bias: false }));
  const first = g.relu(norm(g.input('x', ['N', 16, 16, 12]), 3, 1));
  g.output('y', g.globalAveragePool(g.relu(g.add(norm(first, 3, 2), norm(first, 1, 2)))));
  const nodes =
    fromBinary(ModelProtoSchema, inBlocks(differentiate(g.toBytes(), { loss: 'mse' }), 16)).graph?.node ?? [];
  const count = (op: string, own: boolean) =>
    nodes.filter(({ domain, opType }) => opType === op && own === (domain !== '')).length;
  expect([count('ConvTranspose', false), count('AveragePool', true)]).toEqual([0, 1]);
  // The phases of both terms are added before they are joined: two rows of two columns.
  expect(
    nodes.filter(({ opType, output }) => opType === 'Concat' && output[0].startsWith('blocks/')),
  ).toHaveLength(3);
});

test('ops between normalized convolutions stay in blocks, with the same statistics of the batch', async () => {
  const g = graph({ seed: 1 });
  const norm = (x: string) => g.batchNorm(g.conv(x, 16, 3, { padding: 1, bias: false }));
  const first = g.relu(norm(g.input('x', ['N', 16, 8, 8])));
  g.output('y', g.dense(g.globalAveragePool(g.relu(g.add(norm(first), first))), 4));
  const standard = differentiate(g.toBytes(), { loss: 'mse' });
  const size = (await blockSize(ort)) || 16;
  const blocks = inBlocks(standard, size);
  const proto = fromBinary(ModelProtoSchema, blocks).graph;
  const count = (op: string) => proto?.node.filter(({ opType }) => opType === op).length;
  expect([count('BatchNormalization'), count('Relu')]).toEqual([0, 0]);
  // Into blocks: x, and the cotangent of the average. Out of them: the cotangents of both convolutions, for their weights.
  expect([count('ReorderInput'), count('ReorderOutput')]).toEqual([2, 2]);
  if ((await blockSize(ort)) === 0) return;
  const feeds = Object.fromEntries(
    (proto?.input ?? []).map(({ name, type }) => {
      const shape = type?.value.case === 'tensorType' ? type.value.value.shape?.dim : [];
      const dims = (shape ?? []).map(({ value }) => (value.case === 'dimValue' ? Number(value.value) : 3));
      const data = Float32Array.from(
        { length: dims.reduce((a, b) => a * b, 1) },
        (_, i) => Math.sin(i * i) + 0.2,
      );
      return [name, new ort.Tensor('float32', data, dims)] as const;
    }),
  );
  const results = async (bytes: Uint8Array) => {
    const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
    const outputs = await session.run(feeds);
    await session.release();
    return outputs;
  };
  const [exact, found] = [await results(standard), await results(blocks)];
  expect(Object.keys(found).filter((name) => name.startsWith('batch_of/'))).toHaveLength(4);
  for (const [name, { data }] of Object.entries(exact)) {
    const [numbers, others] = [Array.from(data, Number), Array.from(found[name].data, Number)];
    const error = Math.max(...numbers.map((value, i) => Math.abs(value - others[i])));
    expect([name, error < 1e-4 * Math.max(...numbers.map(Math.abs))]).toEqual([name, true]);
  }
});

test('normalization by given statistics is the same in blocks', async () => {
  const loss = async (graphOptimizationLevel: string) => {
    const model = await trainable(ort, network(), {
      loss: 'mse',
      sessionOptions: { graphOptimizationLevel },
    });
    const data = Float32Array.from({ length: 5 * 3 * 72 }, (_, i) => Math.sin(1.3 * i));
    const target = Float32Array.from({ length: 20 }, (_, i) => Math.sin(0.7 * i));
    const feeds = { x: { data, dims: [5, 3, 9, 8] }, target: { data: target, dims: [5, 4] } };
    const problem = model.problem(feeds, { inference: true });
    const f = await problem.fg(problem.p0, null);
    await model.dispose();
    return f;
  };
  const [blocks, standard] = [await loss('all'), await loss('extended')];
  expect(Math.abs(blocks / standard - 1)).toBeLessThan(1e-6);
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

test('gradients of weights are summed over samples on one thread of the processor', () => {
  const keeps = (options: Partial<TrainableOptions>) =>
    planOf('trainable', { loss: 'mse', ...options }).keepsWeights;
  expect(keeps({ sessionOptions: { intraOpNumThreads: 1 } })).toBe(true);
  expect(keeps({ sessionOptions: { intraOpNumThreads: 2 } })).toBe(false);
  expect(keeps({ sessionOptions: { intraOpNumThreads: 1 }, target: 'wasm' })).toBe(false);
});

/** One to three convolutions, and poolings, of sizes drawn at random, on an image of its size. */
function randomNetwork(seed: number) {
  const draw = shapes(seed);
  const dims = [draw(1, 9), [1, 3, 4, 8, 16, 17, 20, 32][draw(0, 7)], draw(6, 14), draw(6, 14)];
  const g = graph({ seed });
  let value = g.input('x', dims);
  let channels = dims[1];
  let image = dims.slice(2);
  for (let layers = draw(1, 3); layers > 0; layers--) {
    const groups = draw(0, 2) === 0 ? channels : 1;
    const filters = groups > 1 ? channels * draw(1, 2) : [1, 2, 5, 8, 12, 16, 24, 32][draw(0, 7)];
    const isSmall = draw(0, 1) === 0;
    const window = image.map((size) => draw(1, isSmall ? Math.min(2, size) : 4));
    const stride = isSmall ? 1 : draw(1, 2);
    value = g.conv(value, filters, window, { groups, stride, padding: isSmall ? 0 : 'same' });
    if (draw(0, 1) === 0) value = g.relu(value);
    channels = filters;
    image = image.map((size, i) => (isSmall ? size - window[i] + 1 : Math.ceil(size / stride)));
    if (draw(0, 1) === 0 || Math.min(...image) < 2) continue;
    value = g.maxPool(value, 2);
    image = image.map((size) => Math.floor(size / 2));
  }
  g.output('y', value);
  return { bytes: g.toBytes(), dims };
}

test('random networks have the loss and gradients of float64', async () => {
  const wrong: string[] = [];
  for (let seed = 1; seed <= 60; seed++) {
    const { bytes, dims } = randomNetwork(seed);
    const data = Float32Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) => Math.sin(1.3 * i) / 2);
    const computedIn = async (precision: 'float32' | 'float64') => {
      const loss: TrainableOptions['loss'] = (g, { outputs: [y] }) => g.meanOfAll(g.square(g.tanh(y)));
      const model = await trainable(ort, bytes, { loss, precision });
      const problem = model.problem({ x: { data, dims } });
      const gradient = new Float64Array(problem.p0.length);
      // Biases are 0 at first.
      const point = problem.p0.map((value, i) => value + Math.cos(i) / 20);
      const f = await problem.fg(point, gradient);
      await model.dispose();
      return { f, gradient };
    };
    const [single, exact] = [await computedIn('float32'), await computedIn('float64')];
    const scale = Math.max(...exact.gradient.map(Math.abs));
    const error = Math.max(...exact.gradient.map((value, i) => Math.abs(value - single.gradient[i])));
    if (!(error <= 3e-5 * scale && Math.abs(single.f - exact.f) <= 1e-4 * exact.f))
      wrong.push(`seed ${seed}: ${error / scale}`);
  }
  expect(wrong).toEqual([]);
}, 120_000);

const squares: TrainableOptions['loss'] = (g, { outputs: [y] }) => g.meanOfAll(g.square(y));

test('an image smaller than a window is refused, by whatever layout', async () => {
  // As the file says already: ONNX Runtime would end the process on such a graph.
  const small = graph({ seed: 1 });
  small.output(
    'y',
    small.conv(small.conv(small.input('x', [2, 16, 4, 7]), 32, [2, 3], { stride: 2 }), 32, [4, 2]),
  );
  await expect(trainable(ort, small.toBytes(), { loss: squares })).rejects.toThrow(
    /Conv "Conv_1": its result would have the shape \[2, 32, -1, 2\]; is a window larger than its image\?/,
  );
  // As it is fed.
  for (const padding of [0, 'same'] as const) {
    const g = graph({ seed: 1 });
    const deep = g.conv(g.input('x', ['N', 16, 'H', 'W']), 16, 3, { padding });
    g.output('y', g.conv(deep, 16, 3, { padding, groups: 16 }));
    const model = await trainable(ort, g.toBytes(), { loss: squares });
    const outcomes: unknown[] = [];
    for (const [height, width] of [
      [1, 1],
      [2, 7],
      [3, 3],
    ]) {
      const dims = [2, 16, height, width];
      const problem = model.problem({ x: { data: new Float32Array(32 * height * width).fill(0.3), dims } });
      const outcome = await problem.fg(problem.p0, new Float64Array(problem.p0.length)).then(
        (value) => value > 0,
        (error: unknown) => /ONNX Runtime failed to run the graph/.exec(String(error))?.[0],
      );
      outcomes.push(outcome);
    }
    const expected = padding === 'same' ? true : 'ONNX Runtime failed to run the graph';
    expect(outcomes).toEqual([expected, expected, expected]);
    expect(() => model.problem({ x: { data: new Float32Array(0), dims: [0, 16, 6, 6] } })).toThrow(
      'feed "x": it holds no samples; the loss of none is not defined.',
    );
    await model.dispose();
  }
});

test('a loss may contain gradients with respect to weights of convolutions', async () => {
  const penalized: TrainableOptions['loss'] = (g, { outputs: [y], gradient }) => {
    const loss = g.meanOfAll(g.square(y));
    const [slope] = gradient(loss, ['conv_1.weight']);
    return g.add(loss, g.mul(0.1, g.sumOfSquares(slope)));
  };
  const computedIn = async (precision: 'float32' | 'float64') => {
    const g = graph({ seed: 1 });
    const first = g.tanh(g.conv(g.input('x', ['N', 3, 9, 9]), 16, 3, { padding: 1 }));
    g.output('y', g.dense(g.globalAveragePool(g.tanh(g.conv(first, 16, 3, { padding: 1 }))), 4));
    const sessionOptions = { intraOpNumThreads: 1 };
    const model = await trainable(ort, g.toBytes(), { loss: penalized, precision, sessionOptions });
    const data = Float32Array.from({ length: 5 * 243 }, (_, i) => Math.sin(i * i));
    const problem = model.problem({ x: { data, dims: [5, 3, 9, 9] } });
    const gradient = new Float64Array(problem.p0.length);
    const f = await problem.fg(problem.p0, gradient);
    await model.dispose();
    return { f, gradient };
  };
  const [single, exact] = [await computedIn('float32'), await computedIn('float64')];
  expect(Math.abs(single.f / exact.f - 1)).toBeLessThan(1e-5);
  const scale = Math.max(...exact.gradient.map(Math.abs));
  const errors = exact.gradient.map((value, i) => Math.abs(value - single.gradient[i]));
  expect(Math.max(...errors)).toBeLessThan(1e-5 * scale);
});
