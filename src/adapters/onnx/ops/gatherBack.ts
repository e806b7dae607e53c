import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';

/**
 * The rule of any op that only moves and copies elements: numbers each element of x, sends the numbers through
 * the op to learn where each came to lie, and adds what arrived there.
 */
export function gatherBack(g: Builder, x: Value, dy: Value, move: (indices: Value) => Value): Value {
  const count = g.size(x);
  const sources = g.flat(move(g.reshapeLike(g.places(count), x)));
  const zeros = g.filled(count, 0, g.dtypeOf(x));
  const sum = g.scatterAdd(zeros, sources, g.flat(dy), 0);
  return g.reshapeLike(sum, x);
}
