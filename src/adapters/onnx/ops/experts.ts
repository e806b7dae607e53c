import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { sameType } from './common.ts';
import { geluByTanh, swish } from './activations.ts';
import { unpacked } from './blockQuantized.ts';

/** A layer of each expert, `[E, outputs, inputs]` and `[E, outputs]`. */
interface Layer {
  readonly weight: Value;
  readonly bias: Value | undefined;
}

/**
 * G·sigmoid(αG)·(L + β), where elements of G and L alternate along the last axis, `[…, 2n] → […, n]`. `swiglu_limit` limits G
 * from above and L from both sides. In ONNX Runtime's CPU provider G comes first.
 */
function swiglu(g: Builder, x: Value, attributes: Attributes): Value {
  if (attributes.int('swiglu_fusion', 0) !== 1) refuse('swiglu has a rule only with swiglu_fusion 1.');
  const pairs = g.reshape(x, [0, 0, -1, 2]);
  const part = (i: number) => g.squeeze(g.slice(pairs, i, i + 1, 3), [3]);
  const limit = attributes.float('swiglu_limit', Infinity);
  const gate = limit < Infinity ? g.min(part(0), limit) : part(0);
  const linear = limit < Infinity ? g.clip(part(1), -limit, limit) : part(1);
  const alpha = attributes.float('activation_alpha', 1);
  return g.mul(swish(g, gate, alpha), g.add(linear, attributes.float('activation_beta', 0)));
}

function activate(g: Builder, x: Value, attributes: Attributes): Value {
  const kind = attributes.string('activation_type', 'relu');
  if (kind === 'relu') return g.relu(x);
  if (kind === 'gelu') return geluByTanh(g, x);
  if (kind === 'silu') return g.mul(x, g.sigmoid(x));
  if (kind === 'identity') return x;
  if (kind === 'swiglu') return swiglu(g, x, attributes);
  return refuse(`activation_type ${kind} has no rule.`);
}

/** Share of each expert in the result for each row, `[N, E]`: 0 for all but the k with the highest scores. */
function sharesOf(g: Builder, scores: Value, attributes: Attributes, normalizes: boolean): Value {
  if (attributes.int('use_sparse_mixer', 0) !== 0) refuse('use_sparse_mixer has no rule.');
  const [best, indices] = g.ops('TopK', [scores, g.integers([attributes.int('k', 1)])], {}, 2);
  const parts = normalizes ? g.softmax(best, -1) : g.gatherElements(g.softmax(scores, -1), indices, 1);
  return g.scatter(g.zerosLike(scores), indices, parts, 1);
}

/** Sum of the results of the experts that are chosen for a row, each times its share. All experts are computed. */
function mixture(
  g: Builder,
  x: Value,
  scores: Value,
  layers: readonly [Layer, Layer],
  attributes: Attributes,
  normalizes: boolean,
): Value {
  const [first, second] = layers;
  const through = (rows: Value, { weight, bias }: Layer) => {
    const product = g.matmul(rows, g.swap(weight));
    return bias ? g.add(product, g.unsqueeze(bias, [1])) : product;
  };
  const rows = g.reshape(x, g.concat([g.integers([1, -1]), g.sizes(x, [-1])], 0));
  const made = through(activate(g, through(rows, first), attributes), second);
  const shares = g.unsqueeze(g.transpose(sharesOf(g, scores, attributes, normalizes), [1, 0]), [2]);
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
      attributes.int('normalize_routing_weights', 0) === 1,
    ),
  ];
};

/**
 * As {@link moe}, of weights with a scale for each row, or for each block of its elements; without zero points, the middle of
 * the range of their integers stands for 0. ONNX Runtime's CPU provider always normalizes the shares (1.30).
 */
const quantizedMoe: Lowering = (g, { input: [x, scores, q1, s1, b1, q2, s2, b2, ...rest] }, attributes) => {
  const [q3, s3, b3, zero1, zero2, ...others] = rest;
  if (q3 || s3 || b3 || others.some(Boolean)) refuse('a third layer and weights of experts have no rule.');
  const bits = attributes.int('expert_weight_bits', 4);
  const block = attributes.int('block_size', 0);
  if ((zero1 || zero2) && bits !== 8) refuse('zero points have a rule only for 8 bits.');
  const layer = (q: Value, scale: Value, bias: Value, zero: Value): Layer => {
    const numbers = g.cast(unpacked(g, q, bits), g.floatTypeOf(scale));
    const along = (v: Value) => alongInputs(g, v, numbers, block);
    const middle = zero ? along(g.cast(zero, g.floatTypeOf(scale))) : 2 ** (bits - 1);
    return { weight: g.mul(g.sub(numbers, middle), along(scale)), bias };
  };
  return [mixture(g, x, scores, [layer(q1, s1, b1, zero1), layer(q2, s2, b2, zero2)], attributes, true)];
};

/** One number for each row of experts' weights, or for each block of its elements, to multiply these. */
function alongInputs(g: Builder, v: Value, weights: Value, block: number): Value {
  if (g.rank(v) === 2) return g.unsqueeze(v, [2]);
  if (block <= 0) refuse('scales with three axes need a block_size.');
  return g.gather(v, g.div(g.places(g.sizes(weights, [2])), g.integers([block])), 2);
}

/** Mixtures of experts. */
export const experts: OpTable = {
  'com.microsoft::MoE': { infer: sameType, as: { float64: moe }, isCostly: true },
  'com.microsoft::QMoE': { infer: sameType, as: { float64: quantizedMoe }, isCostly: true },
};
