import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { axisFrom, range } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';

/**
 * The places that are hot in the result of a OneHot, a boolean: indices are counted from the end where they are
 * negative; one out of range, or a real one that is not whole, is nowhere. ONNX Runtime has the op for some
 * combinations of types only, and compares real indices in float32.
 */
export function hotPlaces(g: Builder, indices: Value, depth: Value, attributes: Attributes): Value {
  const rank = g.rank(indices) + 1;
  const axis = axisFrom(attributes.int('axis', -1), rank);
  const count = g.reshape(g.cast(depth, DType.INT64), [1]);
  const exact = g.isFloat(indices) ? g.cast(indices, DType.FLOAT) : g.cast(indices, DType.INT64);
  const dtype = g.dtypeOf(exact) ?? DType.INT64;
  const counted = g.op('Where', [g.less(exact, 0), g.op('Add', [exact, g.cast(count, dtype)]), exact]);
  const numbers = g.reshape(
    g.places(count),
    range(rank).map((i) => (i === axis ? -1 : 1)),
  );
  return g.equal(g.unsqueeze(counted, [axis]), g.cast(numbers, dtype));
}
