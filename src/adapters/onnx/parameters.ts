import type { NodeProto } from 'onnx-buf';
import type { TensorRole } from '../../core/layout.ts';
import { subgraphsOf } from './graph/attributes.ts';
import { namesIn } from './graph/graph.ts';
import { isFloat, numbersOf, shapeOf, type TensorProto } from './graph/tensor.ts';
import type { Origin } from './passes/constants.ts';
import type { Model } from './proto.ts';
import { learnedValues, slotOf, type Readers, type Slot } from './slots.ts';

/** A constant float tensor of a model: a parameter, or something that only looks like one. */
export interface Candidate {
  readonly name: string;
  readonly shape: readonly number[];
  readonly tensor: TensorProto;
  readonly origin: Origin;
  readonly role: TensorRole;
  /** Whether it is trained unless `wrt` says otherwise. */
  readonly byDefault: boolean;
  /** Where it stands in the network, or why it is not trained by default; a short phrase. */
  readonly why: string;
}

/** Every constant float tensor of a model in which `gatherConstants` has run, with its role. */
export function candidatesOf({ graph }: Model, origins: ReadonlyMap<string, Origin>): Candidate[] {
  const readers = readersOf(graph.node);
  const learned = learnedValues(graph.node, graph.initializer);
  const captured = new Set(
    graph.node.flatMap((node) => subgraphsOf(node).flatMap((subgraph) => Array.from(namesIn(subgraph)))),
  );

  /** Why a tensor is no parameter, wherever it stands. */
  function objection(tensor: TensorProto): string | undefined {
    const { name } = tensor;
    const kind = origins.get(name)?.kind;
    if (captured.has(name) && !readers.has(name)) return 'read only by a graph inside an If, Loop or Scan';
    if (kind === 'function') return 'a constant inside a function of the model';
    if (!readers.has(name)) return 'used by no node';
    if (kind === 'constant' && isNeutral(tensor)) return 'ones or zeros that an exporter put in';
    return undefined;
  }

  return graph.initializer
    .filter(({ dataType }) => isFloat(dataType))
    .map((tensor) => {
      const { name } = tensor;
      const found = slotOf(tensor, readers, learned);
      const against = objection(tensor) ?? ('against' in found ? found.against : undefined);
      return {
        name,
        shape: shapeOf(tensor),
        tensor,
        origin: origins.get(name) ?? { kind: 'initializer', name },
        role: 'against' in found ? { kind: 'other' } : roleOf(found),
        byDefault: against === undefined,
        why: against ?? ('why' in found ? found.why : ''),
      };
    });
}

function readersOf(nodes: readonly NodeProto[]): Readers {
  const readers = new Map<string, [NodeProto, number][]>();
  for (const node of nodes) {
    node.input.forEach((input, i) => readers.set(input, [...(readers.get(input) ?? []), [node, i]]));
  }
  return readers;
}

/** Whether a tensor holds nothing but ones, or zeros: what an op asks for and the network has not. */
const isNeutral = (tensor: TensorProto): boolean =>
  [0, 1].some((neutral) => numbersOf(tensor).every((value) => value === neutral));

const roleOf = ({ kind, filterAxes }: Slot): TensorRole => ({ kind, ...(filterAxes && { filterAxes }) });
