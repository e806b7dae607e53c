/**
 * Cotangents that a pooling has given to one element of each window.
 *
 * @module
 */
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';

/** The cotangents of poolings' results, by those of their inputs. */
const pooled = new WeakMap<Builder, Map<Value, Value>>();

/** The number of copies of one bias, by their Concat. */
const copies = new WeakMap<Builder, Map<Value, number>>();

/** Remembers that `dx` holds the elements of `dy`, each in its channel, among zeros. */
export function rememberSpread(g: Builder, dx: Value, dy: Value): void {
  pooled.set(g, (pooled.get(g) ?? new Map<Value, Value>()).set(dx, dy));
}

/** Returns a value whose sums over samples and places are those of `dx`; it may have fewer elements. */
export const withSameSums = (g: Builder, dx: Value): Value => pooled.get(g)?.get(dx) ?? dx;

/**
 * Joins copies of a bias for a convolution whose result is then pooled over the copies' filters, as rows `[N, 1, count, …]`.
 * Nothing else may read the result: only the sum of the copies' cotangents is right.
 */
export function copiesOf(g: Builder, bias: Value, count: number): Value {
  const joined = g.concat(Array(count).fill(bias), 0);
  copies.set(g, (copies.get(g) ?? new Map<Value, number>()).set(joined, count));
  return joined;
}

/**
 * The cotangent of {@link copiesOf}: all of it for the first copy, as a sum over what was pooled. Undefined for any other bias.
 *
 * @param d - cotangent of the convolution's result
 */
export function copiedCotangent(g: Builder, bias: Value, d: Value): Value | undefined {
  const count = copies.get(g)?.get(bias);
  const rows = g.makerOf(d)?.input[0] ?? '';
  const dy = pooled.get(g)?.get(rows);
  const all = g.shapeOf(bias)?.[0];
  if (count === undefined || dy === undefined || typeof all !== 'number') return undefined;
  const filters = all / count;
  const sums = g.sum(g.reshape(dy, [0, filters, -1]), [0, 2], false);
  return g.pad(sums, [0, all - filters]);
}
