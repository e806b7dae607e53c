import { refuse } from '../ir/errors.ts';
import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { range } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { Lowering, OpTable } from '../ir/op.ts';

/** An element next to each sampling point, along one axis. */
export interface Neighbor {
  /** Its index, int64. */
  readonly index: Value;
  /** Its weight in the sample. */
  readonly weight: Value;
}

/** Keeps a coordinate inside an axis: by clipping, or by reflection as in ONNX Runtime. */
type Hold = (coordinate: Value) => Value;

/** A neighbor at an integer coordinate; outside of the axis it counts as zero, unless `held` moves it inside. */
function neighborAt(g: Builder, at: Value, part: Value, last: Value, held: Hold | undefined): Neighbor {
  const clipped = clip(g, held ? held(at) : at, last);
  const weight = held ? part : g.mul(part, g.mask(g.equal(clipped, at), at));
  return { index: g.cast(clipped, DType.INT64), weight };
}

const clip = (g: Builder, v: Value, last: Value) => g.min(g.max(v, g.scalar(0, g.floatTypeOf(v))), last);

/**
 * Returns the two elements next to each coordinate along one axis, with the weights of linear interpolation.
 *
 * @param last - last index of the axis, as a float
 * @param held - moves neighbors inside; without it, those outside count as zero
 */
export function linearNeighbors(g: Builder, place: Value, last: Value, held?: Hold): readonly Neighbor[] {
  const below = g.floor(place);
  const part = g.sub(place, below);
  return [neighborAt(g, below, g.sub(1, part), last, held), neighborAt(g, g.add(below, 1), part, last, held)];
}

/** Weight of a neighbor in cubic convolution with A = −0.75, at a distance below 1 (`near`) or from 1 to 2. */
function cubicWeight(g: Builder, distance: Value, near: boolean): Value {
  const a = -0.75;
  const [c3, c2, c1, c0] = near ? [a + 2, -(a + 3), 0, 1] : [a, -5 * a, 8 * a, -4 * a];
  const inner = g.add(g.mul(c3, distance), c2);
  return g.add(g.mul(g.add(g.mul(inner, distance), c1), distance), c0);
}

function cubicNeighbors(g: Builder, place: Value, last: Value, held?: Hold): readonly Neighbor[] {
  const below = g.floor(place);
  const part = g.sub(place, below);
  return [-1, 0, 1, 2].map((k) => {
    const distance = k <= 0 ? g.add(part, -k) : g.sub(k, part);
    return neighborAt(g, g.add(below, k), cubicWeight(g, distance, k === 0 || k === 1), last, held);
  });
}

/** Reflects coordinates at both ends of an axis, as often as needed. */
function reflection(g: Builder, last: Value, corners: boolean): Hold {
  const low = corners ? 0 : -0.5;
  const length = corners ? last : g.add(last, 1);
  return (coordinate) => {
    const distance = g.abs(g.sub(coordinate, low));
    const twice = g.mul(2, length);
    const phase = g.sub(distance, g.mul(twice, g.floor(g.div(distance, twice))));
    return g.add(g.where(g.greater(phase, length), g.sub(twice, phase), phase), low);
  };
}

/** Neighbors along axis i of the image. Coordinates lie in [−1, 1], and their order is the opposite of that of the axes. */
function neighbors(
  g: Builder,
  x: Value,
  grid: Value,
  i: number,
  attributes: Attributes,
): readonly Neighbor[] {
  const dtype = g.floatTypeOf(grid);
  const from = g.rank(x) - 3 - i;
  const coordinate = g.reshape(g.slice(grid, from, from + 1, -1), [0, 1, -1]);
  const unit = g.mul(0.5, g.add(coordinate, 1));
  const last = g.sub(g.cast(g.sizes(x, [i + 2]), dtype), 1);
  const corners = attributes.int('align_corners', 0) === 1;
  const place = corners ? g.mul(unit, last) : g.sub(g.mul(unit, g.add(last, 1)), 0.5);
  const padding = attributes.string('padding_mode', 'zeros');
  const held: Hold | undefined =
    padding === 'border'
      ? (v) => clip(g, v, last)
      : padding === 'reflection'
        ? reflection(g, last, corners)
        : undefined;
  const mode = attributes.string('mode', 'linear');
  if (mode === 'nearest') {
    const nearest = g.round(place);
    return [neighborAt(g, nearest, g.scalar(1, dtype), last, held)];
  }
  // Cubic interpolation moves each neighbor inside, not the coordinate.
  if (mode === 'cubic' || mode === 'bicubic') return cubicNeighbors(g, place, last, held);
  return linearNeighbors(g, held ? held(place) : place, last, held);
}

const modes = new Set(['nearest', 'linear', 'bilinear', 'cubic', 'bicubic']);

/** Samples an image at the points of a grid: weighted sums of neighbors. */
const gridSample: Lowering = (g, node, attributes) => {
  const [x, grid] = node.input;
  const mode = attributes.string('mode', 'linear');
  const padding = attributes.string('padding_mode', 'zeros');
  if (!modes.has(mode)) refuse(`mode ${mode} has no rule.`);
  if (!['zeros', 'border', 'reflection'].includes(padding)) refuse(`padding_mode ${padding} has no rule.`);
  const image = g.reshape(x, [0, 0, -1]);
  // All combinations of one neighbor per axis, with row-major indices.
  const corners = range(g.rank(x) - 2).reduce<readonly Neighbor[]>((found, i) => {
    const along = neighbors(g, x, grid, i, attributes);
    if (i === 0) return along;
    return found.flatMap(({ index, weight }) => {
      const row = g.mul(index, g.sizes(x, [i + 2]));
      return along.map((each) => ({
        index: g.add(row, each.index),
        weight: g.mul(weight, each.weight),
      }));
    });
  }, []);
  const samples = corners.map(({ index, weight }) => {
    const each = g.concat([g.sizes(x, [0, 1]), g.sizes(index, [2])], 0);
    return g.mul(g.gatherElements(image, g.expand(index, each), 2), weight);
  });
  const [first, ...others] = samples;
  const shape = g.concat([g.sizes(x, [0, 1]), g.sizes(grid, range(g.rank(x) - 2, 1))], 0);
  return [g.reshape(g.add(first, ...others), shape)];
};

/** Ops that sample an image. */
export const sampling: OpTable = { GridSample: { as: { read: gridSample } } };
