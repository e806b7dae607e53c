import { create } from '@bufbuild/protobuf';
import { OperatorSetIdProtoSchema } from 'onnx-buf';
import type { GraphProto, NodeProto, OperatorSetIdProto } from 'onnx-buf';
import { attributesOf, nodeAttributes, subgraphsOf } from '../ir/attributes.ts';
import { isStandard } from '../ir/domain.ts';
import { fault, faultOf, type Fault } from '../ir/errors.ts';
import { unusedNames } from '../ir/names.ts';
import type { Model } from '../ir/model.ts';
import { NodeWriter } from '../ir/nodeWriter.ts';
import type { UpgradeContext } from '../ir/op.ts';
import { DType, tensorOf } from '../ir/tensor.ts';
import { opOf } from '../ops/index.ts';
import { floatTypeIn } from './precision.ts';

/** Opset that all rules are written for. Models of later opsets are not converted: the rules hold for them too. */
export const baseOpset = 18;
const oldest = 7;

/** Converts a model of opset 7 or later to opset 18, in place; returns the faults of nodes that cannot be converted. */
export function upgradeOpset(model: Model): Fault[] {
  const standard = model.opsetImport.find(isStandard) ?? importStandard(model);
  if (standard === undefined)
    return [fault('the model has standard ops, but does not import the standard opset of ONNX.')];
  const from = Number(standard.version);
  if (from < oldest)
    return [
      fault(
        `the model is of opset ${from}; the oldest that can be converted is ${oldest}. Export it again, or use onnx.version_converter.`,
      ),
    ];
  const faults: Fault[] = [];
  if (from < 20) writeAxisOfDft(model.graph);
  if (from >= baseOpset) return faults;
  const unused = unusedNames(model.graph);
  upgradeGraph(model.graph, model.graph, from, faults, (stem) =>
    unused((serial) => `opset18/${stem}_${serial}`),
  );
  standard.version = BigInt(baseOpset);
  if (model.irVersion < 8n) model.irVersion = 8n;
  return faults;
}

/** Imports the standard opset in a model that has only ops of other domains; undefined if it has standard ones. */
function importStandard(model: Model): OperatorSetIdProto | undefined {
  if (hasStandard(model.graph)) return undefined;
  const made = create(OperatorSetIdProtoSchema, { version: BigInt(baseOpset) });
  model.opsetImport.push(made);
  if (model.irVersion < 8n) model.irVersion = 8n;
  return made;
}

const hasStandard = ({ node }: GraphProto): boolean =>
  node.some((each) => isStandard(each) || subgraphsOf(each).some(hasStandard));

/** Writes out the default axis of DFT, which is 1 up to opset 19 and −2 since: its rule does not know the opset. */
function writeAxisOfDft(graph: GraphProto): void {
  for (const node of graph.node) {
    for (const subgraph of subgraphsOf(node)) writeAxisOfDft(subgraph);
    if (node.opType !== 'DFT' || !isStandard(node) || attributesOf(node).has('axis')) continue;
    node.attribute.push(...nodeAttributes({ axis: 1 }));
  }
}

function upgradeGraph(
  graph: GraphProto,
  root: GraphProto,
  from: number,
  faults: Fault[],
  name: (stem: string) => string,
): void {
  const nodes: NodeProto[] = [];
  const described = [...graph.input, ...graph.output, ...graph.valueInfo];
  const types = new Map(described.map(({ name, type }) => [name, type?.value]));
  const rankOf = (value: string) => {
    const type = types.get(value);
    return type?.case === 'tensorType' ? type.value.shape?.dim.length : undefined;
  };
  const constants = new Map(
    [...root.initializer, ...graph.initializer].map((tensor) => [tensor.name, tensor]),
  );
  const constant = (dtype: DType, shape: number[], values: readonly number[]) => {
    const tensor = tensorOf(name('constant'), dtype, shape, values);
    root.initializer.push(tensor);
    return tensor.name;
  };
  const shared = {
    from,
    rankOf,
    constants,
    integers: (values: readonly number[]) => constant(DType.INT64, [values.length], values),
    floats: (values: readonly number[]) => constant(DType.FLOAT, [values.length], values),
    scalar: (value: number) => constant(floatTypeIn(root), [], [value]),
  };
  const [before, after] = [new NodeWriter(name, shared.integers), new NodeWriter(name, shared.integers)];
  for (const node of graph.node) {
    for (const subgraph of subgraphsOf(node)) upgradeGraph(subgraph, root, from, faults, name);
    try {
      opOf(node)?.upgrade?.({ ...shared, ...changesOf(node, before, after) });
    } catch (error) {
      faults.push(faultOf(node, error));
    }
    nodes.push(...before.taken(), node, ...after.taken());
  }
  graph.node = nodes;
}

/** Returns functions that change a node, and insert nodes before and after it. */
const changesOf = (
  node: NodeProto,
  before: NodeWriter,
  after: NodeWriter,
): Pick<UpgradeContext, 'node' | 'attributes' | 'drop' | 'before' | 'after'> => ({
  node,
  attributes: attributesOf(node),
  drop(...names) {
    node.attribute = node.attribute.filter(({ name }) => !names.includes(name));
  },
  before,
  after(write) {
    const [made] = node.output;
    node.output[0] = after.fresh(node.opType);
    write(after.naming(made), node.output[0]);
    // The node before may be named after the output that it had.
    after.nodes[after.nodes.length - 1].name = node.output[0];
  },
});
