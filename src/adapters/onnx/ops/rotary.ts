import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { DType } from '../ir/tensor.ts';

/** Rotation of pairs of a head's elements by a rotary embedding. */
interface Rotation {
  /** Cosines, `[B, S, half]`, or `[S, half]` for the whole batch; `sin` has the same shape. */
  readonly cos: Value;
  readonly sin: Value;
  /** True if the elements of a pair are neighbors; false if they are half the rotated part apart. */
  readonly interleaved: boolean;
  /** Number of elements of a head that are rotated; 0 for all. */
  readonly size: number;
}

const last = 2 ** 31 - 1;

/** Rotates the pairs of heads `[B, N, S, H]` by the angles of their positions. */
export function rotated(g: Builder, x: Value, { cos, sin, interleaved, size }: Rotation): Value {
  const all = size === 0 || size === g.shapeOf(x)?.at(-1);
  const turned = all ? x : g.slice(x, 0, size, -1);
  const half = g.div(g.sizes(turned, [-1]), g.integers([2]));
  const along = (v: Value) => g.unsqueeze(v, g.rank(v) === 2 ? [0, 1] : [1]);
  const [c, s] = [along(cos), along(sin)];
  const halves = interleaved
    ? [0, 1].map((from) => g.slices(turned, g.integers([from]), g.integers([last]), [-1], g.integers([2])))
    : [g.slice(turned, 0, half, -1), g.slice(turned, half, last, -1)];
  const [a, b] = halves;
  const [first, second] = [g.sub(g.mul(c, a), g.mul(s, b)), g.add(g.mul(s, a), g.mul(c, b))];
  const joined = interleaved
    ? g.reshapeLike(g.concat([g.unsqueeze(first, [4]), g.unsqueeze(second, [4])], 4), turned)
    : g.concat([first, second], 3);
  return all ? joined : g.concat([joined, g.slice(x, size, last, -1)], 3);
}

/** Applies `work` to the heads of `[B, S, N·H]`; a value with four axes already consists of heads. */
function throughHeads(
  g: Builder,
  x: Value,
  attributes: Attributes,
  headSize: number | undefined,
  work: (heads: Value) => Value,
): Value {
  if (g.rank(x) === 4) return work(x);
  const count = attributes.int('num_heads', 0);
  const split = count > 0 ? [0, 0, count, -1] : [0, 0, -1, headSize ?? refuse('it has no num_heads.')];
  const heads = g.transpose(g.reshape(x, split), [0, 2, 1, 3]);
  return g.reshape(g.transpose(work(heads), [0, 2, 1, 3]), [0, 0, -1]);
}

const standard: Lowering = (g, { input: [x, cos, sin, places] }, attributes) => {
  const pick = (cache: Value) => (places ? g.gather(cache, places) : cache);
  const rotation = {
    cos: pick(cos),
    sin: pick(sin),
    interleaved: attributes.int('interleaved', 0) === 1,
    size: attributes.int('rotary_embedding_dim', 0),
  };
  return [throughHeads(g, x, attributes, undefined, (heads) => rotated(g, heads, rotation))];
};

/** Gathers the angles of a sequence in com.microsoft's ops: at a position for each element, or from a first position. */
function picked(g: Builder, cache: Value, places: Value, length: Value): Value {
  const whole = g.cast(places, DType.INT64);
  if (g.rank(places) === 2) return g.gather(cache, whole);
  return g.gather(cache, g.add(g.places(length), g.reshape(whole, [1])));
}

const microsoft: Lowering = (g, { input: [x, places, cos, sin] }, attributes) => {
  if (attributes.int('is_packed_batching', 0)) refuse('is_packed_batching has no rule.');
  const length = g.sizes(x, [g.rank(x) === 4 ? 2 : 1]);
  const size = attributes.int('rotary_embedding_dim', 0);
  const half = g.shapeOf(cos)?.[1];
  const rotation = {
    cos: picked(g, cos, places, length),
    sin: picked(g, sin, places, length),
    interleaved: attributes.int('interleaved', 0) === 1,
    size,
  };
  const headSize = typeof half === 'number' && size === 0 ? 2 * half : undefined;
  const scale = attributes.float('scale', 1);
  return [
    g.mul(
      scale,
      throughHeads(g, x, attributes, headSize, (heads) => rotated(g, heads, rotation)),
    ),
  ];
};

/** Uses of the tables that rotations look up. */
export const [cosines, sines] = ['cosines of a rotary embedding', 'sines of a rotary embedding'];

/** Rotary position embeddings. */
export const rotary: OpTable = {
  RotaryEmbedding: { as: { read: standard }, since: 23, uses: { 1: cosines, 2: sines } },
  'com.microsoft::RotaryEmbedding': { as: { read: microsoft }, uses: { 2: cosines, 3: sines } },
};
