/**
 * Products and tables whose weights are integers of a few bits, with a scale for each block.
 *
 * @module
 */
import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { axisFrom, range, unknownDimension } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';

/** Unpacks bytes along the last axis, `[…, n] → […, n·8/bits]`: the lowest bits come first. */
export function unpacked(g: Builder, bytes: Value, bits: number): Value {
  const whole = g.cast(bytes, DType.INT32);
  if (bits === 8) return whole;
  if (bits !== 2 && bits !== 4) refuse(`${bits} bits have no rule; 2, 4 and 8 have.`);
  const rank = g.rank(bytes);
  const powers = range(8 / bits).map((i) => 2 ** (bits * i));
  const shifted = g.div(g.unsqueeze(whole, [rank]), g.constant(DType.INT32, [powers.length], powers));
  const numbers = g.mod(shifted, g.scalar(2 ** bits, DType.INT32));
  const last = g.mul(g.sizes(bytes, [rank - 1]), powers.length);
  return g.reshapeTo(numbers, g.concat([g.sizes(bytes, range(rank - 1)), last], 0));
}

/** A matrix `[N, K]` from bytes, with scales and zero points for blocks of its rows. */
function matrixOf(g: Builder, node: { readonly input: readonly string[] }, attributes: Attributes): Value {
  const [, packed, scales, zeros, groups] = node.input;
  if (groups) refuse('g_idx has no rule.');
  const [depth, rows] = [attributes.int('K', 0), attributes.int('N', 0)];
  const [bits, block] = [attributes.int('bits', 4), attributes.int('block_size', 0)];
  if (!(depth > 0 && rows > 0 && block > 0)) refuse('K, N and block_size must be positive.');
  const blocks = Math.ceil(depth / block);
  const dtype = g.floatTypeOf(scales);
  const numbers = g.cast(g.reshape(unpacked(g, packed, bits), [rows, blocks, block]), dtype);
  const each = (v: Value) => g.reshape(v, [rows, blocks, 1]);
  const offset = () => {
    if (!zeros) return g.scalar(2 ** (bits - 1), dtype);
    if (g.isFloat(zeros)) return each(zeros);
    const perRow = g.reshape(zeros, [rows, Math.ceil((blocks * bits) / 8)]);
    return each(g.cast(g.slice(unpacked(g, perRow, bits), 0, blocks, 1), dtype));
  };
  const weight = g.mul(g.sub(numbers, offset()), each(scales));
  const whole = g.reshape(weight, [rows, blocks * block]);
  return blocks * block === depth ? whole : g.slice(whole, 0, depth, 1);
}

/** x·Wᵀ + bias, where W consists of integers in blocks; scales, zero points and bias have gradients. */
const matMulNBits: Lowering = (g, node, attributes) => {
  const [x, , , , , bias] = node.input;
  const product = g.matmul(x, g.swap(matrixOf(g, node, attributes)));
  return [bias ? g.add(product, bias) : product];
};

const inferNBits: InferRule = (c) => [
  { dtype: c.dtype(0), shape: c.shape(0) && [...(c.shape(0) ?? []).slice(0, -1), c.attributes.int('N', 0)] },
];

/** Rows of a table of integers in blocks along its last axis, each multiplied by its scale. */
const gatherBlocks: Lowering = (g, node, attributes) => {
  const [table, indices, scales, zeros] = node.input;
  const rank = g.rank(table);
  const [first, quantized] = [attributes.int('gather_axis', 0), attributes.int('quantize_axis', 1)];
  if (axisFrom(first, rank) !== 0 || axisFrom(quantized, rank) !== rank - 1)
    refuse('it has a rule only for rows of a table that is quantized along its last axis.');
  const bits = g.dtypeOf(table) === DType.UINT8 ? attributes.int('bits', 4) : 4;
  const isPacked = g.dtypeOf(table) === DType.UINT8;
  const dtype = g.floatTypeOf(scales);
  const block = attributes.int('block_size', 128);
  const numbersOf = (v: Value) => (isPacked ? unpacked(g, v, bits) : g.cast(v, DType.INT32));
  // Integers of 4 bits have no Gather: they are converted first.
  const rows = (v: Value) => (isPacked ? numbersOf(g.gather(v, indices)) : g.gather(numbersOf(v), indices));
  const numbers = g.cast(rows(table), dtype);
  const size = g.sizes(numbers, [-1]);
  const at = g.div(g.places(size), g.integers([block]));
  const spread = (v: Value) => g.gather(v, at, g.rank(numbers) - 1);
  const scale = spread(g.gather(scales, indices));
  const middle = () => (isPacked ? g.scalar(2 ** (bits - 1), dtype) : g.scalar(0, dtype));
  const offset = zeros ? spread(g.cast(rows(zeros), dtype)) : middle();
  return [g.mul(g.sub(numbers, offset), scale)];
};

const inferBlocks: InferRule = (c) => {
  const [table, indices] = [c.shape(0), c.shape(1)];
  const shape = table && indices && [...indices, ...table.slice(1, -1), unknownDimension()];
  return [{ dtype: c.dtype(2), shape }];
};

/** Numbers that 4 bits of the package bitsandbytes stand for: floats of 4 bits, and quantiles of a normal distribution. */
const fourBits = [
  [0, 1 / 192, 2 / 3, 1, 1 / 3, 1 / 2, 1 / 6, 1 / 4],
  [
    -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
  ],
];

/** x·W, where the elements of Wᵀ are numbers of a table, the higher bits of a byte first, with a scale for each block. */
const matMulBnb4: Lowering = (g, { input: [x, packed, scales] }, attributes) => {
  const [depth, columns] = [attributes.int('K', 0), attributes.int('N', 0)];
  const block = attributes.int('block_size', 0);
  if (attributes.int('transB', 1) !== 1) refuse('transB = 0 has no rule.');
  if ((depth * columns) % block !== 0) refuse('it has a rule only for a whole number of blocks.');
  const half = fourBits[attributes.int('quant_type', 1)] ?? refuse('its quant_type must be 0 or 1.');
  const table = half.length === 16 ? half : [...half, ...half.map((v) => -v)];
  const pairs = g.reshape(unpacked(g, packed, 4), [-1, 2]);
  const numbers = g.gather(pairs, g.integers([1, 0]), 1);
  const dtype = g.floatTypeOf(scales);
  const steps = g.gather(g.constant(dtype, [16], table), g.reshape(numbers, [-1, block]));
  const weight = g.reshape(g.mul(steps, g.reshape(scales, [-1, 1])), [columns, depth]);
  return [g.matmul(x, g.swap(weight))];
};

/** Ops of language models with weights of a few bits. */
export const blockQuantized: OpTable = {
  'com.microsoft::MatMulNBits': { infer: inferNBits, as: { float64: matMulNBits } },
  'com.microsoft::MatMulBnb4': { infer: inferNBits, as: { float64: matMulBnb4 } },
  'com.microsoft::GatherBlockQuantized': { infer: inferBlocks, as: { float64: gatherBlocks } },
};
