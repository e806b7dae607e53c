import fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import {
  differentiate,
  gradientNameOf,
  graph,
  hessianVectorNameOf,
  vectorNameOf,
  type Network,
  type Value,
} from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { attributesOf } from '../../../src/adapters/onnx/ir/attributes.ts';
import { decodeModel } from '../../../src/adapters/onnx/ir/model.ts';
import { direction, quiet, weighted } from './harness.ts';

interface Net {
  readonly batch: number;
  readonly channels: number;
  readonly filters: number;
  readonly sizes: readonly [number, number];
  readonly kernel: readonly [number, number];
  /** At the beginning of both axes, then at their ends. */
  readonly pads: readonly number[];
  readonly activations: readonly ('Relu' | 'Sigmoid' | 'Tanh')[];
  readonly hasBias: boolean;
  readonly precision?: 'float32' | 'float64';
  /** Number of samples that the file states. */
  readonly stated?: number | 'N' | undefined;
}

const plain: Net = {
  batch: 2,
  channels: 2,
  filters: 3,
  sizes: [8, 7],
  kernel: [3, 3],
  pads: [1, 1, 1, 1],
  activations: ['Relu'],
  hasBias: true,
};

const halves = { kernel_shape: [2, 2], strides: [2, 2] };

/** The net's file; `pooled` writes what comes after the activations. */
function file(net: Net, pooled = (g: Network, v: Value) => g.op('MaxPool', [v], halves)): Uint8Array {
  const { batch, channels, filters, sizes, kernel, pads, activations, hasBias, precision, stated } = net;
  const g = graph({ precision: precision ?? 'float32' });
  const x = g.input('x', [stated ?? batch, channels, ...sizes]);
  const w = g.weight(
    'w',
    [filters, channels, ...kernel],
    direction(filters * channels * kernel[0] * kernel[1], 3),
  );
  const bias = hasBias ? [g.weight('b', [filters], direction(filters, 4))] : [];
  const convolved = g.op('Conv', [x, w, ...bias], { pads });
  const inner = activations.reduce((v, op) => g.op(op, [v]), convolved);
  g.output('y', pooled(g, inner));
  return g.toBytes();
}

/** Strides of the convolutions in a graph. */
const strides = (bytes: Uint8Array) =>
  decodeModel(bytes)
    .graph.node.filter(({ opType }) => opType === 'Conv')
    .map((node) => attributesOf(node).ints('strides')?.join());

const isRewritten = (bytes: Uint8Array) => strides(bytes)[0] === '2,2';

interface Results {
  readonly loss: number;
  readonly w: readonly number[];
  readonly b: readonly number[];
}

async function run(net: Net, x: readonly number[], bytes: Uint8Array): Promise<Results> {
  const { batch, channels, filters, sizes, kernel, hasBias } = net;
  const tensor = (values: readonly number[], shape: readonly number[]) =>
    net.precision === 'float64'
      ? new Tensor('float64', Float64Array.from(values), shape)
      : new Tensor('float32', Float32Array.from(values), shape);
  const count = filters * channels * kernel[0] * kernel[1];
  const session = await InferenceSession.create(bytes, quiet);
  const results = await session.run({
    x: tensor(x, [batch, channels, ...sizes]),
    w: tensor(direction(count, 3), [filters, channels, ...kernel]),
    ...(hasBias && { b: tensor(direction(filters, 4), [filters]) }),
  });
  await session.release();
  const numbers = (name: string) => Array.from(results[name]?.data ?? [], Number);
  return { loss: numbers('loss')[0], w: numbers(gradientNameOf('w')), b: numbers(gradientNameOf('b')) };
}

/** The loss and its gradients in float64, straight from the definitions. */
function reference(net: Net, x: readonly number[]): Results {
  const { batch, channels, filters, sizes, kernel, pads, activations, hasBias } = net;
  const count = filters * channels * kernel[0] * kernel[1];
  const [weight, bias] = [direction(count, 3), direction(filters, 4)].map((v) => Array.from(v, Math.fround));
  const outs = sizes.map((size, i) => size + pads[i] + pads[i + 2] - kernel[i] + 1);
  const halved = outs.map((size) => Math.floor(size / 2));
  const rules = {
    Relu: (v: number, d: number) => (v > 0 ? [v, d] : [0, 0]),
    Tanh: (v: number, d: number) => [Math.tanh(v), d * (1 - Math.tanh(v) ** 2)],
    Sigmoid: (v: number, d: number) => [1 / (1 + Math.exp(-v)), (d * Math.exp(-v)) / (1 + Math.exp(-v)) ** 2],
  };
  const result = {
    loss: 0,
    w: Array<number>(count).fill(0),
    b: hasBias ? Array<number>(filters).fill(0) : [],
  };
  let place = 0;
  for (let n = 0; n < batch; n++)
    for (let m = 0; m < filters; m++)
      for (let row = 0; row < halved[0]; row++)
        for (let column = 0; column < halved[1]; column++) {
          let [most, slope, from]: [number, number, [number, number][]] = [-Infinity, 0, []];
          for (const [i, j] of [
            [0, 0],
            [0, 1],
            [1, 0],
            [1, 1],
          ]) {
            let sum = hasBias ? bias[m] : 0;
            const terms: [number, number][] = [];
            for (let c = 0; c < channels; c++)
              for (let k = 0; k < kernel[0]; k++)
                for (let l = 0; l < kernel[1]; l++) {
                  const [r, s] = [2 * row + i + k - pads[0], 2 * column + j + l - pads[1]];
                  if (r < 0 || s < 0 || r >= sizes[0] || s >= sizes[1]) continue;
                  const value = x[((n * channels + c) * sizes[0] + r) * sizes[1] + s];
                  const at = ((m * channels + c) * kernel[0] + k) * kernel[1] + l;
                  sum += value * weight[at];
                  terms.push([at, value]);
                }
            const [y, d] = activations.reduce(
              ([v, dv], op) => {
                const [f, df] = rules[op](v, 1);
                return [f, dv * df];
              },
              [sum, 1],
            );
            if (y > most) [most, slope, from] = [y, d, terms];
          }
          const coefficient = Math.sin(1.7 * place++) + 1.3;
          result.loss += coefficient * most;
          for (const [at, value] of from) result.w[at] += coefficient * slope * value;
          if (hasBias) result.b[m] += coefficient * slope;
        }
  return result;
}

const distance = (a: readonly number[], b: readonly number[]) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0) /
  Math.max(1e-30, ...b.map(Math.abs));

const size = fc.integer({ min: 4, max: 9 });
const length = fc.integer({ min: 3, max: 4 });
const pad = fc.integer({ min: 0, max: 2 });
const nets: fc.Arbitrary<Net> = fc
  .record({
    batch: fc.integer({ min: 1, max: 3 }),
    channels: fc.integer({ min: 1, max: 4 }),
    filters: fc.integer({ min: 1, max: 8 }),
    sizes: fc.tuple(size, size),
    kernel: fc.tuple(length, length),
    pads: fc.tuple(pad, pad, pad, pad),
    activations: fc.array(fc.constantFrom('Relu' as const, 'Sigmoid' as const, 'Tanh' as const), {
      maxLength: 2,
    }),
    hasBias: fc.boolean(),
    stated: fc.constantFrom(undefined, 'N' as const),
  })
  .filter(({ sizes, kernel, pads }) => sizes.every((s, i) => s + pads[i] + pads[i + 2] - kernel[i] >= 1));

describe('a convolution before a max pooling', () => {
  test('has the loss and gradients of its definition, whatever its sizes', async () => {
    await fc.assert(
      fc.asyncProperty(nets, fc.integer(), async (net, seed) => {
        const x = direction(net.batch * net.channels * net.sizes[0] * net.sizes[1], seed).map(Math.fround);
        const bytes = differentiate(file(net), { loss: weighted });
        expect(isRewritten(bytes)).toBe(true);
        const [found, exact] = [await run(net, x, bytes), reference(net, x)];
        expect(Math.abs(found.loss - exact.loss)).toBeLessThan(1e-5 * Math.max(10, Math.abs(exact.loss)));
        expect(distance(found.w, exact.w)).toBeLessThan(1e-5);
        expect(distance(found.b, exact.b)).toBeLessThan(1e-5);
      }),
      { numRuns: 60 },
    );
  });

  test('gives the gradient of equal elements to the first', async () => {
    const net: Net = { ...plain, channels: 1, pads: [0, 0, 0, 0], activations: [], sizes: [9, 10] };
    // Rows of equal numbers in pairs: the windows of two columns have the same sums, and different numbers below.
    const x = Array.from({ length: 2 * 9 * 10 }, (_, i) => [3, -1, 2, 5, 1][Math.floor(i / 20) % 5]);
    const bytes = differentiate(file(net), { loss: weighted });
    expect(isRewritten(bytes)).toBe(true);
    const [found, exact] = [await run(net, x, bytes), reference(net, x)];
    expect(distance(found.w, exact.w)).toBeLessThan(1e-6);
    expect(distance(found.b, exact.b)).toBeLessThan(1e-6);
  });

  test('has the second derivatives of the same net in float64', async () => {
    const net: Net = { ...plain, activations: ['Tanh'] };
    const x = direction(2 * 2 * 8 * 7, 9).map(Math.fround);
    const count = 3 * 2 * 3 * 3;
    const products = async (precision: 'float32' | 'float64') => {
      const bytes = differentiate(file({ ...net, precision }), { loss: weighted, hessianVector: true });
      expect(isRewritten(bytes)).toBe(precision === 'float32');
      const tensor = (values: readonly number[], shape: readonly number[]) =>
        precision === 'float64'
          ? new Tensor('float64', Float64Array.from(values), shape)
          : new Tensor('float32', Float32Array.from(values), shape);
      const session = await InferenceSession.create(bytes, quiet);
      const results = await session.run({
        x: tensor(x, [2, 2, 8, 7]),
        w: tensor(direction(count, 3), [3, 2, 3, 3]),
        b: tensor(direction(3, 4), [3]),
        [vectorNameOf('w')]: tensor(direction(count, 5), [3, 2, 3, 3]),
        [vectorNameOf('b')]: tensor(direction(3, 6), [3]),
      });
      await session.release();
      return ['w', 'b'].flatMap((name) => Array.from(results[hessianVectorNameOf(name)].data, Number));
    };
    expect(distance(await products('float32'), await products('float64'))).toBeLessThan(1e-5);
  });

  const strided = { kernel_shape: [2, 2], strides: [1, 1] };
  test.each<[string, Partial<Net>, ((g: Network, v: Value) => Value)?]>([
    ['float64', { precision: 'float64' }],
    ['many channels', { channels: 5 }],
    ['many filters', { filters: 9 }],
    ['a short window', { kernel: [2, 3] }],
    ['a pooling of windows that overlap', {}, (g, v) => g.op('MaxPool', [v], strided)],
    ['a pooling with padding', {}, (g, v) => g.op('MaxPool', [v], { ...halves, pads: [1, 1, 1, 1] })],
    ['a mean', {}, (g, v) => g.op('AveragePool', [v], halves)],
    ['an activation that falls', {}, (g, v) => g.op('MaxPool', [g.neg(v)], halves)],
    ['values that something else reads', {}, (g, v) => g.add(g.op('MaxPool', [v], halves), g.meanOfAll(v))],
  ])('stays as it is: %s', async (_, change, pooled) => {
    expect(isRewritten(differentiate(file({ ...plain, ...change }, pooled), { loss: weighted }))).toBe(false);
  });

  test('stays as it is in WebAssembly, and where its images or inner values are asked for', () => {
    const bytes = file(plain);
    const { output } = decodeModel(bytes).graph.node.find(({ opType }) => opType === 'Conv')!;
    expect(isRewritten(differentiate(bytes, { loss: weighted }))).toBe(true);
    expect(isRewritten(differentiate(bytes, { loss: weighted, target: 'wasm' }))).toBe(false);
    expect(isRewritten(differentiate(bytes, { loss: weighted, keep: [output[0]] }))).toBe(false);
    expect(isRewritten(differentiate(bytes, { loss: weighted, wrt: ['w', output[0]] }))).toBe(false);
    expect(isRewritten(differentiate(bytes, { loss: weighted, wrt: ['w', 'x'] }))).toBe(false);
    expect(isRewritten(differentiate(bytes, { loss: weighted, wrt: ['b'] }))).toBe(false);
  });
});

test.each<[string, readonly number[], readonly number[]]>([
  ['pairs', [2, 1], [0, 0, 4, 4, 1, -1]],
  ['three rows', [3, 1], [5, 1, 2, 5, 3, 2, 4, 3, 7]],
  ['five rows of a volume', [5, 1, 1], [1, 2, 3, 2, 3, 3, 2, 1, 3, 1, 3, 2, 3, 3, 3, 0, 0, 0, 1, 1]],
])(
  'a max pooling of whole rows gives its cotangent to the first largest element: %s',
  async (_, kernel, x) => {
    const others = x.length / kernel[0];
    const shape = [1, 1, kernel[0], ...kernel.slice(2), others];
    const exact = x.map((value, i) => {
      const column = Array.from({ length: kernel[0] }, (_row, k) => x[k * others + (i % others)]);
      const isFirst = column.indexOf(Math.max(...column)) === Math.floor(i / others);
      return isFirst && value === Math.max(...column) ? Math.sin(1.7 * (i % others)) + 1.3 : 0;
    });
    // Where the window is the whole axis, its step does not matter.
    for (const strides of [kernel, kernel.map(() => 1)])
      for (const target of ['cpu', 'webgpu'] as const) {
        const g = graph({ precision: 'float64' });
        g.output('y', g.op('MaxPool', [g.input('x', shape)], { kernel_shape: kernel, strides }));
        const session = await InferenceSession.create(
          differentiate(g.toBytes(), { loss: weighted, wrt: ['x'], target }),
          quiet,
        );
        const results = await session.run({ x: new Tensor('float64', Float64Array.from(x), shape) });
        await session.release();
        Array.from(results[gradientNameOf('x')].data, Number).forEach((value, i) =>
          expect(value).toBeCloseTo(exact[i], 14),
        );
      }
  },
);
