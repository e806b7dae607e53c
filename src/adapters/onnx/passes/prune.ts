import type { GraphProto } from 'onnx-buf';
import { subgraphsOf } from '../ir/attributes.ts';

/** Drops the nodes and initializers that no output of the graph depends on, in place. */
export function prune(graph: GraphProto): void {
  const needed = new Set(graph.output.map(({ name }) => name));
  const kept = graph.node.toReversed().filter((node) => {
    if (!node.output.some((output) => needed.has(output))) return false;
    for (const input of node.input) needed.add(input);
    for (const subgraph of subgraphsOf(node)) readBy(subgraph, needed);
    return true;
  });
  graph.node = kept.toReversed();
  graph.initializer = graph.initializer.filter(({ name }) => needed.has(name));
}

function readBy(graph: GraphProto, needed: Set<string>): void {
  for (const { name } of graph.output) needed.add(name);
  for (const node of graph.node) {
    for (const input of node.input) needed.add(input);
    for (const subgraph of subgraphsOf(node)) readBy(subgraph, needed);
  }
}
