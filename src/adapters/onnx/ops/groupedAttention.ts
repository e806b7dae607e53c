import { allOf, capped, heads, joined, repeated, scoresOf, softmaxOver } from './attention.ts';
import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { DType } from '../ir/tensor.ts';
import { cosines, rotated, sines } from './rotary.ts';
import type { Lowering, OpTable } from '../ir/op.ts';

/** Keys and values of earlier calls, in buffers `[B, N, P, H]`; each sample fills its own length. */
interface Past {
  readonly key: Value;
  readonly value: Value;
  /** Number of tokens before this call, int64 `[B, 1, 1, 1]`. */
  readonly length: Value;
  /** Length of the buffers after this call, int64 `[1]`. */
  readonly total: Value;
}

/** GroupQueryAttention of com.microsoft, which is causal: no query sees a later key. */
const grouped: Lowering = (g, node, attributes) => {
  const [query, key, value, pastKey, pastValue, lengths, total, cos, sin, places, added, sink] = node.input;
  const [count, shared] = [attributes.int('num_heads', 1), attributes.int('kv_num_heads', 1)];
  const parts = key ? [query, key, value] : unpacked(g, query, count, shared);
  const past = pastKey && pastValue ? pastOf(g, query, { pastKey, pastValue, lengths, total }) : undefined;
  const turned = (x: Value) =>
    attributes.int('do_rotary', 0) ? turnedBy(g, x, { cos, sin, places, past, attributes }) : x;
  const q = turned(heads(g, parts[0], count));
  const newKeys = turned(heads(g, parts[1], shared));
  const newValues = heads(g, parts[2], shared);
  const k = past ? appended(g, past.key, newKeys, past) : newKeys;
  const v = past ? appended(g, past.value, newValues, past) : newValues;
  const raw = scoresOf(g, q, repeated(g, k, count / shared), attributes.float('scale', 0) || undefined);
  let scores = capped(g, raw, attributes.float('softcap', 0));
  if (added) scores = g.add(scores, added);
  const rows = g.places(g.sizes(scores, [2]), 2, 4);
  const queries = past ? g.add(rows, past.length) : rows;
  const keys = g.places(g.sizes(scores, [3]), 3, 4);
  const seen = [g.lessOrEqual(keys, queries)];
  const window = attributes.int('local_window_size', -1);
  if (window >= 0) seen.push(g.less(g.sub(queries, keys), window));
  const smooth = attributes.int('smooth_softmax', 0) === 1;
  const zeros = () => g.filled(g.integers([count]), 0, g.floatTypeOf(scores));
  const weights = withSink(g, scores, allOf(g, seen), sink || (smooth ? zeros() : undefined));
  const y = g.matmul(weights, repeated(g, v, count / shared));
  return [joined(g, y), k, v];
};

/** Softmax over the keys that a query sees and one more, whose score is that of the head, `[N]`, and which counts for nothing. */
function withSink(g: Builder, scores: Value, seen: Value | undefined, sink: Value | undefined): Value {
  if (sink === undefined) return softmaxOver(g, scores, seen);
  const column = g.concat([g.sizes(scores, [0, 1, 2]), g.integers([1])], 0);
  const scored = g.concat([scores, g.expand(g.reshape(sink, [1, -1, 1, 1]), column)], 3);
  const shown = seen && g.concat([g.expand(seen, g.shape(scores)), trueOf(g, column)], 3);
  return g.slice(softmaxOver(g, scored, shown), 0, g.sizes(scores, [3]), 3);
}

const trueOf = (g: Builder, shape: Value) => g.cast(g.filled(shape, 1), DType.BOOL);

/**
 * Returns the past. `lengths` holds the total number of tokens of each sample minus 1; `total` is the largest number.
 */
function pastOf(
  g: Builder,
  query: Value,
  { pastKey, pastValue, lengths, total }: Record<'pastKey' | 'pastValue' | 'lengths' | 'total', Value>,
): Past {
  const all = g.add(g.cast(lengths, DType.INT64), g.integers([1]));
  const before = g.max(g.sub(all, g.sizes(query, [1])), g.integers([0]));
  return {
    key: pastKey,
    value: pastValue,
    length: g.reshape(before, [-1, 1, 1, 1]),
    total: g.max(g.reshape(g.cast(total, DType.INT64), [1]), g.sizes(pastKey, [2])),
  };
}

/** Writes new keys or values into a buffer, after the tokens of each sample; a buffer that is too short grows. */
function appended(g: Builder, buffer: Value, x: Value, { length, total }: Past): Value {
  const missing = g.sub(total, g.sizes(buffer, [2]));
  const rest = g.filled(
    g.concat([g.sizes(buffer, [0, 1]), missing, g.sizes(buffer, [3])], 0),
    0,
    g.floatTypeOf(x),
  );
  const places = g.add(g.places(g.sizes(x, [2]), 2, 4), length);
  return g.scatter(g.concat([buffer, rest], 2), g.expandLike(places, x), x, 2);
}

/** Splits queries, keys and values that lie side by side. */
function unpacked(g: Builder, x: Value, count: number, shared: number): Value[] {
  const size = g.div(g.sizes(x, [2]), g.integers([count + 2 * shared]));
  return g.parts(x, 3, 2, g.mul(size, g.integers([count, shared, shared])));
}

interface Rotation {
  readonly cos: Value;
  readonly sin: Value;
  readonly places: Value;
  readonly past: Past | undefined;
  readonly attributes: Attributes;
}

/** Applies the rotary embedding to heads, at the given positions or at those after the past. */
function turnedBy(g: Builder, x: Value, { cos, sin, places, past, attributes }: Rotation): Value {
  const fresh = () => {
    const rows = g.places(g.sizes(x, [2]));
    return past ? g.add(rows, g.reshape(past.length, [-1, 1])) : rows;
  };
  const at = places ? g.cast(places, DType.INT64) : fresh();
  const pick = (cache: Value) => g.gather(cache, at);
  const half = g.shapeOf(cos)?.[1];
  return rotated(g, x, {
    cos: pick(cos),
    sin: pick(sin),
    interleaved: attributes.int('rotary_interleaved', 0) === 1,
    size: typeof half === 'number' ? 2 * half : 0,
  });
}

/** Attention of language models, whose queries share keys and values. */
export const groupedAttention: OpTable = {
  'com.microsoft::GroupQueryAttention': { as: { read: grouped }, uses: { 7: cosines, 8: sines } },
};
