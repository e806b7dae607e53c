import type { NodeProto } from 'onnx-buf';
import { isIdentity } from '../ir/node.ts';
import { constantTensor, isConstant } from '../ir/constant.ts';
import { isFloat, isHalf, renamedTensor, type DType, type TensorProto } from '../ir/tensor.ts';
import type { Model } from '../ir/model.ts';

/** The place of a tensor of the graph in the model's file. */
export interface Origin {
  /**
   * `copy`: an Identity of a constant tensor. `nested`: inside the graph of a node, a function of the model, or an
   * attribute. `function`: made in a function from what a call of it gives.
   */
  readonly kind: 'initializer' | 'constant' | 'copy' | 'nested' | 'function';
  /** The initializer's name, or for the others the output of the Constant or Identity node. */
  readonly name: string;
  /** The type that it has in the file: one of 16 bits is trained in float32, and written back as it was. */
  readonly dtype?: DType;
  /** The tensor that a copy is made of, itself perhaps a copy. */
  readonly of?: string;
}

/**
 * Makes every constant tensor of the top graph an initializer, in place: Constant nodes, and Identity nodes of
 * float initializers, which `tie` puts back where they are to follow what they copy.
 *
 * @param inFunctions - the values made inside functions of the model
 * @returns where each initializer came from
 */
export function gatherConstants(
  { graph }: Model,
  inFunctions: ReadonlySet<string> = new Set(),
): Map<string, Origin> {
  const origins = new Map<string, Origin>();
  const tensors = new Map<string, TensorProto>();
  for (const tensor of graph.initializer) {
    origins.set(tensor.name, { kind: 'initializer', name: tensor.name });
    tensors.set(tensor.name, tensor);
  }
  // An initializer that is listed as an input too could be fed in place of; here it is a tensor like the others.
  graph.input = graph.input.filter(({ name }) => !tensors.has(name));
  const outputs = new Set(graph.output.map(({ name }) => name));
  const rest: NodeProto[] = [];
  for (const node of graph.node) {
    const [name] = node.output;
    const within = inFunctions.has(name);
    const kept = outputs.has(name) || (within && isIdentity(node));
    const made = kept ? undefined : constantOf(node, tensors);
    if (made === undefined) {
      rest.push(node);
      continue;
    }
    const tensor = renamedTensor(made, name);
    tensors.set(name, tensor);
    if (within || isConstant(node)) origins.set(name, { kind: within ? 'function' : 'constant', name });
    else origins.set(name, { kind: 'copy', name, of: node.input[0] });
    graph.initializer.push(tensor);
  }
  graph.node = rest;
  return origins;
}

function constantOf(node: NodeProto, tensors: ReadonlyMap<string, TensorProto>): TensorProto | undefined {
  if (isIdentity(node)) {
    const tensor = tensors.get(node.input[0]);
    return tensor && (isFloat(tensor.dataType) || isHalf(tensor.dataType)) ? tensor : undefined;
  }
  return constantTensor(node);
}
