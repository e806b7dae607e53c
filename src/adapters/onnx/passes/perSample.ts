import { clone, create } from '@bufbuild/protobuf';
import { NodeProtoSchema } from 'onnx-buf';
import type { NodeProto } from 'onnx-buf';
import { attributesOf, nodeAttributes, subgraphsOf } from '../ir/attributes.ts';
import { capturedBy } from '../ir/graph.ts';
import { DType, shapeOf, tensorOf, type TensorProto } from '../ir/tensor.ts';
import type { Model } from '../ir/model.ts';

/** Name of the value that holds a parameter once for each sample. */
export const perSampleNameOf = (parameter: string): string => `per_sample/${parameter}`;

/**
 * Gives each sample its own copy of the parameters, in place: a weight `[in, out]` becomes `[m, in, out]` and its MatMul
 * a batched one, a bias `[k]` becomes `[m, k]`. The gradient of a sum over samples with respect to the copies then holds
 * the gradient of each sample, a row of the Jacobian.
 *
 * Dense layers are all that it knows: parameters of Gemm, of MatMul on the right, and biases and scales of elementwise
 * ops, where the other operand is `[m, k]`.
 *
 * @param names - of the parameters
 * @returns false, the model then spoilt, if a parameter is used in another way
 */
export function expandPerSample({ graph }: Model, names: readonly string[], samples: number): boolean {
  const tensors = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const parameters = names.flatMap((name) => tensors.get(name) ?? []);
  if (parameters.length < names.length) return false;
  if (
    graph.node.some(
      (node) => subgraphsOf(node).length > 0 && capturedBy(node).some((name) => names.includes(name)),
    )
  ) {
    return false;
  }
  const nodes: NodeProto[] = [];
  const constants: TensorProto[] = [];
  let count = 0;
  const fresh = (): string => `per_sample/value/${count++}`;
  const emit = (opType: string, input: string[], output: string, attributes = {}): string => {
    nodes.push(
      create(NodeProtoSchema, {
        opType,
        name: `${output}/node`,
        input,
        output: [output],
        attribute: nodeAttributes(attributes),
      }),
    );
    return output;
  };
  const shapeConstant = (shape: readonly number[]): string => {
    const name = `per_sample/shape/${count++}`;
    constants.push(tensorOf(name, DType.INT64, [shape.length], shape));
    return name;
  };

  const widths = new Map<string, readonly number[]>();
  for (const tensor of parameters) {
    const shape = shapeOf(tensor);
    if (shape.length === 0 || shape.length > 2) return false;
    // A bias [1, k] is one row, as [k] is; what it is, its use decides.
    const row = shape.length === 1 || shape[0] === 1;
    widths.set(tensor.name, shape);
    const whole = [samples, ...(row ? shape.slice(-1) : shape)];
    emit('Expand', [tensor.name, shapeConstant(whole)], perSampleNameOf(tensor.name));
  }

  /** x·W for each sample, W `[k, n]`, or `[n, k]` if it is transposed. */
  const product = (x: string, weight: string, isTransposed: boolean, output: string): void => {
    const shape = widths.get(weight) ?? [];
    const [inner, outer] = isTransposed ? [shape[1], shape[0]] : shape;
    const row = emit('Reshape', [x, shapeConstant([samples, 1, inner])], fresh());
    // A weight of one row was expanded as a bias is.
    const cube = emit('Reshape', [perSampleNameOf(weight), shapeConstant([samples, ...shape])], fresh());
    const matrix = isTransposed ? emit('Transpose', [cube], fresh(), { perm: [0, 2, 1] }) : cube;
    const result = emit('MatMul', [row, matrix], fresh());
    emit('Reshape', [result, shapeConstant([samples, outer])], output);
  };

  const isParameter = (name: string | undefined): boolean => name !== undefined && widths.has(name);
  for (const node of graph.node) {
    const used = node.input.map(isParameter);
    const [a, b, c] = node.input;
    const rank = (name: string): number => widths.get(name)?.length ?? 0;
    if (!used.some(Boolean)) nodes.push(node);
    else if (node.domain !== '') return false;
    else if (node.opType === 'MatMul') {
      if (used[0] || rank(b) !== 2) return false;
      product(a, b, false, node.output[0]);
    } else if (node.opType === 'Gemm') {
      const attributes = attributesOf(node);
      const isPlain =
        attributes.float('alpha', 1) === 1 &&
        attributes.float('beta', 1) === 1 &&
        attributes.int('transA', 0) === 0;
      if (!isPlain || used[0] || !used[1] || rank(b) !== 2 || (c && !isRow(widths.get(c), used[2])))
        return false;
      const sum = c ? fresh() : node.output[0];
      product(a, b, attributes.int('transB', 0) === 1, sum);
      if (c) emit('Add', [sum, used[2] ? perSampleNameOf(c) : c], node.output[0]);
    } else if (['Add', 'Sub', 'Mul', 'Div'].includes(node.opType)) {
      if (node.input.some((name, i) => used[i] && !isRow(widths.get(name), true))) return false;
      const copy = clone(NodeProtoSchema, node);
      copy.input = node.input.map((name, i) => (used[i] ? perSampleNameOf(name) : name));
      nodes.push(copy);
    } else return false;
  }
  graph.node = nodes;
  graph.initializer.push(...constants);
  graph.valueInfo = [];
  return true;
}

/** True for a parameter that holds one row, `[k]` or `[1, k]`, and for what is no parameter. */
const isRow = (shape: readonly number[] | undefined, isParameter: boolean | undefined): boolean =>
  !isParameter || (shape !== undefined && (shape.length === 1 || shape[0] === 1));
