import { refuse } from '../ir/errors.ts';
import { LONGEST, type ContentRule, type InferContext, type InferRule } from '../ir/facts.ts';
import type { Lowering, Op, OpTable } from '../ir/op.ts';
import {
  batchSymbol,
  meet,
  onlyFirst,
  rankOfInput,
  samplesWithout,
  unclear,
  type SampleRule,
} from '../ir/samples.ts';
import {
  axisFrom,
  broadcastShapes,
  inverse,
  isPermutation,
  isStatic,
  productOf,
  range,
  unknownDimension,
  unknownShape,
  type Dimension,
  type Shape,
} from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { VjpRule } from '../ir/vjp.ts';
import { movesIntegers, pickedContent, sameContent } from './common.ts';
import { axesToInput } from './upgrades.ts';
import { mapExpand, mapReshape, mapTranspose } from './vmap/shapes.ts';

/** Returns the shape that input i holds, where its elements are known. */
export function spelled(c: InferContext, i: number): Shape | undefined {
  const length = c.shape(i)?.[0];
  return (
    c.contents(i) ?? (typeof length === 'number' && length <= LONGEST ? unknownShape(length) : undefined)
  );
}

const inferReshape: InferRule = (c) => {
  const dtype = c.dtype(0);
  const from = c.shape(0);
  const to = spelled(c, 1);
  if (to === undefined) return [{ dtype }];
  const copies = c.attributes.int('allowzero', 0) === 0;
  const shape = to.map((size, i): Dimension =>
    size === 0 && copies ? (from?.[i] ?? unknownDimension()) : size,
  );
  const free = shape.indexOf(-1);
  if (free >= 0)
    shape[free] = from
      ? quotient(
          from,
          shape.filter((_, i) => i !== free),
        )
      : unknownDimension();
  return [{ dtype, shape }];
};

/** Product of `sizes` divided by the product of `divisors`; equal symbols cancel. */
function quotient(sizes: Shape, divisors: Shape): Dimension {
  const left = [...sizes];
  const rest = divisors.filter((divisor) => {
    const i = typeof divisor === 'string' ? left.indexOf(divisor) : -1;
    if (i >= 0) left.splice(i, 1);
    return i < 0;
  });
  const above = productOf(left);
  const below = productOf(rest);
  if (below === 1) return above;
  return typeof above === 'number' && typeof below === 'number' && below !== 0
    ? above / below
    : unknownDimension();
}

const inferSqueeze: InferRule = (c) => {
  const dtype = c.dtype(0);
  const shape = c.shape(0);
  const axes = c.has(1) ? c.integers(1) : undefined;
  if (shape === undefined || (c.has(1) && axes === undefined)) return [{ dtype }];
  if (axes) {
    const gone = new Set(axes.map((axis) => axisFrom(axis, shape.length)));
    return [{ dtype, shape: shape.filter((_, i) => !gone.has(i)) }];
  }
  return [{ dtype, shape: isStatic(shape) ? shape.filter((size) => size !== 1) : undefined }];
};

const inferUnsqueeze: InferRule = (c) => {
  const dtype = c.dtype(0);
  const shape = c.shape(0);
  const axes = c.integers(1);
  if (shape === undefined || axes === undefined) return [{ dtype }];
  const rank = shape.length + axes.length;
  const fresh = new Set(axes.map((axis) => axisFrom(axis, rank)));
  const rest = [...shape];
  return [{ dtype, shape: range(rank).map((i) => (fresh.has(i) ? 1 : (rest.shift() ?? 1))) }];
};

const inferFlatten: InferRule = (c) => {
  const shape = c.shape(0);
  const axis = c.axis(1);
  const sides =
    shape && axis !== undefined ? [productOf(shape.slice(0, axis)), productOf(shape.slice(axis))] : undefined;
  return [{ dtype: c.dtype(0), shape: sides ?? unknownShape(2) }];
};

const transposeContent: ContentRule = (c) => {
  const [data, shape] = [c.contents(0), c.shape(0)];
  if (data === undefined || !isStatic(shape)) return undefined;
  const perm = c.attributes.ints('perm') ?? range(shape.length).toReversed();
  const back = inverse(perm);
  const to = perm.map((axis) => shape[axis]);
  return pickedContent(data, shape, to, (index) => back.map((axis) => index[axis]));
};

const inferTranspose: InferRule = (c) => {
  const shape = c.shape(0);
  const perm = c.attributes.ints('perm') ?? (shape && range(shape.length).toReversed());
  return [{ dtype: c.dtype(0), shape: perm?.map((axis) => shape?.[axis] ?? unknownDimension()) }];
};

const filled: ContentRule = (c) => {
  const shape: Shape | undefined = c.contents(0);
  const value = c.attributes.tensor('value');
  const [length] = shape ?? [];
  if (shape?.length !== 1 || typeof length !== 'number' || length > LONGEST || !value) return undefined;
  const element =
    value.int64Data[0] ??
    (value.rawData.length === 8
      ? new DataView(value.rawData.slice().buffer).getBigInt64(0, true)
      : undefined);
  return element === undefined ? undefined : range(length).map(() => Number(element));
};

const rangeOf: ContentRule = (c) => {
  const [start, limit, delta] = [c.integers(0)?.[0], c.integers(1)?.[0], c.integers(2)?.[0]];
  if (start === undefined || limit === undefined || !delta) return undefined;
  const length = Math.max(0, Math.ceil((limit - start) / delta));
  return length <= LONGEST ? range(length).map((i) => start + i * delta) : undefined;
};

const product = (sizes: Shape): number | undefined =>
  sizes.every((size) => typeof size === 'number') ? sizes.reduce((a, b) => a * b, 1) : undefined;

/** Samples stay whole if the axes before and after them hold as many elements as before. */
const reshapeSamples: SampleRule = (c) => {
  const samples = onlyFirst(c);
  const [shape, out] = [c.shape(0) ?? unclear(), c.out ?? unclear()];
  const { axis, inner } = samples;
  const target = c.contents(1);
  if (axis === 0 && target?.[0] === 1 && inner === 1)
    refuse(`its shape [${target.join(', ')}] fixes the batch at 1, which freeBatch cannot change.`);
  if (axis === 0 && inner === 1 && out[0] === batchSymbol) return samples;
  const free = out.flatMap((size, j) => (typeof size === 'string' ? [j] : []));
  if (free.length === 0) refuse(`its shape [${out.join(', ')}] leaves no axis for the batch.`);
  const place = free.length === 1 ? free[0] : out.indexOf(batchSymbol);
  if (place < 0) unclear();
  const [before, after] = [product(shape.slice(0, axis)), product(shape.slice(axis + 1))];
  const [beforeOut, afterOut] = [product(out.slice(0, place)), product(out.slice(place + 1))];
  if (before === undefined || before !== beforeOut) meet('it moves elements across the batch axis');
  if (shape.slice(axis + 1).join() === out.slice(place + 1).join()) return { axis: place, inner };
  const places = (inner * (after ?? unclear())) / (afterOut ?? unclear());
  if (!Number.isInteger(places)) meet('it cuts samples apart');
  return { axis: place, inner: places };
};

const transposeSamples: SampleRule = (c) => {
  const { axis, inner } = onlyFirst(c);
  const perm = c.attributes.ints('perm') ?? range(rankOfInput(c, 0)).toReversed();
  return { axis: perm.indexOf(axis), inner };
};

const expandSamples: SampleRule = (c) => {
  const { axis, inner } = onlyFirst(c);
  const [rank, out] = [rankOfInput(c, 0), c.out ?? unclear()];
  const place = axis + out.length - rank;
  const target = c.contents(1)?.at(place - out.length) ?? 1;
  if (target !== 1 && target !== c.shape(0)?.[axis]) meet('it repeats the batch');
  return { axis: place, inner };
};

const squeezeSamples: SampleRule = (c) => {
  const samples = onlyFirst(c);
  const axes = c.node.input[1] ? c.integers(1) : undefined;
  const gone = (axes ?? refuse('it drops all axes of size 1, including the batch; list its axes.')).map(
    (axis) => axisFrom(axis, rankOfInput(c, 0)),
  );
  if (gone.includes(samples.axis)) refuse('it drops the batch axis.');
  return samplesWithout(samples, gone, false);
};

const unsqueezeSamples: SampleRule = (c) => {
  const { axis, inner } = onlyFirst(c);
  const axes = c.integers(1) ?? unclear();
  const rank = rankOfInput(c, 0) + axes.length;
  const fresh = new Set(axes.map((each) => axisFrom(each, rank)));
  const kept = range(rank).filter((i) => !fresh.has(i));
  return { axis: kept[axis], inner };
};

const reshape: VjpRule = ({ g, inputs: [x], dy }) => [g.reshapeLike(dy, x)];

const transpose: VjpRule = ({ g, inputs: [x], dy, attributes }) => {
  const perm = attributes.ints('perm') ?? range(g.rank(x)).toReversed();
  if (!isPermutation(perm)) refuse(`its perm [${perm.join(', ')}] is not a permutation.`);
  return [g.transpose(dy, inverse(perm))];
};

/** Makes scalars of the inputs of a Range: ONNX Runtime accepts vectors of one number when it runs, but not when it loads. */
const scalarRange: Lowering = (g, { input }) => {
  if (input.every((value) => (g.shapeOf(value)?.length ?? 0) === 0)) return undefined;
  return [
    g.op(
      'Range',
      input.map((value) => (g.shapeOf(value)?.length ? g.reshape(value, []) : value)),
    ),
  ];
};

/** Gradient of the numbers start + i·delta. `limit` decides only how many there are, so it has no gradient. */
const rangeRule: VjpRule = ({ g, inputs: [start, , delta], dy, needs }) => {
  const places = () => g.cast(g.places(g.sizes(dy, [0])), g.floatTypeOf(dy));
  return [
    needs(0) && g.reshapeLike(g.sumOfAll(dy), start),
    undefined,
    needs(2) && g.reshapeLike(g.sumOfAll(g.mul(dy, places())), delta),
  ];
};

/** Makes the entry of an op that only changes the shape. */
const reshaping = (op: Op): Op => ({
  ...op,
  content: sameContent,
  vjp: reshape,
  vmap: mapReshape,
  carries: 'some',
  integers: movesIntegers,
});

/** Ops that reshape tensors, and ops that compute shapes. */
export const shapes: OpTable = {
  Reshape: reshaping({
    reshapes: true,
    isDense: true,
    infer: inferReshape,
    samples: reshapeSamples,
    sizes: [1],
  }),
  Flatten: reshaping({
    infer: inferFlatten,
    samples: reshapeSamples,
  }),
  Squeeze: reshaping({
    isDense: true,
    infer: inferSqueeze,
    samples: squeezeSamples,
    upgrade: axesToInput,
  }),
  Unsqueeze: reshaping({
    isDense: true,
    infer: inferUnsqueeze,
    samples: unsqueezeSamples,
    upgrade: axesToInput,
  }),
  Transpose: {
    permutesAxes: true,
    infer: inferTranspose,
    content: transposeContent,
    samples: transposeSamples,
    vjp: transpose,
    vmap: mapTranspose,
    carries: 'some',
    integers: movesIntegers,
  },
  Expand: {
    isDense: true,
    sizesOf: 'fill',
    infer: (c) => [{ dtype: c.dtype(0), shape: broadcastShapes([c.shape(0), spelled(c, 1)]) }],
    samples: expandSamples,
    sizes: [1],
    vjp: ({ g, inputs: [x], dy }) => [g.sumTo(dy, x)],
    vmap: mapExpand,
    carries: 'some',
  },
  Shape: {
    isDense: true,
    sizesOf: 'count',
    infer(c) {
      const rank = c.shape(0)?.length;
      const [start, end] = [c.attributes.int('start', 0), c.attributes.int('end', rank ?? 0)];
      const length = rank === undefined ? unknownDimension() : range(rank).slice(start, end).length;
      return [{ dtype: DType.INT64, shape: [length] }];
    },
    content: (c) => c.shape(0)?.slice(c.attributes.int('start', 0), c.attributes.int('end', LONGEST)),
  },
  Size: {
    isDense: true,
    sizesOf: 'count',
    infer: () => [{ dtype: DType.INT64, shape: [] }],
    content: (c) => (c.shape(0) ? [productOf(c.shape(0) ?? [])] : undefined),
  },
  ConstantOfShape: {
    isDense: true,
    fills: true,
    sizesOf: 'fill',
    infer: (c) => [{ dtype: c.attributes.tensor('value')?.dataType ?? DType.FLOAT, shape: spelled(c, 0) }],
    content: filled,
  },
  Range: {
    infer(c) {
      const [start, limit, delta] = [c.integers(0)?.[0], c.integers(1)?.[0], c.integers(2)?.[0]];
      const known = start !== undefined && limit !== undefined && delta !== undefined && delta !== 0;
      const length = known ? Math.max(0, Math.ceil((limit - start) / delta)) : unknownDimension();
      return [{ dtype: c.dtype(0), shape: [length] }];
    },
    content: rangeOf,
    as: { lower: scalarRange },
    vjp: rangeRule,
  },
};
