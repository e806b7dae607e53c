import type { GraphProto, NodeProto } from 'onnx-buf';
import { faultOf, OnnxError, refuse, type Fault } from '../ir/errors.ts';
import { attributesOf } from '../ir/attributes.ts';
import { Builder } from '../ir/builder.ts';
import { opKey } from '../ir/domain.ts';
import type { Value } from '../ir/graph.ts';
import { identityNode } from '../ir/node.ts';
import type { Lowering, Stage } from '../ir/op.ts';
import type { Platform } from '../ir/platform.ts';
import { DType } from '../ir/tensor.ts';
import { decompositionOf, loweringOf, opOf, sinceOf } from '../ops/index.ts';
import { inferNode, opKnowledge } from '../ops/infer.ts';
import { floatTypeIn } from './precision.ts';

/** A graph whose nodes have been replaced by simpler ops. */
export interface Lowered {
  readonly g: Builder;
  /** Number of nodes of each op that were replaced. */
  readonly replaced: ReadonlyMap<string, number>;
  /** Faults found so far; later passes add theirs. */
  readonly faults: Fault[];
}

/** Options of {@link lower}. */
interface LowerOptions {
  /** Type of numbers without a typed operand. @defaultValue the type that most of the graph has */
  readonly float?: DType;
  /** True to feed random numbers through inputs. @defaultValue false */
  readonly feedsNoise?: boolean;
  /** Backend that will run the graph. @defaultValue `'cpu'` */
  readonly platform?: Platform | undefined;
  /** Replaces the nodes that need another form in this opset instead. @defaultValue those of the stage */
  readonly opset?: number;
}

/**
 * Rebuilds a graph, in place: infers the type of each value, and replaces nodes by simpler ops as their entries say for
 * the stage. A node that is refused stays at the stage `'read'`. At later stages an Identity replaces it, to find the
 * faults of later nodes too.
 */
export function lower(
  graph: GraphProto,
  stage: Stage,
  { float = floatTypeIn(graph), feedsNoise = false, platform = 'cpu', opset }: LowerOptions = {},
): Lowered {
  const nodes = graph.node;
  graph.node = [];
  const g = new Builder(graph, opKnowledge, float, nodes);
  g.feedsNoise = feedsNoise;
  g.platform = platform;
  const replaced = new Map<string, number>();
  const faults: Fault[] = [];
  const formOf = (node: NodeProto): Lowering | undefined =>
    opset === undefined ? loweringOf(opKey(node), stage) : formIn(node, opset);
  const write = (node: NodeProto): void => {
    const op = opKey(node);
    try {
      const lowering = appliesTo(g, node, stage) ? formOf(node) : undefined;
      if (lowering === undefined) return g.append(node);
      inferNode(g, node);
      const before = graph.node.length;
      const values = lowering(g, node, attributesOf(node));
      const made = graph.node.splice(before);
      nameAfter(node, made);
      // The new nodes may have to be replaced in turn.
      for (const each of made) {
        if (formOf(each)) write(each);
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

/** Replaces the nodes of a graph that have a decomposition at the stage `'read'`, in place. */
export const expand = (graph: GraphProto): ReadonlyMap<string, number> =>
  graph.node.some((node) => loweringOf(opKey(node), 'read')) ? lower(graph, 'read').replaced : new Map();

/** The decomposition of an op of a later opset, or of one that this opset may misread. @throws Refusal if it has none */
function formIn(node: NodeProto, opset: number): Lowering | undefined {
  const known = opOf(node)?.inOpset?.(opset);
  if (known !== undefined) return known;
  const since = sinceOf(opKey(node), opset);
  if (since === undefined) return undefined;
  const form = decompositionOf(opKey(node));
  return (
    form ??
    refuse(`it is an op of opset ${since}, the model is of opset ${opset}; export it in opset ${since}.`)
  );
}

/**
 * Replaces the nodes whose ops belong to later opsets than a graph's, or mean something else in it, in place: losses may be of
 * another opset than the model.
 *
 * @throws OnnxError naming every node that has no older form
 */
export function useOpset(graph: GraphProto, opset: number): void {
  const fits = (node: NodeProto) => sinceOf(opKey(node), opset) === undefined && !opOf(node)?.inOpset;
  if (graph.node.every(fits)) return;
  const { faults } = lower(graph, 'read', { opset });
  if (faults.length > 0) throw new OnnxError(faults);
}

/**
 * Replaces the nodes of a float64 graph for which ONNX Runtime has no kernel, in place.
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

/** Names nodes after the one that they replace, for messages; the last gets its exact name. */
function nameAfter({ name }: NodeProto, made: readonly NodeProto[]): void {
  if (name === '') return;
  made.forEach((node, i) => (node.name = i === made.length - 1 ? name : `${name}/${node.output[0]}`));
}

/** Gives a value the name of the output that it replaces. */
function rename(g: Builder, value: Value | undefined, output: string): void {
  if (value === undefined) refuse(`its output ${JSON.stringify(output)} is used, but has no rule here.`);
  g.append(identityNode(value, output, `${output}/out`));
}
