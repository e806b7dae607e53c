import { create } from '@bufbuild/protobuf';
import { NodeProtoSchema } from 'onnx-buf';
import type { GraphProto, NodeProto } from 'onnx-buf';
import { refuse } from '../ir/errors.ts';
import { attributesOf, type Attributes } from '../ir/attributes.ts';
import { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import type { DType } from '../ir/tensor.ts';
import { inferNode } from '../infer/infer.ts';
import { opKey } from '../ir/domain.ts';

/** Writes a node in terms of others: the values of its outputs, or undefined to leave it as it is. */
export type Lowering = (
  g: Builder,
  node: NodeProto,
  attributes: Attributes,
) => readonly (Value | undefined)[] | undefined;

/**
 * Rebuilds a graph in place, node by node, with what can be known of each value worked out, and some nodes written
 * anew.
 *
 * @param lowerings - by the kind of op
 * @param failed - is told of every node that could not be written anew, and appends what is to stand in its place
 */
export function rewrite(
  graph: GraphProto,
  float: DType,
  lowerings: ReadonlyMap<string, Lowering>,
  failed: (g: Builder, node: NodeProto, error: unknown) => void,
): Builder {
  const nodes = graph.node;
  graph.node = [];
  const g = new Builder(graph, float, nodes);
  for (const node of nodes) {
    try {
      inferNode(g, node);
      const before = graph.node.length;
      const values = lowerings.get(opKey(node))?.(g, node, attributesOf(node));
      nameAfter(node, graph.node.slice(before));
      if (values === undefined) g.append(node);
      else node.output.forEach((output, k) => output && rename(g, values[k], output));
    } catch (error) {
      failed(g, node, error);
    }
  }
  return g;
}

/** Names nodes after the one that they stand for, for messages; the last of them has its very name. */
function nameAfter({ name }: NodeProto, made: readonly NodeProto[]): void {
  if (name === '') return;
  made.forEach((node, i) => (node.name = i === made.length - 1 ? name : `${name}/${node.output[0]}`));
}

/** Gives a value the name that the node's output had. */
function rename(g: Builder, value: Value | undefined, output: string): void {
  if (value === undefined) refuse(`its output ${JSON.stringify(output)} is used, and cannot be had here.`);
  g.append(
    create(NodeProtoSchema, {
      opType: 'Identity',
      name: `${output}/out`,
      input: [value],
      output: [output],
    }),
  );
}
