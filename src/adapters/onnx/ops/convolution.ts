import type { Builder } from '../ir/builder.ts';
import { exceptChannels, spatialAxes } from '../ir/channels.ts';
import { refuse } from '../ir/errors.ts';
import type { InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import { biasRole, weightRole, type OpTable } from '../ir/op.ts';
import {
  isStatic,
  productOf,
  range,
  unknownDimension,
  unknownShape,
  type Dimension,
  type Shape,
} from '../ir/shape.ts';
import type { VjpContext, VjpRule } from '../ir/vjp.ts';
import { windowOf, type Window } from '../ir/window.ts';
import { convByColumns, convTransposeByColumns } from './columns.ts';
import { imageSamples } from './common.ts';
import { outputSizes, windowIn } from './windows.ts';

const inferConv: InferRule = (c) => {
  const [x, w] = [c.shape(0), c.shape(1)];
  const rank = x?.length ?? w?.length;
  const dtype = c.dtype(0);
  if (rank === undefined) return [{ dtype }];
  const window = w && windowIn(c, w.slice(2));
  const spatial = window && x ? outputSizes(x, window, false) : unknownShape(rank - 2);
  return [{ dtype, shape: [x?.[0] ?? unknownDimension(), w?.[0] ?? unknownDimension(), ...spatial] }];
};

const inferConvTranspose: InferRule = (c) => {
  const [x, w] = [c.shape(0), c.shape(1)];
  const rank = x?.length ?? w?.length;
  const dtype = c.dtype(0);
  if (rank === undefined) return [{ dtype }];
  const channels = w ? productOf([w[1], c.attributes.int('group', 1)]) : unknownDimension();
  const auto = c.attributes.string('auto_pad', 'NOTSET');
  const window =
    w && x && auto !== 'SAME_UPPER' && auto !== 'SAME_LOWER' ? windowIn(c, w.slice(2)) : undefined;
  const extra = c.attributes.ints('output_padding') ?? unknownShape(rank).map(() => 0);
  const spatial =
    c.attributes.ints('output_shape') ??
    window?.strides.map((stride, i): Dimension => {
      const [size, k] = [x?.[i + 2], window.kernel[i]];
      if (typeof size !== 'number' || typeof k !== 'number') return unknownDimension();
      const pads = window.pads[i] + window.pads[i + window.strides.length];
      return stride * (size - 1) + extra[i] + window.dilations[i] * (k - 1) + 1 - pads;
    }) ??
    unknownShape(rank - 2);
  return [{ dtype, shape: [x?.[0] ?? unknownDimension(), channels, ...spatial] }];
};

/** A convolution's window and its number of groups. */
interface Convolution extends Window {
  readonly group: number;
}

function convolutionOf({ g, inputs: [x, w], attributes }: VjpContext): Convolution {
  const kernel = g.shapeOf(w)?.slice(2) ?? refuse('the rank of its weight is not known beforehand.');
  return { ...windowOf(attributes, g.shapeOf(x), kernel), group: attributes.int('group', 1) };
}

const spatialSizes = (g: Builder, x: Value): Shape | undefined => g.shapeOf(x)?.slice(2);

/** Length of the padded input's end that no window reached, along each axis; undefined where only run time can tell. */
function missedEnds(
  g: Builder,
  x: Value,
  d: Value,
  { kernel, strides, dilations, pads }: Convolution,
): readonly number[] | undefined {
  const [sizes, outs] = [spatialSizes(g, x), spatialSizes(g, d)];
  if (!isStatic(sizes) || !isStatic(outs) || !isStatic(kernel)) return undefined;
  return sizes.map((size, i) => {
    const reached = (outs[i] - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1;
    return size + pads[i] + pads[i + sizes.length] - reached;
  });
}

/** The cotangent of a convolution's input [N, C, …]: the transposed convolution of that of its result. */
function inputCotangent(g: Builder, d: Value, w: Value, x: Value, convolution: Convolution): Value {
  const { strides, dilations, pads, group } = convolution;
  const rank = strides.length;
  // The end of the input that no window reached gets zeros.
  const missed = missedEnds(g, x, d, convolution);
  if (missed !== undefined) {
    return g.op('ConvTranspose', [d, w], { strides, dilations, pads, group, output_padding: missed });
  }
  const whole = g.op('ConvTranspose', [d, w], { strides, dilations, group });
  const none = [0, 0, ...range(rank).fill(0)];
  const longer = strides.every((stride) => stride === 1)
    ? whole
    : g.pad(whole, [...none, 0, 0, ...strides.map((stride) => stride - 1)]);
  const begin = g.integers(pads.slice(0, rank));
  const end = g.add(g.sizes(x, spatialAxes(g, x)), begin);
  return g.slices(longer, begin, end, spatialAxes(g, x));
}

/**
 * The cotangent of a convolution's weight [M, C/group, …]: x convolved with d, whose batches are now the channels,
 * strides and dilations changing places.
 *
 * The channels of x lie along its last axis, [1, group·N, …, W·C/group], where steps are C/group times as long. So
 * ONNX Runtime has one large product of matrices to do; with C/group for a batch it would have as many small ones,
 * which takes it three times as long.
 */
function weightCotangent(g: Builder, x: Value, d: Value, w: Value, convolution: Convolution): Value {
  const { kernel, strides, dilations, group } = convolution;
  const { reached, pads } = withoutMissedEnds(g, x, d, convolution);
  const channels = g.shapeOf(w)?.[1];
  if (typeof channels !== 'number' || !isStatic(kernel) || dilations.at(-1) !== 1) {
    return weightCotangentByChannel(g, reached, d, w, { ...convolution, pads });
  }
  const rank = strides.length;
  const widened = (steps: readonly number[]) =>
    steps.map((step, i) => (i % rank === rank - 1 ? step * channels : step));
  const kernels = g.op('Conv', [channelsLast(g, reached, group, channels), exchanged(g, d)], {
    strides: dilations,
    dilations: widened(strides),
    pads: widened(pads),
    group,
  });
  const cut = cutTo(g, kernels, g.integers(widened(kernel)));
  return g.transpose(g.reshape(cut, [-1, ...kernel, channels]), [0, rank + 1, ...range(rank, 1)]);
}

/** A convolution's input and its padding without what no window reached: it would be convolved for nothing. */
function withoutMissedEnds(g: Builder, x: Value, d: Value, convolution: Convolution) {
  const { pads, strides } = convolution;
  const missed = missedEnds(g, x, d, convolution);
  const sizes = spatialSizes(g, x);
  if (missed === undefined || !isStatic(sizes)) return { reached: x, pads };
  const [begins, ends] = [pads.slice(0, strides.length), pads.slice(strides.length)];
  const kept = sizes.map((size, i) => size - Math.max(0, missed[i] - ends[i]));
  return {
    reached: cutTo(g, x, g.integers(kept)),
    pads: [...begins, ...ends.map((end, i) => Math.max(0, end - missed[i]))],
  };
}

/** The beginning of x along its spatial axes; x itself, if that is known to be all of it. */
function cutTo(g: Builder, x: Value, sizes: Value): Value {
  const [axes, known] = [spatialAxes(g, x), g.integersOf(sizes)];
  const whole = axes.every((axis, i) => known && g.shapeOf(x)?.[axis] === known[i]);
  return whole ? x : g.slices(x, g.integers(axes.map(() => 0)), sizes, axes);
}

/** [N, C, …, W] → [1, group·N, …, W·C/group], the batches of one group side by side. */
function channelsLast(g: Builder, x: Value, group: number, channels: number): Value {
  const axes = spatialAxes(g, x);
  const grouped = () => g.reshape(x, g.concat([g.integers([-1, channels]), g.sizes(x, axes)], 0));
  // One axis moved is much faster than two exchanged at the same time.
  const last = g.transpose(group === 1 ? x : grouped(), [0, ...axes, 1]);
  const width = g.mul(g.sizes(x, axes.slice(-1)), channels);
  const others = axes.length > 1 ? [g.sizes(x, axes.slice(0, -1))] : [];
  const merged = (batch: readonly number[]) =>
    g.reshape(last, g.concat([g.integers(batch), ...others, width], 0));
  if (group === 1) return merged([1, -1]);
  const byGroup = g.transpose(merged([-1, group]), [1, 0, ...axes]);
  return g.reshape(byGroup, g.concat([g.integers([1, -1]), ...others, width], 0));
}

/** [N, M, …] → [M, N, …]. */
const exchanged = (g: Builder, d: Value) => g.transpose(d, [1, 0, ...spatialAxes(g, d)]);

/** As {@link weightCotangent}, for whatever steps and sizes: the channels of x are the batch. */
function weightCotangentByChannel(
  g: Builder,
  x: Value,
  d: Value,
  w: Value,
  { strides, dilations, pads, group }: Convolution,
): Value {
  const kernels = g.op('Conv', [channelsFirst(g, x, group), exchanged(g, d)], {
    strides: dilations,
    dilations: strides,
    pads,
    group,
  });
  return exchanged(g, cutTo(g, kernels, g.sizes(w, spatialAxes(g, w))));
}

/** [N, C, …] → [C/group, group·N, …], the batches of one group side by side. */
function channelsFirst(g: Builder, x: Value, group: number): Value {
  const axes = spatialAxes(g, x);
  if (group === 1) return g.transpose(x, [1, 0, ...axes]);
  const sizes = g.sizes(x, axes);
  const split = g.reshape(x, g.concat([g.integers([0, group, -1]), sizes], 0));
  const moved = g.transpose(split, [2, 1, 0, ...axes.map((axis) => axis + 1)]);
  const perGroup = g.sizes(moved, [0]);
  return g.reshape(moved, g.concat([perGroup, g.integers([-1]), sizes], 0));
}

const biasCotangent = (g: Builder, d: Value) => g.sum(d, exceptChannels(g, d), false);

const conv: VjpRule = (c) => {
  const { g, dy, needs } = c;
  const [x, w] = c.inputs;
  const convolution = convolutionOf(c);
  return [
    needs(0) && inputCotangent(g, dy, w, x, convolution),
    needs(1) && weightCotangent(g, x, dy, w, convolution),
    needs(2) && biasCotangent(g, dy),
  ];
};

/** The transpose of a convolution: dx is that convolution, and in dw x and dy have changed places. */
const convTranspose: VjpRule = (c) => {
  const { g, dy, needs, attributes } = c;
  const [x, w] = c.inputs;
  const auto = attributes.string('auto_pad', 'NOTSET');
  if (attributes.has('output_shape')) refuse('output_shape has no rule; give pads and output_padding.');
  if (auto !== 'NOTSET' && auto !== 'VALID')
    refuse(`auto_pad ${auto} has no rule; give pads and output_padding.`);
  const { strides, dilations, pads, group, kernel } = convolutionOf(c);
  const longer = attributes.ints('output_padding')?.some((extra, i) => extra >= strides[i]);
  if (longer) refuse('output_padding of a stride or more has no rule.');
  return [
    needs(0) && g.op('Conv', [dy, w], { strides, dilations, pads, group }),
    needs(1) && weightCotangent(g, dy, x, w, { strides, dilations, pads, group, kernel }),
    needs(2) && biasCotangent(g, dy),
  ];
};

/** Convolutions. */
export const convolution: OpTable = {
  Conv: {
    infer: inferConv,
    samples: imageSamples,
    as: { float64: convByColumns },
    vjp: conv,
    roles: { 1: weightRole(0), 2: biasRole },
  },
  ConvTranspose: {
    infer: inferConvTranspose,
    samples: imageSamples,
    as: { float64: convTransposeByColumns },
    vjp: convTranspose,
    roles: { 1: weightRole(1), 2: biasRole },
  },
};
