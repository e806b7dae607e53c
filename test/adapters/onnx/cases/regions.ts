import * as fc from 'fast-check';
import { DType } from '../../../../src/adapters/onnx/ir/tensor.ts';
import {
  axisOf,
  integerInput,
  oneOf,
  random,
  realInput,
  seed,
  shapeOf,
  type Case,
  type Cases,
} from './arbitrary.ts';
import { contributed } from './expansions.ts';

const few = fc.integer({ min: 1, max: 2 });

/** Corners of regions, x₁, y₁, x₂, y₂: some reach beyond the image. */
const cornersOf = (count: number, drawn: number) => {
  const next = random(drawn);
  return Array.from({ length: count }, () => {
    const [x, y] = [-0.7 + 3 * next(), -0.7 + 3 * next()];
    return [x, y, x + 0.3 + 3.1 * next(), y + 0.3 + 3.1 * next()];
  });
};

const roiAlign: fc.Arbitrary<Case> = fc
  .record({
    n: few,
    c: few,
    size: fc.tuple(fc.integer({ min: 2, max: 4 }), fc.integer({ min: 2, max: 4 })),
    count: fc.integer({ min: 1, max: 3 }),
    mode: oneOf('avg', 'max'),
    coordinates: oneOf('half_pixel', 'output_half_pixel'),
    ratio: fc.nat(2),
    bins: fc.tuple(few, few),
    scale: oneOf(1, 0.5),
    seed,
    dynamic: fc.boolean(),
  })
  .map(({ n, c, size, count, mode, coordinates, ratio, bins, scale, seed, dynamic }) => ({
    inputs: {
      x: realInput([n, c, ...size], seed, { low: -9, high: 9, distinct: true }),
      regions: {
        shape: [count, 4],
        values: cornersOf(count, seed)
          .flat()
          .map((v) => v / scale),
      },
      batch: integerInput([count], seed + 1, n),
    },
    build: (g, { x, regions, batch }) =>
      g.op('RoiAlign', [x, regions, batch], {
        mode,
        coordinate_transformation_mode: coordinates,
        sampling_ratio: ratio,
        output_height: bins[0],
        output_width: bins[1],
        spatial_scale: scale,
      }),
    options: { dynamic },
  }));

const maxRoiPool: fc.Arbitrary<Case> = fc
  .record({
    n: few,
    c: few,
    count: few,
    bins: fc.tuple(few, few),
    scale: oneOf(1, 0.5),
    seed,
    dynamic: fc.boolean(),
  })
  .map(({ n, c, count, bins, scale, seed, dynamic }) => ({
    inputs: { x: realInput([n, c, 4, 3], seed, { low: -9, high: 9, distinct: true }) },
    build: (g, { x }) => {
      const corners = cornersOf(count, seed).flatMap((each, i) => [i % n].concat(each.map((v) => v / scale)));
      const regions = g.constant(g.floatTypeOf(x), [count, 5], corners);
      return g.op('MaxRoiPool', [x, regions], { pooled_shape: bins, spatial_scale: scale });
    },
    options: { dynamic },
  }));

const lpPool: fc.Arbitrary<Case> = fc
  .record({
    rank: few,
    p: oneOf(1, 2, 3),
    kernel: oneOf(1, 2, 3),
    stride: oneOf(1, 2, 3),
    pad: fc.tuple(fc.nat(1), fc.nat(2)),
    dilation: oneOf(1, 2),
    ceil: fc.nat(1),
    seed,
    dynamic: fc.boolean(),
  })
  .map(({ rank, p, kernel, stride, pad, dilation, ceil, seed, dynamic }) => {
    const each = (value: number) => Array.from({ length: rank }, () => value);
    const pads = pad.flatMap((size) => each(Math.min(size, kernel - 1)));
    return {
      inputs: { x: realInput([2, 2, ...[6, 5].slice(0, rank)], seed, { avoid: [0] }) },
      build: (g, { x }) =>
        g.op('LpPool', [x], {
          kernel_shape: each(kernel),
          strides: each(stride),
          dilations: each(dilation),
          pads,
          ceil_mode: ceil,
          p,
        }),
      options: { dynamic },
    };
  });

const distances: fc.Arbitrary<Case> = fc
  .record({ metric: oneOf('euclidean', 'sqeuclidean'), seed, dynamic: fc.boolean() })
  .map(({ metric, seed, dynamic }) => ({
    inputs: { a: realInput([3, 2], seed), b: realInput([2, 2], seed + 1) },
    build: (g, { a, b }) => contributed(g, 'CDist', [a, b], { metric })[0],
    options: { dynamic },
  }));

/** Ops on regions of images and windows: written in others before anything is differentiated. */
export const regionCases: Cases = new Map([
  ['RoiAlign', roiAlign],
  ['MaxRoiPool', maxRoiPool],
  ['LpPool, dilated or with more windows', lpPool],
  ['com.microsoft::CDist', distances],
]);

const sized: fc.Arbitrary<Case> = fc
  .record({
    rank: few,
    kernel: fc.integer({ min: 1, max: 4 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: few,
    group: few,
    way: oneOf('SAME_UPPER', 'SAME_LOWER', 'output_shape', 'output_shape, SAME_UPPER'),
    less: fc.integer({ min: -2, max: 3 }),
    bias: fc.boolean(),
    seed,
  })
  .map(({ rank, kernel, stride, dilation, group, way, less, bias, seed }) => {
    const each = (value: number) => Array.from({ length: rank }, () => value);
    const natural = 2 * stride + dilation * (kernel - 1) + 1;
    const shortened = Math.max(1, natural - Math.max(less, 1 - stride));
    const given = way.startsWith('output_shape');
    return {
      inputs: {
        x: realInput([2, 2 * group, ...each(3)], seed),
        w: realInput([2 * group, 2, ...each(kernel)], seed + 1),
        ...(bias && { b: realInput([2 * group], seed + 2) }),
      },
      build: (g, { x, w, b }) =>
        g.op('ConvTranspose', [x, w, b], {
          strides: each(stride),
          dilations: each(dilation),
          group,
          ...(given && { output_shape: each(shortened) }),
          ...(way !== 'output_shape' && { auto_pad: given ? 'SAME_UPPER' : way }),
        }),
    };
  });

const unique: fc.Arbitrary<Case> = shapeOf(1, 2).chain((shape) =>
  fc
    .record({ axis: fc.option(axisOf(shape.length), { nil: undefined }), sorted: fc.nat(1), seed })
    .map(({ axis, sorted, seed }) => ({
      inputs: { x: realInput(shape, seed, { distinct: true, low: -9, high: 9 }) },
      build: (g, { x }) => {
        // Everything is there twice.
        const twice = g.concat([x, x], axis ?? 0);
        return g.square(g.ops('Unique', [twice], { axis, sorted }, 1)[0]);
      },
    })),
);

const nBits: fc.Arbitrary<Case> = fc
  .record({
    zeros: oneOf('none', 'packed'),
    bias: fc.boolean(),
    short: fc.boolean(),
    bits: oneOf(4, 8),
    seed,
  })
  .map(({ zeros, bias, short, bits, seed }) => {
    const [rows, depth] = [3, short ? 40 : 32];
    const blocks = Math.ceil(depth / 16);
    const packed = integerInput([rows, blocks, 2 * bits], seed, 256);
    const offsets = integerInput([rows * Math.ceil((blocks * bits) / 8)], seed + 1, 256);
    return {
      inputs: {
        x: realInput([2, 2, depth], seed + 2, { low: -0.3, high: 0.3 }),
        scales: realInput([rows * blocks], seed + 3, { low: 0.01, high: 0.02 }),
        ...(bias && { b: realInput([rows], seed + 4) }),
      },
      build: (g, { x, scales, b }) => {
        const bytes = g.constant(DType.UINT8, packed.shape, packed.values);
        const zero = zeros === 'none' ? '' : g.constant(DType.UINT8, offsets.shape, offsets.values);
        const attributes = { K: depth, N: rows, bits, block_size: 16 };
        return contributed(g, 'MatMulNBits', [x, bytes, scales, zero, '', b ?? ''], attributes)[0];
      },
    };
  });

const gatherBlocks: fc.Arbitrary<Case> = fc
  .record({ zeros: fc.boolean(), bits: oneOf(4, 8), seed })
  .map(({ zeros, bits, seed }) => {
    const table = integerInput([4, (32 * bits) / 8], seed, 256);
    const offsets = integerInput([4, Math.ceil((2 * bits) / 8)], seed + 1, 256);
    return {
      inputs: { scales: realInput([4, 2], seed + 2), indices: integerInput([2, 3], seed + 3, 4) },
      build: (g, { scales, indices }) => {
        const bytes = g.constant(DType.UINT8, table.shape, table.values);
        const zero = zeros ? g.constant(DType.UINT8, offsets.shape, offsets.values) : '';
        const attributes = { bits, block_size: 16, gather_axis: 0, quantize_axis: 1 };
        return contributed(g, 'GatherBlockQuantized', [bytes, indices, scales, zero], attributes)[0];
      },
    };
  });

/** Ops that stay in the graph. */
export const keptCases: Cases = new Map([
  ['ConvTranspose, to a size', sized],
  ['Unique', unique],
  ['com.microsoft::MatMulNBits', nBits],
  ['com.microsoft::GatherBlockQuantized', gatherBlocks],
]);
