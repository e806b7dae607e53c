import { AttributeProto_AttributeType as Kind } from 'onnx-buf';
import type { GraphProto, ValueInfoProto } from 'onnx-buf';
import { DType, elementsOf, shapeOf, tensorOf, type TensorProto } from '../graph/tensor.ts';
import type { Precision } from '../../../core/problem.ts';
import { nodeAttributes, subgraphsOf } from '../graph/attributes.ts';

/** Makes every float tensor, input, output and Cast of a graph float64, or float32, in place. */
export function convertPrecision(graph: GraphProto, precision: Precision): void {
  const [from, to] = precision === 'float64' ? [DType.FLOAT, DType.DOUBLE] : [DType.DOUBLE, DType.FLOAT];
  const tensor = (t: TensorProto): TensorProto => {
    if (t.dataType !== from) return t;
    const elements = elementsOf(t);
    return tensorOf(t.name, to, shapeOf(t), Array.from<number | bigint, number>(elements, Number));
  };
  const typed = ({ type }: ValueInfoProto) => {
    if (type?.value.case === 'tensorType' && type.value.value.elemType === from)
      type.value.value.elemType = to;
  };
  graph.initializer = graph.initializer.map(tensor);
  [...graph.input, ...graph.output, ...graph.valueInfo].forEach(typed);
  for (const node of graph.node) {
    for (const attribute of node.attribute) {
      if (attribute.t) attribute.t = tensor(attribute.t);
      // Types are named by number in the attributes `to` (Cast) and `dtype` (EyeLike, RandomNormal, …).
      const namesType = attribute.name === 'to' || attribute.name === 'dtype';
      if (namesType && attribute.type === Kind.INT && attribute.i === BigInt(from)) attribute.i = BigInt(to);
    }
    // ConstantOfShape without a value makes float32 zeros.
    if (node.opType === 'ConstantOfShape' && from === DType.FLOAT && node.attribute.length === 0) {
      node.attribute.push(...zeros());
    }
    for (const subgraph of subgraphsOf(node)) convertPrecision(subgraph, precision);
  }
}

const zeros = () => nodeAttributes({ value: tensorOf('', DType.DOUBLE, [1], [0]) });
