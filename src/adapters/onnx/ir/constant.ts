import type { NodeProto } from 'onnx-buf';
import { opKey } from './domain.ts';
import { attributesOf } from './attributes.ts';
import { DType, tensorOf, type TensorProto } from './tensor.ts';

/** True for a node that makes a constant tensor. */
export const isConstant = (node: NodeProto): boolean => opKey(node) === 'Constant';

/** Returns the tensor of a Constant node; undefined for any other node, and for strings and sparse tensors. */
export function constantTensor(node: NodeProto): TensorProto | undefined {
  if (!isConstant(node)) return undefined;
  const attributes = attributesOf(node);
  if (attributes.has('value')) return attributes.tensor('value');
  const [floats, ints] = [attributes.floats('value_floats'), attributes.ints('value_ints')];
  if (floats) return tensorOf('', DType.FLOAT, [floats.length], floats);
  if (ints) return tensorOf('', DType.INT64, [ints.length], ints);
  if (attributes.has('value_float'))
    return tensorOf('', DType.FLOAT, [], [attributes.float('value_float', 0)]);
  if (attributes.has('value_int')) return tensorOf('', DType.INT64, [], [attributes.int('value_int', 0)]);
  return undefined;
}
