import { axisFrom, range } from '../../ir/shape.ts';
import { aligned, emit, onlyMapped, type MapRule } from '../../ir/vmap.ts';

/** Ops that only change the shape. */
export const mapReshape: MapRule = (c) => {
  onlyMapped(c, 0);
  return [c.g.reshape(c.value(0), [c.count, ...c.out()])];
};

/** Transpose: the extra axis stays first. */
export const mapTranspose: MapRule = (c) => {
  const perm = c.attributes.ints('perm') ?? range(c.shape(0).length).toReversed();
  return [c.g.transpose(c.value(0), [0, ...perm.map((axis) => axis + 1)])];
};

/** Expand to a shape that all copies share. */
export const mapExpand: MapRule = (c) => {
  onlyMapped(c, 0);
  const out = c.out();
  return [c.g.expand(aligned(c, 0, out.length), [c.count, ...out])];
};

/** Slice along axes that are known before the model runs. */
export const mapSlice: MapRule = (c) => {
  onlyMapped(c, 0);
  const rank = c.shape(0).length;
  const axes = c.node.input[3] ? c.integers(3) : range(c.integers(1).length);
  const steps = c.node.input[4] ? [c.value(4)] : [];
  const moved = c.g.integers(axes.map((axis) => axisFrom(axis, rank) + 1));
  return emit(c, [c.value(0), c.value(1), c.value(2), moved, ...steps]);
};

/** Tile: the extra axis is not repeated. */
export const mapTile: MapRule = (c) => {
  onlyMapped(c, 0);
  return emit(c, [c.value(0), c.g.integers([1, ...c.integers(1)])]);
};

/** Pad: the extra axis is not padded. */
export const mapPad: MapRule = (c) => {
  onlyMapped(c, 0);
  const rank = c.shape(0).length;
  const axes = c.node.input[3] ? c.integers(3).map((axis) => axisFrom(axis, rank)) : range(rank);
  const pads = c.integers(1);
  const whole = range(2 * (rank + 1)).fill(0);
  axes.forEach((axis, k) => {
    whole[axis + 1] = pads[k];
    whole[axis + 1 + rank + 1] = pads[k + axes.length];
  });
  const value = c.node.input[2] ? [c.value(2)] : [];
  return emit(c, [c.value(0), c.g.integers(whole), ...value]);
};
