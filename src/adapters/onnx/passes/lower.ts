import type { GraphProto, NodeProto } from 'onnx-buf';
import { faultOf, OnnxError, refuse, type Fault } from '../ir/errors.ts';
import { attributesOf } from '../ir/attributes.ts';
import { Builder } from '../ir/builder.ts';
import { opKey } from '../ir/domain.ts';
import type { Value } from '../ir/graph.ts';
import { identityNode } from '../ir/node.ts';
import type { Stage } from '../ir/op.ts';
import type { Platform } from '../ir/platform.ts';
import { DType } from '../ir/tensor.ts';
import { loweringOf } from '../ops/index.ts';
import { inferNode } from '../ops/infer.ts';
import { floatTypeIn } from './precision.ts';

/** A graph in simpler ops. */
export interface Lowered {
  readonly g: Builder;
  /** Number of nodes of each op that were replaced. */
  readonly replaced: ReadonlyMap<string, number>;
  /** Nodes that refused; grows as more is found. */
  readonly faults: Fault[];
}

/** Options of {@link lower}. */
interface LowerOptions {
  /** Type of numbers that meet no typed operand. @defaultValue the one that the graph mostly computes in */
  readonly float?: DType;
  /** True to take random numbers from inputs. @defaultValue false */
  readonly feedsNoise?: boolean;
  /** Backend that will run the graph. @defaultValue `'cpu'` */
  readonly platform?: Platform | undefined;
}

/**
 * Rebuilds a graph, in place: works out what is known of each value, and writes nodes in simpler ops as their entries
 * say for the stage. A node that refuses stays at the stage `'read'`; later, an Identity takes its place, so that faults
 * further down are found too.
 */
export function lower(
  graph: GraphProto,
  stage: Stage,
  { float = floatTypeIn(graph), feedsNoise = false, platform = 'cpu' }: LowerOptions = {},
): Lowered {
  const nodes = graph.node;
  graph.node = [];
  const g = new Builder(graph, inferNode, float, nodes);
  g.feedsNoise = feedsNoise;
  g.platform = platform;
  const replaced = new Map<string, number>();
  const faults: Fault[] = [];
  const write = (node: NodeProto): void => {
    const op = opKey(node);
    try {
      inferNode(g, node);
      const before = graph.node.length;
      const lowering = appliesTo(g, node, stage) ? loweringOf(op, stage) : undefined;
      const values = lowering?.(g, node, attributesOf(node));
      const made = graph.node.splice(before);
      nameAfter(node, made);
      // What was written may hold nodes to be written in turn.
      for (const each of made) {
        if (loweringOf(opKey(each), stage)) write(each);
        else graph.node.push(each);
      }
      if (values === undefined) return g.append(node);
      node.output.forEach((output, k) => output && rename(g, values[k], output));
      replaced.set(op, (replaced.get(op) ?? 0) + 1);
    } catch (error) {
      faults.push(faultOf(node, error));
      g.append(stage === 'read' ? node : standIn(node));
    }
  };
  nodes.forEach(write);
  return { g, replaced, faults };
}

/** Writes the nodes of a graph that stand for several simpler ones, in place, before parameters are chosen. */
export const expand = (graph: GraphProto): ReadonlyMap<string, number> =>
  graph.node.some((node) => loweringOf(opKey(node), 'read')) ? lower(graph, 'read').replaced : new Map();

/**
 * Writes the nodes of a float64 graph that ONNX Runtime has no kernels for in those that it has, in place.
 *
 * @throws OnnxError naming every node that has no float64 form
 */
export function useFloat64Kernels(graph: GraphProto): void {
  if (!hasFloat64(graph)) return;
  const { faults } = lower(graph, 'float64', { float: DType.DOUBLE });
  if (faults.length > 0) throw new OnnxError(faults);
}

const hasFloat64 = ({ input, initializer }: GraphProto): boolean =>
  initializer.some(({ dataType }) => dataType === DType.DOUBLE) ||
  input.some(({ type }) => type?.value.case === 'tensorType' && type.value.value.elemType === DType.DOUBLE);

const appliesTo = (g: Builder, { input }: NodeProto, stage: Stage): boolean =>
  stage !== 'float64' || input.some((name) => g.dtypeOf(name) === DType.DOUBLE);

const standIn = ({ name, input, output }: NodeProto): NodeProto => identityNode(input[0] ?? '', output, name);

/** Names nodes after the one that they stand for, for messages; the last of them has its very name. */
function nameAfter({ name }: NodeProto, made: readonly NodeProto[]): void {
  if (name === '') return;
  made.forEach((node, i) => (node.name = i === made.length - 1 ? name : `${name}/${node.output[0]}`));
}

/** Gives a value the name that the node's output had. */
function rename(g: Builder, value: Value | undefined, output: string): void {
  if (value === undefined) refuse(`its output ${JSON.stringify(output)} is used, and cannot be had here.`);
  g.append(identityNode(value, output, `${output}/out`));
}
