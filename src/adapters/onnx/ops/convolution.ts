import type { Builder } from '../ir/builder.ts';
import { exceptChannels } from '../ir/channels.ts';
import { refuse } from '../ir/errors.ts';
import type { InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import { biasRole, weightRole, type OpTable } from '../ir/op.ts';
import { productOf, range, unknownDimension, unknownShape, type Dimension } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { VjpContext, VjpRule } from '../ir/vjp.ts';
import { refuseDilatedSame, windowOf } from '../ir/window.ts';
import { convByColumns, convTransposeByColumns } from './columns.ts';
import { imageSamples, multipliesIntegers, stepsFromZero } from './common.ts';
import { inputCotangent } from './convolutionInput.ts';
import { weightCotangent } from './convolutionWeight.ts';
import type { Convolution } from './convolutionWindow.ts';
import { padsAtRunTime, sizedTranspose } from './runtimePads.ts';
import { copiedCotangent, withSameSums } from './spread.ts';
import { isPaddedToSize, transposedPads } from './transposedPads.ts';
import { outputSizes, windowIn } from './windows.ts';
import { mapConvolution } from './vmap/products.ts';

export const inferConv: InferRule = (c) => {
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
  const sized = isPaddedToSize(c.attributes);
  const window = w && x && !sized ? windowIn(c, w.slice(2)) : undefined;
  const extra = c.attributes.ints('output_padding') ?? unknownShape(rank).map(() => 0);
  const spatial =
    c.attributes.ints('output_shape')?.slice(2 - rank) ??
    window?.strides.map((stride, i): Dimension => {
      const [size, k] = [x?.[i + 2], window.kernel[i]];
      if (typeof size !== 'number' || typeof k !== 'number') return unknownDimension();
      const pads = window.pads[i] + window.pads[i + window.strides.length];
      return stride * (size - 1) + extra[i] + window.dilations[i] * (k - 1) + 1 - pads;
    }) ??
    unknownShape(rank - 2);
  return [{ dtype, shape: [x?.[0] ?? unknownDimension(), channels, ...spatial] }];
};

function convolutionOf({ g, inputs: [x, w], attributes }: VjpContext): Convolution {
  const kernel = g.shapeOf(w)?.slice(2) ?? refuse('the rank of its weight is not known beforehand.');
  refuseDilatedSame(attributes);
  return { ...windowOf(attributes, g.shapeOf(x), kernel), group: attributes.int('group', 1) };
}

/** The convolution that a ConvTranspose transposes. */
function transposedOf(c: VjpContext): Convolution {
  const { g, inputs, attributes } = c;
  if (!isPaddedToSize(attributes)) return convolutionOf(c);
  const kernel = g.shapeOf(inputs[1])?.slice(2) ?? refuse('the rank of its weight is not known beforehand.');
  const ones = kernel.map(() => 1);
  return {
    kernel,
    strides: attributes.ints('strides') ?? ones,
    dilations: attributes.ints('dilations') ?? ones,
    pads: transposedPads(attributes, g.shapeOf(inputs[0]), kernel).pads,
    group: attributes.int('group', 1),
  };
}

const biasCotangent = (g: Builder, d: Value) => g.sum(withSameSums(g, d), exceptChannels(g, d), false);

const conv: VjpRule = (c) => {
  const { g, dy, needs } = c;
  const [x, w] = c.inputs;
  const convolution = convolutionOf(c);
  return [
    needs(0) && inputCotangent(g, dy, w, x, convolution),
    needs(1) && weightCotangent(g, x, dy, w, convolution),
    needs(2) && (copiedCotangent(g, c.inputs[2], dy) ?? biasCotangent(g, dy)),
  ];
};

/** The gradient of a convolution of real numbers, passed straight through the integers: see {@link quantization}. */
const integerConv: VjpRule = (c) => {
  const { g, dy, needs } = c;
  const dtype = g.floatTypeOf(dy);
  const [x, w, zeroX, zeroW] = c.inputs;
  const convolution = convolutionOf(c);
  const zeros = zeroW && g.rank(zeroW) === 1 ? g.unsqueeze(zeroW, range(g.rank(w) - 1, 1)) : zeroW;
  return [
    needs(0) && inputCotangent(g, dy, stepsFromZero(g, w, zeros, dtype), x, convolution),
    needs(1) && weightCotangent(g, stepsFromZero(g, x, zeroX, dtype), dy, w, convolution),
    undefined,
    undefined,
  ];
};

/** The transpose of a convolution: dx is that convolution, and in dw x and dy have changed places. */
const convTranspose: VjpRule = (c) => {
  const { g, needs } = c;
  const [x, w] = c.inputs;
  const { dy, pads, strides, dilations, group, kernel } = withoutLongEnds(c);
  return [
    needs(0) && g.convolve(dy, w, { strides, dilations, pads, group }),
    needs(1) && weightCotangent(g, dy, x, w, { strides, dilations, pads, group, kernel }),
    needs(2) && biasCotangent(g, c.dy),
  ];
};

/**
 * The convolution that a ConvTranspose transposes, and its cotangent without the zeros at the end that an
 * `output_padding` of a stride or more adds: a convolution would take further steps there.
 */
function withoutLongEnds(c: VjpContext): Convolution & { readonly dy: Value } {
  const { g, dy, attributes } = c;
  const convolution = transposedOf(c);
  const { strides, pads } = convolution;
  const rank = strides.length;
  const extra = attributes.ints('output_padding');
  if (extra === undefined || extra.every((more, i) => more < strides[i])) return { dy, ...convolution };
  const ends = pads.slice(rank);
  const zeros = extra.map((more, i) => Math.max(0, more - ends[i]));
  const cut = g.pad(dy, [...range(rank + 4).fill(0), ...zeros.map((count) => -count)]);
  const left = ends.map((end, i) => Math.max(0, end - extra[i]));
  return { ...convolution, dy: cut, pads: [...pads.slice(0, rank), ...left] };
}

/** Convolutions. */
export const convolution: OpTable = {
  Conv: {
    product: 'convolution',
    infer: inferConv,
    isCostly: true,
    samples: imageSamples,
    as: { lower: padsAtRunTime, float64: convByColumns },
    vjp: conv,
    roles: { 1: weightRole(0), 2: biasRole },
    vmap: mapConvolution,
  },
  ConvInteger: {
    infer: (c) => [{ dtype: DType.INT32, shape: inferConv(c)?.[0]?.shape }],
    samples: imageSamples,
    vjp: integerConv,
    integers: multipliesIntegers,
    roles: { 1: weightRole(0) },
    isCostly: true,
  },
  ConvTranspose: {
    product: 'transposedConvolution',
    infer: inferConvTranspose,
    isCostly: true,
    samples: imageSamples,
    // ONNX Runtime infers a wrong shape from an output_shape below the size of the input (1.30).
    as: { lower: sizedTranspose, float64: convTransposeByColumns },
    vjp: convTranspose,
    roles: { 1: weightRole(1), 2: biasRole },
    vmap: mapConvolution,
  },
};
