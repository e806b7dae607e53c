import { refuse } from '../ir/errors.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { alongChannels, channelWindow, exceptChannels, spatialAxes } from '../ir/channels.ts';
import { axisFrom, range } from '../ir/shape.ts';
import type { VjpContext, VjpRule } from '../ir/vjp.ts';

const softmax: VjpRule = ({ g, outputs: [made], dy, attributes }) => {
  // A row of −∞ alone has no softmax; where a Where puts something in its place, nothing flows back.
  const y = isReplaced(g, made) ? g.where(g.op('IsNaN', [made]), 0, made) : made;
  const weighted = g.mul(dy, y);
  return [g.sub(weighted, g.mul(y, g.sum(weighted, [attributes.int('axis', -1)])))];
};

/** True if a Where reads a value, as it is or cast. */
const isReplaced = (g: Builder, value: Value): boolean =>
  g.proto.node.some(
    ({ opType, input, output }) =>
      input.includes(value) &&
      (opType === 'Where' || ((opType === 'Cast' || opType === 'Identity') && isReplaced(g, output[0]))),
  );

const logSoftmax: VjpRule = ({ g, outputs: [y], dy, attributes }) => [
  g.sub(dy, g.mul(g.exp(y), g.sum(dy, [attributes.int('axis', -1)]))),
];

/** x brought to mean 0 and variance 1 along some axes, and the reciprocal of its standard deviation. */
export interface Standardised {
  readonly axes: readonly number[];
  readonly xhat: Value;
  readonly reciprocal: Value;
}

/** See {@link Standardised}; `epsilon` is added to the variance. */
export function standardise(g: Builder, x: Value, axes: readonly number[], epsilon: number): Standardised {
  const centred = g.sub(x, g.mean(x, axes));
  const reciprocal = g.div(1, g.sqrt(g.add(g.mean(g.square(centred), axes), epsilon)));
  return { axes, xhat: g.mul(centred, reciprocal), reciprocal };
}

/** dx from the cotangent of xhat: its mean, and its part along xhat, taken out. */
function throughStandardised(g: Builder, { axes, xhat, reciprocal }: Standardised, d: Value): Value {
  const along = g.mul(xhat, g.mean(g.mul(d, xhat), axes));
  return g.mul(reciprocal, g.sub(g.sub(d, g.mean(d, axes)), along));
}

const epsilonOf = ({ attributes }: VjpContext) => attributes.float('epsilon', 1e-5);

/** The sum of what there is of some cotangents of one value. */
function sumOf(g: Builder, terms: readonly (Value | undefined)[]): Value | undefined {
  const [first, ...others] = terms.filter((term) => term !== undefined);
  return first === undefined ? undefined : g.add(first, ...others);
}

/** Cotangent of x from those of its mean, and of r = 1/√(mean of squares + ε): −r²/n·x̂ of the latter. */
function throughStatistics(
  g: Builder,
  x: Value,
  { axes, xhat, reciprocal }: Standardised,
  [dMean, dReciprocal]: readonly (Value | undefined)[],
): Value | undefined {
  const count = () => g.div(g.count(x, x), g.count(reciprocal, x));
  const spread = (v: Value) => g.expandLike(v, x);
  return sumOf(g, [
    dMean && axes.length > 0 ? spread(g.div(dMean, count())) : dMean,
    dReciprocal && g.neg(g.mul(xhat, g.div(g.mul(dReciprocal, g.square(reciprocal)), count()))),
  ]);
}

const layer: VjpRule = (c) => {
  const { g, inputs, dy, dys, needs, attributes } = c;
  const [x, scale, bias] = inputs;
  const rank = g.rank(x);
  const from = axisFrom(attributes.int('axis', -1), rank);
  const standardised = standardise(g, x, range(rank - from, from), epsilonOf(c));
  const through = () =>
    sumOf(g, [
      dys[0] && throughStandardised(g, standardised, g.mul(dys[0], scale)),
      throughStatistics(g, x, standardised, [dys[1], dys[2]]),
    ]);
  return [
    needs(0) && through(),
    needs(1) && g.sumTo(g.mul(dy, standardised.xhat), scale),
    needs(2) && g.sumTo(dy, bias),
  ];
};

/** As layer normalisation, without the mean. */
const rms: VjpRule = (c) => {
  const {
    g,
    inputs: [x, scale],
    dy,
    dys,
    needs,
    attributes,
  } = c;
  const rank = g.rank(x);
  const from = axisFrom(attributes.int('axis', -1), rank);
  const axes = range(rank - from, from);
  const reciprocal = g.div(1, g.sqrt(g.add(g.mean(g.square(x), axes), epsilonOf(c))));
  const xhat = g.mul(x, reciprocal);
  const d = g.mul(dy, scale);
  const through = () =>
    sumOf(g, [
      g.mul(reciprocal, g.sub(d, g.mul(xhat, g.mean(g.mul(d, xhat), axes)))),
      throughStatistics(g, x, { axes, xhat, reciprocal }, [undefined, dys[1] ?? dys[2]]),
    ]);
  return [needs(0) && through(), needs(1) && g.sumTo(g.mul(dy, xhat), scale)];
};

/** By running statistics, an affine map; the statistics are no parameters. In training mode it is lowered before. */
const batch: VjpRule = (c) => {
  const {
    g,
    inputs: [x, scale, , mean, variance],
    dy,
    needs,
    attributes,
  } = c;
  if (attributes.int('training_mode', 0) !== 0)
    refuse('in training mode, inside the graph of another node, it has no rule.');
  if (needs(3) || needs(4)) refuse('its running statistics are no parameters: leave them out of wrt.');
  const reciprocal = g.div(1, g.sqrt(g.add(variance, epsilonOf(c))));
  const axes = exceptChannels(g, x);
  const centred = () => g.sub(x, alongChannels(g, mean, x));
  return [
    needs(0) && g.mul(dy, alongChannels(g, g.mul(scale, reciprocal), x)),
    needs(1) && g.mul(reciprocal, g.sum(g.mul(dy, centred()), axes, false)),
    needs(2) && g.sum(dy, axes, false),
  ];
};

const instance: VjpRule = (c) => {
  const {
    g,
    inputs: [x, scale],
    dy,
    needs,
  } = c;
  const standardised = standardise(g, x, spatialAxes(g, x), epsilonOf(c));
  const axes = exceptChannels(g, x);
  return [
    needs(0) && throughStandardised(g, standardised, g.mul(dy, alongChannels(g, scale, x))),
    needs(1) && g.sum(g.mul(dy, standardised.xhat), axes, false),
    needs(2) && g.sum(dy, axes, false),
  ];
};

/** Each group of channels is standardised as one; scale and bias are one number a channel, before opset 21 a group. */
const group: VjpRule = (c) => {
  const {
    g,
    inputs: [x, scale, bias],
    dy,
    needs,
    attributes,
  } = c;
  const groups = attributes.int('num_groups', 1);
  const grouped = (v: Value) => g.reshape(v, [0, groups, -1]);
  const standardised = standardise(g, grouped(x), [2], epsilonOf(c));
  const size = g.shapeOf(scale)?.[0];
  if (typeof size !== 'number') refuse('the length of its scale is not known beforehand.');
  const perGroup = size === groups;
  const factor = perGroup ? g.reshape(scale, [1, groups, 1]) : alongChannels(g, scale, x);
  const scaled = perGroup ? g.mul(grouped(dy), factor) : grouped(g.mul(dy, factor));
  const xhat = g.reshapeLike(standardised.xhat, x);
  const total = (v: Value) =>
    perGroup ? g.sum(grouped(v), [0, 2], false) : g.sum(v, exceptChannels(g, x), false);
  return [
    needs(0) && g.reshapeLike(throughStandardised(g, standardised, scaled), x),
    needs(1) && g.reshapeLike(total(g.mul(dy, xhat)), scale),
    needs(2) && g.reshapeLike(total(dy), bias),
  ];
};

/** y = x·s^−β with s = bias + α/size·Σ x² over neighbouring channels. */
const localResponse: VjpRule = ({ g, inputs: [x], dy, attributes }) => {
  const size = attributes.int('size', 1);
  if (!(size >= 1 && size <= 1000)) refuse(`size ${size} has no rule.`);
  const alpha = attributes.float('alpha', 1e-4) / size;
  const beta = attributes.float('beta', 0.75);
  const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  const squares = g.mul(alpha, channelWindow(g, g.square(x), before, after));
  const s = g.add(squares, attributes.float('bias', 1));
  const shared = g.mul(dy, x, g.pow(s, -beta - 1));
  const neighbours = g.mul(2 * alpha * beta, x, channelWindow(g, shared, after, before));
  return [g.sub(g.mul(dy, g.pow(s, -beta)), neighbours)];
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

/** Rules of softmax and of the normalisations. */
export const normalisationRules = new Map<string, VjpRule>([
  ['Softmax', softmax],
  ['LogSoftmax', logSoftmax],
  ['LayerNormalization', layer],
  ['RMSNormalization', rms],
  ['SimplifiedLayerNormalization', rms],
  ['BatchNormalization', batch],
  ['InstanceNormalization', instance],
  ['GroupNormalization', group],
  ['LRN', localResponse],
  ['LpNormalization', lp],
]);
