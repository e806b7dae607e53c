import { attributesOf } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import { decompositionOf, sinceOf } from '../ops/index.ts';

/**
 * Replaces the last node of a graph by its decomposition, if its op is of a later opset than the graph.
 *
 * @param outputs - the outputs of the node
 * @returns the values that take their place
 * @throws Refusal if the op is of a later opset and has no decomposition
 */
export function inOpset(g: Builder, outputs: Value[], opset: number): Value[] {
  const node = g.proto.node.at(-1);
  const since = node && sinceOf(node.opType, opset);
  if (node === undefined || since === undefined) return outputs;
  g.proto.node.pop();
  const values = decompositionOf(node.opType)?.(g, node, attributesOf(node));
  if (values === undefined)
    refuse(`it is an op of opset ${since}, and the graph is of opset ${opset}; write it with simpler ops.`);
  return outputs.map((_, k) => values[k] ?? refuse(`its output ${k} has no form in opset ${opset}.`));
}
