import type { NodeProto } from 'onnx-buf';
import { isIdentity } from '../ir/node.ts';
import { constantTensor, isConstant } from '../ir/constant.ts';
import { isFloat, isHalf, renamedTensor, type DType, type TensorProto } from '../ir/tensor.ts';
import type { Model } from '../ir/model.ts';
import { opOf } from '../ops/index.ts';

/** Location of a constant tensor in the model's file. */
export interface Origin {
  /**
   * `copy`: an Identity of a constant tensor. `nested`: inside a subgraph, a function of the model, or an attribute.
   * `function`: computed in a function from the arguments of a call.
   */
  readonly kind: 'initializer' | 'constant' | 'copy' | 'nested' | 'function';
  /** Name of the initializer, or of the output of the Constant or Identity node. */
  readonly name: string;
  /** Type in the file. A 16-bit float is trained in float32, and written back in its own type. */
  readonly dtype?: DType;
  /** Tensor that a copy is of, possibly itself a copy. */
  readonly of?: string;
  /** Use that makes it no parameter, such as the window of a Fourier transform. */
  readonly use?: string;
}

/**
 * Turns every constant tensor of the top graph into an initializer, in place: Constant nodes, and Identity nodes of
 * float initializers. `tie` restores those Identity nodes that must follow their input.
 *
 * @param inFunctions - values computed inside functions of the model
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
  // An initializer that is also an input is a default that could be fed; here it is a constant like the others.
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

/** Notes uses of constants that the simpler forms of nodes do not show, in place. */
export function noteUses({ graph }: Model, origins: Map<string, Origin>): void {
  for (const node of graph.node) {
    for (const [i, use] of Object.entries(opOf(node)?.uses ?? {})) {
      const name = node.input[Number(i)];
      const origin = origins.get(name);
      if (origin) origins.set(name, Object.assign({}, origin, { use }));
    }
  }
}

function constantOf(node: NodeProto, tensors: ReadonlyMap<string, TensorProto>): TensorProto | undefined {
  if (isIdentity(node)) {
    const tensor = tensors.get(node.input[0]);
    return tensor && (isFloat(tensor.dataType) || isHalf(tensor.dataType)) ? tensor : undefined;
  }
  return constantTensor(node);
}
