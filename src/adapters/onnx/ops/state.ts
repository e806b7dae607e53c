import { refuse } from '../ir/errors.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { scan } from '../ir/scan.ts';
import { axisFrom, range } from '../ir/shape.ts';
import type { Lowering, OpTable } from '../ir/op.ts';

/** Writes new rows into a cache along one axis, from a start index for each sample; a circular cache wraps around. */
const tensorScatter: Lowering = (g, node, attributes) => {
  const [past, update, first] = node.input;
  const rank = g.rank(past);
  const axis = axisFrom(attributes.int('axis', -2), rank);
  const mode = attributes.string('mode', 'linear');
  if (mode !== 'linear' && mode !== 'circular') refuse(`mode ${mode} has no rule.`);
  const rows = g.places(g.sizes(update, [axis]), axis, rank);
  const start = first && g.reshape(first, [-1, ...range(rank - 1).map(() => 1)]);
  const places = start ? g.add(rows, start) : rows;
  const within = mode === 'circular' ? g.mod(places, g.sizes(past, [axis])) : places;
  return [g.scatter(past, g.expandLike(within, update), update, axis)];
};

/** Convolution of each channel with its own kernel, over the inputs so far; the last inputs form the state. */
const causalConv: Lowering = (g, node, attributes) => {
  const [x, weight, bias, past] = node.input;
  const activation = attributes.string('activation', 'none');
  if (!['none', 'silu', 'swish'].includes(activation)) refuse(`activation ${activation} has no rule.`);
  const [channels, , size] = g.shapeOf(weight) ?? [];
  const reach = g.sub(g.sizes(weight, [2]), g.integers([1]));
  const before = past || g.filled(g.concat([g.sizes(x, [0, 1]), reach], 0), 0, g.floatTypeOf(x));
  const all = size === 1 && !past ? x : g.concat([before, x], 2);
  const y =
    typeof channels === 'number' && typeof size === 'number'
      ? g.convolve(all, weight, { group: channels }, bias || undefined)
      : byWindows(g, all, weight, bias);
  const length = g.sizes(all, [2]);
  const state = g.slice(all, g.sub(length, reach), length, 2);
  return [activation === 'none' ? y : g.mul(y, g.sigmoid(y)), state];
};

/** The same convolution if the number of channels, an attribute of Conv, is known only at run time. */
function byWindows(g: Builder, x: Value, weight: Value, bias: Value | undefined): Value {
  const size = g.sizes(weight, [2]);
  const steps = g.add(g.sub(g.sizes(x, [2]), size), g.integers([1]));
  const windows = g.gather(x, g.add(g.places(steps, 0, 2), g.places(size, 1, 2)), 2);
  const y = g.sum(g.mul(windows, weight), [3], false);
  return bias ? g.add(y, g.reshape(bias, [-1, 1])) : y;
}

/** Splits the heads of a packed tensor into a sequence, `[B, T, H·D] → [T, B, H, D]`. */
const steps = (g: Builder, x: Value, heads: number) =>
  g.transpose(g.reshape(x, [0, 0, heads, -1]), [1, 0, 2, 3]);

/**
 * Linear attention, step by step. A state S, `[B, H, dk, dv]`, decays, is updated by k ⊗ v, or by k ⊗ β(v − Sᵀk) with the
 * delta rule, and is read by the queries; several queries may share a state.
 */
const linearAttention: Lowering = (g, node, attributes) => {
  const [query, key, value, past, decay, beta] = node.input;
  const rule = attributes.string('update_rule', 'gated_delta');
  if (!['linear', 'gated', 'delta', 'gated_delta'].includes(rule)) refuse(`update_rule ${rule} has no rule.`);
  const [gated, delta] = [rule.startsWith('gated'), rule.endsWith('delta')];
  if (gated && !decay) refuse(`update_rule ${rule} needs a decay.`);
  if (delta && !beta) refuse(`update_rule ${rule} needs a beta.`);
  const heads = attributes.int('kv_num_heads', 1);
  const sharing = attributes.int('q_num_heads', 1) / heads;
  const dtype = g.floatTypeOf(query);
  const [k, v] = [steps(g, key, heads), steps(g, value, heads)];
  const scale = attributes.float('scale', 0);
  const factor = scale === 0 ? g.div(1, g.sqrt(g.cast(g.sizes(k, [3]), dtype))) : scale;
  // Queries that share a state lie side by side: [T, B, H, queries, dk].
  const packed = g.reshape(g.mul(query, factor), [0, 0, heads, sharing, -1]);
  const q = g.transpose(packed, [1, 0, 2, 3, 4]);
  const none = () => g.filled(g.concat([g.sizes(k, [1, 2, 3]), g.sizes(v, [3])], 0), 0, dtype);
  const sequences = [q, k, v];
  if (gated) sequences.push(steps(g, decay, heads));
  if (delta) sequences.push(g.transpose(g.reshape(beta, [0, 0, -1, 1]), [1, 0, 2, 3]));
  const { states, results } = scan(
    g,
    { states: [past || none()], sequences, captured: [], backward: false },
    (s, [state], [qt, kt, vt, ...rest]) => {
      const kept = gated ? s.mul(state, s.exp(s.unsqueeze(rest[0], [3]))) : state;
      const value = s.unsqueeze(vt, [2]);
      const known = () => s.matmul(s.unsqueeze(kt, [2]), kept);
      const learned = delta ? s.mul(s.unsqueeze(rest[rest.length - 1], [2]), s.sub(value, known())) : value;
      const next = s.add(kept, s.matmul(s.unsqueeze(kt, [3]), learned));
      return { states: [next], results: [s.matmul(qt, next)] };
    },
  );
  return [g.reshape(g.transpose(results[0], [1, 0, 2, 3, 4]), [0, 0, -1]), states[0]];
};

/** Ops that carry a state from one call to the next. */
export const stateful: OpTable = {
  TensorScatter: { as: { read: tensorScatter }, since: 24 },
  CausalConvWithState: { as: { read: causalConv }, since: 27 },
  'com.microsoft::CausalConvWithState': { as: { read: causalConv } },
  LinearAttention: { as: { read: linearAttention }, since: 27 },
  'com.microsoft::LinearAttention': { as: { read: linearAttention } },
};
