import * as ort from 'onnxruntime-node';
import { clearField, fromBinary, toBinary } from '@bufbuild/protobuf';
import { isLeft, isRight } from 'fp-ts/lib/Either.js';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { checkFeeds, loadTrainable, miniBatches, OnnxError, trainable } from 'quasi-newton/onnx';
import { ModelProtoSchema, TensorProtoSchema } from 'onnx-buf';
import { describe, expect, test } from 'vitest';
import { mlp, randomNumbers } from '../../../examples/lib/mlp.js';
import { floats, model as graph, node } from './rawModel.js';
import { decodeModel } from '../../../src/adapters/onnx/ir/model.ts';
import { fixture, type Fixture } from './fixtures.ts';

/** A fixture's data and target, to be converted. */
function feedsOf({ inputs, target }: Fixture) {
  return Object.fromEntries(
    [...inputs, target].map(({ name, values, shape }) => [name, { data: values, dims: shape }]),
  );
}

async function outputOf(bytes: Uint8Array, feeds: Record<string, ort.Tensor>, name: string) {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const { [name]: output } = await session.run(feeds);
  await session.release();
  return Array.from(output.data as Float32Array);
}

describe('running statistics of BatchNormalization', () => {
  const trained = fixture('resnet_train');
  const [input] = trained.inputs;

  test('running statistics of BatchNormalization after training are those of the data at the best point', async () => {
    const model = await trainable(ort, trained.bytes, { loss: 'softmaxCrossEntropy' });
    const problem = model.problem(feedsOf(trained));
    const result = await minimizeAsync(problem, lbfgs(), { maxIterations: 20 });
    // With the data's own statistics, inference sees what training saw.
    const predicted = await model.predict({ x: { data: input.values, dims: input.shape } });
    const logits = Array.from(Object.values(predicted)[0].data as Float32Array);
    expect(crossEntropy(logits, trained.target.values)).toBeCloseTo(result.f, 4);

    const file = model.toBytes({ inference: true });
    const x = new ort.Tensor('float32', Float32Array.from(input.values), input.shape);
    const reloaded = await outputOf(file, { x }, Object.keys(predicted)[0]);
    for (const [i, logit] of reloaded.entries()) expect(logit).toBeCloseTo(logits[i], 4);
    await model.dispose();
  });

  test('running statistics of BatchNormalization with mini-batches follow them with their momentum', async () => {
    const model = await trainable(ort, trained.bytes, { loss: 'softmaxCrossEntropy' });
    const before = statisticsIn(model.toBytes());
    const batches = model.problem(() => feedsOf(trained));
    await batches.fg(batches.p0, batches.p0.slice());
    await batches.nextBatch?.();
    const after = statisticsIn(model.toBytes());
    // The exact statistics, from a problem of all data that is settled where it stands.
    const whole = model.problem(feedsOf(trained));
    await whole.fg(whole.p0, whole.p0.slice());
    whole.params.copyFrom(whole.p0);
    const batch = statisticsIn(model.toBytes());
    expect(batch.size).toBe(6);
    for (const [name, values] of batch) {
      for (const [i, value] of values.entries()) {
        expect(after.get(name)?.[i]).toBeCloseTo(0.9 * (before.get(name)?.[i] ?? NaN) + 0.1 * value, 5);
      }
    }
    await model.dispose();
  });
});

/** The running means and variances that a file holds. */
function statisticsIn(bytes: Uint8Array): Map<string, number[]> {
  const { graph } = fromBinary(ModelProtoSchema, bytes);
  const names = new Set(
    graph?.node
      .filter(({ opType }) => opType === 'BatchNormalization')
      .flatMap(({ input }) => input.slice(3)),
  );
  return new Map(
    graph?.initializer
      .filter(({ name }) => names.has(name))
      .map(({ name, rawData }) => [name, [...new Float32Array(rawData.slice().buffer)]]),
  );
}

function crossEntropy(logits: readonly number[], classes: readonly number[]): number {
  const count = logits.length / classes.length;
  const losses = classes.map((label, i) => {
    const row = logits.slice(i * count, (i + 1) * count);
    return Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0)) - row[label];
  });
  return losses.reduce((a, b) => a + b, 0) / losses.length;
}

/** y = (x·w)·v with v tied to w by an Identity, and an offset in a Constant node of plain floats. */
function tied(): Uint8Array {
  const bytes = graph({
    input: { x: ['N', 2] },
    output: { y: ['N', 2] },
    initializer: [floats('w', [2, 2], (i) => i)],
    nodes: [
      node('Identity', ['w'], 'v'),
      node('Constant', [], 'offset'),
      node('MatMul', ['x', 'w'], 'h'),
      node('MatMul', ['h', 'v'], 'k'),
      node('Add', ['k', 'offset'], 'y'),
    ],
  });
  const file = fromBinary(ModelProtoSchema, bytes);
  file.graph?.node[1].attribute.push({
    ...fromBinary(ModelProtoSchema, mlp([1, 1])).graph!.node[0].attribute[0],
    name: 'value_floats',
    type: 6,
    i: 0n,
    floats: [0.25, 0.5],
  });
  return toBinary(ModelProtoSchema, file);
}

describe('writing back', () => {
  const x = { data: new Float32Array(6).map((_, i) => i / 6), dims: [3, 2] };

  test.each([
    ['keeps', ['offset', 'w'], {}],
    ['unties', ['offset', 'v', 'w'], { trainable: ['offset', 'v', 'w'] }],
  ])('%s tied tensors, and fills Constant nodes', async (_, trained, options) => {
    const model = await trainable(ort, tied(), { loss: 'mse', ...options });
    const names = model.params.layout.tensors.map(({ name }) => name);
    expect(names.toSorted()).toEqual(trained);
    const target = { data: [1, 0, 0, 1, 2, 1], dims: [3, 2] };
    await minimizeAsync(model.problem({ x, target }), lbfgs(), { maxIterations: 30 });
    const { y } = await model.predict({ x });
    const feeds = { x: new ort.Tensor('float32', x.data, x.dims) };
    expect(await outputOf(model.toBytes(), feeds, 'y')).toEqual(Array.from(y.data as Float32Array));
    await model.dispose();
  });

  test('keeps ties that still hold', async () => {
    const bytes = tied();
    const model = await trainable(ort, bytes, { loss: 'mse', trainable: ['w', 'v'] });
    expect(model.toBytes()).toEqual(bytes);
    await model.dispose();
  });

  test('keeps float_data as float_data, and takes external data in', async () => {
    const file = fromBinary(ModelProtoSchema, mlp([2, 3, 1]));
    const [listed, external] = file.graph!.initializer;
    listed.floatData = [...new Float32Array(listed.rawData.slice().buffer)];
    clearField(listed, TensorProtoSchema.field.rawData);
    const blob = external.rawData.slice();
    clearField(external, TensorProtoSchema.field.rawData);
    external.dataLocation = 1;
    external.externalData = [
      { $typeName: 'onnx.StringStringEntryProto', key: 'location', value: 'weights.bin' },
    ];
    const bytes = toBinary(ModelProtoSchema, file);
    await expect(trainable(ort, bytes, { loss: 'mse' })).rejects.toThrow('weights.bin');
    const externalData = { 'weights.bin': blob };
    const model = await trainable(ort, bytes, { loss: 'mse', externalData });
    model.params.copyFrom(model.params.zeros().fill(0.5));
    const written = fromBinary(ModelProtoSchema, model.toBytes()).graph!.initializer;
    expect(written[0].floatData).toEqual(Array.from({ length: 6 }, () => 0.5));
    expect(written[1].rawData.length).toBe(12);
    expect(await outputOf(model.toBytes(), { x: new ort.Tensor('float32', x.data, x.dims) }, 'y')).toEqual(
      Array.from((await model.predict({ x }))['y'].data as Float32Array),
    );
    await model.dispose();
  });

  test('writes a model trained in float64 in its own float32', async () => {
    const bytes = mlp([2, 3, 1]);
    const model = await trainable(ort, bytes, { loss: 'mse', precision: 'float64' });
    expect(model.toBytes()).toEqual(bytes);
    model.params.copyFrom(model.params.zeros().fill(0.1));
    const again = await trainable(ort, model.toBytes(), { loss: 'mse' });
    expect(again.params.copyInto(again.params.zeros())[0]).toBe(Math.fround(0.1));
    await Promise.all([model.dispose(), again.dispose()]);
  });
});

describe('loading', () => {
  test('fails by value, with every fault', async () => {
    const good = await loadTrainable(ort, mlp([2, 3, 1]), { loss: 'mse' })();
    expect(isRight(good)).toBe(true);
    const options = { loss: 'mse', l2: -1, output: 3 } as unknown as { loss: 'mse' };
    const wrong = await loadTrainable(ort, mlp([2, 3, 1]), options)();
    expect(isLeft(wrong) && wrong.left.message).toMatch(/l2: .*[^]*output: /);
    const damaged = await loadTrainable(ort, new Uint8Array(50).fill(7), { loss: 'mse' })();
    expect(isLeft(damaged) && damaged.left).toBeInstanceOf(OnnxError);
    await expect(
      trainable(ort, mlp([2, 3, 1]), { loss: 'mse', target: 'gpu' } as unknown as { loss: 'mse' }),
    ).rejects.toThrow("target: must be 'cpu' or 'wasm' or 'webgpu', got \"gpu\"");
  });

  test('refuses to train inputs, and what ONNX Runtime cannot run', async () => {
    await expect(
      trainable(ort, mlp([2, 3, 1]), { loss: 'mse', trainable: ['0.weight', 'x'] }),
    ).rejects.toThrow('"x" is an input of the model');
    await expect(
      trainable(ort, mlp([2, 3, 1]), { loss: 'mse', sessionOptions: { executionProviders: ['tpu'] } }),
    ).rejects.toThrow('ONNX Runtime refuses the graph');
  });

  test('opens a graph that an optimization of ONNX Runtime breaks without optimizations', async () => {
    const levels: unknown[] = [];
    const create = async (bytes: Uint8Array, options: ort.InferenceSession.SessionOptions = {}) => {
      levels.push(options.graphOptimizationLevel);
      if (options.graphOptimizationLevel !== 'disabled') throw new Error('GetIndexFromName');
      return ort.InferenceSession.create(bytes, options);
    };
    const model = await trainable({ ...ort, InferenceSession: { create } }, mlp([2, 3, 1]), {
      loss: 'mse',
      sessionOptions: { graphOptimizationLevel: 'all' },
    });
    expect(levels).toEqual(['all', 'disabled']);
    await model.dispose();
  });

  test.each([
    ["Could not find an implementation for Tanh(13) node with name 'NAME'", 1],
    ["Could not find an implementation for Tanh(13) node with name 'made by an optimization'", 2],
    ["Could not find an implementation for Gelu(20) node with name 'NAME'", 2],
    ['Failed to load model because protobuf parsing failed.', 1],
    ['Node input is not a graph input', 2],
  ])('a graph refused with %s is opened %i times', async (message, times) => {
    let opened = 0;
    const create = (bytes: Uint8Array) => {
      const { name } = decodeModel(bytes).graph.node.find(({ opType }) => opType === 'Tanh') ?? { name: '' };
      opened++;
      throw new Error(message.replace('NAME', name));
    };
    const failing = { ...ort, InferenceSession: { create } } as unknown as typeof ort;
    const asked = { loss: 'mse', sessionOptions: { graphOptimizationLevel: 'all' } } as const;
    await expect(trainable(failing, mlp([2, 3, 1]), asked)).rejects.toThrow(OnnxError);
    expect(opened).toBe(times);
  });

  test('trains the parameters chosen', async () => {
    const model = await trainable(ort, mlp([2, 3, 1]), { loss: 'mse', trainable: ['1.bias', '1.weight'] });
    expect(model.params.length).toBe(4);
    await model.dispose();
  });
});

/** ONNX Runtime, and how many of its sessions are open. */
function counting() {
  const sessions = { open: 0 };
  const create = async (bytes: Uint8Array, options?: object) => {
    const session = await ort.InferenceSession.create(bytes, options);
    sessions.open++;
    const release = async () => {
      await session.release();
      sessions.open--;
    };
    return { run: session.run.bind(session), release };
  };
  return { runtime: { Tensor: ort.Tensor, InferenceSession: { create } }, sessions };
}

test('a call that finds no memory says so, and the model can still be disposed of', async () => {
  const { runtime, sessions } = counting();
  const model = await trainable(runtime, mlp([1, 2, 1]), { loss: 'mse' });
  const column = new ort.Tensor('float32', Float32Array.of(1, 2), [2, 1]);
  const problem = model.problem({ x: column, target: column });
  const exhausted = (): never => {
    throw new Error('no memory');
  };
  runtime.Tensor = class {
    readonly data = exhausted();
  } as unknown as typeof ort.Tensor;
  await expect(problem.fg(problem.p0, null)).rejects.toThrow('no memory');
  expect(sessions.open).toBeGreaterThan(0);
  await model.dispose();
  expect(sessions.open).toBe(0);
});

test('a model is disposed of once, and every call of dispose waits for it', async () => {
  const { runtime, sessions } = counting();
  const model = await trainable(runtime, mlp([1, 2, 1]), { loss: 'mse', hessianVector: true });
  const column = { data: [1, 2], dims: [2, 1] };
  const problem = model.problem({ x: column, target: column });
  const buffer = problem.p0.slice();
  await problem.fg(problem.p0, null);
  await problem.hessianVector?.(problem.p0, problem.p0, buffer);
  await model.predict({ x: column });
  expect(sessions.open).toBe(4);
  const first = model.dispose();
  await model.dispose();
  expect(sessions.open).toBe(0);
  await first;
  await expect(problem.fg(problem.p0, buffer)).rejects.toThrow(
    'This model has been disposed of; load it again.',
  );
});

describe('feeds', () => {
  test('are checked by value too', () => {
    const specs = [{ name: 'x', dtype: 'float32', shape: ['N', 2] }];
    const checked = checkFeeds(ort, specs, { x: { data: [1, 2], dims: [1, 2] } });
    expect(isRight(checked) && checked.right['x'].data).toEqual(Float32Array.of(1, 2));
    expect(isLeft(checkFeeds(ort, specs, { x: { data: [1, 2], dims: [2, 1] } }))).toBe(true);
  });

  test('become integers only if they are whole numbers', () => {
    const specs = [
      { name: 'i', dtype: 'int64' },
      { name: 'k', dtype: 'int32' },
    ];
    const feed = { data: [1, 2.5], dims: [2] };
    const checked = checkFeeds(ort, specs, { i: feed, k: feed });
    expect(isLeft(checked) && checked.left.faults.map(({ reason }) => reason)).toEqual([
      'feed "i": element 1 is 2.5; each must be a whole number.',
      'feed "k": element 1 is 2.5; each must be a whole number.',
    ]);
  });

  test('are not copied when they are tensors', () => {
    const x = new ort.Tensor('float32', Float32Array.of(1, 2), [1, 2]);
    const checked = checkFeeds(ort, [{ name: 'x', dtype: 'float32' }], { x });
    expect(isRight(checked) && checked.right['x']).toBe(x);
  });

  test('feeds of mini-batches hold each sample once a pass', () => {
    const next = miniBatches(
      {
        x: { data: Float32Array.from({ length: 20 }, (_, i) => i), dims: [10, 2] },
        target: { data: BigInt64Array.from({ length: 10 }, (_, i) => BigInt(i)), dims: [10] },
      },
      { batchSize: 5, random: randomNumbers(4) },
    );
    for (let pass = 0; pass < 3; pass++) {
      const seen = [next(), next()].flatMap(({ x, target }) => {
        expect(x.dims).toEqual([5, 2]);
        return Array.from(target.data, (label, i) => {
          expect(x.data[2 * i]).toBe(2 * Number(label));
          return Number(label);
        });
      });
      expect(seen.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
  });

  test('feeds of mini-batches that overlap begin with the end of the batch before', () => {
    const x = { data: Float32Array.from({ length: 10 }, (_, i) => i), dims: [10, 1] };
    const next = miniBatches({ x }, { batchSize: 4, overlap: 2, random: randomNumbers(4) });
    expect(next.shared?.()).toBeUndefined();
    let before = Array.from(next()['x'].data);
    expect(next.shared?.()).toBeUndefined();
    const fresh = [...before];
    for (let i = 0; i < 40; i++) {
      const batch = Array.from(next()['x'].data);
      expect(new Set(batch).size).toBe(4);
      expect(batch.slice(0, 2)).toEqual(before.slice(2));
      const shared = next.shared?.()?.['x'];
      expect(shared?.dims).toEqual([2, 1]);
      expect(Array.from(shared?.data ?? [])).toEqual(batch.slice(0, 2));
      fresh.push(...batch.slice(2));
      before = batch;
    }
    // Each pass brings each sample once.
    for (const pass of [fresh.slice(0, 10), fresh.slice(10, 20)]) {
      expect(pass.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from(x.data));
    }
    expect(miniBatches({ x }, { batchSize: 4 }).shared).toBeUndefined();
  });

  test('feeds of mini-batches refuse too little data, and options that do not fit', () => {
    expect(() => miniBatches({ x: { data: [1, 2], dims: [2] } }, { batchSize: 3 })).toThrow('2 samples');
    expect(() => miniBatches({ x: { data: [1, 2], dims: [2] } }, { batchSize: 2, overlap: 2 })).toThrow(
      'miniBatches: overlap: must be less than batchSize, 2, or no batch would have new samples; got 2.',
    );
    expect(() => miniBatches({ x: { data: [1, 2], dims: [2] } }, { batchSize: 0 })).toThrow('batchSize');
  });
});

describe('a loss given as a graph', () => {
  test('is not trained itself', async () => {
    const loss = graph({
      input: { y: ['N', 1], wanted: ['N', 1] },
      output: { total: [] },
      initializer: [floats('factor', [1, 1], () => 2)],
      nodes: [
        node('MatMul', ['y', 'factor'], 'scaled'),
        node('Sub', ['scaled', 'wanted'], 'error'),
        node('Mul', ['error', 'error'], 'square'),
        node('ReduceMean', ['square'], 'total', { keepdims: 0 }),
      ],
    });
    const model = await trainable(ort, mlp([2, 3, 1]), { loss: { graph: loss } });
    expect(model.params.length).toBe(13);
    const x = { data: [0, 1, 1, 0, 0.5, 0.5], dims: [3, 2] };
    const problem = model.problem({ x, wanted: { data: [1, 2, 3], dims: [3, 1] } });
    const result = await minimizeAsync(problem, lbfgs(), { maxIterations: 50 });
    expect(result.f).toBeLessThan(1e-6);
    const { y } = await model.predict({ x });
    for (const [i, wanted] of [1, 2, 3].entries()) expect(2 * Number(y.data[i])).toBeCloseTo(wanted, 2);
    await model.dispose();
  });
});
