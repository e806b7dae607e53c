import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { ContentRule, InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import { roleNamed, type Lowering, type OpTable } from '../ir/op.ts';
import { meet, onlyFirst, rankOfInput, unclear, type SampleRule, type Samples } from '../ir/samples.ts';
import { axisFrom, inverse, range, unknownDimension, unknownShape } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { VjpRule } from '../ir/vjp.ts';
import { broadcastSamples, sameType, samplesOffAxis } from './common.ts';
import { scatterElements, scatterND } from './scatter.ts';
import { mapAlong, mapOneHot } from './vmap/broadcasting.ts';
import { mapAlongOneAxis, mapGather, mapGatherND, mapScatterND } from './vmap/indexing.ts';

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
 * Adds n rows of m elements, in any shape, to zeros `[count, m]`, at the rows given by `places`; returns one vector.
 * Every element gets its own index, for ScatterElements: ScatterND adds in several threads, and loses some sums if
 * indices repeat (onnxruntime issue 23396).
 *
 * @param count - vector of one int64, as is `m`
 */
function addRows(g: Builder, rows: Value, places: Value, count: Value, m: Value): Value {
  const elements = g.add(g.mul(g.reshape(places, [-1, 1]), m), g.places(m));
  const zeros = g.filled(g.mul(count, m), 0, g.dtypeOf(rows));
  return g.scatterAdd(zeros, g.flat(elements), g.flat(rows), 0);
}

/** Adds the cotangent of each picked row to the row of x that it came from. */
const gather: VjpRule = ({ g, inputs: [x, indices], dy, attributes }) => [
  throughGather(g, x, indices, dy, attributes.int('axis', 0)),
];

/** Adds the cotangents of gathered rows to the rows of x that they came from. */
export function throughGather(g: Builder, x: Value, indices: Value, dy: Value, along: number): Value {
  const rank = g.rank(x);
  const depth = g.rank(indices);
  const axis = axisFrom(along, rank);
  // The picked axis first, in x and in dy.
  const first = [axis, ...range(rank).filter((i) => i !== axis)];
  const picked = range(depth, axis);
  const rows = g.transpose(dy, [...picked, ...range(rank - 1 + depth).filter((i) => !picked.includes(i))]);
  const m = g.product(g.sizes(x, first.slice(1)));
  const sum = addRows(g, rows, g.cast(indices, DType.INT64), g.sizes(x, [axis]), m);
  return g.transpose(g.reshapeTo(sum, g.sizes(x, first)), inverse(first));
}

const gatherElements: VjpRule = ({ g, inputs: [x, indices], dy, attributes }) => [
  g.scatterAdd(g.zerosLike(x), indices, dy, attributes.int('axis', 0)),
];

/**
 * The elements of x, counted row by row, that lists of indices `[…, depth]` pick: `[n, m]`, where m is the number of
 * elements after the first axes.
 */
function elementsOf(g: Builder, x: Value, indices: Value): Value {
  const rank = g.rank(x);
  const depth = g.sizes(indices, [-1]);
  const first = (vector: Value) => g.slice(vector, 0, depth, 0);
  // Negative ones count from the end.
  const counted = g.where(g.less(indices, 0), g.add(indices, first(g.shape(x))), indices);
  const steps = g.concat(
    range(rank).map((i) => g.product(g.sizes(x, range(rank - 1 - i, i + 1)))),
    0,
  );
  const start = g.sum(g.mul(counted, first(steps)), [-1], false);
  const m = g.slice(steps, g.sub(depth, g.integers([1])), depth, 0);
  return g.add(g.reshape(start, [-1, 1]), g.places(m));
}

const gatherND: VjpRule = ({ g, inputs: [x, indices], dy, attributes }) => {
  if (attributes.int('batch_dims', 0) !== 0)
    refuse('batch_dims has a rule where the rank of its indices is known beforehand.');
  const zeros = g.filled(g.size(x), 0, g.dtypeOf(x));
  return [g.reshapeLike(g.scatterAdd(zeros, g.flat(elementsOf(g, x, indices)), g.flat(dy), 0), x)];
};

/**
 * Writes a ScatterND with the reduction max, min or mul as a ScatterElements: ONNX Runtime's ScatterND writes in several
 * threads at once, and loses some updates (issue 23396).
 */
const byElements: Lowering = (g, node, attributes) => {
  const reduction = attributes.string('reduction', 'none');
  if (!['max', 'min', 'mul'].includes(reduction)) return undefined;
  const [data, indices, updates] = node.input;
  const [flat, places, changes] = [g.flat(data), g.flat(elementsOf(g, data, indices)), g.flat(updates)];
  return [g.reshapeLike(g.scatter(flat, places, changes, 0, reduction), data)];
};

const topK: VjpRule = ({ g, node, inputs: [x], dy, attributes }) => {
  const places = g.extraOutput(node, 1);
  const axis = attributes.int('axis', -1);
  return [g.scatterAdd(g.zerosLike(x), places, dy, axis)];
};

/** Makes the batch position of each list of indices a part of the list. */
const withoutBatchDims: Lowering = (g, node, attributes) => {
  const batch = attributes.int('batch_dims', 0);
  if (batch === 0) return undefined;
  const [x, indices] = node.input;
  const rank = g.rank(indices);
  if (batch < 0 || batch >= rank) refuse(`batch_dims ${batch} does not fit indices of rank ${rank}.`);
  const each = g.concat([g.sizes(indices, range(rank - 1)), g.integers([1])], 0);
  const batches = range(batch).map((axis) => g.expand(g.places(g.sizes(indices, [axis]), axis, rank), each));
  return [g.gatherAt(x, g.concat([...batches, indices], -1))];
};

/** Gathers the elements where the condition is true. */
const compress: Lowering = (g, node, attributes) => {
  const [x, condition] = node.input;
  const chosen = g.squeeze(g.nonZero(condition), [0]);
  return [
    attributes.has('axis') ? g.gather(x, chosen, attributes.int('axis', 0)) : g.gather(g.flat(x), chosen),
  ];
};

/**
 * True at the hot elements of a OneHot. Negative indices count from the end; an index out of range, or not whole, has no
 * hot element. ONNX Runtime supports the op only for some combinations of types, and compares float indices in float32.
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

const table = roleNamed('table', 'embedding', [0]);

/** Ops that pick elements by index. */
export const indexing: OpTable = {
  Gather: {
    looksUp: true,
    isDense: true,
    infer: inferGather,
    content: gatherContent,
    samples: gatherSamples,
    vjp: gather,
    roles: { 0: table },
    vmap: mapGather,
  },
  GatherElements: {
    isDense: true,
    infer: (c) => [{ dtype: c.dtype(0), shape: c.shape(1) }],
    samples: gatherElementsSamples,
    vjp: gatherElements,
    vmap: mapAlongOneAxis,
  },
  GatherND: {
    infer: inferGatherND,
    as: { read: withoutBatchDims },
    vjp: gatherND,
    roles: { 0: table },
    vmap: mapGatherND,
  },
  ScatterElements: { isDense: true, infer: sameType, vjp: scatterElements, vmap: mapAlongOneAxis },
  ScatterND: { infer: sameType, as: { lower: byElements }, vjp: scatterND, vmap: mapScatterND },
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
    vmap: mapAlong(-1),
  },
  OneHot: { infer: inferOneHot, samples: oneHotSamples, as: { float64: oneHot }, vmap: mapOneHot },
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
