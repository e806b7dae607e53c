import type { GraphProto, NodeProto } from 'onnx-buf';
import { subgraphsOf } from './attributes.ts';

/** Yields every name that a graph and its subgraphs use. */
export function* namesIn(graph: GraphProto): Iterable<string> {
  for (const { name } of [...graph.input, ...graph.output, ...graph.initializer]) yield name;
  yield* namesOf(graph.node);
}

/** Returns a function that makes names which neither a graph nor an earlier call has used, from a wished one. */
export function unusedNames(graph: GraphProto): (wished: (serial: number) => string) => string {
  const taken = new Set(namesIn(graph));
  let serial = 0;
  return (wished) => {
    let name;
    do name = wished(serial++);
    while (taken.has(name));
    taken.add(name);
    return name;
  };
}

/** Yields every name that nodes and their subgraphs use. */
export function* namesOf(nodes: readonly NodeProto[]): Iterable<string> {
  for (const node of nodes) {
    yield node.name;
    yield* node.input;
    yield* node.output;
    for (const subgraph of subgraphsOf(node)) yield* namesIn(subgraph);
  }
}
