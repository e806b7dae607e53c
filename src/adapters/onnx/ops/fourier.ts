import type { Attributes } from '../ir/attributes.ts';
import { refuse } from '../ir/errors.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { axisFrom, range } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { alongGivenAxis } from './axisInput.ts';

/** A complex tensor as two real ones; the imaginary part may be absent. */
interface Complex {
  readonly re: Value;
  readonly im: Value | undefined;
}

/**
 * Returns cos and sin of 2π·n·k/N as matrices `[rows, columns]`. The products n·k are reduced modulo N as integers: long
 * transforms lose no digits.
 *
 * @param rows - number of samples, int64 `[1]`
 * @param columns - number of frequencies, int64 `[1]`
 * @param length - N, int64 `[1]`
 */
function waves(
  g: Builder,
  rows: Value,
  columns: Value,
  length: Value,
  dtype: DType,
): readonly [Value, Value] {
  const products = g.mul(g.places(rows, 0, 2), g.places(columns, 1, 2));
  const turns = g.div(g.cast(g.mod(products, length), dtype), g.cast(length, dtype));
  const angle = g.mul(2 * Math.PI, turns);
  return [g.cos(angle), g.sin(angle)];
}

/** Returns Σₙ x[…, n]·exp(∓2πi·n·k/N) along the last axis, for k = 0, …, `frequencies` − 1. */
function transform(
  g: Builder,
  { re, im }: Complex,
  { frequencies, length, inverse }: { frequencies: Value; length: Value; inverse: boolean },
): { readonly re: Value; readonly im: Value } {
  const samples = g.sizes(re, [-1]);
  const [cos, sin] = waves(g, samples, frequencies, length, g.floatTypeOf(re));
  const rotation = inverse ? sin : g.neg(sin);
  const real = g.matmul(re, cos);
  const imaginary = g.matmul(re, rotation);
  if (im === undefined) return { re: real, im: imaginary };
  return {
    re: g.sub(real, g.matmul(im, rotation)),
    im: g.add(imaginary, g.matmul(im, cos)),
  };
}

/** Splits the last axis, of one or two elements, into real and imaginary parts. */
function complexOf(g: Builder, x: Value): Complex {
  const rank = g.rank(x);
  const parts = g.shapeOf(x)?.at(-1);
  const part = (from: Value, k: number) => g.squeeze(g.slice(from, k, k + 1, -1), [rank - 1]);
  if (parts === 1) return { re: part(x, 0), im: undefined };
  if (parts === 2) return { re: part(x, 0), im: part(x, 1) };
  // Whether there is an imaginary part is known only at run time; a missing one becomes 0.
  const padded = g.pad(
    x,
    range(2 * rank).map((i) => (i === 2 * rank - 1 ? 1 : 0)),
  );
  return { re: part(padded, 0), im: part(padded, 1) };
}

/** As {@link complexOf}; a signal of which one side is wanted is real, also if its shape does not say so. */
const signalOf = (g: Builder, x: Value, onesided: boolean): Complex =>
  onesided && g.shapeOf(x)?.at(-1) !== 2
    ? { re: g.squeeze(g.slice(x, 0, 1, -1), [g.rank(x) - 1]), im: undefined }
    : complexOf(g, x);

const joined = (g: Builder, { re, im }: { re: Value; im: Value }) => {
  const axis = g.rank(re);
  return g.concat([g.unsqueeze(re, [axis]), g.unsqueeze(im, [axis])], axis);
};

/** Number of frequencies of a real signal, ⌊N/2⌋ + 1. */
const half = (g: Builder, length: Value) => g.add(g.div(length, g.integers([2])), g.integers([1]));

/** The discrete Fourier transform along one axis, as a product with a matrix of cosines and sines. */
const dft: Lowering = (g, node, attributes) => {
  const [x, dftLength, axisInput] = node.input;
  const rank = g.rank(x);
  // Up to opset 19 the axis is an attribute (the upgrade of opsets writes its default out); then an input, −2 by default.
  if (!axisInput) return [dftAlong(g, x, dftLength, axisFrom(attributes.int('axis', -2), rank), attributes)];
  const captured = dftLength ? [x, dftLength] : [x];
  const along = (b: Builder, axis: number) => dftAlong(b, x, dftLength, axis, attributes);
  return [alongGivenAxis(g, axisInput, rank - 1, captured, along, rank)];
};

function dftAlong(
  g: Builder,
  x: Value,
  dftLength: Value | undefined,
  axis: number,
  attributes: Attributes,
): Value {
  const inverse = attributes.int('inverse', 0) === 1;
  const onesided = attributes.int('onesided', 0) === 1;
  const rank = g.rank(x);
  const { re, im } = complexOf(g, x);
  // Swaps the axis of the transform with the last one.
  const perm = range(rank - 1).map((i) => (i === axis ? rank - 2 : i === rank - 2 ? axis : i));
  const given = dftLength ? g.reshape(g.cast(dftLength, DType.INT64), [1]) : undefined;
  if (inverse && onesided) return realSignal(g, { re, im }, given, perm);
  const length = given ?? g.sizes(x, [axis]);
  // A longer signal is cut. A shorter one would be padded with zeros, which add nothing.
  const placed = (part: Value) => {
    const last = g.transpose(part, perm);
    return dftLength ? g.slice(last, 0, length, -1) : last;
  };
  const frequencies = onesided ? half(g, length) : length;
  const result = transform(g, { re: placed(re), im: im && placed(im) }, { frequencies, length, inverse });
  const scale = (part: Value) => (inverse ? g.div(part, g.cast(length, g.floatTypeOf(x))) : part);
  return joined(g, {
    re: g.transpose(scale(result.re), perm),
    im: g.transpose(scale(result.im), perm),
  });
}

/**
 * The real signal of N samples with the frequencies 0 to ⌊N/2⌋; by default, N is even. All frequencies but 0 and N/2 occur
 * twice in the whole spectrum.
 *
 * @param perm - swaps the axis of the transform with the last one
 */
function realSignal(
  g: Builder,
  { re, im }: Complex,
  given: Value | undefined,
  perm: readonly number[],
): Value {
  const last = (part: Value) => g.transpose(part, perm);
  const dtype = g.floatTypeOf(re);
  const count = g.sizes(last(re), [-1]);
  // At least 1: a branch for an axis of one frequency, which no run takes, would divide by 0 while the graph loads.
  const even = () => g.mul(g.integers([2]), g.sub(count, g.integers([1])));
  const length = given ?? g.max(even(), g.integers([1]));
  const [most, known] = [g.integersOf(half(g, length))?.[0], g.integersOf(count)?.[0]];
  if (most !== undefined && known !== undefined && known > most)
    refuse(
      `its dft_length is too short for ${known} frequencies; ONNX Runtime reads the rest in different ways.`,
    );
  const places = g.places(g.min(half(g, length), count));
  const single = g.equal(g.mod(g.mul(2, places), length), 0);
  const times = g.where(single, g.scalar(1, dtype), g.scalar(2, dtype));
  const placed = (part: Value) => g.mul(g.slice(last(part), 0, half(g, length), -1), times);
  const parts = { re: placed(re), im: im && placed(im) };
  const signal = transform(g, parts, { frequencies: length, length, inverse: true }).re;
  return g.unsqueeze(last(g.div(signal, g.cast(length, dtype))), [g.rank(re)]);
}

/** The transforms of a signal's overlapping frames, each multiplied by a window. */
const stft: Lowering = (g, node, attributes) => {
  const [signal, step, window, frameLength] = node.input;
  const onesided = attributes.int('onesided', 1) === 1;
  const { re, im } = g.rank(signal) === 2 ? { re: signal, im: undefined } : signalOf(g, signal, onesided);
  if (im && onesided) refuse('onesided has a rule only for real signals.');
  if (!window && !frameLength) refuse('it has neither a window nor a frame_length.');
  const length = frameLength ? g.reshape(g.cast(frameLength, DType.INT64), [1]) : g.sizes(window, [0]);
  const stride = g.reshape(g.cast(step, DType.INT64), [1]);
  const span = g.sub(g.sizes(re, [1]), length);
  const frames = g.add(g.div(span, stride), g.integers([1]));
  const index = g.add(g.mul(g.places(frames, 0, 2), stride), g.places(length, 1, 2));
  const framed = (part: Value) => {
    const picked = g.gather(part, index, 1);
    return window ? g.mul(picked, window) : picked;
  };
  const frequencies = onesided ? half(g, length) : length;
  return [
    joined(
      g,
      transform(g, { re: framed(re), im: im && framed(im) }, { frequencies, length, inverse: false }),
    ),
  ];
};

/** Fourier transforms. */
export const fourier: OpTable = {
  DFT: { as: { read: dft } },
  STFT: { as: { read: stft }, uses: { 2: 'window of a Fourier transform' } },
};
