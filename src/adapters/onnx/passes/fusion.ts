import { create } from '@bufbuild/protobuf';
import { NodeProtoSchema } from 'onnx-buf';
import type { GraphProto } from 'onnx-buf';

/**
 * Keeps ONNX Runtime from fusing a layer normalization whose epsilon is fed, in place: it would take 1e-5 for it (1.30).
 * A maximum of a value with itself stands between the sum with epsilon and its root, where no fusion expects it.
 */
export function keepEpsilon(graph: GraphProto): void {
  const constant = new Set(graph.initializer.map(({ name }) => name));
  const sums = new Set(
    graph.node.flatMap(({ opType, input, output }) =>
      opType === 'Add' && !input.some((name) => constant.has(name)) ? output : [],
    ),
  );
  graph.node = graph.node.flatMap((node) => {
    const [x] = node.input;
    if (node.opType !== 'Sqrt' || !sums.has(x)) return [node];
    const output = `${node.output[0]}/unfused`;
    node.input = [output];
    return [create(NodeProtoSchema, { opType: 'Max', name: output, input: [x, x], output: [output] }), node];
  });
}
