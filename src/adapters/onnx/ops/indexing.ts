import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { ContentRule, InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import { roleNamed, type Lowering, type OpTable } from '../ir/op.ts';
import { meet, onlyFirst, rankOfInput, unclear, type SampleRule, type Samples } from '../ir/samples.ts';
import { axisFrom, inverse, range, unknownDimension, unknownShape } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { VjpContext, VjpRule } from '../ir/vjp.ts';
import { broadcastSamples, sameType, samplesOffAxis } from './common.ts';

const inferGather: InferRule = (c) => {
  const dtype = c.dtype(0);
  const [shape, indices, axis] = [c.shape(0), c.shape(1), c.axis(0)];
  if (shape === undefined || indices === undefined || axis === undefined) return [{ dtype }];
  return [{ dtype, shape: [...shape.slice(0, axis), ...indices, ...shape.slice(axis + 1)] }];
};

const inferGatherND: InferRule = (c) => {
  const dtype = c.dtype(0);
  const [shape, indices] = [c.shape(0), c.shape(1)];
  const depth = indices?.at(-1);
  if (shape === undefined || indices === undefined || typeof depth !== 'number') return [{ dtype }];
  const batch = c.attributes.int('batch_dims', 0);
  return [{ dtype, shape: [...indices.slice(0, -1), ...shape.slice(batch + depth)] }];
};

const inferTopK: InferRule = (c) => {
  const axis = c.axis(-1);
  const k = c.contents(1)?.[0] ?? unknownDimension();
  const shape = c.shape(0)?.map((size, i) => (i === axis ? k : size));
  return [
    { dtype: c.dtype(0), shape },
    { dtype: DType.INT64, shape },
  ];
};

const inferOneHot: InferRule = (c) => {
  const indices = c.shape(0);
  const dtype = c.dtype(2);
  if (indices === undefined) return [{ dtype }];
  const axis = axisFrom(c.attributes.int('axis', -1), indices.length + 1);
  const depth = c.contents(1)?.[0] ?? unknownDimension();
  return [{ dtype, shape: [...indices.slice(0, axis), depth, ...indices.slice(axis)] }];
};

const gatherContent: ContentRule = (c) => {
  const [data, indices] = [c.contents(0), c.integers(1)];
  if (c.shape(0)?.length !== 1 || data === undefined) return undefined;
  return indices?.map((i) => data[axisFrom(i, data.length)] ?? unknownDimension());
};

const gatherSamples: SampleRule = (c) => {
  const [data, indices] = [c.of(0), c.of(1)];
  const axis = axisFrom(c.attributes.int('axis', 0), rankOfInput(c, 0));
  if (data && indices) meet('it picks from samples by samples');
  if (indices) return { axis: axis + indices.axis, inner: indices.inner };
  const { axis: own, inner } = data ?? unclear();
  if (own === axis) meet('it picks among the samples');
  return { axis: own < axis ? own : own - 1 + rankOfInput(c, 1), inner };
};

const gatherElementsSamples: SampleRule = (c) => {
  const samples = broadcastSamples(c) as Samples;
  if (!c.of(0) || !c.of(1)) meet('only one of its inputs holds samples');
  if (axisFrom(c.attributes.int('axis', 0), rankOfInput(c, 0)) === samples.axis)
    meet('it picks among the samples');
  return samples;
};

const oneHotSamples: SampleRule = (c) => {
  const { axis, inner } = onlyFirst(c);
  const fresh = axisFrom(c.attributes.int('axis', -1), rankOfInput(c, 0) + 1);
  return { axis: axis < fresh ? axis : axis + 1, inner };
};

/**
 * Adds rows `[n, m]`, in whatever shape, to zeros: `places`, of n elements, tells where in `[count, m]`; the result is
 * one vector. All elements are numbered, for ScatterElements: ScatterND adds in several threads at once, and where
 * indices repeat some of the sums are lost (onnxruntime issue 23396).
 *
 * @param count - and m: vectors of one
 */
function addRows(g: Builder, rows: Value, places: Value, count: Value, m: Value): Value {
  const elements = g.add(g.mul(g.reshape(places, [-1, 1]), m), g.places(m));
  const zeros = g.filled(g.mul(count, m), 0, g.dtypeOf(rows));
  return g.scatterAdd(zeros, g.flat(elements), g.flat(rows), 0);
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
  return [g.transpose(g.reshapeTo(sum, g.sizes(x, first)), inverse(first))];
};

const gatherElements: VjpRule = ({ g, inputs: [x, indices], dy, attributes }) => [
  g.scatterAdd(g.zerosLike(x), indices, dy, attributes.int('axis', 0)),
];

const gatherND: VjpRule = ({ g, inputs: [x, indices], dy, attributes }) => {
  if (attributes.int('batch_dims', 0) !== 0)
    refuse('batch_dims has a rule where the rank of its indices is known beforehand.');
  const depth = g.shapeOf(indices)?.at(-1);
  if (typeof depth !== 'number') refuse('the last size of its indices is not known beforehand.');
  const [sizes, m] = [g.sizes(x, range(depth)), g.product(g.sizes(x, range(g.rank(x) - depth, depth)))];
  // Each list of indices as one place, counted row by row; negative ones count from the end.
  const counted = g.where(g.less(indices, 0), g.add(indices, sizes), indices);
  const steps = range(depth).map((i) => g.product(g.sizes(x, range(depth - 1 - i, i + 1))));
  const places = g.sum(g.mul(counted, g.concat(steps, 0)), [-1], false);
  return [g.reshapeLike(addRows(g, dy, places, g.product(sizes), m), x)];
};

/** The way in which a scatter writes, and in which its result is read at the same places. */
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
    read: (g, from, indices) => g.gatherElements(from, indices, axis),
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
  return [g.scatterAdd(g.zerosLike(x), places, dy, axis)];
};

/** The batch of each index becomes a part of the index. */
const withoutBatchDims: Lowering = (g, node, attributes) => {
  const batch = attributes.int('batch_dims', 0);
  if (batch === 0) return undefined;
  const [x, indices] = node.input;
  const rank = g.rank(indices);
  if (batch < 0 || batch >= rank) refuse(`batch_dims ${batch} does not fit indices of rank ${rank}.`);
  const each = g.concat([g.sizes(indices, range(rank - 1)), g.integers([1])], 0);
  const batches = range(batch).map((axis) => g.expand(g.places(g.sizes(indices, [axis]), axis, rank), each));
  return [g.op('GatherND', [x, g.concat([...batches, indices], -1)])];
};

/** Takes what the condition says by its place. */
const compress: Lowering = (g, node, attributes) => {
  const [x, condition] = node.input;
  const chosen = g.squeeze(g.nonZero(condition), [0]);
  return [
    attributes.has('axis') ? g.gather(x, chosen, attributes.int('axis', 0)) : g.gather(g.flat(x), chosen),
  ];
};

/**
 * The places that are hot in the result of a OneHot, a boolean: indices are counted from the end where they are
 * negative; one out of range, or a real one that is not whole, is nowhere. ONNX Runtime has the op for some
 * combinations of types only, and compares real indices in float32.
 */
function hotPlaces(g: Builder, indices: Value, depth: Value, attributes: Attributes): Value {
  const rank = g.rank(indices) + 1;
  const axis = axisFrom(attributes.int('axis', -1), rank);
  const count = g.reshape(g.cast(depth, DType.INT64), [1]);
  const exact = g.isFloat(indices) ? g.cast(indices, DType.FLOAT) : g.cast(indices, DType.INT64);
  const dtype = g.dtypeOf(exact) ?? DType.INT64;
  const counted = g.where(g.less(exact, 0), g.add(exact, g.cast(count, dtype)), exact);
  const numbers = g.reshape(
    g.places(count),
    range(rank).map((i) => (i === axis ? -1 : 1)),
  );
  return g.equal(g.unsqueeze(counted, [axis]), g.cast(numbers, dtype));
}

const oneHot: Lowering = (g, node, attributes) => {
  const [indices, depth, values] = node.input;
  const [off, on] = [g.slice(values, 0, 1, 0), g.slice(values, 1, 2, 0)].map((v) => g.squeeze(v, [0]));
  return [g.where(hotPlaces(g, indices, depth, attributes), on, off)];
};

/** Ops that pick elements by index. */
export const indexing: OpTable = {
  Gather: {
    infer: inferGather,
    content: gatherContent,
    samples: gatherSamples,
    vjp: gather,
    roles: { 0: roleNamed('table', 'embedding', [0]) },
  },
  GatherElements: {
    infer: (c) => [{ dtype: c.dtype(0), shape: c.shape(1) }],
    samples: gatherElementsSamples,
    vjp: gatherElements,
  },
  GatherND: { infer: inferGatherND, as: { read: withoutBatchDims }, vjp: gatherND },
  ScatterElements: { infer: sameType, vjp: scatterElements },
  ScatterND: { infer: sameType, vjp: scatterND },
  Scatter: { infer: sameType, upgrade: ({ node }) => void (node.opType = 'ScatterElements') },
  TopK: {
    infer: inferTopK,
    samples: samplesOffAxis(-1, 'it sorts the batch'),
    sizes: [1],
    vjp: topK,
    upgrade({ node, attributes, from, integers, drop }) {
      if (from >= 10) return;
      node.input[1] = integers([attributes.int('k', 1)]);
      drop('k');
    },
  },
  OneHot: { infer: inferOneHot, samples: oneHotSamples, as: { float64: oneHot } },
  NonZero: {
    infer: (c) => [
      { dtype: DType.INT64, shape: [c.shape(0)?.length ?? unknownDimension(), unknownDimension()] },
    ],
  },
  Compress: {
    infer: (c) => [{ dtype: c.dtype(0), shape: c.attributes.has('axis') ? undefined : unknownShape(1) }],
    as: { read: compress },
  },
};
