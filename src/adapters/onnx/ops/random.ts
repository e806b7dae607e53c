import type { Attributes } from '../ir/attributes.ts';
import type { InferRule } from '../ir/facts.ts';
import type { Draw } from '../ir/noise.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { unknownDimension } from '../ir/shape.ts';
import { DType, isFloat } from '../ir/tensor.ts';
import { flat } from '../ir/vjp.ts';
import { attributeType, sameType } from './common.ts';

const normal = (attributes: Attributes): Draw => ({
  kind: 'normal',
  mean: attributes.float('mean', 0),
  scale: attributes.float('scale', 1),
});

const uniform = (attributes: Attributes): Draw => ({
  kind: 'uniform',
  low: attributes.float('low', 0),
  high: attributes.float('high', 1),
});

/** Reads the numbers from an input if noise is fed. */
const fed =
  (draw: (attributes: Attributes) => Draw): Lowering =>
  (g, node, attributes) => {
    if (!g.feedsNoise) return undefined;
    const [x] = node.input;
    const inferred = g.dtypeOf(node.output[0]) ?? g.float;
    // Without its own type, it has the graph's, after any conversion.
    const dtype = (x || attributes.has('dtype')) && isFloat(inferred) ? inferred : g.float;
    return [g.addNoise(node, x || (attributes.ints('shape') ?? []), dtype, draw(attributes))];
  };

/** True with probability p: where a uniform number is less than p. */
const bernoulli: Lowering = (g, node) => {
  if (!g.feedsNoise) return undefined;
  const [p] = node.input;
  const numbers = g.addNoise(node, p, g.floatTypeOf(p), { kind: 'uniform', low: 0, high: 1 });
  return [g.cast(g.less(numbers, p), g.dtypeOf(node.output[0]) ?? g.floatTypeOf(p))];
};

/**
 * The classes at which the cumulative probabilities of each row pass uniform numbers; x holds logarithms of
 * probabilities, up to a constant.
 */
const multinomial: Lowering = (g, node, attributes) => {
  if (!g.feedsNoise) return undefined;
  const [x] = node.input;
  const count = g.integers([attributes.int('sample_size', 1)]);
  const like = g.expand(g.slice(x, 0, 1, 1), g.concat([g.sizes(x, [0]), count], 0));
  const numbers = g.addNoise(node, like, g.floatTypeOf(x), { kind: 'uniform', low: 0, high: 1 });
  const sums = g.op('CumSum', [g.softmax(x, 1), g.scalar(1, DType.INT64)]);
  const passed = g.greaterOrEqual(g.unsqueeze(numbers, [2]), g.unsqueeze(sums, [1]));
  const classes = g.sum(g.cast(passed, DType.INT64), [2], false);
  // The last sum may be less than 1 by rounding.
  const last = g.sub(g.sizes(x, [1]), g.integers([1]));
  return [g.cast(g.min(classes, last), attributes.int('dtype', DType.INT32))];
};

/** Type of an op whose shape is an attribute. */
const fromAttributes: InferRule = ({ attributes }) => [
  { dtype: attributes.int('dtype', DType.FLOAT), shape: attributes.ints('shape') },
];

/** Ops that draw random numbers. They depend only on the shape of their input; Bernoulli is piecewise constant in p. */
export const randomOps: OpTable = {
  RandomNormal: { infer: fromAttributes, as: { lower: fed(normal) }, vjp: flat, draws: 'always' },
  RandomUniform: { infer: fromAttributes, as: { lower: fed(uniform) }, vjp: flat, draws: 'always' },
  RandomNormalLike: { infer: sameType, as: { lower: fed(normal) }, vjp: flat, draws: 'always' },
  RandomUniformLike: { infer: sameType, as: { lower: fed(uniform) }, vjp: flat, draws: 'always' },
  Bernoulli: {
    infer: attributeType,
    as: { lower: bernoulli },
    vjp: flat,
    draws: 'always',
  },
  Multinomial: {
    infer: (c) => [
      {
        dtype: c.attributes.int('dtype', DType.INT32),
        shape: c.shape(0) && [c.shape(0)?.[0] ?? unknownDimension(), c.attributes.int('sample_size', 1)],
      },
    ],
    as: { lower: multinomial },
    vjp: flat,
    draws: 'always',
  },
};
