import { refuse } from '../ir/errors.ts';
import { scan } from '../ir/scan.ts';
import { axisFrom, range } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { Lowering } from '../passes/rewrite.ts';

/** A product of all elements up to each, step by step along the axis: right where there are zeros, too. */
const cumProd: Lowering = (g, node, attributes) => {
  const [x, which] = node.input;
  const rank = g.rank(x);
  const axis = axisFrom(g.integersOf(which)?.[0] ?? refuse('its axis is not known beforehand.'), rank);
  // The axis and the first change places.
  const perm = range(rank).map((i) => (i === 0 ? axis : i === axis ? 0 : i));
  const exclusive = attributes.int('exclusive', 0) === 1;
  const sequence = g.transpose(x, perm);
  const one = g.filled(g.sizes(sequence, range(rank - 1, 1)), 1, g.floatTypeOf(x));
  const { results } = scan(
    g,
    {
      states: [one],
      sequences: [sequence],
      captured: [],
      backward: attributes.int('reverse', 0) === 1,
    },
    (s, [before], [factor]) => {
      const next = s.mul(before, factor);
      return { states: [next], results: [exclusive ? s.op('Identity', [before]) : next] };
    },
  );
  return [g.transpose(results[0], perm)];
};

/** Crops an axis around its middle, or pads it with zeros on both sides. */
const centerCropPad: Lowering = (g, node, attributes) => {
  const [x, target] = node.input;
  const rank = g.rank(x);
  const axes = attributes.ints('axes')?.map((axis) => axisFrom(axis, rank)) ?? range(rank);
  const zeros = g.integers(axes.map(() => 0));
  const sizes = g.sizes(x, axes);
  const wanted = g.cast(target, DType.INT64);
  const two = g.integers([2]);
  const excess = g.op('Max', [g.op('Sub', [sizes, wanted]), zeros]);
  const start = g.op('Div', [excess, two]);
  const kept = g.op('Min', [sizes, wanted]);
  const cropped = g.op('Slice', [x, start, g.op('Add', [start, kept]), g.integers(axes)]);
  const missing = g.op('Max', [g.op('Sub', [wanted, sizes]), zeros]);
  const before = g.op('Div', [missing, two]);
  const pads = g.concat([before, g.op('Sub', [missing, before])], 0);
  return [g.op('Pad', [cropped, pads, undefined, g.integers(axes)])];
};

/** Ops along an axis. */
export const sequenceOps = new Map<string, Lowering>([
  ['CumProd', cumProd],
  ['CenterCropPad', centerCropPad],
]);
