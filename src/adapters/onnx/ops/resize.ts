import type { NodeProto } from 'onnx-buf';
import { repeating } from './common.ts';
import { attributesOf, decimalOf, nodeAttributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable, UpgradeContext } from '../ir/op.ts';
import { meet, onlyFirst, type SampleRule } from '../ir/samples.ts';
import { isStatic, range, unknownDimension, type Dimension } from '../ir/shape.ts';
import { DType, numbersOf } from '../ir/tensor.ts';
import type { VjpContext, VjpRule } from '../ir/vjp.ts';
import { interpolationOf, proportion } from './resizeProbe.ts';
import {
  isCrop,
  listedAxes,
  mayKeepSize,
  modeOf,
  policyOf,
  resizeWeights,
  scaledSize,
  scalesOf,
  type ResizedAxis,
} from './resizeWeights.ts';
import { mapResize } from './vmap/broadcasting.ts';

/**
 * Returns the axes along which a Resize interpolates; it acts on each separately.
 *
 * @throws Refusal if it does not, or if its effect is known only at run time
 */
function resizedAxes(g: Builder, node: NodeProto): ResizedAxis[] {
  const attributes = attributesOf(node);
  const [x] = node.input;
  const scales = scalesOf(g, node);
  const listed = listedAxes(g, node);
  const places = listed.length;
  const negative = attributes.ints('axes')?.some((axis) => axis < 0) ?? false;
  if (negative && policyOf(attributes) !== 'stretch')
    refuse(
      'with a keep_aspect_ratio_policy, ONNX Runtime 1.30 returns its input unchanged if axes are negative; count them from the front.',
    );
  const [from, to] = [g.shapeOf(x), g.shapeOf(node.output[0])];
  const stays = (axis: number) => from !== undefined && from[axis] === to?.[axis];
  // ONNX Runtime copies an input that keeps its shape, whatever its scales and region.
  if (isStatic(from) && isStatic(to) && listed.every(stays)) return [];
  if (isCrop(attributes)) return croppedAxes(g, node, listed, stays);
  if (listed.every(stays)) return [];
  const tensor = scales ? g.constants.get(scales) : undefined;
  const factors = tensor && numbersOf(tensor);
  // An axis whose size stays is interpolated all the same, by the scale that it shares with others.
  const shares = policyOf(attributes) !== 'stretch' && !scales;
  return listed.flatMap((axis, place) => {
    if (factors === undefined) return stays(axis) && !shares ? [] : [{ axis, place, places }];
    const factor = factors[place];
    if (attributes.int('antialias', 0) === 1 && mayKeepSize(factor, from?.[axis]))
      refuse(
        `with antialias, a scale of ${decimalOf(factor)} that may leave axis ${axis} at its size has no rule; give sizes.`,
      );
    return factor === 1 ? [] : [{ axis, place, places }];
  });
}

/** As {@link resizedAxes}, for a Resize of a region: interpolation reads the region along the axes of an image only. */
function croppedAxes(
  g: Builder,
  node: NodeProto,
  listed: readonly number[],
  stays: (axis: number) => boolean,
): ResizedAxis[] {
  const [x, roi = ''] = node.input;
  const tensor = g.constants.get(roi);
  const region = tensor && numbersOf(tensor);
  const places = listed.length;
  const nearest = modeOf(attributesOf(node)) === 'nearest';
  const outer = nearest || g.rank(x) < 4 ? 0 : 2;
  return listed.flatMap((axis, place) => {
    const whole = region !== undefined && region[place] === 0 && region[place + places] === 1;
    return stays(axis) && (whole || axis < outer) ? [] : [{ axis, place, places }];
  });
}

/** Multiplies one axis of x by a matrix `[new, old]`. */
export function alongAxis(g: Builder, x: Value, axis: number, matrix: Value): Value {
  const rank = g.rank(x);
  if (axis === rank - 1) return g.matmul(x, g.swap(matrix));
  if (axis === rank - 2) return g.matmul(matrix, x);
  const swapped = range(rank).map((i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
  return g.transpose(g.matmul(g.transpose(x, swapped), g.swap(matrix)), swapped);
}

/** Types of the output. For a region, ONNX Runtime computes its size from the whole input. */
const inferResize: InferRule = (c) => {
  const dtype = c.dtype(0);
  const x = c.shape(0);
  if (x === undefined) return [{ dtype }];
  const axes = c.attributes.ints('axes')?.map((axis) => (axis < 0 ? axis + x.length : axis));
  const policy = policyOf(c.attributes);
  const place = (i: number) => (axes ? axes.indexOf(i) : i);
  const scales = c.has(2) && c.shape(2)?.[0] !== 0 ? c.constant(2) : undefined;
  const sizes = c.has(3) && policy === 'stretch' ? c.contents(3) : undefined;
  const kept = c.has(3) && policy !== 'stretch' ? proportion(c.node, x, c.contents(3)) : undefined;
  const factors = scales && numbersOf(scales);
  const shape = x.map((size, i): Dimension => {
    const k = place(i);
    if (k < 0) return size;
    if (sizes) return sizes[k] ?? unknownDimension();
    if (kept) return Math.round(Math.fround(Math.fround(kept.wanted / kept.before) * Number(size)));
    if (factors && factors[k] === 1) return size;
    return factors && typeof size === 'number' ? scaledSize(size, factors[k]) : unknownDimension();
  });
  return [{ dtype, shape }];
};

const gradient: VjpRule = (c) => {
  const { g, node, dy, needs } = c;
  const axes = resizedAxes(g, node);
  const through = (d: Value, axis: ResizedAxis) => alongAxis(g, d, axis.axis, interpolationOf(g, node, axis));
  const dx = needs(0) && axes.reduce(through, dy);
  return needs(1) || needs(2) ? [dx, ...byPlaces(c, axes)] : [dx];
};

/** Cotangents of the region and the scales, through the weights; those of nearest neighbors change in steps. */
function byPlaces({ g, node, inputs, dy, needs, within }: VjpContext, axes: readonly ResizedAxis[]) {
  const attributes = attributesOf(node);
  if (modeOf(attributes) === 'nearest') return [undefined, undefined];
  if (attributes.int('antialias', 0) === 1)
    refuse('with antialias, it has no rule by its scales and region.');
  const [x] = inputs;
  const weights = axes.map((each) => resizeWeights(g, node, each));
  const rows = (v: Value, axis: number) => {
    const others = range(g.rank(v)).filter((i) => i !== axis);
    return g.reshape(g.transpose(v, [...others, axis]), g.concat([g.integers([-1]), g.sizes(v, [axis])], 0));
  };
  const seeds = axes.map(({ axis }, k): [Value, Value] => {
    const before = axes.reduce((v, other, j) => (j === k ? v : alongAxis(g, v, other.axis, weights[j])), x);
    return [weights[k], g.gemm(rows(dy, axis), rows(before, axis), { transA: true })];
  });
  const found = within(
    g,
    seeds,
    [1, 2].filter(needs).map((i) => inputs[i]),
  );
  return [1, 2].map((i) => needs(i) && found.get(inputs[i]));
}

/** Sizes of unknown number: ONNX Runtime wants to know it. */
const withKnownRank: Lowering = (g, node) => {
  const [x, roi, scales, sizes] = node.input;
  if (!sizes || typeof g.shapeOf(sizes)?.[0] === 'number') return undefined;
  const counted = g.reshape(sizes, [listedAxes(g, node).length]);
  return [g.inheriting(node.attribute).resize(x, {}, scales || undefined, counted, roi || undefined)];
};

/** Its coefficients are those of the float32 kernel, unless scales or a region are fed. */
const inFloat64: Lowering = (g, node, attributes) => {
  if (!g.isFloat(node.input[0])) return inIntegers(g, node);
  const axes = resizedAxes(g, node);
  const matrices = axes.map((axis) => g.swap(interpolationOf(g, node, axis)));
  const along = (x: Value) => axes.reduce((y, { axis }, k) => alongAxis(g, y, axis, matrices[k]), x);
  const [x] = node.input;
  const beyond = isCrop(attributes) ? attributes.float('extrapolation_value', 0) : 0;
  if (beyond === 0 || axes.length === 0) return [along(x)];
  // Elements outside of x are 0 so far; inside, weights sum to 1.
  const within = g.round(along(g.filled(g.shape(x), 1, g.floatTypeOf(x))));
  return [g.add(along(x), g.mul(g.sub(1, within), beyond))];
};

/** An image of integers stays one. */
function inIntegers(g: Builder, { input: [x, roi, scales, sizes], attribute }: NodeProto): Value[] {
  const single = (v: string) => (v ? g.cast(v, DType.FLOAT) : undefined);
  const [region, factors] = [single(roi), single(scales)];
  return [g.inheriting(attribute).resize(x, {}, factors, sizes, region)];
}

/** The size of the batch must stay the same. */
const samples: SampleRule = (c) => {
  const samples = onlyFirst(c);
  if (c.shape(0)?.[samples.axis] !== c.out?.[samples.axis]) meet('it changes the size of the batch');
  return samples;
};

/**
 * Resize of opset 10 and Upsample: the nearest neighbor was floor(i / scale) along an axis that grew, and in ONNX Runtime
 * ceil(i / scale) along one that shrank. If both may occur, one Resize enlarges and a second one shrinks.
 */
function upgrade({ node, from, constants, floats, before }: UpgradeContext): void {
  if (node.opType === 'Resize' && from >= 11) return;
  const [x, scales] = node.input;
  if (!scales)
    refuse('Upsample with its scales as an attribute is not converted; export with opset 9 or later.');
  const nearest = attributesOf(node).string('mode', 'nearest') === 'nearest';
  const known = constants.get(scales);
  const factors = known && numbersOf(known);
  const grows = !nearest || node.opType === 'Upsample' || (factors?.every((factor) => factor >= 1) ?? false);
  const shrinks = !grows && (factors?.every((factor) => factor <= 1) ?? false);
  const rule = { coordinate_transformation_mode: 'asymmetric', nearest_mode: grows ? 'floor' : 'ceil' };
  const both = !grows && !shrinks;
  const grown = both ? before.resize(x, repeating, before.max(scales, floats([1]))) : x;
  node.opType = 'Resize';
  node.input = [grown, '', both ? before.min(scales, floats([1])) : scales];
  node.attribute.push(...nodeAttributes(rule));
}

/** Resize, and its predecessor Upsample. */
export const resizing: OpTable = {
  Resize: {
    infer: inferResize,
    samples,
    sizes: [1, 2, 3],
    as: { lower: withKnownRank, float64: inFloat64 },
    vjp: gradient,
    upgrade,
    vmap: mapResize,
  },
  Upsample: { upgrade },
};
