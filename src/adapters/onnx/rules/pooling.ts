import { refuse } from '../errors.ts';
import type { AttributeValues } from '../graph/attributes.ts';
import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { axisFrom, inverse, range } from '../graph/shape.ts';
import { DType, numbersOf } from '../graph/tensor.ts';
import type { VjpContext, VjpRule } from '../vjp.ts';

/** Each maximum's cotangent goes to the element that the pooling took: the first of those that are equal. */
const maxPool: VjpRule = (c) => (liesSideBySide(c) ? maxPoolByComparison(c) : maxPoolByIndices(c));

/** For WebGPU, whose MaxPool does not tell which elements it took. */
export const maxPoolOnWebGpu: VjpRule = (c) => {
  if (!liesSideBySide(c))
    refuse('for WebGPU its windows must lie side by side, without padding, and fill the input.');
  return maxPoolByComparison(c);
};

const maxPoolByIndices: VjpRule = ({ g, node, inputs: [x], dy, attributes }) => {
  if (attributes.int('storage_order', 0) !== 0) refuse('storage_order = 1 has no rule.');
  const places = g.extraOutput(node, 1, DType.INT64);
  const zeros = g.filled(g.reshape(g.op('Size', [x]), [1]), 0, g.dtypeOf(x));
  const sum = g.op('ScatterElements', [zeros, g.flat(places), g.flat(dy)], { axis: 0, reduction: 'add' });
  return [g.reshapeLike(sum, x)];
};

const placesIn = (kernel: readonly number[]) => kernel.reduce((a, b) => a * b, 1);

/** Whether the windows neither overlap nor leave anything out. */
function liesSideBySide({ g, inputs: [x], attributes }: VjpContext): boolean {
  const kernel = attributes.ints('kernel_shape') ?? [];
  const strides = attributes.ints('strides') ?? kernel.map(() => 1);
  const sizes = g.shapeOf(x)?.slice(2) ?? [];
  const auto = attributes.string('auto_pad', 'NOTSET');
  return (
    sizes.length === kernel.length &&
    kernel.every((k, i) => k === strides[i]) &&
    sizes.every((size, i) => typeof size === 'number' && size % kernel[i] === 0) &&
    !(attributes.ints('pads') ?? []).some((pad) => pad !== 0) &&
    !(attributes.ints('dilations') ?? []).some((dilation, i) => dilation !== 1 && kernel[i] !== 1) &&
    (auto === 'NOTSET' || auto === 'VALID')
  );
}

/** Each element of v over its window in x; the windows lie side by side. */
const spreadOver = (g: Builder, x: Value, v: Value) =>
  g.op('Resize', [v, undefined, undefined, g.shape(x)], {
    mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: 'floor',
  });

/**
 * The elements that equal their window's maximum are numbered, the first of a window highest; another pooling finds
 * the highest number. All of it takes ONNX Runtime half as long as to ask a MaxPool for places and to scatter.
 */
const maxPoolByComparison: VjpRule = ({ g, inputs: [x], outputs: [y], dy, attributes }) => {
  const kernel = attributes.ints('kernel_shape') ?? [];
  const spread = (v: Value) => spreadOver(g, x, v);
  const equals = (a: Value, b: Value) => g.mask(g.equal(a, b), x);
  const ranks = g.constant(g.floatTypeOf(x), kernel, range(placesIn(kernel), 1).toReversed());
  const rank = g.op('Tile', [ranks, g.sizes(y, range(kernel.length, 2))]);
  const ranked = g.mul(equals(x, spread(y)), rank);
  const first = g.op('MaxPool', [ranked], { kernel_shape: kernel, strides: kernel });
  return [g.mul(equals(ranked, spread(first)), spread(dy))];
};

/** Spread over the elements that attain the maximum, evenly where several do. */
const globalMaxPool: VjpRule = ({ g, inputs: [x], outputs: [y], dy }) => {
  const chosen = g.mask(g.equal(x, y), x);
  return [g.mul(chosen, g.div(dy, g.sum(chosen, range(g.rank(x) - 2, 2))))];
};

const globalAveragePool: VjpRule = ({ g, inputs: [x], outputs: [y], dy }) => [
  g.expandLike(g.mul(dy, g.div(g.count(y, x), g.count(x, x))), x),
];

const globalLpPool: VjpRule = ({ g, inputs: [x], outputs: [y], dy, attributes }) => {
  const p = attributes.int('p', 2);
  const origin = g.equal(y, 0);
  const share = g.where(origin, 0, g.div(dy, g.pow(g.where(origin, 1, y), p - 1)));
  return [g.mul(g.sign(x), g.pow(g.abs(x), p - 1), share)];
};

/**
 * dx of an op that acts on each axis apart from the others, and linearly. Its matrix along an axis is what the
 * op itself makes of the identity: right for every mode, rounding and padding that the op knows.
 *
 * @param act - the op along one axis, on a value of shape [n, 1, n]
 */
function separable(
  g: Builder,
  x: Value,
  dy: Value,
  axes: readonly number[],
  act: (identity: Value, i: number) => Value,
): Value {
  return axes.reduce((d, axis, i) => {
    const size = g.sizes(x, [axis]);
    const square = g.filled(g.concat([size, size], 0), 0, g.dtypeOf(x));
    const identity = g.op('EyeLike', [square], { dtype: g.floatTypeOf(x) });
    return alongAxis(g, d, axis, act(g.unsqueeze(identity, [1]), i));
  }, dy);
}

/** x with its axis multiplied by a matrix [new, old]. */
function alongAxis(g: Builder, x: Value, axis: number, matrix: Value): Value {
  const rank = g.rank(x);
  if (axis === rank - 1) return g.matmul(x, g.swap(matrix));
  if (axis === rank - 2) return g.matmul(matrix, x);
  const last = [...range(rank).filter((i) => i !== axis), axis];
  return g.transpose(g.matmul(g.transpose(x, last), g.swap(matrix)), inverse(last));
}

const averagePool: VjpRule = (c) => {
  const {
    g,
    inputs: [x],
    dy,
    attributes,
  } = c;
  const kernel = attributes.ints('kernel_shape') ?? refuse('it has no kernel_shape.');
  if (liesSideBySide(c)) return [spreadOver(g, x, g.div(dy, placesIn(kernel)))];
  const rank = kernel.length;
  const pads = attributes.ints('pads');
  const shared: AttributeValues = {
    ceil_mode: attributes.has('ceil_mode') ? attributes.int('ceil_mode', 0) : undefined,
    count_include_pad: attributes.has('count_include_pad')
      ? attributes.int('count_include_pad', 0)
      : undefined,
    auto_pad: attributes.has('auto_pad') ? attributes.string('auto_pad', 'NOTSET') : undefined,
  };
  const one = (name: string, i: number) => attributes.ints(name)?.slice(i, i + 1);
  return [
    separable(g, x, dy, range(rank, 2), (identity, i) => {
      const averaged = g.op('AveragePool', [identity], {
        ...shared,
        kernel_shape: [kernel[i]],
        strides: one('strides', i),
        dilations: one('dilations', i),
        pads: pads && [pads[i], pads[i + rank]],
      });
      return g.squeeze(averaged, [1]);
    }),
  ];
};

const resize: VjpRule = ({ g, node, inputs: [x, , scales, sizes], outputs: [y], dy, attributes }) => {
  const rank = g.rank(x);
  const listed = attributes.ints('axes')?.map((axis) => axisFrom(axis, rank)) ?? range(rank);
  const mode = attributes.string('coordinate_transformation_mode', 'half_pixel');
  if (mode === 'tf_crop_and_resize') refuse('coordinate_transformation_mode tf_crop_and_resize has no rule.');
  if (attributes.string('keep_aspect_ratio_policy', 'stretch') !== 'stretch')
    refuse('keep_aspect_ratio_policy has no rule.');
  const [from, to] = [g.shapeOf(x), g.shapeOf(y)];
  const factors =
    scales && g.constants.has(scales) ? numbersOf(g.constants.get(scales) ?? refuse('')) : undefined;
  const changed = listed.filter((axis, k) =>
    factors ? factors[k] !== 1 : !from || !to || from[axis] !== to[axis],
  );
  const copied = new Set([
    'antialias',
    'coordinate_transformation_mode',
    'cubic_coeff_a',
    'exclude_outside',
    'mode',
    'nearest_mode',
  ]);
  const kept = node.attribute.filter(({ name }) => copied.has(name));
  return [
    separable(g, x, dy, changed, (identity, i) => {
      const axis = changed[i];
      const k = listed.indexOf(axis);
      const n = g.sizes(x, [axis]);
      const image = g.reshape(identity, g.concat([g.integers([1, 1]), n, n], 0));
      const one = g.constant(DType.FLOAT, [3], [1, 1, 1]);
      const factor = scales ? g.concat([one, g.slice(scales, k, k + 1, 0)], 0) : undefined;
      const size = scales ? undefined : g.concat([g.integers([1, 1]), n, g.slice(sizes, k, k + 1, 0)], 0);
      const resized = g.op('Resize', [image, undefined, factor, size]);
      g.proto.node.at(-1)?.attribute.push(...kept);
      return g.squeeze(resized, [0, 1]);
    }),
  ];
};

/** Rules of poolings and of Resize. */
export const poolingRules = new Map<string, VjpRule>([
  ['MaxPool', maxPool],
  ['AveragePool', averagePool],
  ['GlobalMaxPool', globalMaxPool],
  ['GlobalAveragePool', globalAveragePool],
  ['GlobalLpPool', globalLpPool],
  ['Resize', resize],
]);
