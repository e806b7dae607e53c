import { nodeAttributes, type Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { alongChannels, channelWindow, exceptChannels, spatialAxes } from '../ir/channels.ts';
import { refuse } from '../ir/errors.ts';
import type { InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import { roleNamed, type Lowering, type OpTable, type UpgradeContext } from '../ir/op.ts';
import { meet, onlyFirst, rankOfInput, type SampleRule } from '../ir/samples.ts';
import { axisFrom, range } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { VjpRule } from '../ir/vjp.ts';
import { imageSamples, sameType, samplesOffAxis } from './common.ts';
import { byBatchStatistics, isByBatch, throughBatch } from './batchStatistics.ts';
import { standardize, throughStandardized, throughStatistics, totalOf } from './standardize.ts';
import { mapAlong, mapSamples } from './vmap/broadcasting.ts';

const inferNormalization: InferRule = (c) => [
  { dtype: c.dtype(0), shape: c.shape(0) },
  { dtype: c.dtype(1), shape: c.shape(1) },
  { dtype: c.dtype(1), shape: c.shape(1) },
];

const inferLayer: InferRule = (c) => {
  const shape = c.shape(0);
  const axis = c.axis(-1);
  const statistic = shape && axis !== undefined ? shape.map((size, i) => (i < axis ? size : 1)) : undefined;
  // Of float64 they are computed in float64 here; see the kernels.
  const statistics = { dtype: c.dtype(0) === DType.DOUBLE ? DType.DOUBLE : DType.FLOAT, shape: statistic };
  return [{ dtype: c.dtype(0), shape }, statistics, statistics];
};

/** Axes from one on are one, as in layer normalization. */
const layerSamples: SampleRule = (c) => {
  const samples = onlyFirst(c);
  if (axisFrom(c.attributes.int('axis', -1), rankOfInput(c, 0)) <= samples.axis)
    meet('it normalizes over the batch');
  return samples;
};

const meanVariance: SampleRule = (c) => {
  const samples = onlyFirst(c);
  if ((c.attributes.ints('axes') ?? [0, 2, 3]).includes(samples.axis)) meet('it normalizes over the batch');
  return samples;
};

const epsilonOf = (attributes: Attributes) => attributes.float('epsilon', 1e-5);

/** The axes that a layer is normalized over: from one on. */
function lastAxes(g: Builder, x: Value, attributes: Attributes): number[] {
  const rank = g.rank(x);
  const first = axisFrom(attributes.int('axis', -1), rank);
  return range(rank - first, first);
}

const layer: VjpRule = (c) => {
  const { g, inputs, dy, dys, needs, attributes } = c;
  const [x, scale, bias] = inputs;
  const standardized = standardize(g, x, lastAxes(g, x, attributes), epsilonOf(attributes));
  const through = () =>
    totalOf(g, [
      dys[0] && throughStandardized(g, standardized, g.mul(dys[0], scale)),
      throughStatistics(g, x, standardized, [dys[1], dys[2]]),
    ]);
  return [
    needs(0) && through(),
    needs(1) && g.sumTo(g.mul(dy, standardized.xhat), scale),
    needs(2) && g.sumTo(dy, bias),
  ];
};

/** As layer normalization, without the mean. */
const rms: VjpRule = (c) => {
  const { g, dy, dys, needs, attributes } = c;
  const [x, scale] = c.inputs;
  const axes = lastAxes(g, x, attributes);
  const reciprocal = g.div(1, g.sqrt(g.add(g.mean(g.square(x), axes), epsilonOf(c.attributes))));
  const xhat = g.mul(x, reciprocal);
  const d = g.mul(dy, scale);
  const through = () =>
    totalOf(g, [
      g.mul(reciprocal, g.sub(d, g.mul(xhat, g.mean(g.mul(d, xhat), axes)))),
      throughStatistics(g, x, { axes, xhat, reciprocal }, [undefined, dys[1] ?? dys[2]]),
    ]);
  return [needs(0) && through(), needs(1) && g.sumTo(g.mul(dy, xhat), scale)];
};

/** Normalization by running statistics, an affine map. */
const batch: VjpRule = (c) => {
  const { g, node, dy, needs, attributes } = c;
  const [x, scale, , mean, variance] = c.inputs;
  if (isByBatch(node)) return throughBatch(c);
  if (attributes.int('training_mode', 0) !== 0) refuse('in training mode inside a subgraph, it has no rule.');
  const reciprocal = g.div(1, g.sqrt(g.add(variance, epsilonOf(c.attributes))));
  const axes = exceptChannels(g, x);
  const centered = () => g.sub(x, alongChannels(g, mean, x));
  return [
    needs(0) && g.mul(dy, alongChannels(g, g.mul(scale, reciprocal), x)),
    needs(1) && g.mul(reciprocal, g.sum(g.mul(dy, centered()), axes, false)),
    needs(2) && g.sum(dy, axes, false),
    needs(3) && g.neg(g.mul(scale, reciprocal, g.sum(dy, axes, false))),
    needs(4) && g.mul(-0.5, scale, g.pow(reciprocal, 3), g.sum(g.mul(dy, centered()), axes, false)),
  ];
};

const instance: VjpRule = (c) => {
  const { g, dy, needs } = c;
  const [x, scale] = c.inputs;
  const standardized = standardize(g, x, spatialAxes(g, x), epsilonOf(c.attributes));
  const axes = exceptChannels(g, x);
  return [
    needs(0) && throughStandardized(g, standardized, g.mul(dy, alongChannels(g, scale, x))),
    needs(1) && g.sum(g.mul(dy, standardized.xhat), axes, false),
    needs(2) && g.sum(dy, axes, false),
  ];
};

/** Each group of channels is standardized as one; scale and bias are one number a channel, before opset 21 a group. */
const group: VjpRule = (c) => {
  const { g, dy, needs, attributes } = c;
  const [x, scale, bias] = c.inputs;
  const groups = attributes.int('num_groups', 1);
  const grouped = (v: Value) => g.reshape(v, [0, groups, -1]);
  const standardized = standardize(g, grouped(x), [2], epsilonOf(c.attributes));
  const perGroup = g.shapeOf(scale)?.[0] === groups;
  const factor = perGroup ? g.reshape(scale, [1, groups, 1]) : alongChannels(g, scale, x);
  const scaled = perGroup ? g.mul(grouped(dy), factor) : grouped(g.mul(dy, factor));
  const xhat = g.reshapeLike(standardized.xhat, x);
  const total = (v: Value) =>
    perGroup ? g.sum(grouped(v), [0, 2], false) : g.sum(v, exceptChannels(g, x), false);
  return [
    needs(0) && g.reshapeLike(throughStandardized(g, standardized, scaled), x),
    needs(1) && g.reshapeLike(total(g.mul(dy, xhat)), scale),
    needs(2) && g.reshapeLike(total(dy), bias),
  ];
};

/** y = x/‖x‖ₚ along one axis; 0 where the norm is 0. */
const lp: VjpRule = ({ g, inputs: [x], outputs: [y], dy, attributes }) => {
  const p = attributes.int('p', 2);
  const axes = [attributes.int('axis', -1)];
  const size = p === 1 ? g.sum(g.abs(x), axes) : g.sqrt(g.sum(g.square(x), axes));
  const origin = g.equal(size, 0);
  const direction = p === 1 ? g.sign(x) : y;
  const dx = g.div(g.sub(dy, g.mul(direction, g.sum(g.mul(dy, y), axes))), g.where(origin, 1, size));
  return [g.where(origin, 0, dx)];
};

const instanceInFloat64: Lowering = (g, node, attributes) => {
  const [x, scale, bias] = node.input;
  const { xhat } = standardize(g, x, spatialAxes(g, x), epsilonOf(attributes));
  return [g.add(g.mul(xhat, alongChannels(g, scale, x)), alongChannels(g, bias, x))];
};

/**
 * Gives each channel its own scale and bias, where only run time tells how many there are: one a channel, or one a group
 * before opset 21.
 */
const groupOfChannels: Lowering = (g, node, attributes) => {
  const [x, scale, bias] = node.input;
  if (typeof g.shapeOf(scale)?.[0] === 'number') return undefined;
  const count = g.sizes(scale, [0]);
  const shape = g.concat([count, g.div(g.sizes(x, [1]), count)], 0);
  const [scales, biases] = [scale, bias].map((v) => g.reshape(g.expand(g.unsqueeze(v, [1]), shape), [-1]));
  return [writtenByGroups(g, x, scales, biases, attributes)];
};

/** Written as in the standard, whose own function would compute in float32. */
const groupInFloat64: Lowering = (g, { input: [x, scale, bias] }, attributes) => [
  writtenByGroups(g, x, scale, bias, attributes),
];

/** Opset since which its scale has one number for each channel; before, one for each group. */
const SCALES_OF_CHANNELS = 21;

/** A graph may have nodes of both kinds: that of a model, and a loss of another opset. */
const groupInOpset =
  (opset: number): Lowering =>
  (g, node, attributes) => {
    const [x, scale] = node.input;
    const length = g.shapeOf(scale)?.[0];
    const isPerGroup = length === attributes.int('num_groups', 1);
    const isMisread = opset < SCALES_OF_CHANNELS ? !isPerGroup : isPerGroup && g.shapeOf(x)?.[1] !== length;
    return typeof length === 'number' && isMisread ? groupInFloat64(g, node, attributes) : undefined;
  };

function writtenByGroups(g: Builder, x: Value, scale: Value, bias: Value, attributes: Attributes): Value {
  const groups = attributes.int('num_groups', 1);
  const grouped = g.reshape(x, [0, groups, -1]);
  const { xhat } = standardize(g, grouped, [2], epsilonOf(attributes));
  // One number a group before opset 21, one a channel since.
  if (g.shapeOf(scale)?.[0] === groups) {
    const along = (v: Value) => g.reshape(v, [1, groups, 1]);
    return g.reshapeLike(g.add(g.mul(xhat, along(scale)), along(bias)), x);
  }
  const scaled = g.mul(g.reshapeLike(xhat, x), alongChannels(g, scale, x));
  return g.add(scaled, alongChannels(g, bias, x));
}

/** True if its statistics are outputs: those of ONNX Runtime are float32. */
const layerInFloat64: Lowering = (g, node, attributes) => {
  if (!node.output.slice(1).some(Boolean)) return undefined;
  const [x, scale, bias] = node.input;
  const axes = lastAxes(g, x, attributes);
  const { xhat, reciprocal } = standardize(g, x, axes, epsilonOf(attributes));
  const scaled = g.mul(xhat, scale);
  return [bias ? g.add(scaled, bias) : scaled, g.mean(x, axes), reciprocal];
};

const rmsInFloat64: Lowering = (g, node, attributes) => {
  if (!node.output[1]) return undefined;
  const [x, scale] = node.input;
  const squares = g.mean(g.square(x), lastAxes(g, x, attributes));
  const reciprocal = g.div(1, g.sqrt(g.add(squares, epsilonOf(attributes))));
  return [g.mul(x, reciprocal, scale), reciprocal];
};

/** y = x·s^−β with s = bias + α/size·Σ x² over neighboring channels. */
const localResponse: Lowering = (g, node, attributes) => {
  const [x] = node.input;
  const size = attributes.int('size', 1);
  if (!(size >= 1 && size <= 1000)) refuse(`size ${size} has no rule.`);
  const alpha = attributes.float('alpha', 1e-4) / size;
  const window = channelWindow(g, g.square(x), Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2));
  const scale = g.add(g.mul(alpha, window), attributes.float('bias', 1));
  return [g.mul(x, g.pow(scale, -attributes.float('beta', 0.75)))];
};

/** (x − mean) / (deviation + 1e-9) over some axes. */
const meanAndVariance: Lowering = (g, { input: [x] }, attributes) => {
  const axes = attributes.ints('axes') ?? [0, 2, 3];
  const centered = g.sub(x, g.mean(x, axes));
  return [g.div(centered, g.add(g.sqrt(g.mean(g.square(centered), axes)), 1e-9))];
};

function upgradeBatch({ node, attributes, from, drop }: UpgradeContext): void {
  if (from >= 14) return;
  if (from < 9 && attributes.int('spatial', 1) !== 1) refuse('spatial = 0 is not converted.');
  drop('spatial');
  // Until opset 13 the number of outputs told training from inference.
  if (node.output.filter((output) => output !== '').length > 1) {
    node.output.length = Math.min(3, node.output.length);
    node.attribute.push(...nodeAttributes({ training_mode: 1 }));
  }
}

const roles = { 1: roleNamed('scale', 'norm'), 2: roleNamed('bias', 'norm') };

/** In training mode samples meet in the mean and the variance. */
const batchSamples: SampleRule = (c) => {
  if (c.attributes.int('training_mode', 0) !== 0) meet('it normalizes over the batch');
  return imageSamples(c);
};

/** Normalizations. */
export const normalization: OpTable = {
  BatchNormalization: {
    statistics: [3, 4],
    infer: inferNormalization,
    samples: batchSamples,
    as: { lower: byBatchStatistics },
    vjp: batch,
    roles,
    upgrade: upgradeBatch,
    vmap: mapSamples,
  },
  LayerNormalization: {
    infer: inferLayer,
    samples: layerSamples,
    as: { float64: layerInFloat64 },
    vjp: layer,
    roles,
    vmap: mapAlong(-1),
  },
  RMSNormalization: {
    infer: sameType,
    samples: layerSamples,
    vjp: rms,
    roles,
    vmap: mapAlong(-1),
    since: 23,
  },
  SimplifiedLayerNormalization: {
    infer: (c) => inferLayer(c)?.slice(0, 2),
    samples: layerSamples,
    as: { float64: rmsInFloat64 },
    vjp: rms,
    vmap: mapAlong(-1),
  },
  InstanceNormalization: {
    infer: sameType,
    samples: imageSamples,
    as: { float64: instanceInFloat64 },
    vjp: instance,
    roles,
    vmap: mapSamples,
  },
  GroupNormalization: {
    infer: sameType,
    samples: imageSamples,
    as: { lower: groupOfChannels, float64: groupInFloat64 },
    inOpset: groupInOpset,
    vjp: group,
    roles,
    vmap: mapSamples,
  },
  LRN: { infer: sameType, samples: imageSamples, as: { float64: localResponse }, vmap: mapSamples },
  LpNormalization: {
    infer: sameType,
    samples: samplesOffAxis(-1, 'it normalizes over the batch'),
    vjp: lp,
    vmap: mapAlong(-1),
  },
  MeanVarianceNormalization: {
    infer: sameType,
    samples: meanVariance,
    as: { lower: meanAndVariance },
  },
};
