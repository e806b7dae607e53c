/**
 * Cotangents that a pooling has given to one element of each window.
 *
 * @module
 */
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';

/** The cotangents of poolings' results, by those of their inputs. */
const pooled = new WeakMap<Builder, Map<Value, Value>>();

/** Remembers that `dx` holds the elements of `dy`, each in its channel, among zeros. */
export function rememberSpread(g: Builder, dx: Value, dy: Value): void {
  pooled.set(g, (pooled.get(g) ?? new Map<Value, Value>()).set(dx, dy));
}

/** Returns a value whose sums over samples and places are those of `dx`; it may have fewer elements. */
export const withSameSums = (g: Builder, dx: Value): Value => pooled.get(g)?.get(dx) ?? dx;
