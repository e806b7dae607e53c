import { refuse } from '../../ir/errors.ts';
import { axisFrom, range } from '../../ir/shape.ts';
import { aligned, emit, onlyMapped, type MapRule } from '../../ir/vmap.ts';
import type { Value } from '../../ir/graph.ts';

/** Rule of elementwise ops without one of their own: broadcasting aligns the last axes, which have not changed. */
export const mapElementwise: MapRule = (c) => {
  const rank = c.out().length;
  return emit(
    c,
    c.node.input.map((name, i) => (name === '' ? '' : aligned(c, i, rank))),
  );
};

/** Elementwise ops whose inputs after the first must be the same for all copies. */
export const mapFirstInput: MapRule = (c) => {
  onlyMapped(c, 0);
  return mapElementwise(c);
};

/** Ops along one axis. */
export const mapAlong =
  (byDefault: number): MapRule =>
  (c) => {
    onlyMapped(c, 0);
    const axis = axisFrom(c.attributes.int('axis', byDefault), c.shape(0).length) + 1;
    return emit(
      c,
      c.node.input.map((_, i) => c.value(i)),
      { axis },
    );
  };

/** Reductions over axes that are known before the model runs. */
export const mapReduction: MapRule = (c) => {
  onlyMapped(c, 0);
  const rank = c.shape(0).length;
  const given = c.node.input[1] ? c.integers(1) : [];
  const isAll = given.length === 0;
  if (isAll && c.attributes.int('noop_with_empty_axes', 0) === 1) {
    return emit(
      c,
      c.node.input.map((name, i) => (name === '' ? '' : c.value(i))),
    );
  }
  const axes = isAll ? range(rank) : given.map((axis) => axisFrom(axis, rank));
  // A scalar gets an axis of size 1 to reduce over: an empty list of axes would mean all.
  if (axes.length === 0) {
    const column = c.g.reshape(c.value(0), [c.count, 1]);
    return emit(c, [column, c.g.integers([1])], { keepdims: 0, noop_with_empty_axes: 0 });
  }
  return emit(c, [c.value(0), c.g.integers(axes.map((axis) => axis + 1))], { noop_with_empty_axes: 0 });
};

/** Ops that handle each element of their first axis separately: the copies are put one after the other along it. */
export const mapSamples: MapRule = (c) => {
  onlyMapped(c, 0);
  if (c.node.output.slice(1).some(Boolean)) refuse('it has no rule for outputs after the first.');
  const [batch, ...rest] = c.shape(0);
  const x = c.g.reshape(c.value(0), [c.count * batch, ...rest]);
  const [y] = emit(c, [x, ...c.node.input.slice(1).map((name, i) => (name === '' ? '' : c.value(i + 1)))]);
  return [c.g.reshape(y, [c.count, ...c.out()])];
};

/** As {@link mapSamples}, where the indices of the maxima count from the first element of each copy. */
export const mapMaxPool: MapRule = (c) => {
  onlyMapped(c, 0);
  const { g, count } = c;
  const [batch, ...rest] = c.shape(0);
  const [y, places] = emit(c, [g.reshape(c.value(0), [count * batch, ...rest])]);
  const whole = (v: Value): Value => g.reshape(v, [count, ...c.out()]);
  if (!places) return [whole(y)];
  const size = rest.reduce((a, b) => a * b, batch);
  const starts = g.integers(range(count).map((copy) => copy * size));
  const first = g.reshape(starts, [count, ...c.out().map(() => 1)]);
  return [whole(y), g.sub(whole(places), first)];
};

/** Resize by scales, or to sizes that are known before the model runs. */
export const mapResize: MapRule = (c) => {
  if (c.attributes.string('keep_aspect_ratio_policy', 'stretch') !== 'stretch')
    refuse('it has no rule for keep_aspect_ratio_policy.');
  if (!c.node.input[3]) return mapSamples(c);
  onlyMapped(c, 0);
  if (c.attributes.has('axes')) refuse('it has no rule for axes.');
  const [batch, ...rest] = c.shape(0);
  const [wanted, ...sizes] = c.integers(3);
  const x = c.g.reshape(c.value(0), [c.count * batch, ...rest]);
  const roi = c.node.input[1] ? c.value(1) : '';
  const [y] = emit(c, [x, roi, '', c.g.integers([c.count * wanted, ...sizes])]);
  return [c.g.reshape(y, [c.count, ...c.out()])];
};

/** CumSum along an axis that is known before the model runs. */
export const mapCumulative: MapRule = (c) => {
  onlyMapped(c, 0);
  const [axis] = c.integers(1);
  const moved = axisFrom(axis, c.shape(0).length) + 1;
  return emit(c, [c.value(0), c.g.integers([moved])]);
};

/** OneHot, whose depth and values all copies share. */
export const mapOneHot: MapRule = (c) => {
  onlyMapped(c, 0);
  const axis = axisFrom(c.attributes.int('axis', -1), c.shape(0).length + 1) + 1;
  return emit(c, [c.value(0), c.value(1), c.value(2)], { axis });
};
