import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { range } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';

/** An element beside each sample, along one axis: which it is, and its part in the sample; [N, 1, S] each. */
interface Neighbor {
  readonly index: Value;
  /** Absent where it is 1. */
  readonly weight: Value | undefined;
}

/** The neighbors along axis i of the image; coordinates are from −1 to 1, and come in the opposite order. */
function neighbors(g: Builder, x: Value, grid: Value, i: number, attributes: Attributes): Neighbor[] {
  const dtype = g.floatTypeOf(grid);
  const from = g.rank(x) - 3 - i;
  const coordinate = g.reshape(g.slice(grid, from, from + 1, -1), [0, 1, -1]);
  const unit = g.mul(0.5, g.add(coordinate, 1));
  const last = g.sub(g.cast(g.sizes(x, [i + 2]), dtype), 1);
  const corners = attributes.int('align_corners', 0) === 1;
  const place = corners ? g.mul(unit, last) : g.sub(g.mul(unit, g.add(last, 1)), 0.5);
  const inside = (v: Value) => g.min(g.max(v, g.scalar(0, dtype)), last);
  const border = attributes.string('padding_mode', 'zeros') === 'border';
  const neighbor = (at: Value, part: Value | undefined): Neighbor => {
    const held = inside(at);
    const seen = border ? undefined : g.mask(g.equal(held, at), at);
    return {
      index: g.cast(held, DType.INT64),
      weight: part && seen ? g.mul(part, seen) : (part ?? seen),
    };
  };
  const there = border ? inside(place) : place;
  if (attributes.string('mode', 'linear') === 'nearest') return [neighbor(g.round(there), undefined)];
  const below = g.floor(there);
  const part = g.sub(there, below);
  return [neighbor(below, g.sub(1, part)), neighbor(g.add(below, 1), part)];
}

/** Samples of an image at the places of a grid: the neighbors of each, weighted. */
const gridSample: Lowering = (g, node, attributes) => {
  const [x, grid] = node.input;
  const mode = attributes.string('mode', 'linear');
  const padding = attributes.string('padding_mode', 'zeros');
  if (!['nearest', 'linear', 'bilinear'].includes(mode)) refuse(`mode ${mode} has no rule.`);
  if (padding !== 'zeros' && padding !== 'border') refuse(`padding_mode ${padding} has no rule.`);
  const image = g.reshape(x, [0, 0, -1]);
  // All combinations of one neighbor an axis, counted row by row.
  const corners = range(g.rank(x) - 2).reduce<readonly Neighbor[]>((found, i) => {
    const along = neighbors(g, x, grid, i, attributes);
    if (i === 0) return along;
    return found.flatMap(({ index, weight }) => {
      const row = g.mul(index, g.sizes(x, [i + 2]));
      return along.map((each) => ({
        index: g.add(row, each.index),
        weight: weight && each.weight ? g.mul(weight, each.weight) : (weight ?? each.weight),
      }));
    });
  }, []);
  const samples = corners.map(({ index, weight }) => {
    const each = g.concat([g.sizes(x, [0, 1]), g.sizes(index, [2])], 0);
    const picked = g.gatherElements(image, g.expand(index, each), 2);
    return weight === undefined ? picked : g.mul(picked, weight);
  });
  const [first, ...others] = samples;
  const shape = g.concat([g.sizes(x, [0, 1]), g.sizes(grid, range(g.rank(x) - 2, 1))], 0);
  return [g.reshape(g.add(first, ...others), shape)];
};

/** Ops that sample an image. */
export const sampling: OpTable = { GridSample: { as: { read: gridSample } } };
