import { sizeOf } from '../../../core/layout.ts';
import type { NodeProto } from 'onnx-buf';
import { constantTensor } from '../ir/constant.ts';
import { InferContext, know, LONGEST, type Facts, type OpKnowledge } from '../ir/facts.ts';
import { isStatic, unknownShape, type Dimension, type Shape, type TensorType } from '../ir/shape.ts';
import { DType, isFloat, renamedTensor } from '../ir/tensor.ts';
import { opOf } from './index.ts';

const integral = new Set<DType | undefined>([DType.INT64, DType.INT32, DType.BOOL]);

/**
 * Records in `facts` what can be inferred about a node's outputs: from the rule of its op, or else from the types
 * declared in the file. If neither gives an element type, it is that of the first float input.
 */
export function inferNode(facts: Facts, node: NodeProto): void {
  const c = new InferContext(facts, node);
  const constant = constantTensor(node);
  if (constant !== undefined) return know(facts, renamedTensor(constant, node.output[0]));
  const op = opOf(node);
  const types = op?.infer?.(c);
  const fallback = types === undefined ? node.input.findIndex((_, i) => isFloat(c.dtype(i))) : -1;
  node.output.forEach((output, k) => {
    if (output === '') return;
    const declared = facts.types.get(output);
    const inferred: TensorType = types === undefined ? {} : (types[k] ?? {});
    facts.types.set(output, {
      dtype: inferred.dtype ?? declared?.dtype ?? (types === undefined ? c.dtype(fallback) : undefined),
      // Declared sizes may be those that the model was traced with: only the rank is used.
      shape: inferred.shape ?? (declared?.shape && unknownShape(declared.shape.length)),
    });
  });
  const [first] = node.output;
  if (!integral.has(facts.types.get(first)?.dtype)) return;
  const elements = op?.content?.(c);
  if (elements && elements.length <= LONGEST && fits(elements, facts.types.get(first)?.shape))
    facts.contents.set(first, elements);
}

/** Types and traits of the ops here, for graphs. */
export const opKnowledge: OpKnowledge = { infer: inferNode, traitsOf: opOf };

/** True if the elements fill the shape: flat lists do not broadcast as tensors of several axes do. */
const fits = (elements: readonly Dimension[], shape: Shape | undefined) =>
  !isStatic(shape) || sizeOf(shape) === elements.length;
