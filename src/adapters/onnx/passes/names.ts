import type { GraphProto } from 'onnx-buf';
import { gradientNameOf, hessianVectorNameOf, lossName } from '../convention.ts';
import { fault, OnnxError } from '../errors.ts';
import { subgraphsOf } from '../graph/attributes.ts';
import { namesIn } from '../graph/graph.ts';

/**
 * Renames the values of a graph, in place, that have the names which the convention gives to the loss and to the
 * gradients of `names`.
 *
 * @returns the present name of each value, by its former one
 * @throws OnnxError if an input has such a name: it must keep it
 */
export function freeNames(graph: GraphProto, names: readonly string[]): (name: string) => string {
  const reserved = [lossName, ...names.flatMap((name) => [gradientNameOf(name), hessianVectorNameOf(name)])];
  const taken = new Set(namesIn(graph));
  const inputs = new Set(graph.input.map(({ name }) => name));
  const clash = reserved.filter((name) => inputs.has(name));
  if (clash.length > 0) {
    throw new OnnxError(
      clash.map((name) =>
        fault(
          `the model's input ${JSON.stringify(name)} has a name that the result gives to an output; rename it.`,
        ),
      ),
    );
  }
  const renamed = new Map<string, string>();
  for (const name of reserved) {
    if (!taken.has(name)) continue;
    let inner = `inner/${name}`;
    while (taken.has(inner)) inner = `inner/${inner}`;
    taken.add(inner);
    renamed.set(name, inner);
  }
  renameValues(graph, renamed);
  return (name) => renamed.get(name) ?? name;
}

/** Renames values and nodes of a graph, in place, in the graphs inside it too. */
export function renameValues(graph: GraphProto, names: ReadonlyMap<string, string>): void {
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
