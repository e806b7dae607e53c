import type { GraphProto } from 'onnx-buf';
import { bodyIn } from '../ir/body.ts';
import { refuse } from '../ir/errors.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { axisFrom } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';

/** Most axes to choose from: one If for each, inside the one before. */
const MOST_AXES = 16;

/**
 * Builds an op along an axis that is an input: where only run time tells the axis, once for each that it may be, and an If
 * chooses among them.
 *
 * @param which - the axis, a scalar of integers; negative ones count from the last
 * @param count - number of axes that it may be
 * @param captured - values that `build` reads
 * @throws Refusal for none, and for more than 16
 */
export function alongGivenAxis(
  g: Builder,
  which: Value,
  count: number,
  captured: readonly Value[],
  build: (g: Builder, axis: number) => Value,
  negativeFrom = count,
): Value {
  const known = g.integersOf(which)?.[0];
  if (known !== undefined) return build(g, axisFrom(known, negativeFrom));
  if (count < 1) refuse('it works along an axis, which a scalar has none of.');
  if (count > MOST_AXES)
    refuse(`its axis is known only at run time, and there are ${count} to choose from; make it constant.`);
  const given = g.reshape(g.cast(which, DType.INT64), []);
  const axis = g.where(g.less(given, 0), g.add(given, negativeFrom), given);
  const choose = (b: Builder, k: number): Value => {
    if (k === count - 1) return build(b, k);
    const branch = (make: (inner: Builder) => Value): GraphProto => {
      const inner = bodyIn(b, [...captured, axis]);
      inner.addOutput(inner.fresh('out'), make(inner));
      return inner.proto;
    };
    const isThis = b.equal(axis, k);
    const [yes, no] = [branch((inner) => build(inner, k)), branch((inner) => choose(inner, k + 1))];
    return b.either(isThis, yes, no, 1)[0];
  };
  return choose(g, 0);
}
