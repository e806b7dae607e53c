import type { GraphProto } from 'onnx-buf';
import { subgraphsOf } from './attributes.ts';

/** Renames values and nodes of a graph and its subgraphs, in place. */
export function renameValues(graph: GraphProto, names: ReadonlyMap<string, string>): void {
  if (names.size === 0) return;
  const renamed = (name: string) => names.get(name) ?? name;
  for (const value of [...graph.input, ...graph.output, ...graph.initializer, ...graph.valueInfo]) {
    value.name = renamed(value.name);
  }
  for (const node of graph.node) {
    node.name = renamed(node.name);
    node.input = node.input.map(renamed);
    node.output = node.output.map(renamed);
    for (const subgraph of subgraphsOf(node)) renameValues(subgraph, names);
  }
}
