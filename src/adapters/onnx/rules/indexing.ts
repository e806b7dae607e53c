import { refuse } from '../ir/errors.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { hotPlaces } from '../ops/oneHot.ts';
import { axisFrom, inverse, range } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { VjpContext, VjpRule } from '../ir/vjp.ts';

/**
 * Adds rows `[n, m]`, in whatever shape, to zeros: `places`, of n elements, tells where in `[count, m]`; the result is
 * one vector. All elements are numbered, for ScatterElements: ScatterND adds in several threads at once, and where
 * indices repeat some of the sums are lost (onnxruntime issue 23396).
 *
 * @param count - and m: vectors of one
 */
function addRows(g: Builder, rows: Value, places: Value, count: Value, m: Value): Value {
  const elements = g.op('Add', [g.op('Mul', [g.reshape(places, [-1, 1]), m]), g.places(m)]);
  const zeros = g.filled(g.op('Mul', [count, m]), 0, g.dtypeOf(rows));
  return g.op('ScatterElements', [zeros, g.flat(elements), g.flat(rows)], { axis: 0, reduction: 'add' });
}

/** Rows picked from x add what they received back to where they came from. */
const gather: VjpRule = ({ g, inputs: [x, indices], dy, attributes }) => {
  const rank = g.rank(x);
  const depth = g.rank(indices);
  const axis = axisFrom(attributes.int('axis', 0), rank);
  // The picked axis first, in x and in dy.
  const first = [axis, ...range(rank).filter((i) => i !== axis)];
  const picked = range(depth, axis);
  const rows = g.transpose(dy, [...picked, ...range(rank - 1 + depth).filter((i) => !picked.includes(i))]);
  const m = g.product(g.sizes(x, first.slice(1)));
  const sum = addRows(g, rows, g.cast(indices, DType.INT64), g.sizes(x, [axis]), m);
  return [g.transpose(g.op('Reshape', [sum, g.sizes(x, first)], { allowzero: 1 }), inverse(first))];
};

const gatherElements: VjpRule = ({ g, inputs: [x, indices], dy, attributes }) => [
  g.op('ScatterElements', [g.zerosLike(x), indices, dy], {
    axis: attributes.int('axis', 0),
    reduction: 'add',
  }),
];

const gatherND: VjpRule = ({ g, inputs: [x, indices], dy, attributes }) => {
  if (attributes.int('batch_dims', 0) !== 0)
    refuse('batch_dims has a rule where the rank of its indices is known beforehand.');
  const depth = g.shapeOf(indices)?.at(-1);
  if (typeof depth !== 'number') refuse('the last size of its indices is not known beforehand.');
  const [sizes, m] = [g.sizes(x, range(depth)), g.product(g.sizes(x, range(g.rank(x) - depth, depth)))];
  // Each list of indices as one place, counted row by row; negative ones count from the end.
  const counted = g.op('Where', [g.less(indices, 0), g.op('Add', [indices, sizes]), indices]);
  const steps = range(depth).map((i) => g.product(g.sizes(x, range(depth - 1 - i, i + 1))));
  const places = g.sum(g.op('Mul', [counted, g.concat(steps, 0)]), [-1], false);
  return [g.reshapeLike(addRows(g, dy, places, g.product(sizes), m), x)];
};

/** How the two scatters write, and how their result is read at the same places. */
interface Scatter {
  readonly write: (g: Builder, into: Value, indices: Value, updates: Value) => Value;
  readonly read: (g: Builder, from: Value, indices: Value) => Value;
}

/** Written cells pass nothing to the data they covered, unless the update was added to it. */
function scatter(
  { g, inputs: [data, indices, updates], dy, needs, attributes }: VjpContext,
  { write, read }: Scatter,
) {
  const reduction = attributes.string('reduction', 'none');
  if (reduction !== 'none' && reduction !== 'add') refuse(`reduction ${reduction} has no rule.`);
  const picked = needs(2) && read(g, dy, indices);
  if (reduction === 'add') return [needs(0) && dy, undefined, picked];
  const covered = needs(0) && write(g, dy, indices, g.zerosLike(updates));
  return [covered && g.expandLike(covered, data), undefined, picked];
}

const scatterElements: VjpRule = (c) => {
  const axis = c.attributes.int('axis', 0);
  return scatter(c, {
    write: (g, into, indices, updates) => g.op('ScatterElements', [into, indices, updates], { axis }),
    read: (g, from, indices) => g.op('GatherElements', [from, indices], { axis }),
  });
};

const scatterND: VjpRule = (c) =>
  scatter(c, {
    write: (g, into, indices, updates) => g.op('ScatterND', [into, indices, updates]),
    read: (g, from, indices) => g.op('GatherND', [from, indices]),
  });

const topK: VjpRule = ({ g, node, inputs: [x], dy, attributes }) => {
  const places = g.extraOutput(node, 1);
  const axis = attributes.int('axis', -1);
  return [g.op('ScatterElements', [g.zerosLike(x), places, dy], { axis, reduction: 'add' })];
};

/** Where the index is hot the value on, elsewhere the value off: both are sums. */
const oneHot: VjpRule = ({ g, inputs: [indices, depth, values], dy, attributes }) => {
  const hot = g.mask(hotPlaces(g, indices, depth, attributes), values);
  const on = g.sumOfAll(g.mul(dy, hot));
  const off = g.sub(g.sumOfAll(dy), on);
  return [undefined, undefined, g.concat([g.unsqueeze(off, [0]), g.unsqueeze(on, [0])], 0)];
};

/** Sums of what follows instead of what precedes. */
const cumSum: VjpRule = ({ g, inputs: [, axis], dy, attributes }) => [
  g.op('CumSum', [dy, axis], {
    exclusive: attributes.int('exclusive', 0),
    reverse: attributes.int('reverse', 0) ? 0 : 1,
  }),
];

/** Reversing twice changes nothing. */
const reverseSequence: VjpRule = ({ g, inputs: [, lengths], dy, attributes }) => [
  g.op('ReverseSequence', [dy, lengths], {
    batch_axis: attributes.int('batch_axis', 1),
    time_axis: attributes.int('time_axis', 0),
  }),
];

/** Rules of ops that pick elements by index. */
export const indexingRules = new Map<string, VjpRule>([
  ['Gather', gather],
  ['GatherElements', gatherElements],
  ['GatherND', gatherND],
  ['ScatterElements', scatterElements],
  ['ScatterND', scatterND],
  ['TopK', topK],
  ['OneHot', oneHot],
  ['CumSum', cumSum],
  ['ReverseSequence', reverseSequence],
]);
