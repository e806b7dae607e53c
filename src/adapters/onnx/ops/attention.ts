import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { DType } from '../ir/tensor.ts';
import { rotated } from './rotary.ts';

// The lowest float32 number: after it is put in a score's place, softmax gives nothing to it.
const lowest = -3.4028234663852886e38;

/** [B, S, N·H] as [B, N, S, H]. */
const heads = (g: Builder, x: Value, count: number) =>
  g.transpose(g.reshape(x, [0, 0, count, -1]), [0, 2, 1, 3]);

const joined = (g: Builder, x: Value) => g.reshape(g.transpose(x, [0, 2, 1, 3]), [0, 0, -1]);

/** q·kᵀ of heads [B, N, S, H], scaled; by 1/√H where no scale is given. */
function scoresOf(g: Builder, q: Value, k: Value, scale: number | undefined): Value {
  const size = g.shapeOf(q)?.[3];
  const product = g.matmul(q, g.swap(k));
  if (scale !== undefined) return g.mul(scale, product);
  if (typeof size === 'number') return g.mul(1 / Math.sqrt(size), product);
  return g.div(product, g.sqrt(g.cast(g.squeeze(g.sizes(q, [3]), [0]), g.floatTypeOf(q))));
}

/** Keys or values `[B, N, T, H]` after those of the past. */
const after = (g: Builder, past: Value | undefined, x: Value) => (past ? g.concat([past, x], 2) : x);

/** The places of queries `[S, 1]`, after those of the past, and of keys `[1, T]`, for scores [B, N, S, T]. */
function placesOf(g: Builder, scores: Value, past?: Value): readonly [Value, Value] {
  const queries = g.places(g.sizes(scores, [2]), 0, 2);
  const keys = g.places(g.sizes(scores, [3]), 1, 2);
  return [past ? g.add(queries, g.sizes(past, [2])) : queries, keys];
}

/** True for the keys that do not come after each query, [S, T]. */
function notAfter(g: Builder, scores: Value, past?: Value): Value {
  const [queries, keys] = placesOf(g, scores, past);
  return g.lessOrEqual(keys, queries);
}

/** As {@link notAfter}, but that the last query sees all keys, as in ONNX Runtime where there are more than queries. */
function unidirectional(g: Builder, scores: Value): Value {
  const size = g.sizes(scores, [2]);
  const last = g.equal(g.places(size, 0, 2), g.sub(size, g.integers([1])));
  return g.or(notAfter(g, scores), last);
}

const lengthOf = (g: Builder, x: Value, axis: number): number => {
  const size = g.shapeOf(x)?.at(axis);
  return typeof size === 'number' ? size : refuse(`a size of ${JSON.stringify(x)} is not known beforehand.`);
};

/** Term that a mask of com.microsoft adds to scores: 0 where a key counts, else `filter`. */
function maskTerm(g: Builder, mask: Value, x: Value, scores: Value, filter: number): Value {
  const rank = g.rank(mask);
  const [batch] = g.shapeOf(x) ?? [];
  let counts: Value;
  if (rank === 1) {
    if (g.shapeOf(mask)?.[0] !== batch) {
      refuse('a mask of one axis has a rule where it holds the length of each sequence of the batch.');
    }
    const keys = g.places(g.sizes(scores, [3]), 3, 4);
    counts = g.less(keys, g.reshape(g.cast(mask, DType.INT64), [-1, 1, 1, 1]));
  } else if (rank === 2 || rank === 3) {
    counts = g.greater(g.unsqueeze(mask, rank === 2 ? [1, 2] : [1]), 0);
  } else refuse('a mask of four axes has no rule.');
  const dtype = g.dtypeOf(scores);
  return g.where(counts, g.scalar(0, dtype), g.scalar(filter, dtype));
}

/** Attention of com.microsoft: the projections are one product. */
const packed: Lowering = (g, node, attributes) => {
  const [x, weight, bias, mask, past, added] = node.input;
  if (past || node.output[1]) refuse('past and present states have no rule.');
  if (attributes.int('do_rotary', 0)) refuse('do_rotary has no rule.');
  const count = attributes.int('num_heads', 1);
  const third = lengthOf(g, weight, 1) / 3;
  const sizes = attributes.ints('qkv_hidden_sizes') ?? [third, third, third];
  const product = g.matmul(x, weight);
  const parts = g.split(bias ? g.add(product, bias) : product, sizes, 2);
  const [q, k, v] = parts.map((part) => heads(g, part, count));
  return [attend(g, { x, q, k, v, mask, added, attributes })];
};

/** MultiHeadAttention of com.microsoft: the projections are made already, but for their biases. */
const separate: Lowering = (g, node, attributes) => {
  const [query, key, value, bias, mask, added, pastKey, pastValue, ...rest] = node.input;
  if (rest.some(Boolean) || node.output[3])
    refuse('buffers of the past, and its scores as an output, have no rule.');
  // ONNX Runtime leaves the past out where its continuation is no output.
  if (pastKey && !(node.output[1] && node.output[2]))
    refuse('past states without present ones have no rule.');
  if (pastKey && attributes.int('unidirectional', 0)) refuse('unidirectional with past states has no rule.');
  if (!key || !value || g.rank(query) !== 3 || g.rank(key) !== 3)
    refuse('query, key and value have a rule where each is a tensor of three axes.');
  const count = attributes.int('num_heads', 1);
  const inputs = [query, key, value];
  const sizes = inputs.map((input) => lengthOf(g, input, 2));
  const biases = bias ? g.split(bias, sizes, 0) : [];
  const [q, k, v] = inputs.map((input, i) => heads(g, bias ? g.add(input, biases[i]) : input, count));
  const [keys, values] = [after(g, pastKey, k), after(g, pastValue, v)];
  return [attend(g, { x: query, q, k: keys, v: values, mask, added, attributes }), keys, values];
};

interface Attention {
  /** Its first axis is the batch. */
  readonly x: Value;
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  readonly mask: Value | undefined;
  /** Added to the scores. */
  readonly added: Value | undefined;
  readonly attributes: Parameters<Lowering>[2];
}

function attend(g: Builder, { x, q, k, v, mask, added, attributes }: Attention): Value {
  let scores = scoresOf(g, q, k, attributes.float('scale', 0) || undefined);
  if (mask)
    scores = g.add(scores, maskTerm(g, mask, x, scores, attributes.float('mask_filter_value', -10_000)));
  if (added) scores = g.add(scores, added);
  if (attributes.int('unidirectional', 0)) scores = g.where(unidirectional(g, scores), scores, lowest);
  return joined(g, g.matmul(g.softmax(scores, -1), v));
}

/** Each head of [B, N, S, H] as often as there are queries' heads for it. */
function repeated(g: Builder, x: Value, times: number): Value {
  if (times === 1) return x;
  const one = g.unsqueeze(x, [2]);
  const copies = g.expand(one, g.integers([1, 1, times, 1, 1]));
  const merged = g.mul(g.sizes(x, [1]), g.integers([times]));
  return g.reshape(copies, g.concat([g.sizes(x, [0]), merged, g.sizes(x, [2, 3])], 0));
}

/** Softmax over the keys that a query sees; all zeros where it sees none. */
function softmaxOver(g: Builder, scores: Value, [first, ...others]: readonly Value[]): Value {
  if (first === undefined) return g.softmax(scores, -1);
  const seen = others.reduce((a, b) => g.and(a, b), first);
  const softmax = g.softmax(g.where(seen, scores, lowest), -1);
  return g.where(seen, softmax, 0);
}

/** Attention of ONNX itself, of opset 23. */
const standard: Lowering = (g, node, attributes) => {
  const [query, key, value, mask, pastKey, pastValue, ...others] = node.input;
  if (others.some(Boolean) || node.output[3])
    refuse('lengths of keys without padding, and its scores as an output, have no rule.');
  const softcap = attributes.float('softcap', 0);
  const causally = attributes.int('is_causal', 0) === 1;
  if (softcap !== 0 && (mask || causally)) refuse('softcap together with a mask has no rule.');
  const flat = g.rank(query) === 3;
  const split = (x: Value, name: string) => (flat ? heads(g, x, attributes.int(name, 1)) : x);
  const q = split(query, 'q_num_heads');
  const k = after(g, pastKey, split(key, 'kv_num_heads'));
  const v = after(g, pastValue, split(value, 'kv_num_heads'));
  const [queryHeads, keyHeads] = flat
    ? [attributes.int('q_num_heads', 1), attributes.int('kv_num_heads', 1)]
    : [lengthOf(g, query, 1), lengthOf(g, key, 1)];
  const times = queryHeads / keyHeads;
  const scale = attributes.has('scale') ? attributes.float('scale', 1) : undefined;
  let scores = scoresOf(g, q, repeated(g, k, times), scale);
  if (softcap !== 0) scores = g.mul(softcap, g.tanh(g.mul(1 / softcap, scores)));
  const seen: Value[] = [];
  if (mask) {
    const boolean = g.dtypeOf(mask) === DType.BOOL;
    const visible = boolean ? mask : g.not(g.op('IsInf', [mask], { detect_positive: 0 }));
    seen.push(visible);
    if (!boolean) scores = g.add(scores, g.where(visible, mask, 0));
  }
  if (causally) seen.push(notAfter(g, scores, pastKey));
  const y = g.matmul(softmaxOver(g, scores, seen), repeated(g, v, times));
  return [flat ? joined(g, y) : y, k, v];
};

/** GroupQueryAttention of com.microsoft, of a whole prompt: no query sees a key after it, and there is no past. */
const grouped: Lowering = (g, node, attributes) => {
  const [query, key, value, pastKey, pastValue, , , cos, sin, places, added, sink] = node.input;
  if (pastKey || pastValue) refuse('past states have a rule in Attention and MultiHeadAttention only.');
  if (sink || attributes.int('smooth_softmax', 0) === 1) refuse('smooth_softmax has no rule.');
  const [count, shared] = [attributes.int('num_heads', 1), attributes.int('kv_num_heads', 1)];
  const parts = key ? [query, key, value] : unpacked(g, query, count, shared);
  const turned = (x: Value) =>
    attributes.int('do_rotary', 0) ? turnedBy(g, x, { cos, sin, places, attributes }) : x;
  const q = turned(heads(g, parts[0], count));
  const k = turned(heads(g, parts[1], shared));
  const v = heads(g, parts[2], shared);
  let scores = scoresOf(g, q, repeated(g, k, count / shared), attributes.float('scale', 0) || undefined);
  const softcap = attributes.float('softcap', 0);
  if (softcap !== 0) scores = g.mul(softcap, g.tanh(g.mul(1 / softcap, scores)));
  if (added) scores = g.add(scores, added);
  const [queries, keys] = placesOf(g, scores);
  const seen = [notAfter(g, scores)];
  const window = attributes.int('local_window_size', -1);
  if (window >= 0) seen.push(g.less(g.sub(queries, keys), window));
  const y = g.matmul(softmaxOver(g, scores, seen), repeated(g, v, count / shared));
  return [joined(g, y), k, v];
};

/** Queries, keys and values that lie side by side. */
function unpacked(g: Builder, x: Value, count: number, shared: number): Value[] {
  const size = lengthOf(g, x, 2) / (count + 2 * shared);
  const sizes = [count, shared, shared].map((n) => n * size);
  return g.split(x, sizes, 2);
}

/** Heads with the rotary embedding of their places: those given, or 0, 1, 2, … */
function turnedBy(
  g: Builder,
  x: Value,
  { cos, sin, places, attributes }: { cos: Value; sin: Value; places: Value; attributes: Attributes },
): Value {
  const at = places ? g.cast(places, DType.INT64) : g.places(g.sizes(x, [2]));
  const pick = (cache: Value) => g.gather(cache, at);
  const half = g.shapeOf(cos)?.[1];
  return rotated(g, x, {
    cos: pick(cos),
    sin: pick(sin),
    interleaved: attributes.int('rotary_interleaved', 0) === 1,
    size: typeof half === 'number' ? 2 * half : 0,
  });
}

/** Attention, in products and softmax. */
export const attention: OpTable = {
  Attention: { as: { read: standard } },
  'com.microsoft::Attention': { as: { read: packed } },
  'com.microsoft::MultiHeadAttention': { as: { read: separate } },
  'com.microsoft::GroupQueryAttention': { as: { read: grouped } },
};
