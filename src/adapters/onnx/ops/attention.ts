import { refuse } from '../ir/errors.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import type { Dimension } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { Lowering, OpTable } from '../ir/op.ts';

// The lowest float32 number: softmax gives a score of this size no weight.
const lowest = -3.4028234663852886e38;

/** Splits heads: `[B, S, N·H] → [B, N, S, H]`. */
export const heads = (g: Builder, x: Value, count: number) =>
  g.transpose(g.reshape(x, [0, 0, count, -1]), [0, 2, 1, 3]);

/** Joins heads: `[B, N, S, H] → [B, S, N·H]`. */
export const joined = (g: Builder, x: Value) => g.reshape(g.transpose(x, [0, 2, 1, 3]), [0, 0, -1]);

/** Scores q·kᵀ of heads `[B, N, S, H]`, times `scale`; 1/√H by default. */
export function scoresOf(g: Builder, q: Value, k: Value, scale: number | undefined): Value {
  const size = g.shapeOf(q)?.[3];
  const product = g.matmul(q, g.swap(k));
  if (scale !== undefined) return g.mul(scale, product);
  if (typeof size === 'number') return g.mul(1 / Math.sqrt(size), product);
  return g.div(product, g.sqrt(g.cast(g.squeeze(g.sizes(q, [3]), [0]), g.floatTypeOf(q))));
}

/** Appends keys or values `[B, N, T, H]` to those of the past. */
const after = (g: Builder, past: Value | undefined, x: Value) => (past ? g.concat([past, x], 2) : x);

/** Positions of queries `[S, 1]`, counted from the start of the past, and of keys `[1, T]`, for scores `[B, N, S, T]`. */
export function placesOf(g: Builder, scores: Value, past?: Value): readonly [Value, Value] {
  const queries = g.places(g.sizes(scores, [2]), 0, 2);
  const keys = g.places(g.sizes(scores, [3]), 1, 2);
  return [past ? g.add(queries, g.sizes(past, [2])) : queries, keys];
}

/** For each query, true for the keys that do not come after it, `[S, T]`. */
function notAfter(g: Builder, scores: Value, past?: Value): Value {
  const [queries, keys] = placesOf(g, scores, past);
  return g.lessOrEqual(keys, queries);
}

/** As {@link notAfter}, except that the last query sees all keys, as in ONNX Runtime if there are more keys than queries. */
function unidirectional(g: Builder, scores: Value, past: Value | undefined): Value {
  const size = g.sizes(scores, [2]);
  const last = g.equal(g.places(size, 0, 2), g.sub(size, g.integers([1])));
  return g.or(notAfter(g, scores, past), last);
}

/** Term that a mask of com.microsoft adds to scores: 0 for keys that count, `filter` for the others. */
function maskTerm(g: Builder, mask: Value, x: Value, scores: Value, filter: number): Value {
  const rank = g.rank(mask);
  const [batch] = g.shapeOf(x) ?? [];
  let counts: Value;
  if (rank === 1) {
    counts = betweenEnds(g, mask, batch, scores);
  } else if (rank === 2 || rank === 3) {
    counts = g.greater(g.unsqueeze(mask, rank === 2 ? [1, 2] : [1]), 0);
  } else refuse('a mask with four axes has no rule.');
  const dtype = g.dtypeOf(scores);
  return g.where(counts, g.scalar(0, dtype), g.scalar(filter, dtype));
}

/** True for keys before the end of their sequence, and from its start on if the mask lists starts after the ends. */
function betweenEnds(g: Builder, mask: Value, batch: Dimension | undefined, scores: Value): Value {
  const [length] = g.shapeOf(mask) ?? [];
  const keys = g.places(g.sizes(scores, [3]), 3, 4);
  const bounds = g.cast(mask, DType.INT64);
  const column = (v: Value) => g.reshape(v, [-1, 1, 1, 1]);
  if (length === batch) return g.less(keys, column(bounds));
  if (typeof length !== 'number' || typeof batch !== 'number' || length !== 2 * batch) {
    refuse(
      'a mask with one axis has a rule only if it holds the length of each sequence of the batch, or their ends and starts.',
    );
  }
  const [ends, starts] = g.split(bounds, [batch, batch], 0);
  return g.and(g.less(keys, column(ends)), g.greaterOrEqual(keys, column(starts)));
}

/** Attention of com.microsoft: the three projections are one product. The past is `[2, B, N, P, H]`, keys first. */
export const packedAttention: Lowering = (g, node, attributes) => {
  const [x, weight, bias, mask, past, added] = node.input;
  if (attributes.int('do_rotary', 0)) refuse('do_rotary has no rule.');
  const count = attributes.int('num_heads', 1);
  const product = g.matmul(x, weight);
  const projected = bias ? g.add(product, bias) : product;
  const sizes = attributes.ints('qkv_hidden_sizes');
  const parts = sizes ? g.split(projected, sizes, 2) : g.equalParts(projected, 3, 2);
  const [q, k, v] = parts.map((part) => heads(g, part, count));
  const [pastKeys, pastValues] = past ? [0, 1].map((i) => g.squeeze(g.slice(past, i, i + 1, 0), [0])) : [];
  const [keys, values] = [after(g, pastKeys, k), after(g, pastValues, v)];
  const y = attend(g, { x, q, k: keys, v: values, past: pastKeys, mask, added, attributes });
  return [y, node.output[1] ? g.stack([keys, values], 0) : undefined];
};

/** MultiHeadAttention of com.microsoft: its inputs are already projected, except for the biases. */
const separate: Lowering = (g, node, attributes) => {
  const [query, key, value, bias, mask, added, pastKey, pastValue, ...rest] = node.input;
  if (rest.some(Boolean) || node.output[3])
    refuse('buffers of past states, and scores as an output, have no rule.');
  if (!key || !value || g.rank(query) !== 3) refuse('query, key and value packed in one have no rule.');
  const [q, k, v] = projected(g, [query, key, value], bias, attributes.int('num_heads', 1));
  // ONNX Runtime ignores the past unless the present states are outputs.
  const hasPast = pastKey && node.output[1] && node.output[2];
  const [keys, values] = hasPast ? [after(g, pastKey, k), after(g, pastValue, v)] : [k, v];
  const past = hasPast ? pastKey : undefined;
  return [attend(g, { x: query, q, k: keys, v: values, past, mask, added, attributes }), keys, values];
};

/** Query, key and value with their biases, as heads `[B, N, S, H]`. Key and value with four axes are heads already. */
function projected(g: Builder, inputs: readonly Value[], bias: Value | undefined, count: number): Value[] {
  if (inputs.slice(1).some((input) => g.rank(input) === 4)) {
    if (inputs.slice(1).some((input) => g.rank(input) !== 4))
      refuse('only one of key and value has four axes.');
    if (bias) refuse('a bias has no rule if key and value have four axes.');
    return [heads(g, inputs[0], count), ...inputs.slice(1)];
  }
  if (inputs.some((input) => g.rank(input) !== 3)) refuse('key and value packed in one have no rule.');
  const sizes = g.concat(
    inputs.map((input) => g.sizes(input, [2])),
    0,
  );
  const biases = bias ? g.parts(bias, 3, 0, sizes) : [];
  return inputs.map((input, i) => heads(g, bias ? g.add(input, biases[i]) : input, count));
}

/** Operands of an attention whose heads are split. */
interface Attention {
  /** Input whose first axis is the batch. */
  readonly x: Value;
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  /** Keys of the past, which `k` begins with. */
  readonly past: Value | undefined;
  readonly mask: Value | undefined;
  /** Term added to the scores. */
  readonly added: Value | undefined;
  readonly attributes: Parameters<Lowering>[2];
}

function attend(g: Builder, { x, q, k, v, past, mask, added, attributes }: Attention): Value {
  let scores = scoresOf(g, q, k, attributes.float('scale', 0) || undefined);
  if (mask)
    scores = g.add(scores, maskTerm(g, mask, x, scores, attributes.float('mask_filter_value', -10_000)));
  if (added) scores = g.add(scores, added);
  if (attributes.int('unidirectional', 0)) scores = g.where(unidirectional(g, scores, past), scores, lowest);
  return joined(g, g.matmul(g.softmax(scores, -1), v));
}

/** Number of query heads per key head; a vector of one int64 if it is known only at run time. */
function sharingOf(g: Builder, q: Value, k: Value): number | Value {
  const [queries, keys] = [g.shapeOf(q)?.[1], g.shapeOf(k)?.[1]];
  if (queries !== undefined && queries === keys) return 1;
  if (typeof queries === 'number' && typeof keys === 'number') return queries / keys;
  return g.div(g.sizes(q, [1]), g.sizes(k, [1]));
}

/** Repeats each head of `[B, N, S, H]`; copies of the same head stay together. */
export function repeated(g: Builder, x: Value, times: number | Value): Value {
  if (times === 1) return x;
  const count = typeof times === 'number' ? g.integers([times]) : times;
  const one = g.unsqueeze(x, [2]);
  const ones = g.integers([1, 1]);
  const copies = g.expand(one, g.concat([ones, count, ones], 0));
  const merged = g.mul(g.sizes(x, [1]), count);
  return g.reshape(copies, g.concat([g.sizes(x, [0]), merged, g.sizes(x, [2, 3])], 0));
}

/** Combines the conditions under which a query sees a key; undefined if it sees all keys. */
export const allOf = (g: Builder, [first, ...others]: readonly Value[]): Value | undefined =>
  first === undefined ? undefined : others.reduce((a, b) => g.and(a, b), first);

/** Softmax over the keys that a query sees; zeros if it sees none. */
export function softmaxOver(g: Builder, scores: Value, seen: Value | undefined): Value {
  if (seen === undefined) return g.softmax(scores, -1);
  const softmax = g.softmax(g.where(seen, scores, lowest), -1);
  return g.where(seen, softmax, 0);
}

/** Limits scores smoothly to ± `softcap`; 0 means no limit. */
export const capped = (g: Builder, scores: Value, softcap: number) =>
  softcap === 0 ? scores : g.mul(softcap, g.tanh(g.mul(1 / softcap, scores)));

/** Keys that a mask of ONNX's Attention leaves visible, and the term that it adds to their scores. */
function maskOf(g: Builder, mask: Value, scores: Value): { readonly seen: Value; readonly bias?: Value } {
  const [keys, total] = [g.shapeOf(mask)?.at(-1), g.shapeOf(scores)?.[3]];
  if (typeof keys === 'number' && typeof total === 'number' && keys !== total)
    refuse(`a mask of ${keys} keys for ${total} has no rule; pad it.`);
  if (g.dtypeOf(mask) === DType.BOOL) return { seen: mask };
  const seen = g.not(g.op('IsInf', [mask], { detect_positive: 0 }));
  return { seen, bias: g.where(seen, mask, 0) };
}

/** For each query, true for the keys that do not come after it. Positions count from the past, or from `lengths`, `[B]`. */
function causal(g: Builder, scores: Value, past: Value | undefined, lengths: Value | undefined): Value {
  if (lengths === undefined) return notAfter(g, scores, past);
  const [queries, keys] = placesOf(g, scores);
  const offset = g.sub(g.reshape(lengths, [-1, 1, 1, 1]), g.sizes(scores, [2]));
  return g.lessOrEqual(keys, g.add(queries, offset));
}

/** ONNX's own Attention, of opsets 23 and 24. softcap is applied before masks, as in ONNX Runtime 1.30. */
const standard: Lowering = (g, node, attributes) => {
  const [query, key, value, mask, pastKey, pastValue, lengths] = node.input;
  const flat = g.rank(query) === 3;
  const split = (x: Value, name: string) => (flat ? heads(g, x, attributes.int(name, 1)) : x);
  const q = split(query, 'q_num_heads');
  const k = after(g, pastKey, split(key, 'kv_num_heads'));
  const v = after(g, pastValue, split(value, 'kv_num_heads'));
  const times = flat
    ? attributes.int('q_num_heads', 1) / attributes.int('kv_num_heads', 1)
    : sharingOf(g, q, k);
  const scale = attributes.has('scale') ? attributes.float('scale', 1) : undefined;
  const scores = scoresOf(g, q, repeated(g, k, times), scale);
  const limited = capped(g, scores, attributes.float('softcap', 0));
  const conditions: Value[] = [];
  const shown = mask ? maskOf(g, mask, scores) : undefined;
  const biased = shown?.bias ? g.add(limited, shown.bias) : limited;
  if (shown) conditions.push(shown.seen);
  if (attributes.int('is_causal', 0) === 1)
    conditions.push(causal(g, scores, pastKey || undefined, lengths || undefined));
  if (lengths)
    conditions.push(g.less(g.places(g.sizes(scores, [3]), 3, 4), g.reshape(lengths, [-1, 1, 1, 1])));
  const seen = allOf(g, conditions);
  const softmax = softmaxOver(g, biased, seen);
  const y = g.matmul(softmax, repeated(g, v, times));
  const shows = () => {
    const mode = attributes.int('qk_matmul_output_mode', 0);
    // Backends differ in the score of a hidden key: −∞, or the lowest number.
    if (mode === 2 && conditions.length > (shown?.bias ? 1 : 0))
      refuse('scores of keys that a mask hides have no rule (qk_matmul_output_mode 2).');
    const masked = shown?.bias ? g.add(limited, mask) : limited;
    return [scores, limited, masked, softmax][mode] ?? refuse('its qk_matmul_output_mode is unknown.');
  };
  return [flat ? joined(g, y) : y, k, v, node.output[3] ? shows() : undefined];
};

/** Attention, written as products and softmax. */
export const attention: OpTable = {
  Attention: { as: { read: standard }, since: 23 },
  'com.microsoft::Attention': { as: { read: packedAttention } },
  'com.microsoft::MultiHeadAttention': { as: { read: separate } },
};
