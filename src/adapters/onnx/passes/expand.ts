import type { GraphProto } from 'onnx-buf';
import { expansionRules, expansions } from '../expansions/expansions.ts';
import { vjpRules } from '../registry.ts';
import { opKey } from '../vjp.ts';
import { floatTypeIn } from './precision.ts';
import { rewrite } from './rewrite.ts';

/**
 * Writes nodes in standard ops, in place, that stand for several of them; a node that cannot be is left as it is,
 * and one that `registerVjp` has given a rule.
 *
 * @returns how many nodes there were of each op that was written anew
 */
export function expand(graph: GraphProto): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const own = [...expansions].filter(([op]) => vjpRules.get(op) === expansionRules.get(op));
  const known = new Set(own.map(([op]) => op));
  for (const node of graph.node) {
    const op = opKey(node);
    if (known.has(op)) counts.set(op, (counts.get(op) ?? 0) + 1);
  }
  if (counts.size === 0) return counts;
  rewrite(graph, floatTypeIn(graph), new Map(own), (g, node) => {
    const op = opKey(node);
    counts.set(op, (counts.get(op) ?? 0) - 1);
    g.append(node);
  });
  return counts;
}
