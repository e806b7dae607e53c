import { refuse } from '../ir/errors.ts';
import type { AttributeValues } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { spatialAxes } from '../ir/channels.ts';
import type { Value } from '../ir/graph.ts';
import { alongAxis, interpolationOf, resizedAxes, type ResizedAxis } from '../ops/resize.ts';
import { range } from '../ir/shape.ts';
import { refuseDilatedSame } from '../ir/window.ts';
import type { VjpContext, VjpRule } from '../ir/vjp.ts';

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
  refuseDilatedSame(attributes);
  const places = g.extraOutput(node, 1);
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
  return [g.mul(chosen, g.div(dy, g.sum(chosen, spatialAxes(g, x))))];
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

const averagePool: VjpRule = (c) => {
  const {
    g,
    inputs: [x],
    dy,
    attributes,
  } = c;
  const kernel = attributes.ints('kernel_shape') ?? refuse('it has no kernel_shape.');
  refuseDilatedSame(attributes);
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
  // It is linear, and acts on each axis apart: its matrix there is what it makes of the identity.
  const spread = (d: Value, i: number) => {
    const size = g.sizes(x, [i + 2]);
    const square = g.filled(g.concat([size, size], 0), 0, g.dtypeOf(x));
    const identity = g.op('EyeLike', [square], { dtype: g.floatTypeOf(x) });
    const averaged = g.op('AveragePool', [g.unsqueeze(identity, [1])], {
      ...shared,
      kernel_shape: [kernel[i]],
      strides: one('strides', i),
      dilations: one('dilations', i),
      pads: pads && [pads[i], pads[i + rank]],
    });
    return alongAxis(g, d, i + 2, g.squeeze(averaged, [1]));
  };
  return [range(rank).reduce(spread, dy)];
};

const resize: VjpRule = ({ g, node, dy }) => {
  const through = (d: Value, axis: ResizedAxis) => alongAxis(g, d, axis.axis, interpolationOf(g, node, axis));
  return [resizedAxes(g, node).reduce(through, dy)];
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
