import type { NodeProto } from 'onnx-buf';
import { constantTensor } from '../ir/constant.ts';
import { inferContext, know, type Facts } from '../ir/facts.ts';
import { isStatic, unknownShape, type Dimension, type Shape, type TensorType } from '../ir/shape.ts';
import { DType, isFloat, renamedTensor } from '../ir/tensor.ts';
import { opOf } from './index.ts';

const integral = new Set<DType | undefined>([DType.INT64, DType.INT32, DType.BOOL]);

/**
 * Writes into `facts` what is known of a node's outputs: from its op's rule, else from what the file says,
 * else that it is of its first float input's type.
 */
export function inferNode(facts: Facts, node: NodeProto): void {
  const c = inferContext(facts, node);
  const constant = constantTensor(node);
  if (constant !== undefined) return know(facts, renamedTensor(constant, node.output[0]));
  const op = opOf(node);
  const types = op?.infer?.(c);
  const fallback = node.input.findIndex((_, i) => isFloat(c.dtype(i)));
  node.output.forEach((output, k) => {
    if (output === '') return;
    const declared = facts.types.get(output);
    const inferred: TensorType = types === undefined ? {} : (types[k] ?? {});
    facts.types.set(output, {
      dtype: inferred.dtype ?? declared?.dtype ?? (types === undefined ? c.dtype(fallback) : undefined),
      // Sizes that a file declares may be those it was traced with: only their number is taken.
      shape: inferred.shape ?? (declared?.shape && unknownShape(declared.shape.length)),
    });
  });
  const [first] = node.output;
  if (!integral.has(facts.types.get(first)?.dtype)) return;
  const elements = op?.content?.(c);
  if (elements && elements.length <= 64 && fits(elements, facts.types.get(first)?.shape))
    facts.contents.set(first, elements);
}

/** Elements are followed as flat lists, which do not broadcast as tensors of several axes do. */
const fits = (elements: readonly Dimension[], shape: Shape | undefined) =>
  !isStatic(shape) || shape.reduce((a, b) => a * b, 1) === elements.length;
