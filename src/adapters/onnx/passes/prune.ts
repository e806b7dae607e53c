import type { GraphProto } from 'onnx-buf';
import { readBy } from '../ir/graph.ts';
import type { NoiseInput } from '../ir/noise.ts';

/** Drops the nodes and initializers that no output of the graph depends on, in place. */
export function prune(graph: GraphProto): void {
  const needed = new Set(graph.output.map(({ name }) => name));
  const kept = graph.node.toReversed().filter((node) => {
    if (!node.output.some((output) => needed.has(output))) return false;
    for (const input of readBy(node)) needed.add(input);
    return true;
  });
  graph.node = kept.toReversed();
  graph.initializer = graph.initializer.filter(({ name }) => needed.has(name));
}

/** Returns the noise inputs that nodes read; removes the others from the graph, in place. */
export function readNoise(graph: GraphProto, noise: readonly NoiseInput[]): NoiseInput[] {
  if (noise.length === 0) return [];
  const read = new Set(graph.node.flatMap(readBy));
  const left = new Set(noise.filter(({ name }) => !read.has(name)).map(({ name }) => name));
  graph.input = graph.input.filter(({ name }) => !left.has(name));
  return noise.filter(({ name }) => read.has(name));
}
