import { fromBinary } from '@bufbuild/protobuf';
import * as ort from 'onnxruntime-node';
import { ModelProtoSchema } from 'onnx-buf';
import { loadTrainable, trainable, type Ort } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { mlp } from '../../../examples/lib/mlp.js';
import { free, giveBack } from '../../../src/adapters/onnx/train/giveBack.ts';

const sizes = [600, 500, 3];
const samples = 4;
const feeds = {
  x: { data: Float32Array.from({ length: samples * 600 }, (_, i) => Math.sin(i)), dims: [samples, 600] },
  target: { data: Float32Array.from({ length: samples * 3 }, (_, i) => Math.cos(i)), dims: [samples, 3] },
};

/** Names and numbers of all initializers of a file. */
const tensorsIn = (bytes: Uint8Array) =>
  new Map(
    fromBinary(ModelProtoSchema, bytes.slice()).graph?.initializer.map(({ name, rawData }) => [
      name,
      new Float32Array(rawData.slice().buffer),
    ]),
  );

test('a point in the memory of its gradient is read before the gradient is written', async () => {
  const model = await trainable(ort, mlp(sizes), { loss: 'mse' });
  const { p0, fg } = model.problem(feeds);
  const gradient = p0.slice();
  const f = await fg(p0, gradient);
  for (const shift of [0, 1, 1000, p0.length / 2]) {
    const memory = new Float64Array(p0.length + shift);
    const [x, into] = [memory.subarray(0, p0.length), memory.subarray(shift)];
    x.set(p0);
    expect(await fg(x, into)).toBe(f);
    expect(into.findIndex((value, i) => value !== gradient[i])).toBe(-1);
  }
  await model.dispose();
});

describe('a large model keeps its parameters once', () => {
  test('a large model keeps its parameters once, and its file is that which was read, whatever the caller does with the bytes', async () => {
    const bytes = mlp(sizes);
    const original = bytes.slice();
    const loading = trainable(ort, bytes, { loss: 'mse' });
    bytes.fill(7);
    const model = await loading;
    expect(Buffer.compare(model.toBytes(), original)).toBe(0);
    await model.dispose();
  });

  test('a large model keeps its parameters once, and new ones are written where the old ones lay', async () => {
    const original = mlp(sizes);
    const model = await trainable(ort, original, { loss: 'mse' });
    const p = model.params.copyInto(model.params.zeros()).map((value, i) => value + Math.sin(i));
    model.params.copyFrom(p);
    const written = model.toBytes();
    const tensors = tensorsIn(written);
    for (const { name, offset, size } of model.params.layout.tensors)
      expect(
        tensors.get(name)?.findIndex((value, i) => i >= size || value !== Math.fround(p[offset + i])),
      ).toBe(-1);
    expect(written.length).toBe(original.length);
    const changed = written.filter((byte, i) => byte !== original[i]).length;
    const bytesOfWeights = 4 * model.params.length;
    expect(changed).toBeGreaterThan(bytesOfWeights / 2);
    expect(changed).toBeLessThanOrEqual(bytesOfWeights);

    // What is built from the file later on has the parameters as inputs.
    const predicted = await model.predict({ x: feeds.x });
    const session = await ort.InferenceSession.create(written);
    const own = await session.run({ x: new ort.Tensor('float32', feeds.x.data, feeds.x.dims) });
    const numbers = Array.from(Object.values(own)[0].data as Float32Array);
    for (const [i, value] of numbers.entries())
      expect(Object.values(predicted)[0].data[i]).toBeCloseTo(value, 4);
    await session.release();
    await model.dispose();
  });

  test('a large model keeps its parameters once, and chooses the same ones when it reads the file again', async () => {
    const options = { loss: 'mse', hessianVector: true } as const;
    const [model, same] = await Promise.all([
      trainable(ort, mlp(sizes), options),
      trainable(ort, mlp(sizes), options),
    ]);
    // Beyond 1e4, numbers do not look like weights; the other model has read the file before they were.
    const p = model.params.copyInto(model.params.zeros()).map((value) => value * 1e6);
    const [v, far, before] = [p.map((_, i) => Math.sin(i)), p.slice(), p.slice()];
    const other = same.problem(feeds);
    await other.hessianVector?.(p, v, before);
    model.params.copyFrom(p);
    await model.problem(feeds).hessianVector?.(p, v, far);
    expect(Buffer.compare(Buffer.from(far.buffer), Buffer.from(before.buffer))).toBe(0);
    expect(far.some((value) => value !== 0)).toBe(true);
    await Promise.all([model.dispose(), same.dispose()]);
  });

  test('a large model keeps its parameters once, and a task that loads it may run twice', async () => {
    const load = loadTrainable(ort, mlp(sizes), { loss: 'mse' });
    for (let k = 0; k < 2; k++) {
      const loaded = await load();
      if (loaded._tag === 'Left') throw loaded.left;
      expect(Buffer.compare(loaded.right.toBytes(), mlp(sizes))).toBe(0);
      await loaded.right.dispose();
    }
  });
});

/** A runtime that returns the tensors it was given to fill, as onnxruntime-node may do one day. */
const returningGiven: Ort = {
  ...ort,
  InferenceSession: {
    async create(bytes: Uint8Array, options?: object) {
      const session = await ort.InferenceSession.create(bytes, options);
      return {
        async run(given: ort.InferenceSession.FeedsType, fetches: Record<string, ort.Tensor | null>) {
          const results = await session.run(given, fetches);
          return Object.fromEntries(
            Object.entries(results).map(([name, result]) => [name, fetches[name] ?? result]),
          );
        },
        release: () => session.release(),
      };
    },
  },
};

describe('the gradient', () => {
  const shared = (n: number) => new Float64Array(new SharedArrayBuffer(8 * n));
  const within = (n: number) => new Float64Array(new ArrayBuffer(8 * n + 48), 24, n);
  const vectors = {
    'a vector of its own': (n: number) => new Float64Array(n),
    'a part of a buffer': within,
    'a float32 vector': (n: number) => new Float32Array(n) as unknown as Float64Array,
    'a vector shared by threads': shared,
  };

  test.each(['float32', 'float64'] as const)('goes into any vector, of a %s model', async (precision) => {
    const options = { loss: 'mse', precision } as const;
    const model = await trainable(ort, mlp(sizes), options);
    const { p0, fg } = model.problem(feeds);
    const expected = new Float64Array(p0.length);
    const f = await fg(p0, expected);
    const h = 1e-3;
    for (const i of [0, 70_000, p0.length - 1]) {
      const at = async (step: number) =>
        fg(
          p0.map((value, k) => value + (k === i ? step : 0)),
          null,
        );
      expect(expected[i]).toBeCloseTo(((await at(h)) - (await at(-h))) / (2 * h), 3);
    }
    for (const [name, vector] of Object.entries(vectors)) {
      const gradient = vector(p0.length);
      for (let k = 0; k < 2; k++) {
        gradient.fill(9);
        expect([name, await fg(p0, gradient)]).toEqual([name, f]);
        const rounding = gradient instanceof Float32Array ? Math.fround : Number;
        const wrong = gradient.findIndex((value, i) => value !== rounding(expected[i]));
        expect([name, wrong]).toEqual([name, -1]);
      }
    }
    await model.dispose();
  });

  test('leaves what lies beside it as it was', async () => {
    const model = await trainable(ort, mlp(sizes), { loss: 'mse' });
    const { p0, fg } = model.problem(feeds);
    const gradient = within(p0.length);
    const all = new Float64Array(gradient.buffer).fill(5);
    await fg(p0, gradient);
    expect([...all.subarray(0, 3), ...all.subarray(3 + p0.length)]).toEqual([5, 5, 5, 5, 5, 5]);
    await model.dispose();
  });

  test('shares its memory with the rounded point, not with the point', async () => {
    const fed: unknown[] = [];
    const watched: Ort = {
      ...ort,
      InferenceSession: {
        async create(bytes: Uint8Array, options?: object) {
          const session = await ort.InferenceSession.create(bytes, options);
          return {
            run(given: ort.InferenceSession.FeedsType, fetches: ort.InferenceSession.FetchesType) {
              fed.push(...Object.values(given).map(({ data }) => (data as Float32Array).buffer));
              return session.run(given, fetches);
            },
            release: () => session.release(),
          };
        },
      },
    };
    const model = await trainable(watched, mlp(sizes), { loss: 'mse' });
    const { p0, fg } = model.problem(feeds);
    const n = p0.length;
    const both = new Float64Array(2 * n + 1);
    const [gradient, x] = [both.subarray(0, n), both.subarray(n, 2 * n)];
    x.set(p0);
    await fg(x, gradient);
    expect(fed.filter((buffer) => buffer === both.buffer)).toHaveLength(4);
    expect(x).toEqual(p0);
    const expected = new Float64Array(n);
    await fg(p0, expected);
    expect(gradient).toEqual(expected);
    // A point of another vector in between, and the loss alone.
    await fg(
      p0.map((value) => value + 1),
      new Float64Array(n),
    );
    expect(await fg(x, gradient)).toBe(await fg(p0, null));
    expect(gradient).toEqual(expected);
    await model.dispose();
  });

  test('is right if a runtime returns the tensors that it was given', async () => {
    for (const precision of ['float32', 'float64'] as const) {
      const gradients = await Promise.all(
        [ort as Ort, returningGiven].map(async (runtime) => {
          const model = await trainable(runtime, mlp(sizes), { loss: 'mse', precision });
          const { p0, fg } = model.problem(feeds);
          const gradient = new Float64Array(p0.length);
          await fg(p0, gradient);
          await model.dispose();
          return gradient;
        }),
      );
      expect(gradients[1].every((value, i) => value === gradients[0][i])).toBe(true);
    }
  });
});

describe('memory that is given back', () => {
  const tensor = (data: Float32Array) => ({ type: 'float32', dims: [data.length], data });

  test('is that of large results, and only of those named', () => {
    const [large, small, other] = [50_000, 10, 50_000].map((length) => new Float32Array(length).fill(1));
    giveBack({ large: tensor(large), small: tensor(small), other: tensor(other) }, [
      'large',
      'small',
      'none',
    ]);
    expect([large.length, small.length, other.length]).toEqual([0, 10, 50_000]);
  });

  test('stays where it cannot be transferred', () => {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const view = new Float32Array(memory.buffer);
    const shared = new Float32Array(new SharedArrayBuffer(80_000));
    free([view]);
    free([shared]);
    expect([view.length, shared.length]).toEqual([16_384, 20_000]);
  });
});
