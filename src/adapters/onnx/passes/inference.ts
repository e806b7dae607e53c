import type { NodeProto } from 'onnx-buf';
import { attributesOf, nodeAttributes, subgraphsOf } from '../ir/attributes.ts';
import { opKey } from '../ir/domain.ts';
import { identityNode } from '../ir/node.ts';

/** Takes BatchNormalization and Dropout nodes out of their training mode, in place, in graphs inside others too. */
export function toInference(graph: { node: NodeProto[] }): void {
  withoutDropout(graph);
  graph.node = graph.node.flatMap((node) => {
    for (const subgraph of subgraphsOf(node)) toInference(subgraph);
    return opKey(node) === 'BatchNormalization' ? [node, ...batchNormalization(node)] : [node];
  });
}

/** Lets Dropout nodes drop nothing, in place, in graphs inside others too. */
export function withoutDropout(graph: { node: readonly NodeProto[] }): void {
  for (const node of graph.node) {
    for (const subgraph of subgraphsOf(node)) withoutDropout(subgraph);
    if (opKey(node) === 'Dropout') node.input = node.input.slice(0, 2);
  }
}

/** Changes a node to inference, and returns nodes that make its other outputs: the statistics stay as they are. */
function batchNormalization(node: NodeProto): NodeProto[] {
  const others = node.output.slice(1, 3);
  // Until opset 13 the number of outputs told training from inference.
  const training = attributesOf(node).int('training_mode', 0) !== 0 || others.some((output) => output !== '');
  if (!training) return [];
  node.output = node.output.slice(0, 1);
  if (node.attribute.some(({ name }) => name === 'training_mode')) {
    node.attribute = [
      ...node.attribute.filter(({ name }) => name !== 'training_mode'),
      ...nodeAttributes({ training_mode: 0 }),
    ];
  }
  return others.flatMap((output, k) => (output === '' ? [] : [identityNode(node.input[3 + k], output)]));
}
