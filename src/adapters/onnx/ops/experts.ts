import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { sameType } from './common.ts';
import { geluByTanh } from './activations.ts';
import { unpacked } from './blockQuantized.ts';

/** A layer of each expert, `[E, outputs, inputs]` and `[E, outputs]`. */
interface Layer {
  readonly weight: Value;
  readonly bias: Value | undefined;
}

function activate(g: Builder, x: Value, attributes: Attributes): Value {
  const kind = attributes.string('activation_type', 'relu');
  if (kind === 'relu') return g.relu(x);
  if (kind === 'gelu') return geluByTanh(g, x);
  if (kind === 'silu') return g.mul(x, g.sigmoid(x));
  if (kind === 'identity') return x;
  return refuse(`activation_type ${kind} has no rule.`);
}

/** Part of each expert in the result for each row, `[N, E]`: 0 for all but the k with the highest scores. */
function sharesOf(g: Builder, scores: Value, attributes: Attributes): Value {
  if (attributes.int('use_sparse_mixer', 0) !== 0) refuse('use_sparse_mixer has no rule.');
  const [best, indices] = g.ops('TopK', [scores, g.integers([attributes.int('k', 1)])], {}, 2);
  const normalizes = attributes.int('normalize_routing_weights', 0) === 1;
  const parts = normalizes ? g.softmax(best, -1) : g.gatherElements(g.softmax(scores, -1), indices, 1);
  return g.op('ScatterElements', [g.zerosLike(scores), indices, parts], { axis: 1 });
}

/** Results of all experts, of which those chosen for a row are added up, each with its part. */
function mixture(
  g: Builder,
  x: Value,
  scores: Value,
  layers: readonly [Layer, Layer],
  attributes: Attributes,
): Value {
  const [first, second] = layers;
  const through = (rows: Value, { weight, bias }: Layer) => {
    const product = g.matmul(rows, g.swap(weight));
    return bias ? g.add(product, g.unsqueeze(bias, [1])) : product;
  };
  const rows = g.reshape(x, g.concat([g.integers([1, -1]), g.sizes(x, [-1])], 0));
  const made = through(activate(g, through(rows, first), attributes), second);
  const shares = g.unsqueeze(g.transpose(sharesOf(g, scores, attributes), [1, 0]), [2]);
  return g.reshapeLike(g.sum(g.mul(made, shares), [0], false), x);
}

const moe: Lowering = (g, { input: [x, scores, w1, b1, w2, b2, w3] }, attributes) => {
  if (w3) refuse('a third layer has no rule.');
  return [
    mixture(
      g,
      x,
      scores,
      [
        { weight: w1, bias: b1 },
        { weight: w2, bias: b2 },
      ],
      attributes,
    ),
  ];
};

/** As {@link moe}, of weights with a scale for each row; the middle of the range of their integers stands for 0. */
const quantizedMoe: Lowering = (g, { input: [x, scores, q1, s1, b1, q2, s2, b2, ...rest] }, attributes) => {
  if (rest.some(Boolean)) refuse('a third layer and zero points have no rule.');
  if (attributes.int('block_size', 0) > 0) refuse('scales of blocks have no rule.');
  const bits = attributes.int('expert_weight_bits', 4);
  const layer = (q: Value, scale: Value, bias: Value): Layer => {
    const steps = g.sub(g.cast(unpacked(g, q, bits), g.floatTypeOf(scale)), 2 ** (bits - 1));
    return { weight: g.mul(steps, g.unsqueeze(scale, [2])), bias };
  };
  return [mixture(g, x, scores, [layer(q1, s1, b1), layer(q2, s2, b2)], attributes)];
};

/** Mixtures of experts. */
export const experts: OpTable = {
  'com.microsoft::MoE': { infer: sameType, as: { float64: moe }, isCostly: true },
  'com.microsoft::QMoE': { infer: sameType, as: { float64: quantizedMoe }, isCostly: true },
};
