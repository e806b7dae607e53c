import { axisFrom, range } from '../../ir/shape.ts';
import { emit, mapped, onlyMapped, type MapContext, type MapRule } from '../../ir/vmap.ts';
import type { Value } from '../../ir/graph.ts';

/** Gather, with data, indices or both of each copy. */
export const mapGather: MapRule = (c) => {
  const { g, count } = c;
  const rank = c.shape(0).length;
  const axis = axisFrom(c.attributes.int('axis', 0), rank);
  if (!c.isMapped(1)) return emit(c, [c.value(0), c.value(1)], { axis: axis + 1 });
  const places = c.shape(1);
  if (!c.isMapped(0)) {
    const [y] = emit(c, [c.value(0), c.value(1)], { axis });
    // The extra axis comes out where the axes of the indices begin.
    return [g.transpose(y, [axis, ...range(axis), ...range(places.length + rank - axis - 1, axis + 1)])];
  }
  // With the axis moved to the front, each copy gathers from its own elements.
  const others = range(rank).filter((i) => i !== axis);
  const data = g.transpose(c.value(0), [0, axis + 1, ...others.map((i) => i + 1)]);
  const indices = g.reshape(c.value(1), [count, ...places, 1]);
  const picked = g.gatherAt(data, indices, 1);
  // [count, ...places, ...others] → [count, ...before, ...places, ...after]
  const depth = places.length;
  const before = range(axis, 1 + depth);
  const after = range(rank - 1 - axis, 1 + depth + axis);
  return [g.transpose(picked, [0, ...before, ...range(depth, 1), ...after])];
};

/** Ops along one axis whose inputs all have the same rank. */
export const mapAlongOneAxis: MapRule = (c) =>
  emit(
    c,
    c.node.input.map((_, i) => mapped(c, i)),
    { axis: axisFrom(c.attributes.int('axis', 0), c.shape(0).length) + 1 },
  );

/** GatherND: the copies become a batch axis. */
export const mapGatherND: MapRule = (c) => {
  const dims = c.attributes.int('batch_dims', 0);
  if (!c.isMapped(0) && dims === 0) return emit(c, [c.value(0), c.value(1)]);
  return emit(c, [mapped(c, 0), mapped(c, 1)], { batch_dims: dims + 1 });
};

/** Prepends the number of the copy to each index. */
function numbered(c: MapContext, i: number): Value {
  const { g, count } = c;
  const places = c.shape(i).slice(0, -1);
  const ones = places.map(() => 1);
  const numbers = g.reshape(g.integers(range(count)), [count, ...ones, 1]);
  const wide = g.expand(numbers, [count, ...places, 1]);
  return g.concat([wide, mapped(c, i)], places.length + 1);
}

/** ScatterND: each index begins with the number of its copy. */
export const mapScatterND: MapRule = (c) => {
  onlyMapped(c, 0, 1, 2);
  return emit(c, [mapped(c, 0), numbered(c, 1), mapped(c, 2)]);
};
