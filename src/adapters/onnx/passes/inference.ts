import type { NodeProto } from 'onnx-buf';
import { faultOf, Refusal, type Fault } from '../ir/errors.ts';
import type { Builder } from '../ir/builder.ts';
import { attributesOf, nodeAttributes, subgraphsOf } from '../ir/attributes.ts';
import { opKey } from '../ir/domain.ts';
import { decodeModel } from '../ir/model.ts';
import { identityNode } from '../ir/node.ts';
import { numbersOf } from '../ir/tensor.ts';

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

/** True if a file holds a Dropout that may be in training mode, wherever it stands. */
export function mayDrop(bytes: Uint8Array): boolean {
  const { graph, functions } = decodeModel(bytes);
  const within = ({ node }: { node: readonly NodeProto[] }): boolean =>
    node.some(
      (each) => (opKey(each) === 'Dropout' && each.input[2] !== undefined) || subgraphsOf(each).some(within),
    );
  return within(graph) || functions.some(within);
}

/** Faults of the Dropout nodes in training mode inside the graphs of other nodes: their choice cannot be fed. */
export const droppingInside = (g: Builder): Fault[] => g.proto.node.flatMap((node) => inner(g, node));

const inner = (g: Builder, node: NodeProto): Fault[] =>
  subgraphsOf(node).flatMap((body) => {
    const off = new Set(body.initializer.filter((t) => numbersOf(t)[0] === 0).map(({ name }) => name));
    return body.node.flatMap((each) => {
      const mode = opKey(each) === 'Dropout' ? each.input[2] : '';
      const drops = mode && !off.has(mode) && g.integersOf(mode)?.[0] !== 0;
      return [...(drops ? [faultOf(each, new Refusal(UNFED))] : []), ...inner(g, each)];
    });
  });

const UNFED =
  "in training mode, inside the graph of another node, it cannot be fed with a choice of its own; dropout: 'off' trains without it.";

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
