import type { GraphProto, ModelProto, NodeProto } from 'onnx-buf';
import { identityNode } from '../ir/node.ts';
import { isFloat, numbersOf, type TensorProto } from '../ir/tensor.ts';
import { opOf } from '../ops/index.ts';

/** Key of the modules that a node was written for, from the outermost to the innermost, and the node itself. */
const scopesKey = 'pkg.torch.onnx.name_scopes';

/**
 * Gives each layer tensors of its own, in place, where torch has merged equal ones: `torch.onnx.export(dynamo=True)` keeps
 * one of several small initializers that are equal, such as the scales of all norms of a new network. A reader in another
 * module than the tensor's gets an Identity of it, by the name that its tensor had; so do running statistics.
 *
 * @param stored - returns an initializer with its elements, by name
 */
export function separateMerged(
  { producerName, graph }: ModelProto & { graph: GraphProto },
  stored: (name: string) => TensorProto | undefined,
): void {
  if (producerName !== 'pytorch') return;
  const initializers = new Set(graph.initializer.map(({ name }) => name));
  const taken = new Set([...initializers, ...graph.node.flatMap(({ output }) => output)]);
  const merged = new Map<string, boolean>();
  const isMerged = (name: string): boolean => {
    const known = merged.get(name) ?? isUniform(stored(name));
    merged.set(name, known);
    return known;
  };
  const copies = new Map<string, string>();
  for (const node of graph.node) {
    const module = moduleOf(node);
    if (module === undefined) continue;
    node.input.forEach((name, i) => {
      if (!initializers.has(name)) return;
      const own = ownName(node, i, name, module);
      if (own === name || (taken.has(own) && copies.get(own) !== name) || !isMerged(name)) return;
      taken.add(own);
      copies.set(own, name);
      node.input[i] = own;
    });
  }
  graph.node.unshift(...Array.from(copies, ([own, name]) => identityNode(name, own)));
}

/** Returns the initializers of a graph by name. */
export function storedIn({ initializer }: GraphProto): (name: string) => TensorProto | undefined {
  const tensors = new Map(initializer.map((tensor) => [tensor.name, tensor]));
  return (name) => tensors.get(name);
}

/** Name of the tensor that input i of a node had before tensors were merged; `name` if that is its own. */
function ownName(node: NodeProto, i: number, name: string, module: string): string {
  const end = name.lastIndexOf('.');
  if (end < 0) return name;
  const [owner, leaf] = [name.slice(0, end), name.slice(end + 1)];
  const { statistics } = opOf(node) ?? {};
  const place = statistics?.indexOf(i) ?? -1;
  if (place >= 0) return `${module}.${['running_mean', 'running_var'][place]}`;
  if (statistics) return `${module}.${i === 1 ? 'weight' : 'bias'}`;
  const isOwn = [`${owner}.`.startsWith(`${module}.`), `${module}.`.startsWith(`${owner}.`)].includes(true);
  return isOwn ? name : `${module}.${leaf}`;
}

/** Path of the innermost module that a node was written for; undefined if that is not known, or the whole model. */
function moduleOf({ metadataProps }: NodeProto): string | undefined {
  const scopes = metadataProps.find(({ key }) => key === scopesKey)?.value;
  // A list as Python prints it.
  const paths = scopes?.match(/'[^']*'/g)?.map((path) => path.slice(1, -1));
  return paths?.at(-2) || undefined;
}

/** True for floats that are all the same number. */
function isUniform(tensor: TensorProto | undefined): boolean {
  if (tensor === undefined || !isFloat(tensor.dataType)) return false;
  const [first, ...others] = numbersOf(tensor);
  return others.every((value) => value === first);
}
