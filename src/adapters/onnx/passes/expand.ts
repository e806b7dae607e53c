import type { GraphProto } from 'onnx-buf';
import { expansions } from '../expansions/expansions.ts';
import { isBuiltIn } from '../registry.ts';
import { opKey } from '../ir/domain.ts';
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
  const lowerings = new Map([...expansions].filter(([op]) => isBuiltIn(op)));
  for (let progress = true; progress;) {
    const candidates = graph.node.filter((node) => lowerings.has(opKey(node)));
    if (candidates.length === 0) break;
    rewrite(graph, floatTypeIn(graph), lowerings, (g, node) => g.append(node));
    const left = new Set(graph.node);
    const written = candidates.filter((node) => !left.has(node));
    for (const node of written) counts.set(opKey(node), (counts.get(opKey(node)) ?? 0) + 1);
    // What was written may hold more of them.
    progress = written.length > 0;
  }
  return counts;
}
