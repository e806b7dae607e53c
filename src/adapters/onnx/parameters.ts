import type { GraphProto, NodeProto } from 'onnx-buf';
import type { TensorRole } from '../../core/layout.ts';
import { subgraphsOf } from './ir/attributes.ts';
import { opKey } from './ir/domain.ts';
import { isFloat, numbersOf, shapeOf, type TensorProto } from './ir/tensor.ts';
import type { Origin } from './passes/constants.ts';
import type { Model } from './ir/model.ts';
import { opOf } from './ops/index.ts';
import { roleFacts } from './passes/roleFacts.ts';
import { findRole, type Found, type Reader } from './passes/roles.ts';

/** A constant float tensor of a model: a parameter, or something that only looks like one. */
export interface Candidate {
  readonly name: string;
  readonly shape: readonly number[];
  readonly tensor: TensorProto;
  readonly origin: Origin;
  readonly role: TensorRole;
  /** True if it is trained by default. */
  readonly byDefault: boolean;
  /** Its role in the network, or the reason why it is not trained by default, as a short phrase. */
  readonly why: string;
  /** Tensor that it copies, and follows unless it is selected itself. */
  readonly follows: string | undefined;
  /** True for the running mean or variance of a BatchNormalization. */
  readonly statistic: boolean;
}

/** Returns every constant float tensor of a model, with its role. `gatherConstants` must have run. */
export function candidatesOf({ graph }: Model, origins: ReadonlyMap<string, Origin>): Candidate[] {
  const readers = readersOf(graph);
  const standardizesGroups = groupOperands(graph, readers);
  const followed = tiesIn(graph, origins, readers);
  const facts = roleFacts(graph);

  /** Returns why a tensor is not a parameter, wherever it is used; undefined if it may be one. */
  function objection(tensor: TensorProto): string | undefined {
    const { name } = tensor;
    const kind = origins.get(name)?.kind;
    const leader = followed.get(name);
    if (leader !== undefined) return `a copy of ${JSON.stringify(leader)}, trained with it unless chosen too`;
    if (kind === 'function') return 'computed in a function from the arguments of a call';
    const use = origins.get(name)?.use;
    if (use !== undefined) return use;
    if (!readers.has(name)) return 'used by no node';
    if ((kind === 'constant' || standardizesGroups(name)) && isNeutral(tensor))
      return 'ones or zeros added by an exporter';
    return undefined;
  }

  return graph.initializer
    .filter(({ dataType }) => isFloat(dataType))
    .map((tensor) => {
      const { name } = tensor;
      const found = findRole(tensor, readers, facts);
      const against = objection(tensor) ?? ('against' in found ? found.against : undefined);
      return {
        name,
        shape: shapeOf(tensor),
        tensor,
        origin: origins.get(name) ?? { kind: 'initializer', name },
        role: 'against' in found ? { kind: 'other' } : roleOf(found),
        byDefault: against === undefined,
        why: against ?? ('why' in found ? found.why : ''),
        statistic: readers.get(name)?.some(readsStatistic) ?? false,
        follows: followed.get(name),
      };
    });
}

/**
 * Returns the copies that follow their originals, with the names of these; readers of a copy become readers
 * of the original, too.
 *
 * Exporters write an Identity for weights that the network shares, but also for tensors that happened to be
 * equal when the file was written, such as those of newly initialized norms. A tensor whose elements are all
 * equal is of the second kind if both copies are read; running statistics always are.
 */
function tiesIn(
  { initializer }: GraphProto,
  origins: ReadonlyMap<string, Origin>,
  readers: Map<string, Reader[]>,
): ReadonlyMap<string, string> {
  const followed = new Map<string, string>();
  // Copies of copies first: their readers then pass on to the original.
  for (const tensor of initializer.toReversed()) {
    const of = origins.get(tensor.name)?.of;
    if (of === undefined) continue;
    const own = readers.get(tensor.name) ?? [];
    const leader = readers.get(of) ?? [];
    const chance = own.length > 0 && leader.length > 0 && isUniform(tensor);
    if (chance || own.some(readsStatistic)) continue;
    followed.set(tensor.name, of);
    readers.set(of, [...leader, ...own]);
  }
  return followed;
}

/**
 * Returns a test for tensors that are only scales and biases of InstanceNormalizations between two Reshapes, or before a
 * product with a constant. Exporters write a group normalization so, whose own scale and bias are applied afterwards.
 */
function groupOperands(graph: GraphProto, readers: ReadonlyMap<string, Reader[]>): (name: string) => boolean {
  const reshaped = new Set(graph.node.filter(isReshape).map(({ output }) => output[0]));
  const constants = new Set(graph.initializer.map(({ name }) => name));
  const isScaling = ([node, i]: Reader) =>
    opOf(node)?.operand === 'factor' && constants.has(node.input[1 - i]);
  const isGrouped = ([node, i]: Reader) => {
    const after = readers.get(node.output[0]) ?? [];
    const isBetween = reshaped.has(node.input[0]) && after.every(([reader]) => isReshape(reader));
    return i > 0 && (isBetween || (after.length > 0 && after.every(isScaling)));
  };
  return (name) =>
    (readers.get(name) ?? []).every(
      (reader) => opKey(reader[0]) === 'InstanceNormalization' && isGrouped(reader),
    );
}

const isReshape = (node: NodeProto): boolean => opOf(node)?.reshapes ?? false;

/** True if a reader uses a tensor as a running mean or variance. */
const readsStatistic = ([node, i]: Reader): boolean => opOf(node)?.statistics?.includes(i) ?? false;

/** True if all elements of a tensor are the same number. */
function isUniform(tensor: TensorProto): boolean {
  const [first, ...others] = numbersOf(tensor);
  return others.every((value) => value === first);
}

/** Returns the readers of each value, including those in subgraphs. */
function readersOf(graph: GraphProto): Map<string, Reader[]> {
  const readers = new Map<string, Reader[]>();
  const visit = (node: NodeProto): void => {
    node.input.forEach((input, i) => {
      const known = readers.get(input);
      if (known) known.push([node, i]);
      else readers.set(input, [[node, i]]);
    });
    for (const subgraph of subgraphsOf(node)) subgraph.node.forEach(visit);
  };
  graph.node.forEach(visit);
  return readers;
}

/** True if a tensor holds only ones or only zeros: an operand that the op requires but the network does not have. */
const isNeutral = (tensor: TensorProto): boolean =>
  [0, 1].some((neutral) => numbersOf(tensor).every((value) => value === neutral));

const roleOf = ({ kind, filterAxes }: Found): TensorRole => ({ kind, ...(filterAxes && { filterAxes }) });
