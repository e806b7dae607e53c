import type { NodeProto } from 'onnx-buf';
import { faultOf, Refusal, type Fault } from '../ir/errors.ts';
import type { Builder } from '../ir/builder.ts';
import { attributesOf, nodeAttributes, subgraphsOf } from '../ir/attributes.ts';
import { decodeModel } from '../ir/model.ts';
import { identityNode } from '../ir/node.ts';
import { numbersOf } from '../ir/tensor.ts';
import { opOf } from '../ops/index.ts';

/** True for a node that draws random numbers in training mode only. */
const isDropout = (node: NodeProto): boolean => opOf(node)?.draws === 'training';

/** Takes BatchNormalization and Dropout nodes out of training mode, in place, including those in subgraphs. */
export function toInference(graph: { node: NodeProto[] }): void {
  withoutDropout(graph);
  graph.node = graph.node.flatMap((node) => {
    for (const subgraph of subgraphsOf(node)) toInference(subgraph);
    return opOf(node)?.statistics ? [node, ...batchNormalization(node)] : [node];
  });
}

/** Takes Dropout nodes out of training mode, in place, including those in subgraphs. */
export function withoutDropout(graph: { node: readonly NodeProto[] }): void {
  for (const node of graph.node) {
    for (const subgraph of subgraphsOf(node)) withoutDropout(subgraph);
    if (isDropout(node)) node.input = node.input.slice(0, 2);
  }
}

/** True if a file contains a Dropout that may be in training mode, in any graph or function. */
export function mayDrop(bytes: Uint8Array): boolean {
  const { graph, functions } = decodeModel(bytes);
  const within = ({ node }: { node: readonly NodeProto[] }): boolean =>
    node.some((each) => (isDropout(each) && each.input[2] !== undefined) || subgraphsOf(each).some(within));
  return within(graph) || functions.some(within);
}

/**
 * Returns the faults of nodes in subgraphs that draw random numbers, such as Dropout in training mode: these cannot be
 * fed.
 */
export const drawingInside = (g: Builder): Fault[] => g.proto.node.flatMap((node) => inner(g, node));

const inner = (g: Builder, node: NodeProto): Fault[] =>
  subgraphsOf(node).flatMap((body) => {
    const off = new Set(body.initializer.filter((t) => numbersOf(t)[0] === 0).map(({ name }) => name));
    return body.node.flatMap((each) => {
      const draws = opOf(each)?.draws;
      const mode = draws === 'training' ? each.input[2] : '';
      const drops = mode && !off.has(mode) && g.integersOf(mode)?.[0] !== 0;
      const reason = drops ? UNFED : draws === 'always' ? DRAWN : undefined;
      return [...(reason ? [faultOf(each, new Refusal(reason))] : []), ...inner(g, each)];
    });
  });

const UNFED =
  "in training mode inside a subgraph, its mask cannot be fed; use dropout: 'off' to train without it.";

const DRAWN =
  'inside a subgraph, it cannot be fed random numbers, and would draw new ones at each evaluation; make them an input of the model.';

/** Switches a node to inference mode; returns nodes for its other outputs, which are the unchanged statistics. */
function batchNormalization(node: NodeProto): NodeProto[] {
  const others = node.output.slice(1, 3);
  // Up to opset 13, the number of outputs distinguished training from inference.
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
