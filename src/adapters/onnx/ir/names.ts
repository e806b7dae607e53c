import type { GraphProto, NodeProto } from 'onnx-buf';
import { subgraphsOf } from './attributes.ts';

/** Returns every name that a graph and its subgraphs use, added to `names`. */
export function namesIn(graph: GraphProto, names = new Set<string>()): Set<string> {
  for (const each of [graph.input, graph.output, graph.initializer])
    for (const { name } of each) names.add(name);
  return namesOf(graph.node, names);
}

/** Returns every name that nodes and their subgraphs use, added to `names`. */
export function namesOf(nodes: readonly NodeProto[], names = new Set<string>()): Set<string> {
  for (const node of nodes) {
    names.add(node.name);
    for (const input of node.input) names.add(input);
    for (const output of node.output) names.add(output);
    for (const subgraph of subgraphsOf(node)) namesIn(subgraph, names);
  }
  return names;
}

/** Returns a function that makes names which neither a graph nor an earlier call has used, from a wished one. */
export function unusedNames(graph: GraphProto): (wished: (serial: number) => string) => string {
  const taken = namesIn(graph);
  let serial = 0;
  return (wished) => {
    let name;
    do name = wished(serial++);
    while (taken.has(name));
    taken.add(name);
    return name;
  };
}
