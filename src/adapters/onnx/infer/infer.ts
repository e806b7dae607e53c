import type { NodeProto } from 'onnx-buf';
import { isStandard } from '../ir/domain.ts';
import { constantTensor } from '../ir/constant.ts';
import { isStatic, unknownShape, type Dimension, type Shape, type TensorType } from '../ir/shape.ts';
import { DType, isFloat, renamedTensor } from '../ir/tensor.ts';
import { contents } from './contents.ts';
import { inferContext, know, type Facts, type InferRule } from '../ir/facts.ts';
import { typesWithin } from './control.ts';
import { elementwise } from './elementwise.ts';
import { indexing } from './indexing.ts';
import { linear } from './linear.ts';
import { recurrent } from './recurrent.ts';
import { reduction } from './reduction.ts';
import { shapes } from './shapes.ts';
import { windows } from './windows.ts';

const rules = new Map<string, InferRule>([
  ...elementwise,
  ...reduction,
  ...shapes,
  ...indexing,
  ...linear,
  ...windows,
  ...recurrent,
]);

const integral = new Set<DType | undefined>([DType.INT64, DType.INT32, DType.BOOL]);

/** The ops whose results' types are known from their inputs'. */
export const inferredOps = (): ReadonlySet<string> => new Set(rules.keys());

/**
 * Writes into `facts` what is known of a node's outputs: from its op's rule, else from what the file says,
 * else that it is of its first float input's type.
 */
export function inferNode(facts: Facts, node: NodeProto): void {
  const c = inferContext(facts, node);
  const standard = isStandard(node);
  const constant = constantTensor(node);
  if (constant !== undefined) return know(facts, renamedTensor(constant, node.output[0]));
  const rule = standard ? rules.get(node.opType) : undefined;
  const types = rule?.(c) ?? (standard ? typesWithin(facts, c, inferNode) : []);
  const fallback = node.input.findIndex((_, i) => isFloat(c.dtype(i)));
  node.output.forEach((output, k) => {
    if (output === '') return;
    const declared = facts.types.get(output);
    const inferred: TensorType = types[k] ?? (rule ? {} : { dtype: c.dtype(fallback) });
    facts.types.set(output, {
      dtype: (rule ? inferred.dtype : undefined) ?? declared?.dtype ?? inferred.dtype,
      // Sizes that a file declares may be those it was traced with: only their number is taken.
      shape: inferred.shape ?? (declared?.shape && unknownShape(declared.shape.length)),
    });
  });
  const [first] = node.output;
  if (!standard || !integral.has(facts.types.get(first)?.dtype)) return;
  const elements = contents.get(node.opType)?.(c);
  if (elements && elements.length <= 64 && fits(elements, facts.types.get(first)?.shape))
    facts.contents.set(first, elements);
}

/** Elements are followed as flat lists, which do not broadcast as tensors of several axes do. */
const fits = (elements: readonly Dimension[], shape: Shape | undefined) =>
  !isStatic(shape) || shape.reduce((a, b) => a * b, 1) === elements.length;
