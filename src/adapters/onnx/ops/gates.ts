import { refuse } from '../ir/errors.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { swish } from './activations.ts';

/** Normalization of groups of the last axis, each as long as the scale, by their root mean square; times gate·σ(gate). */
const gatedNorm: Lowering = (g, { input: [x, scale, gate] }, attributes) => {
  const activation = attributes.string('activation', 'silu');
  if (activation !== 'silu' && activation !== 'swish') refuse(`activation ${activation} has no rule.`);
  const groups = g.reshape(x, g.concat([g.integers([-1]), g.sizes(scale, [0])], 0));
  const size = g.sqrt(g.add(g.mean(g.square(groups), [1]), attributes.float('epsilon', 1e-5)));
  const normalized = g.reshapeLike(g.mul(g.div(groups, size), scale), x);
  return [g.mul(normalized, swish(g, gate, 1))];
};

/** Decay and update rate of a linear attention: scale·log(1 + exp(a + bias)) and σ(b). */
const attentionGate: Lowering = (g, { input: [a, bias, scale, b] }) => [
  g.mul(scale, g.softplus(g.add(a, bias))),
  b ? g.sigmoid(b) : undefined,
];

/** ONNX Runtime's own ops with gates. */
export const gates: OpTable = {
  'com.microsoft::GatedAdd': { as: { read: (g, { input: [x, y, gate] }) => [g.add(x, g.mul(gate, y))] } },
  'com.microsoft::GatedRMSNorm': { as: { read: gatedNorm } },
  'com.microsoft::LinearAttentionGate': { as: { read: attentionGate } },
};
