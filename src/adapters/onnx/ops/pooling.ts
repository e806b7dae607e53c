import { inferGlobalPool } from './quantizedTypes.ts';
import { sizeOf } from '../../../core/layout.ts';
import type { NodeProto } from 'onnx-buf';
import type { AttributeValues } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { spatialAxes } from '../ir/channels.ts';
import { refuse } from '../ir/errors.ts';
import type { InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import { nodeOf } from '../ir/node.ts';
import type { Lowering, Op, OpTable } from '../ir/op.ts';
import { isStatic, range, unknownShape } from '../ir/shape.ts';
import type { VjpContext, VjpRule } from '../ir/vjp.ts';
import { windowOf } from '../ir/window.ts';
import { averagePoolByColumns } from './columns.ts';
import { imageSamples, movesIntegers, repeating } from './common.ts';
import { throughPooledRelu } from './reluMask.ts';
import { lpPool } from './lpPool.ts';
import { alongAxis } from './resize.ts';
import { maxOfPairs, poolsPairs } from './pooledPairs.ts';
import { maxOfRows, poolsWholeRows } from './wholeRows.ts';
import { outputSizes, windowIn } from './windows.ts';
import { mapMaxPool, mapSamples } from './vmap/broadcasting.ts';

export const inferPool: InferRule = (c) => {
  const x = c.shape(0);
  const kernel = c.attributes.ints('kernel_shape');
  const dtype = c.dtype(0);
  if (x === undefined || kernel === undefined) return [{ dtype }];
  const window = windowIn(c, kernel);
  const spatial = window
    ? outputSizes(x, window, c.attributes.int('ceil_mode', 0) === 1)
    : unknownShape(x.length - 2);
  const shape = [...x.slice(0, 2), ...spatial];
  return [
    { dtype, shape },
    { dtype: 7, shape },
  ];
};

/**
 * Replaces `ceil_mode` by padding at the end, which affects neither maxima nor means. ONNX Runtime drops a window that
 * begins in the padding at the end, but its shape inference counts it, and then rejects the actual sizes.
 */
const withoutCeil: Lowering = (g, node, attributes) => {
  if (attributes.int('ceil_mode', 0) === 0) return withoutAuto(g, node, attributes);
  const x = g.shapeOf(node.input[0]);
  const kernel = attributes.ints('kernel_shape');
  if (!isStatic(x?.slice(2)) || x === undefined || kernel === undefined) return undefined;
  const window = windowOf(attributes, x, kernel);
  const { strides, dilations, pads } = window;
  const rank = kernel.length;
  const [sizes, floor] = [outputSizes(x, window, true), outputSizes(x, window, false)];
  const more = sizes.map((size, i) => {
    const reached = (Number(size) - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1;
    const end = Math.max(pads[i + rank], reached - Number(x[i + 2]) - pads[i]);
    return size === floor[i] ? pads[i + rank] : end;
  });
  // ONNX Runtime pads by less than a window.
  if (more.some((end, i) => end >= kernel[i] && end !== pads[i + rank])) return undefined;
  const counted = attributes.int('count_include_pad', 0) === 1;
  if (counted && more.some((end, i) => end !== pads[i + rank])) return undefined;
  const outputs = g.ops(
    node.opType,
    [node.input[0]],
    {
      kernel_shape: kernel,
      strides,
      dilations: dilations.some((dilation) => dilation !== 1) ? dilations : undefined,
      pads: [...pads.slice(0, rank), ...more],
      count_include_pad: counted ? 1 : undefined,
      storage_order: attributes.has('storage_order') ? attributes.int('storage_order', 0) : undefined,
    },
    node.output.length,
  );
  return outputs;
};

/**
 * A pooling with SAME and dilations as one with pads: ONNX Runtime pads as if there were no dilations, but its inference
 * of shapes does not, and then takes other sizes for a mistake.
 */
const withoutAuto: Lowering = (g, node, attributes) => {
  const kernel = attributes.ints('kernel_shape');
  const dilated = attributes.ints('dilations')?.some((dilation) => dilation !== 1) ?? false;
  if (!dilated || !attributes.string('auto_pad', 'NOTSET').startsWith('SAME') || kernel === undefined)
    return undefined;
  const outputs = node.output.map((name) => name && g.fresh(node.opType));
  const pooled = nodeOf(node.opType, node.input, outputs, {
    pads: [...windowOf(attributes, g.shapeOf(node.input[0]), kernel).pads],
  });
  pooled.attribute.push(...node.attribute.filter(({ name }) => name !== 'auto_pad' && name !== 'pads'));
  g.append(pooled);
  return outputs.map((name) => name || undefined);
};

/** Each maximum's cotangent goes to the element that the pooling took: the first of those that are equal. */
const maxPool: VjpRule = (c) => {
  const {
    g,
    inputs: [x],
    outputs: [y],
  } = c;
  return [throughPooledRelu(g, x, y, c.dy, spreadOf(c))];
};

function spreadOf(c: VjpContext): Spread {
  if (!c.g.isFloat(c.inputs[0])) return maxPoolByIndices(c);
  if (poolsWholeRows(c)) return maxOfRows(c);
  if (!liesSideBySide(c)) return maxPoolByIndices(c);
  return poolsPairs(c) ? maxOfPairs(c) : maxPoolByComparison(c);
}

/** From the cotangent of a pooling's result to that of its input. */
type Spread = (dy: Value) => Value;

const maxPoolByIndices = ({ g, node, inputs: [x], attributes }: VjpContext): Spread => {
  const byColumns = attributes.int('storage_order', 0) !== 0;
  const places = byColumns ? placesByRows(g, node) : g.extraOutput(node, 1);
  return (dy) => {
    const zeros = g.filled(g.size(x), 0, g.dtypeOf(dy));
    return g.reshapeLike(g.scatterAdd(zeros, g.flat(places), g.flat(dy), 0), x);
  };
};

/** The indices of a MaxPool that counts them column by column, counted row by row. */
function placesByRows(g: Builder, { opType, input, attribute }: NodeProto): Value {
  const again = nodeOf(opType, input, [g.fresh(opType), g.fresh(opType)]);
  again.attribute = attribute.filter(({ name }) => name !== 'storage_order');
  g.append(again);
  return again.output[1];
}

/** True if the windows neither overlap nor leave anything out. */
function liesSideBySide({ g, inputs: [x], attributes }: VjpContext): boolean {
  const kernel = attributes.ints('kernel_shape') ?? [];
  const strides = attributes.ints('strides') ?? kernel.map(() => 1);
  const sizes = g.shapeOf(x)?.slice(2) ?? [];
  const auto = attributes.string('auto_pad', 'NOTSET');
  return (
    sizes.length === kernel.length &&
    kernel.every((k, i) => k === strides[i] || k === sizes[i]) &&
    sizes.every((size, i) => typeof size === 'number' && size % kernel[i] === 0) &&
    !(attributes.ints('pads') ?? []).some((pad) => pad !== 0) &&
    !(attributes.ints('dilations') ?? []).some((dilation, i) => dilation !== 1 && kernel[i] !== 1) &&
    (auto === 'NOTSET' || auto === 'VALID')
  );
}

/** Each element of v over its window in x; the windows lie side by side. */
const spreadOver = (g: Builder, x: Value, v: Value) => g.resize(v, repeating, undefined, g.shape(x));

/**
 * The elements that equal their window's maximum are numbered, the first of a window highest; another pooling finds
 * the highest number. All of it takes ONNX Runtime half as long as to ask a MaxPool for places and to scatter.
 */
const maxPoolByComparison = ({ g, inputs: [x], outputs: [y], attributes }: VjpContext): Spread => {
  const kernel = attributes.ints('kernel_shape') ?? [];
  const spread = (v: Value) => spreadOver(g, x, v);
  const equals = (a: Value, b: Value) => g.mask(g.equal(a, b), x);
  const ranks = g.constant(g.floatTypeOf(x), kernel, range(sizeOf(kernel), 1).toReversed());
  const rank = g.tile(ranks, g.sizes(y, range(kernel.length, 2)));
  const ranked = g.mul(equals(x, spread(y)), rank);
  const first = g.largest(ranked, { kernel_shape: kernel, strides: kernel });
  return (dy) => g.mul(equals(ranked, spread(first)), spread(dy));
};

const globalLpPool: VjpRule = ({ g, inputs: [x], outputs: [y], dy, attributes }) => {
  const p = attributes.int('p', 2);
  const origin = g.equal(y, 0);
  const share = g.where(origin, 0, g.div(dy, g.pow(g.where(origin, 1, y), p - 1)));
  return [g.mul(g.sign(x), g.pow(g.abs(x), p - 1), share)];
};

const averagePool: VjpRule = (c) => {
  const { g, dy, attributes } = c;
  const [x] = c.inputs;
  const kernel = attributes.ints('kernel_shape') ?? refuse('it has no kernel_shape.');
  if (liesSideBySide(c)) return [spreadOver(g, x, g.div(dy, sizeOf(kernel)))];
  const rank = kernel.length;
  const pads = attributes.ints('pads');
  const shared: AttributeValues = {
    ceil_mode: attributes.has('ceil_mode') ? attributes.int('ceil_mode', 0) : undefined,
    count_include_pad: attributes.has('count_include_pad')
      ? attributes.int('count_include_pad', 0)
      : undefined,
    auto_pad: attributes.has('auto_pad') ? attributes.string('auto_pad', 'NOTSET') : undefined,
  };
  const one = (name: string, i: number) => attributes.ints(name)?.slice(i, i + 1);
  // It is linear and separable: along each axis, its matrix is the pooled identity matrix.
  const spread = (d: Value, i: number) => {
    const size = g.sizes(x, [i + 2]);
    const identity = g.eye(size, g.floatTypeOf(x));
    const averaged = g.averages(g.unsqueeze(identity, [1]), {
      ...shared,
      kernel_shape: [kernel[i]],
      strides: one('strides', i),
      dilations: one('dilations', i),
      pads: pads && [pads[i], pads[i + rank]],
    });
    return alongAxis(g, d, i + 2, g.squeeze(averaged, [1]));
  };
  return [range(rank).reduce(spread, dy)];
};

/** Writes what a MaxPool kept to the places that it came from, counted over the whole result, among zeros. */
const maxUnpool: Lowering = (g, { input: [x, places, given] }, attributes) => {
  const kernel = attributes.ints('kernel_shape') ?? refuse('it has no kernel_shape.');
  const strides = attributes.ints('strides') ?? kernel.map(() => 1);
  const pads = attributes.ints('pads') ?? kernel.flatMap(() => [0, 0]);
  const more = kernel.map((size, i) => size - strides[i] - pads[i] - pads[i + kernel.length]);
  const spatial = g.add(g.mul(g.sizes(x, spatialAxes(g, x)), g.integers(strides)), g.integers(more));
  const shape = given || g.concat([g.sizes(x, [0, 1]), spatial], 0);
  const zeros = g.filled(g.product(shape), 0, g.floatTypeOf(x));
  const written = g.scatter(zeros, g.flat(places), g.flat(x), 0);
  return [g.reshape(written, shape)];
};

const globalPool = (float64: Lowering, vjp?: VjpRule): Op => ({
  infer: inferGlobalPool,
  samples: imageSamples,
  as: { float64 },
  vmap: mapSamples,
  ...(vjp && { vjp }),
});

/** Poolings. */
export const pooling: OpTable = {
  MaxUnpool: { as: { read: maxUnpool } },
  MaxPool: {
    takesLargest: true,
    costlyOutput: 1,
    infer: inferPool,
    samples: imageSamples,
    as: { lower: withoutCeil },
    vjp: maxPool,
    vmap: mapMaxPool,
    integers: movesIntegers,
  },
  AveragePool: {
    infer: inferPool,
    samples: imageSamples,
    as: { lower: withoutCeil, float64: averagePoolByColumns },
    vjp: averagePool,
    vmap: mapSamples,
  },
  LpPool: { infer: inferPool, samples: imageSamples, as: { read: lpPool }, vmap: mapSamples },
  GlobalMaxPool: globalPool((g, { input: [x] }) => [g.maxOver(x, spatialAxes(g, x))]),
  GlobalAveragePool: globalPool((g, { input: [x] }) => [g.mean(x, spatialAxes(g, x))]),
  GlobalLpPool: globalPool((g, { input: [x] }, attributes) => {
    const p = attributes.int('p', 2);
    return [g.pow(g.sum(g.pow(g.abs(x), p), spatialAxes(g, x)), 1 / p)];
  }, globalLpPool),
};
