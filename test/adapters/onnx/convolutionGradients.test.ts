import { fromBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { ModelProtoSchema } from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import { gradientNameOf, graph, type LossFunction } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { differentiateGraph } from '../../../src/adapters/onnx/differentiate.ts';
import { attributesOf } from '../../../src/adapters/onnx/ir/attributes.ts';
import { inBlocks } from '../../../src/adapters/onnx/passes/blocked.ts';
import { blockSize } from '../../../src/adapters/onnx/train/blocks.ts';
import { direction, quiet, type Precision } from './harness.ts';

interface Shape {
  readonly batch: number;
  /** Channels of x and of the result. */
  readonly channels: readonly [number, number];
  readonly group: number;
  readonly sizes: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
}

const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

/** All places in a box, the last axis fastest. */
const places = (sizes: readonly number[]): number[][] =>
  sizes.reduce<number[][]>(
    (known, size) => known.flatMap((place) => Array.from({ length: size }, (_, i) => [...place, i])),
    [[]],
  );

const outSizes = ({ sizes, kernel, strides, dilations, pads }: Shape) =>
  sizes.map((size, i) => {
    const free = size + pads[i] + pads[i + sizes.length] - dilations[i] * (kernel[i] - 1) - 1;
    return Math.floor(free / strides[i]) + 1;
  });

/** The derivatives of Σ d·conv(x, w) by x and w, straight from the definition. */
function reference(s: Shape, x: readonly number[], w: readonly number[], d: ArrayLike<number>) {
  const [inner, outer] = s.channels;
  const [perGroup, filters] = [inner / s.group, outer / s.group];
  const outs = outSizes(s);
  const [dx, dw] = [x.map(() => 0), w.map(() => 0)];
  const index = (place: readonly number[], sizes: readonly number[]) =>
    place.reduce((at, p, i) => at * sizes[i] + p, 0);
  const windows = places(s.kernel);
  let at = 0;
  for (const [n, m, ...out] of places([s.batch, outer, ...outs])) {
    const cotangent = d[at++];
    for (const window of windows) {
      const place = out.map((o, i) => o * s.strides[i] + window[i] * s.dilations[i] - s.pads[i]);
      if (place.some((p, i) => p < 0 || p >= s.sizes[i])) continue;
      for (let c = 0; c < perGroup; c++) {
        const channel = Math.floor(m / filters) * perGroup + c;
        const from = index([n, channel, ...place], [s.batch, inner, ...s.sizes]);
        const weight = index([m, c, ...window], [outer, perGroup, ...s.kernel]);
        dx[from] += cotangent * w[weight];
        dw[weight] += cotangent * x[from];
      }
    }
  }
  return { dx, dw };
}

/** Largest error of the gradients, relative to the largest element of each and to the allowed 1e-6 or 1e-13. */
async function errorOf(
  s: Shape,
  precision: Precision,
  batch: number | 'N',
  rewrite = (bytes: Uint8Array) => bytes,
  keepsWeights = false,
): Promise<number> {
  const shapes = {
    x: [s.batch, s.channels[0], ...s.sizes],
    w: [s.channels[1], s.channels[0] / s.group, ...s.kernel],
  };
  const sizes = { ...shapes, d: [s.batch, s.channels[1], ...outSizes(s)] };
  const g = graph({ precision });
  const { strides, dilations, pads, group } = s;
  const [x, w] = [g.input('x', [batch, ...sizes.x.slice(1)]), g.input('w', sizes.w)];
  const y = g.op('Conv', [x, w], { strides, dilations, pads, group });
  g.output('y', g.mul(y, g.input('d', [batch, ...sizes.d.slice(1)])));
  const loss: LossFunction = (l, { outputs: [products] }) => l.sumOfAll(products);
  const { differentiated } = differentiateGraph(g.toBytes(), { loss, wrt: ['x', 'w'] }, keepsWeights);
  const bytes = rewrite(differentiated.bytes);
  // Numbers that both precisions have.
  const drawn = (of: readonly number[], seed: number) => direction(product(of), seed).map(Math.fround);
  const values = { x: drawn(sizes.x, 1), w: drawn(sizes.w, 2), d: drawn(sizes.d, 3) };
  const tensor = (name: keyof typeof values) => {
    const numbers =
      precision === 'float64' ? Float64Array.from(values[name]) : Float32Array.from(values[name]);
    return new ort.Tensor(precision, numbers, sizes[name]);
  };
  const session = await ort.InferenceSession.create(bytes, quiet);
  const feeds = { x: tensor('x'), w: tensor('w'), d: tensor('d') };
  // The second run finds what the first has left in memory.
  await session.run(feeds);
  const results = await session.run(feeds);
  await session.release();
  const { dx, dw } = reference(s, values.x, values.w, values.d);
  const errors = Object.entries({ x: dx, w: dw }).map(([name, exact]) => {
    const { data } = results[gradientNameOf(name)];
    if (data.length !== exact.length) return Infinity;
    const largest = Math.max(...exact.map(Math.abs), 1e-3);
    return Math.max(...exact.map((value, i) => Math.abs(value - Number(data[i])))) / largest;
  });
  return Math.max(...errors) / (precision === 'float64' ? 1e-13 : 1e-6);
}

const plain = { batch: 3, group: 1 } as const;
/** A shape of two axes, with the same steps along both. */
const square = (
  channels: readonly [number, number],
  size: number,
  k: number,
  { stride = 1, pad = 0, dilation = 1, group = 1 } = {},
): Shape => ({
  batch: 3,
  channels,
  group,
  sizes: [size, size + 1],
  kernel: [k, k],
  strides: [stride, stride],
  dilations: [dilation, dilation],
  pads: [pad, pad, pad, pad],
});

const table: readonly (readonly [string, Shape])[] = [
  ['windows of one element', square([4, 3], 5, 1)],
  ['windows of one element and many channels', square([9, 8], 2, 1)],
  ['windows of one element with strides', square([4, 3], 6, 1, { stride: 2 })],
  ['windows of one element with padding', square([4, 3], 5, 1, { pad: 1 })],
  ['windows of one element in groups', square([4, 6], 5, 1, { group: 2 })],
  ['one channel', square([1, 4], 8, 3, { pad: 1 })],
  ['one channel and a wide window', square([1, 3], 12, 5, { pad: 2 })],
  ['one channel with strides', square([1, 4], 12, 3, { stride: 2, pad: 1 })],
  ['one channel with dilation', square([1, 4], 12, 3, { dilation: 2, pad: 1 })],
  ['one channel and a prime height', square([1, 4], 9, 3)],
  ['more channels in than out', square([6, 4], 7, 3, { pad: 1 })],
  ['more channels in than out, with dilation', square([5, 5], 9, 3, { dilation: 2, pad: 1 })],
  ['more padding than a window reaches back', square([4, 3], 5, 2, { pad: 2 })],
  ['more channels out than in', square([3, 6], 7, 3, { pad: 1 })],
  ['strides that leave the end out', square([3, 4], 8, 3, { stride: 2 })],
  [
    'windows that see padding only',
    { ...square([3, 8], 1, 1, { stride: 2 }), sizes: [1, 1], pads: [1, 0, 0, 0], batch: 2 },
  ],
  ['groups', square([6, 6], 7, 3, { pad: 1, group: 3 })],
  ['groups of fewer channels out', square([6, 3], 7, 3, { pad: 1, group: 3 })],
  ['depthwise', square([5, 5], 7, 3, { pad: 1, group: 5 })],
  ['depthwise with strides', square([4, 4], 8, 3, { stride: 2, pad: 1, group: 4 })],
  ['depthwise with dilation', square([4, 4], 9, 3, { dilation: 2, pad: 2, group: 4 })],
  ['depthwise where a row of the window sees padding only', square([2, 2], 2, 5, { pad: 3, group: 2 })],
  ['depthwise with two results a channel', square([3, 6], 7, 3, { pad: 1, group: 3 })],
  ['depthwise, wide', { ...square([2, 2], 3, 3, { pad: 1, group: 2 }), sizes: [3, 97] }],
  [
    'uneven padding',
    { ...square([1, 1], 8, 3), kernel: [3, 2], pads: [0, 1, 2, 0], strides: [1, 2], batch: 2 },
  ],
  ['depthwise with uneven padding', { ...square([3, 3], 6, 3, { group: 3 }), pads: [0, 2, 1, 0] }],
  [
    'signals of one channel',
    { ...plain, channels: [1, 4], sizes: [12], kernel: [3], strides: [1], dilations: [1], pads: [1, 1] },
  ],
  [
    'signals of one channel with strides',
    { ...plain, channels: [1, 4], sizes: [13], kernel: [4], strides: [2], dilations: [1], pads: [1, 0] },
  ],
  [
    'depthwise signals',
    {
      batch: 2,
      group: 4,
      channels: [4, 4],
      sizes: [9],
      kernel: [3],
      strides: [1],
      dilations: [2],
      pads: [2, 2],
    },
  ],
  [
    'volumes of one channel',
    {
      ...plain,
      channels: [1, 2],
      sizes: [4, 5, 3],
      kernel: [3, 2, 2],
      strides: [1, 2, 1],
      dilations: [1, 1, 1],
      pads: [1, 0, 1, 1, 0, 0],
    },
  ],
  [
    'volumes',
    {
      ...plain,
      channels: [4, 2],
      sizes: [4, 3, 4],
      kernel: [2, 2, 3],
      strides: [1, 1, 1],
      dilations: [1, 1, 1],
      pads: [1, 0, 1, 0, 1, 1],
    },
  ],
];

test.each(table)('gradients of a convolution are those of its definition: %s', async (_, shape) => {
  for (const precision of ['float32', 'float64'] as const) {
    for (const batch of [shape.batch, 'N'] as const)
      expect(await errorOf(shape, precision, batch)).toBeLessThan(1);
  }
});

const axis = fc.record({
  kernel: fc.integer({ min: 1, max: 4 }),
  stride: fc.integer({ min: 1, max: 3 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  begin: fc.nat(2),
  end: fc.nat(2),
  extra: fc.nat(6),
});

const shapes: fc.Arbitrary<Shape> = fc
  .record({
    axes: fc.array(axis, { minLength: 1, maxLength: 3 }),
    batch: fc.integer({ min: 1, max: 3 }),
    channels: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    group: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ axes, batch, channels, group }) => ({
    batch,
    group,
    channels: [channels[0] * group, channels[1] * group],
    sizes: axes.map(({ kernel, dilation, extra }) => (kernel - 1) * dilation + 1 + extra),
    kernel: axes.map(({ kernel }) => kernel),
    strides: axes.map(({ stride }) => stride),
    dilations: axes.map(({ dilation }) => dilation),
    pads: [...axes.map(({ begin }) => begin), ...axes.map(({ end }) => end)],
  }));

test('gradients of random convolutions are those of their definition', async () => {
  const precision = fc.constantFrom<Precision>('float32', 'float64');
  const property = fc.asyncProperty(shapes, precision, fc.boolean(), async (shape, type, isFree) => {
    expect(await errorOf(shape, type, isFree ? 'N' : shape.batch)).toBeLessThan(1);
  });
  await fc.assert(property, { numRuns: 150, seed: 19 });
});

/** Shapes of images that ONNX Runtime's blocked layout may take, with padding of channels and without. */
const images: fc.Arbitrary<Shape> = fc
  .record({
    axes: fc.array(axis, { minLength: 2, maxLength: 2 }),
    batch: fc.integer({ min: 1, max: 18 }),
    channels: fc.tuple(fc.constantFrom(3, 4, 8, 12, 16, 20, 32), fc.constantFrom(8, 12, 16, 20, 24, 32)),
    depth: fc.constantFrom(0, 0, 8, 12, 16, 36),
  })
  .map(({ axes, batch, channels, depth }) => ({
    batch,
    group: depth || 1,
    channels: depth ? ([depth, depth] as const) : channels,
    sizes: axes.map(({ kernel, dilation, extra }) => (kernel - 1) * dilation + 1 + extra),
    kernel: axes.map(({ kernel }) => kernel),
    strides: axes.map(({ stride }) => stride),
    dilations: axes.map(({ dilation }) => dilation),
    pads: [...axes.map(({ begin }) => begin), ...axes.map(({ end }) => end)],
  }));

test('gradients of random convolutions in blocks are those of their definition', async () => {
  const size = await blockSize(ort);
  // Where ONNX Runtime has no blocks there is nothing to test.
  if (size === 0) return;
  let written = 0;
  const rewrite = (bytes: Uint8Array) => {
    const result = inBlocks(bytes, size);
    if (result !== bytes) written++;
    return result;
  };
  const property = fc.asyncProperty(
    images,
    fc.boolean(),
    fc.boolean(),
    async (shape, isFree, keepsWeights) => {
      const batch = isFree ? 'N' : shape.batch;
      expect(await errorOf(shape, 'float32', batch, rewrite, keepsWeights)).toBeLessThan(1);
    },
  );
  await fc.assert(property, { numRuns: 200, seed: 19 });
  expect(written).toBeGreaterThan(120);
});

const even = (channels: readonly [number, number], sizes: readonly number[], kernel: readonly number[]) => ({
  ...square(channels, 8, 3, { stride: 2 }),
  sizes,
  kernel,
});

test.each([
  ['3 × 3, padding on both sides', { ...even([16, 32], [8, 12], [3, 3]), pads: [1, 1, 1, 1] }],
  ['padding at the end', { ...even([32, 16], [6, 8], [3, 3]), pads: [0, 0, 1, 1] }],
  ['4 × 4', { ...even([20, 16], [8, 6], [4, 4]), pads: [1, 1, 1, 1] }],
  ['5 × 2', { ...even([16, 20], [8, 6], [5, 2]), pads: [2, 0, 1, 0] }],
  ['strides of 3 and 2', { ...even([16, 16], [9, 8], [5, 3]), pads: [1, 1, 1, 0], strides: [3, 2] }],
  ['an image of one place', { ...even([16, 16], [2, 2], [3, 3]), pads: [1, 1, 0, 0] }],
] as const)('a transposed convolution with strides is written in phases: %s', async (_, shape) => {
  const size = await blockSize(ort);
  if (size === 0) return;
  let left = -1;
  const rewrite = (bytes: Uint8Array) => {
    const result = inBlocks(bytes, size);
    const nodes = fromBinary(ModelProtoSchema, result).graph?.node ?? [];
    left = nodes.filter(({ opType }) => opType === 'ConvTranspose').length;
    return result;
  };
  for (const batch of [3, 'N'] as const)
    expect(await errorOf(shape, 'float32', batch, rewrite)).toBeLessThan(1);
  expect(left).toBe(0);
});

test.each([
  ['of a block', [2, 1], square([0, 0], 8, 3, { pad: 1 }), 1],
  ['of few channels', [0, 1], square([3, 0], 6, 3, { pad: 1 }), 1],
  ['of as few channels', [1, 1], square([0, 0], 8, 5, { pad: 2 }), 2],
  ['to more filters', [1, 2], square([0, 0], 8, 3, { pad: 1 }), 1],
  ['with uneven padding', [2, 1], { ...square([0, 0], 7, 3), kernel: [4, 2], pads: [2, 0, 0, 1] }, 1],
  ['of two rows', [2, 1], { ...square([0, 0], 2, 3), kernel: [3, 1], pads: [1, 0, 1, 0] }, 1],
  ['of odd height', [2, 1], square([0, 0], 7, 3, { pad: 1 }), 0],
  ['with strides', [2, 1], square([0, 0], 8, 3, { stride: 2, pad: 1 }), 0],
  ['with dilation', [2, 1], square([0, 0], 8, 3, { dilation: 2, pad: 2 }), 0],
  ['whose window is one row', [2, 1], { ...square([0, 0], 8, 1), kernel: [1, 3], pads: [0, 1, 0, 1] }, 0],
] as const)('half a block of filters is filled by two rows: %s', async (_, halves, given, expected) => {
  const size = await blockSize(ort);
  if (size === 0) return;
  const [inner, outer] = halves.map((count, i) => (count * size) / 2 || given.channels[i]);
  const shape = { ...given, channels: [inner, outer] as const };
  let written = -1;
  const rewrite = (bytes: Uint8Array) => {
    const result = inBlocks(bytes, size);
    const nodes = fromBinary(ModelProtoSchema, result).graph?.node ?? [];
    written = nodes.filter(
      (node) => node.domain !== '' && attributesOf(node).ints('strides')?.join() === '2,1',
    ).length;
    return result;
  };
  for (const batch of [1, 3, 'N'] as const)
    expect(
      await errorOf({ ...shape, batch: batch === 'N' ? 2 : batch }, 'float32', batch, rewrite),
    ).toBeLessThan(1);
  expect(written).toBe(expected);
});

test.each([
  ['16 channels', square([16, 16], 8, 3, { pad: 1 })],
  ['two blocks of channels', square([32, 16], 8, 3, { pad: 1 })],
  ['fewer channels than a block', square([3, 24], 8, 5, { pad: 2 })],
  ['fewer filters than a block', square([6, 12], 8, 3)],
  ['channels in no whole block', square([20, 20], 8, 3, { pad: 1 })],
  ['one channel', square([1, 32], 12, 3, { stride: 2, pad: 1 })],
  ['strides that leave the end out', square([16, 32], 13, 3, { stride: 2 })],
  [
    'strides of one axis that leave the end out',
    { ...square([16, 16], 9, 3), strides: [2, 1], sizes: [12, 9] },
  ],
  ['uneven padding', { ...square([16, 32], 9, 3), kernel: [5, 2], pads: [1, 0, 3, 1] }],
  ['dilation of rows', { ...square([16, 16], 9, 3, { pad: 1 }), dilations: [2, 1] }],
  ['padding beyond the image', square([16, 16], 3, 2, { pad: 2 })],
  ['depthwise', square([16, 16], 8, 3, { pad: 1, group: 16 })],
  ['depthwise, in no whole block', square([36, 36], 8, 3, { pad: 1, group: 36 })],
  ['depthwise with strides', square([16, 16], 12, 3, { stride: 2, pad: 1, group: 16 })],
  ['depthwise with strides that leave the end out', square([16, 16], 13, 3, { stride: 2, group: 16 })],
  ['depthwise with dilation', square([16, 16], 9, 3, { dilation: 2, pad: 2, group: 16 })],
  ['depthwise with a wide window', { ...square([32, 32], 8, 5, { group: 32 }), pads: [2, 1, 2, 3] }],
] as const)('the gradient of a weight is summed over samples in blocks: %s', async (_, shape) => {
  const size = await blockSize(ort);
  if (size === 0) return;
  let written = 0;
  const rewrite = (bytes: Uint8Array) => {
    const result = inBlocks(bytes, size);
    const nodes = fromBinary(ModelProtoSchema, result).graph?.node ?? [];
    written = nodes.filter(({ opType }) => opType === 'Scan').length;
    return result;
  };
  for (const batch of [3, 'N'] as const)
    expect(await errorOf(shape, 'float32', batch, rewrite, true)).toBeLessThan(1);
  expect(written).toBe(1);
});

test('without blocks, gradients that are still one node are written in standard ops', async () => {
  const shape = square([16, 16], 8, 3, { pad: 1 });
  const rewrite = (bytes: Uint8Array) => {
    const result = inBlocks(bytes, 0);
    const domains = fromBinary(ModelProtoSchema, result).graph?.node.map(({ domain }) => domain);
    expect(new Set(domains)).toEqual(new Set(['']));
    return result;
  };
  expect(await errorOf(shape, 'float32', 'N', rewrite, true)).toBeLessThan(1);
});
