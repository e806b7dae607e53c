import {
  axisFrom,
  broadcastShapes,
  isStatic,
  productOf,
  range,
  sumOf,
  unknownDimension,
  unknownShape,
  type Dimension,
  type Shape,
} from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { InferContext, InferRule } from '../ir/facts.ts';

/** The shape that the integers of input i spell, as far as they are known. */
function spelled(c: InferContext, i: number): Shape | undefined {
  const length = c.shape(i)?.[0];
  return c.contents(i) ?? (typeof length === 'number' && length <= 64 ? unknownShape(length) : undefined);
}

const reshape: InferRule = (c) => {
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

/** Product of `sizes` over product of `divisors`, symbols cancelled. */
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

const squeeze: InferRule = (c) => {
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

const unsqueeze: InferRule = (c) => {
  const dtype = c.dtype(0);
  const shape = c.shape(0);
  const axes = c.integers(1);
  if (shape === undefined || axes === undefined) return [{ dtype }];
  const rank = shape.length + axes.length;
  const fresh = new Set(axes.map((axis) => axisFrom(axis, rank)));
  const rest = [...shape];
  return [{ dtype, shape: range(rank).map((i) => (fresh.has(i) ? 1 : (rest.shift() ?? 1))) }];
};

const flatten: InferRule = (c) => {
  const shape = c.shape(0);
  const axis = c.axis(1);
  const sides =
    shape && axis !== undefined ? [productOf(shape.slice(0, axis)), productOf(shape.slice(axis))] : undefined;
  return [{ dtype: c.dtype(0), shape: sides ?? unknownShape(2) }];
};

const transpose: InferRule = (c) => {
  const shape = c.shape(0);
  const perm = c.attributes.ints('perm') ?? (shape && range(shape.length).toReversed());
  return [{ dtype: c.dtype(0), shape: perm?.map((axis) => shape?.[axis] ?? unknownDimension()) }];
};

const concat: InferRule = (c) => {
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

const split: InferRule = (c) => {
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

const slice: InferRule = (c) => {
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
  // Going backward, ONNX Runtime takes the largest end for the smallest; nothing is concluded from that.
  const odd = step < 0 && end >= 2 ** 31 - 1;
  if (typeof size === 'string' || odd) return unknownDimension();
  const [from, to] = sliceBounds(size, start, end, step);
  return Math.max(0, Math.ceil((to - from) / step));
}

/** Start and end of a slice as ONNX clamps them. */
export function sliceBounds(size: number, start: number, end: number, step: number): [number, number] {
  const low = step > 0 ? 0 : -1;
  const high = step > 0 ? size : size - 1;
  const clamp = (v: number) => Math.min(high, Math.max(low, v < 0 ? v + size : v));
  return [Math.min(high, Math.max(0, start < 0 ? start + size : start)), clamp(end)];
}

const pad: InferRule = (c) => {
  const dtype = c.dtype(0);
  const shape = c.shape(0);
  if (shape === undefined) return [{ dtype }];
  const pads = c.integers(1);
  const axes = c.has(3) ? c.integers(3)?.map((axis) => axisFrom(axis, shape.length)) : range(shape.length);
  if (pads === undefined || axes === undefined) return [{ dtype, shape: unknownShape(shape.length) }];
  const result = [...shape];
  axes.forEach((axis, k) => {
    const added = pads[k] + pads[k + axes.length];
    if (added !== 0) result[axis] = sumOf([shape[axis], added]);
  });
  return [{ dtype, shape: result }];
};

const expand: InferRule = (c) => [{ dtype: c.dtype(0), shape: broadcastShapes([c.shape(0), spelled(c, 1)]) }];

const tile: InferRule = (c) => {
  const repeats = c.contents(1);
  const shape = c.shape(0);
  return [
    {
      dtype: c.dtype(0),
      shape: shape?.map((size, i) => (repeats ? productOf([size, repeats[i]]) : unknownDimension())),
    },
  ];
};

const dimensions: InferRule = (c) => {
  const rank = c.shape(0)?.length;
  const start = c.attributes.int('start', 0);
  const end = c.attributes.int('end', rank ?? 0);
  const length = rank === undefined ? unknownDimension() : range(rank).slice(start, end).length;
  return [{ dtype: DType.INT64, shape: [length] }];
};

const constantOfShape: InferRule = (c) => [
  { dtype: c.attributes.tensor('value')?.dataType ?? DType.FLOAT, shape: spelled(c, 0) },
];

const depthToSpace: InferRule = (c) => {
  const b = c.attributes.int('blocksize', 1);
  const s = c.shape(0);
  const wider = (size: Dimension) => productOf([size, b]);
  const fewer = s && typeof s[1] === 'number' ? s[1] / (b * b) : unknownDimension();
  return [{ dtype: c.dtype(0), shape: s && [s[0], fewer, wider(s[2]), wider(s[3])] }];
};

const spaceToDepth: InferRule = (c) => {
  const b = c.attributes.int('blocksize', 1);
  const s = c.shape(0);
  const narrower = (size: Dimension) => (typeof size === 'number' ? size / b : unknownDimension());
  return [
    { dtype: c.dtype(0), shape: s && [s[0], productOf([s[1], b * b]), narrower(s[2]), narrower(s[3])] },
  ];
};

const rangeOp: InferRule = (c) => {
  const [start, limit, delta] = [c.integers(0)?.[0], c.integers(1)?.[0], c.integers(2)?.[0]];
  const known = start !== undefined && limit !== undefined && delta !== undefined && delta !== 0;
  const length = known ? Math.max(0, Math.ceil((limit - start) / delta)) : unknownDimension();
  return [{ dtype: c.dtype(0), shape: [length] }];
};

/** Ops that move data about or make shapes. */
export const shapes = new Map<string, InferRule>([
  ['Reshape', reshape],
  ['Squeeze', squeeze],
  ['Unsqueeze', unsqueeze],
  ['Flatten', flatten],
  ['Transpose', transpose],
  ['Concat', concat],
  ['Split', split],
  ['Slice', slice],
  ['Pad', pad],
  ['Expand', expand],
  ['Tile', tile],
  ['Shape', dimensions],
  ['Size', () => [{ dtype: DType.INT64, shape: [] }]],
  ['ConstantOfShape', constantOfShape],
  ['DepthToSpace', depthToSpace],
  ['SpaceToDepth', spaceToDepth],
  ['Range', rangeOp],
]);
