import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';

/**
 * Cotangent of x for an op that only moves and copies elements. The elements of x are numbered and the numbers sent
 * through the op; each element then collects the cotangents from the positions of its number.
 */
export function gatherBack(g: Builder, x: Value, dy: Value, move: (indices: Value) => Value): Value {
  const count = g.size(x);
  const sources = g.flat(move(g.reshapeLike(g.places(count), x)));
  const zeros = g.filled(count, 0, g.dtypeOf(x));
  const sum = g.scatterAdd(zeros, sources, g.flat(dy), 0);
  return g.reshapeLike(sum, x);
}
