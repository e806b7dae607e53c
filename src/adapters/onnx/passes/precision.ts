import { AttributeProto_AttributeType as Kind } from 'onnx-buf';
import type { GraphProto, ValueInfoProto } from 'onnx-buf';
import { DType, numbersOf, shapeOf, tensorOf, type TensorProto } from '../ir/tensor.ts';
import type { Precision } from '../../../core/problem.ts';
import { nodeAttributes, subgraphsOf } from '../ir/attributes.ts';
import { opKey } from '../ir/domain.ts';
import { unusedNames } from '../ir/names.ts';
import { nodeNamed } from '../ir/nodeWriter.ts';
import { constantTensor } from '../ir/constant.ts';
import { opOf } from '../ops/index.ts';

/**
 * Converts every float tensor, input, output and Cast of a graph to float64 or float32, in place. Without a precision,
 * only 16-bit floats are converted, to float32.
 */
export function convertPrecision(graph: GraphProto, precision: Precision | undefined): void {
  const to = precision === 'float64' ? DType.DOUBLE : DType.FLOAT;
  const others = { float64: [DType.FLOAT], float32: [DType.DOUBLE], none: [] };
  convertTypes(graph, new Set([DType.FLOAT16, DType.BFLOAT16, ...others[precision ?? 'none']]), to);
}

/** Attributes that name a type by its number: of Cast, of EyeLike, RandomNormal, …, and of windows of signals. */
const typeAttributes = new Set(['to', 'dtype', 'output_datatype']);
/** Ops with an attribute `output_datatype`, float32 by default. */
const signals = new Set(['HannWindow', 'HammingWindow', 'BlackmanWindow', 'MelWeightMatrix']);

/** Ops whose results are float32 in every case, and the index of these. */
const alwaysSingle = new Map([
  ['TfIdfVectorizer', 0],
  ['ai.onnx.ml::TreeEnsembleRegressor', 0],
  ['ai.onnx.ml::TreeEnsembleClassifier', 1],
  ['ai.onnx.ml::DictVectorizer', 0],
]);

/** Casts the float32 results of a graph's nodes that cannot have another type, in place. */
function castSingles(graph: GraphProto, to: DType): void {
  const name = unusedNames(graph);
  graph.node = graph.node.flatMap((node) => {
    const k = alwaysSingle.get(opKey(node));
    const output = k === undefined ? undefined : node.output[k];
    if (k === undefined || !output) return [node];
    const single = name((serial) => `${output}/single${serial === 0 ? '' : `_${serial}`}`);
    node.output[k] = single;
    return [node, nodeNamed(output, (g) => g.cast(single, to))];
  });
}

function convertTypes(graph: GraphProto, from: ReadonlySet<DType>, to: DType): void {
  const tensor = (t: TensorProto): TensorProto =>
    from.has(t.dataType) ? tensorOf(t.name, to, shapeOf(t), numbersOf(t)) : t;
  const typed = ({ type }: ValueInfoProto) => {
    if (type?.value.case === 'tensorType' && from.has(type.value.value.elemType))
      type.value.value.elemType = to;
  };
  graph.initializer = graph.initializer.map(tensor);
  if (from.has(DType.FLOAT)) castSingles(graph, to);
  [...graph.input, ...graph.output, ...graph.valueInfo].forEach(typed);
  for (const node of graph.node) {
    // Constants in subgraphs may list their numbers in another attribute than a tensor.
    const constant = constantTensor(node);
    if (constant && from.has(constant.dataType) && !node.attribute.some(({ t }) => t))
      node.attribute = nodeAttributes({ value: constant });
    for (const attribute of node.attribute) {
      if (attribute.t) attribute.t = tensor(attribute.t);
      const namesType = typeAttributes.has(attribute.name);
      if (namesType && attribute.type === Kind.INT && from.has(Number(attribute.i))) attribute.i = BigInt(to);
    }
    // ConstantOfShape without a value makes float32 zeros, and windows of signals are float32.
    if (opOf(node)?.fills && from.has(DType.FLOAT) && node.attribute.length === 0) {
      node.attribute.push(...zeros());
    }
    const plain = from.has(DType.FLOAT) && !node.attribute.some(({ name }) => name === 'output_datatype');
    if (plain && signals.has(opKey(node))) node.attribute.push(...nodeAttributes({ output_datatype: to }));
    for (const subgraph of subgraphsOf(node)) convertTypes(subgraph, from, to);
  }
}

const zeros = () => nodeAttributes({ value: tensorOf('', DType.DOUBLE, [1], [0]) });

/** Returns the float type of most inputs and initializers of a graph. */
export function floatTypeIn(graph: GraphProto): DType {
  const types = [
    ...graph.initializer.map(({ dataType }) => dataType),
    ...graph.input.map(({ type }) => (type?.value.case === 'tensorType' ? type.value.value.elemType : 0)),
  ];
  const count = (dtype: DType) => types.filter((type) => type === dtype).length;
  return count(DType.DOUBLE) > count(DType.FLOAT) ? DType.DOUBLE : DType.FLOAT;
}
