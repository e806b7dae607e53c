/**
 * Maps a graph over some of its inputs, as JAX's `vmap` does: computes many copies at once that differ in these inputs.
 *
 * Values that depend on these inputs get an extra first axis; all others are computed once. The graph of one sample's
 * gradient becomes the graph of every sample's gradient: the rows of a Jacobian.
 *
 * @module
 */
import { clone, create } from '@bufbuild/protobuf';
import { GraphProtoSchema, NodeProtoSchema } from 'onnx-buf';
import type { GraphProto, NodeProto } from 'onnx-buf';
import { faultOf, OnnxError, refuse, sentence, typed, type Fault } from '../ir/errors.ts';
import { attributesOf, subgraphsOf } from '../ir/attributes.ts';
import { bodyIn } from '../ir/body.ts';
import { Builder } from '../ir/builder.ts';
import { capturedBy, readBy, valueInfo, type Value } from '../ir/graph.ts';
import { isStatic } from '../ir/shape.ts';
import { DType, tensorOf } from '../ir/tensor.ts';
import { opOf } from '../ops/index.ts';
import { opKnowledge } from '../ops/infer.ts';
import { floatTypeIn } from './precision.ts';
import { prune } from './prune.ts';
import { mapElementwise } from '../ops/vmap/broadcasting.ts';
import type { MapBody, MapContext } from '../ir/vmap.ts';
import type { Model } from '../ir/model.ts';

/** A graph of all copies, and its outputs by their names in one copy. */
export interface Mapped {
  readonly g: Builder;
  /** Each with the extra axis, `[count, …]`. */
  readonly outputs: ReadonlyMap<string, Value>;
}

/**
 * Maps a graph over some of its inputs.
 *
 * @param model - graph of one copy, with known shapes; not changed
 * @param inputs - inputs that differ between copies, with their new sizes: `count` times the elements of one copy
 * @throws OnnxError naming every node that has no rule
 */
export const vmap = (model: Model, inputs: ReadonlyMap<string, readonly number[]>, count: number): Mapped =>
  typed(() => mapGraph(model, inputs, count));

function mapGraph({ graph }: Model, inputs: ReadonlyMap<string, readonly number[]>, count: number): Mapped {
  const float = floatTypeIn(graph);
  const one = new Builder(graph, opKnowledge, float);
  const proto = create(GraphProtoSchema, { name: graph.name, initializer: [...graph.initializer] });
  proto.input = graph.input.map((input) => {
    const dims = inputs.get(input.name);
    return dims === undefined ? input : valueInfo(input.name, one.dtypeOf(input.name) ?? float, dims);
  });
  const g = new Builder(proto, opKnowledge, float, graph.node, 'vmap/');
  const values = new Map<Value, Value>();
  const copies: Copies = { one, g, count, values, shared: sharedOutputs(graph, g) };
  for (const [name, dims] of inputs) {
    const shape = staticShape(one, name);
    const whole = [count, ...shape];
    values.set(name, whole.join() === dims.join() ? name : g.reshape(name, whole));
  }
  const faults: Fault[] = [];
  for (const node of graph.node) {
    try {
      mapNode(copies, node);
    } catch (error) {
      faults.push(faultOf(node, error));
      // Continue, to report the faults of later nodes too.
      for (const output of node.output) if (output !== '') values.set(output, output);
    }
  }
  if (faults.length > 0) throw new OnnxError(faults);
  const outputs = graph.output.map(({ name }): [string, Value] => [
    name,
    values.get(name) ?? g.expand(copies.shared.get(name) ?? name, [count, ...staticShape(one, name)]),
  ]);
  return { g, outputs: new Map(outputs) };
}

/** State of the mapping of a graph. */
interface Copies {
  readonly one: Builder;
  readonly g: Builder;
  readonly count: number;
  /** Mapped values, by their names in one copy. */
  readonly values: Map<Value, Value>;
  /** New names of outputs that all copies share; their own names belong to the mapped outputs. */
  readonly shared: ReadonlyMap<Value, Value>;
}

const sharedOutputs = (graph: GraphProto, g: Builder): Map<Value, Value> =>
  new Map(graph.output.map(({ name }) => [name, g.fresh('shared')]));

function staticShape(one: Builder, value: Value): readonly number[] {
  const shape = one.shapeOf(value);
  if (!isStatic(shape)) refuse(`the shape of ${JSON.stringify(value)} is not known before the model runs.`);
  return shape.includes(0) ? refuse(`${JSON.stringify(value)} is empty.`) : shape;
}

/** Appends a node for all copies; unchanged if none of its inputs is mapped. */
function mapNode(copies: Copies, node: NodeProto): void {
  const { one, g, count, values, shared } = copies;
  const isMapped = (name: string): boolean => values.has(name);
  const named = (name: string): Value => shared.get(name) ?? name;
  if (!readBy(node).some(isMapped)) return copyNode(g, node, named);
  if (foldsAway(one, node)) {
    for (const output of node.output) {
      const known = one.integersOf(output) ?? [];
      g.addConstant(tensorOf(named(output), DType.INT64, staticShape(one, output), known));
    }
    return;
  }
  const { input, output } = node;
  const context: MapContext = {
    g,
    count,
    node,
    attributes: attributesOf(node),
    isMapped: (i) => isMapped(input[i] ?? ''),
    value: (i) => values.get(input[i] ?? '') ?? named(input[i] ?? ''),
    shape: (i) => staticShape(one, input[i] ?? ''),
    out: (k = 0) => staticShape(one, output[k]),
    integers: (i) =>
      one.integersOf(input[i] ?? '') ?? refuse(`its input ${i} is not known before the model runs.`),
    dtypeOf: (value) => one.dtypeOf(value) ?? one.float,
    shapeOf: (value) => one.shapeOf(value),
    mapBody: bodyMapper(copies, node),
  };
  applyRule(context).forEach((value, k) => output[k] && values.set(output[k], value));
}

/** Writes a node that reads mapped values; returns its outputs. */
function applyRule(context: MapContext): readonly Value[] {
  const { node } = context;
  const op = opOf(node);
  const rule = op?.vmap ?? (op?.isElementwise ? mapElementwise : undefined);
  if (rule !== undefined) return rule(context);
  return refuse(
    `it has no rule for ${subgraphsOf(node).length > 0 ? 'its subgraphs' : 'many samples at once'}.`,
  );
}

/** Appends a copy of a node with renamed values. */
export function copyNode(g: Builder, node: NodeProto, named: (name: Value) => Value): void {
  const copy = clone(NodeProtoSchema, node);
  copy.input = node.input.map(named);
  copy.output = node.output.map(named);
  copy.name = copy.output.find(Boolean) ?? '';
  g.append(copy);
}

/** Maps the subgraphs of a node, which may read values of the surrounding graph. */
const bodyMapper =
  ({ one, g, count, values, shared }: Copies, node: NodeProto): MapBody =>
  (body, inputs, stays = () => false) => {
    const captured = capturedBy(node);
    const outer = (name: Value) => values.get(name) ?? shared.get(name) ?? name;
    const own = { one: bodyIn(one, captured), all: bodyIn(g, captured.map(outer)) };
    const inner: Copies = { one: own.one, g: own.all, count, values: new Map(values), shared };
    body.input.forEach(({ name }, i) => {
      const { shape, dtype, isMapped } =
        inputs[i] ?? refuse('the number of its inputs does not fit its subgraph.');
      own.one.addInput(name, dtype, shape);
      if (isMapped) inner.values.set(name, own.all.addInput(own.all.fresh(name), dtype, [count, ...shape]));
      else own.all.addInput(name, dtype, shape);
    });
    for (const tensor of body.initializer) for (const each of [own.one, own.all]) each.addConstant(tensor);
    const faults: Fault[] = [];
    for (const node of body.node) {
      try {
        own.one.append(clone(NodeProtoSchema, node));
        mapNode(inner, node);
      } catch (error) {
        faults.push(faultOf(node, error));
        for (const output of node.output) if (output !== '') inner.values.set(output, output);
      }
    }
    if (faults.length > 0) refuse(`in its subgraph, ${faults.map(sentence).join('; ')}`);
    const differs = body.output.map(({ name }) => inner.values.has(name));
    body.output.forEach(({ name }, k) => {
      const shape = () => own.all.integers([count, ...staticShape(own.one, name)]);
      const value = inner.values.get(name) ?? (stays(k) ? outer(name) : own.all.expand(outer(name), shape()));
      own.all.addOutput(own.all.fresh('out'), value);
    });
    return { graph: own.all.proto, differs };
  };

/** True if a node computes known sizes, or values derived from them: these are the same in all copies. */
const foldsAway = (one: Builder, { output }: NodeProto): boolean =>
  output.every((name) => one.dtypeOf(name) === DType.INT64 && one.integersOf(name) !== undefined);

/** Writes a mapped graph into its model, with these outputs and the inputs that they depend on. */
export function finish(model: Model, { g }: Mapped, outputs: ReadonlyMap<string, Value>): Model {
  for (const [name, value] of outputs) g.addOutput(name, value);
  prune(g.proto);
  const read = new Set(g.proto.node.flatMap(readBy));
  g.proto.input = g.proto.input.filter(({ name }) => read.has(name));
  return Object.assign(model, { graph: g.proto });
}
