import { nodeAttributes } from '../ir/attributes.ts';
import { LONGEST, type ContentRule, type InferRule } from '../ir/facts.ts';
import type { Lowering, OpTable, UpgradeContext } from '../ir/op.ts';
import { meet, onlyFirst, rankOfInput, unclear, type SampleRule } from '../ir/samples.ts';
import {
  axisFrom,
  isStatic,
  range,
  sumOf,
  unknownDimension,
  unknownShape,
  type Dimension,
} from '../ir/shape.ts';
import type { VjpContext, VjpRule } from '../ir/vjp.ts';
import { pickedContent, samplesOffAxis } from './common.ts';
import { gatherBack } from './gatherBack.ts';
import { toInput } from './upgrades.ts';
import { mapAlong } from './vmap/broadcasting.ts';
import { mapAlongOneAxis } from './vmap/indexing.ts';
import { mapSlice } from './vmap/shapes.ts';

const inferConcat: InferRule = (c) => {
  const shapes = c.node.input.map((_, i) => c.shape(i));
  const first = shapes.find((shape) => shape !== undefined);
  const dtype = c.dtype(0);
  if (first === undefined) return [{ dtype }];
  const axis = axisFrom(c.attributes.int('axis', 0), first.length);
  const shape = first.map((_, i): Dimension => {
    const sizes = shapes.map((shape) => shape?.[i] ?? unknownDimension());
    if (i === axis) return sumOf(sizes);
    return sizes.find((size) => typeof size === 'number') ?? sizes[0];
  });
  return [{ dtype, shape }];
};

const inferSplit: InferRule = (c) => {
  const dtype = c.dtype(0);
  const shape = c.shape(0);
  const axis = c.axis(0);
  const outputs = c.node.output.length;
  if (shape === undefined || axis === undefined) return c.node.output.map(() => ({ dtype }));
  const whole = shape[axis];
  const sizes = c.has(1) ? c.contents(1) : undefined;
  const chunk =
    typeof whole === 'number' ? Math.ceil(whole / c.attributes.int('num_outputs', outputs)) : undefined;
  return c.node.output.map((_, k) => {
    let size: Dimension = sizes?.[k] ?? unknownDimension();
    if (!c.has(1) && chunk !== undefined) size = Math.min(chunk, Number(whole) - k * chunk);
    return { dtype, shape: shape.map((d, i) => (i === axis ? size : d)) };
  });
};

const inferSlice: InferRule = (c) => {
  const dtype = c.dtype(0);
  const shape = c.shape(0);
  if (shape === undefined) return [{ dtype }];
  const [starts, ends] = [c.integers(1), c.integers(2)];
  const steps = c.has(4) ? c.integers(4) : starts?.map(() => 1);
  const axes = c.has(3) ? c.integers(3) : range(starts?.length ?? ends?.length ?? shape.length);
  if (axes === undefined) return [{ dtype, shape: unknownShape(shape.length) }];
  const result = [...shape];
  axes.forEach((axis, k) => {
    const i = axisFrom(axis, shape.length);
    const bounds = [starts?.[k], ends?.[k], steps?.[k]];
    result[i] = sliced(shape[i], bounds);
  });
  return [{ dtype, shape: result }];
};

function sliced(size: Dimension, [start, end, step]: readonly (number | undefined)[]): Dimension {
  if (start === undefined || end === undefined || step === undefined) return unknownDimension();
  if (start === 0 && step === 1 && end >= 2 ** 31 - 1) return size;
  // With a negative step, ONNX Runtime reads the largest end as the smallest; the size is left unknown.
  const odd = step < 0 && end >= 2 ** 31 - 1;
  if (typeof size === 'string' || odd) return unknownDimension();
  const [from, to] = sliceBounds(size, start, end, step);
  return Math.max(0, Math.ceil((to - from) / step));
}

/** Returns the start and end of a slice, clamped as in ONNX. */
function sliceBounds(size: number, start: number, end: number, step: number): [number, number] {
  const low = step > 0 ? 0 : -1;
  const high = step > 0 ? size : size - 1;
  const clamp = (v: number) => Math.min(high, Math.max(low, v < 0 ? v + size : v));
  return [Math.min(high, Math.max(0, start < 0 ? start + size : start)), clamp(end)];
}

const sliceContent: ContentRule = (c) => {
  const [data, shape] = [c.contents(0), c.shape(0)];
  const [starts, ends] = [c.integers(1), c.integers(2)];
  if (!data || !isStatic(shape) || !starts || !ends) return undefined;
  const axes = c.has(3) ? c.integers(3) : range(starts.length);
  const steps = c.has(4) ? c.integers(4) : starts.map(() => 1);
  if (!axes || !steps || steps.some((step, k) => step === 0 || (step < 0 && ends[k] > LONGEST)))
    return undefined;
  const [first, stride, to] = [shape.map(() => 0), shape.map(() => 1), [...shape]];
  for (const [k, each] of axes.entries()) {
    const axis = axisFrom(each, shape.length);
    const [low, high] = sliceBounds(shape[axis], starts[k], ends[k], steps[k]);
    [first[axis], stride[axis]] = [low, steps[k]];
    to[axis] = Math.max(0, Math.ceil((high - low) / steps[k]));
  }
  return pickedContent(data, shape, to, (index) => index.map((i, axis) => first[axis] + i * stride[axis]));
};

const concatContent: ContentRule = (c) => {
  const parts = c.node.input.map((_, i) => {
    const length = c.shape(i)?.length === 1 ? c.shape(i)?.[0] : undefined;
    if (typeof length !== 'number' || length > LONGEST) return undefined;
    return c.contents(i) ?? range(length).map(unknownDimension);
  });
  return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
};

const concatSamples: SampleRule = (c) => {
  const samples = c.node.input.map((_, i) => c.of(i) ?? meet('it joins them with an input without samples'));
  const [{ axis, inner }] = samples;
  if (samples.some((other) => other.axis !== axis || other.inner !== inner))
    meet('they lie on different axes of its inputs');
  if (axisFrom(c.attributes.int('axis', 0), rankOfInput(c, 0)) === axis) meet('it joins along the batch');
  return samples[0];
};

const sliceSamples: SampleRule = (c) => {
  const samples = onlyFirst(c);
  const axes = c.node.input[3]
    ? (c.integers(3) ?? unclear()).map((axis) => axisFrom(axis, rankOfInput(c, 0)))
    : range(rankOfInput(c, 0));
  const k = axes.indexOf(samples.axis);
  if (k >= 0 && c.shape(0)?.[samples.axis] !== c.out?.[samples.axis]) meet('it cuts the batch');
  return samples;
};

const concat: VjpRule = ({ g, inputs, dy, needs, attributes }) => {
  if (inputs.length === 1) return [dy];
  const axis = attributes.int('axis', 0);
  const sizes = g.concat(
    inputs.map((input) => g.sizes(input, [axis])),
    0,
  );
  return g.parts(dy, inputs.length, axis, sizes).map((part, i) => needs(i) && part);
};
/** Gives each output of a Split a name: ONNX Runtime ends the process where one is left out. */
const withAllOutputs: Lowering = (g, { input, output, attribute }) => {
  if (output.every((name) => name !== '')) return undefined;
  const [x, sizes] = input.map((name) => name || undefined);
  return g.inheriting(attribute).ops('Split', [x, sizes], {}, output.length);
};

const split: VjpRule = ({ g, outputs, dys, attributes }) => [
  g.concat(
    outputs.map((output, k) => dys[k] ?? g.zerosLike(output)),
    attributes.int('axis', 0),
  ),
];

/** A slice with steps of one is undone by padding with zeros, any other by scattering. */
function slice({ g, inputs, dy }: VjpContext) {
  const [x, starts, ends, axesInput, steps] = inputs;
  const shape = g.shapeOf(x);
  const from = g.integersOf(starts);
  const axes = axesInput ? g.integersOf(axesInput) : from?.map((_, i) => i);
  const unit = !steps || g.integersOf(steps)?.every((step) => step === 1);
  const before = shape && from && axes && unit ? range(shape.length).map(() => 0) : undefined;
  axes?.forEach((axis, k) => {
    if (before === undefined || shape === undefined || from === undefined) return;
    const i = axisFrom(axis, shape.length);
    const size = shape[i];
    if (typeof size === 'number')
      before[i] = Math.min(size, Math.max(0, from[k] < 0 ? from[k] + size : from[k]));
    else before[i] = from[k] === 0 ? 0 : NaN;
  });
  if (before?.every((count) => count >= 0)) {
    const begin = g.integers(before);
    const end = g.sub(g.sub(g.shape(x), g.shape(dy)), begin);
    return [g.pad(dy, g.concat([begin, end], 0))];
  }
  return [gatherBack(g, x, dy, (indices) => g.slices(indices, starts, ends, axesInput || undefined, steps))];
}

function upgradeSlice({ node, attributes, from, integers, drop }: UpgradeContext): void {
  if (from >= 10) return;
  const starts = attributes.ints('starts') ?? [];
  const vectors = [starts, attributes.ints('ends') ?? [], attributes.ints('axes') ?? range(starts.length)];
  node.input.push(...vectors.map(integers));
  drop('starts', 'ends', 'axes');
}

/** Ops that join and cut tensors along axes. */
export const slicing: OpTable = {
  Concat: {
    isDense: true,
    infer: inferConcat,
    content: concatContent,
    samples: concatSamples,
    vjp: concat,
    carries: 'joined',
    vmap: mapAlongOneAxis,
  },
  Split: {
    infer: inferSplit,
    samples: samplesOffAxis(0, 'it splits the batch'),
    sizes: [1],
    as: { read: withAllOutputs },
    vjp: split,
    carries: 'some',
    upgrade(u) {
      toInput('split', 1)(u);
      if (!u.node.input[1]) u.node.attribute.push(...nodeAttributes({ num_outputs: u.node.output.length }));
    },
    vmap: mapAlong(0),
  },
  Slice: {
    infer: inferSlice,
    content: sliceContent,
    samples: sliceSamples,
    sizes: [1, 2, 3, 4],
    vjp: slice,
    carries: 'some',
    upgrade: upgradeSlice,
    vmap: mapSlice,
  },
};
