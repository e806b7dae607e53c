import { refuse } from '../ir/errors.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { axisFrom, inverse, isPermutation, range } from '../ir/shape.ts';
import type { VjpContext, VjpRule } from '../ir/vjp.ts';

const reshape: VjpRule = ({ g, inputs: [x], dy }) => [g.reshapeLike(dy, x)];

const transpose: VjpRule = ({ g, inputs: [x], dy, attributes }) => {
  const perm = attributes.ints('perm') ?? range(g.rank(x)).toReversed();
  if (!isPermutation(perm)) refuse(`its perm [${perm.join(', ')}] is no permutation.`);
  return [g.transpose(dy, inverse(perm))];
};

const expand: VjpRule = ({ g, inputs: [x], dy }) => [g.sumTo(dy, x)];

const concat: VjpRule = ({ g, inputs, dy, needs, attributes }) => {
  if (inputs.length === 1) return [dy];
  const axis = axisFrom(attributes.int('axis', 0), g.rank(inputs[0]));
  const sizes = g.concat(
    inputs.map((input) => g.sizes(input, [axis])),
    0,
  );
  return g.ops('Split', [dy, sizes], { axis }, inputs.length).map((part, i) => needs(i) && part);
};

const split: VjpRule = ({ g, outputs, dys, attributes }) => [
  g.concat(
    outputs.map((output, k) => dys[k] ?? g.zerosLike(output)),
    attributes.int('axis', 0),
  ),
];

const trilu: VjpRule = ({ g, inputs, dy, attributes }) => [
  g.op('Trilu', [dy, inputs[1]], { upper: attributes.int('upper', 1) }),
];

/**
 * Padding is undone by negative padding, and what it put in got the rest; other modes copy elements, which then gather
 * what their copies got.
 */
function pad({ g, inputs: [x, pads, value, axes], dy, needs, attributes }: VjpContext) {
  const mode = attributes.string('mode', 'constant');
  const along = axes || undefined;
  if (mode !== 'constant') {
    const moved = (indices: Value) => g.op('Pad', [indices, pads, undefined, along], { mode });
    return [needs(0) && gatherBack(g, x, dy, moved), undefined, undefined];
  }
  const put = () => g.op('Pad', [g.zerosLike(x), pads, 1, along]);
  return [
    needs(0) && g.op('Pad', [dy, g.op('Neg', [pads]), undefined, along]),
    undefined,
    needs(2) && g.reshapeLike(g.sumOfAll(g.mul(dy, put())), value),
  ];
}

const tile: VjpRule = ({ g, inputs: [x, repeats], dy }) => [
  gatherBack(g, x, dy, (indices) => g.op('Tile', [indices, repeats])),
];

/** Steps of one are undone by padding with zeros; any other slice by scattering. */
function slice({ g, inputs, dy }: VjpContext) {
  const [x, starts, , axesInput, steps] = inputs;
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
    return [g.op('Pad', [dy, g.concat([begin, end], 0)])];
  }
  return [gatherBack(g, x, dy, (indices) => g.op('Slice', [indices, ...inputs.slice(1)]))];
}

/**
 * The rule of any op that only moves and copies elements: numbers each element of x, sends the numbers through
 * the op to learn where each came to lie, and adds what arrived there.
 */
export function gatherBack(g: Builder, x: Value, dy: Value, move: (indices: Value) => Value): Value {
  const count = g.reshape(g.op('Size', [x]), [1]);
  const sources = g.flat(move(g.reshapeLike(g.places(count), x)));
  const zeros = g.filled(count, 0, g.dtypeOf(x));
  const sum = g.op('ScatterElements', [zeros, sources, g.flat(dy)], { axis: 0, reduction: 'add' });
  return g.reshapeLike(sum, x);
}

const depthToSpace: VjpRule = ({ g, inputs: [x], dy, attributes }) => {
  const blocksize = attributes.int('blocksize', 1);
  if (attributes.string('mode', 'DCR') === 'DCR') return [g.op('SpaceToDepth', [dy], { blocksize })];
  const block = g.integers([blocksize]);
  const split = g.concat([g.integers([0, 0]), g.sizes(x, [2]), block, g.sizes(x, [3]), block], 0);
  return [g.reshapeLike(g.transpose(g.reshape(dy, split), [0, 1, 3, 5, 2, 4]), x)];
};

const spaceToDepth: VjpRule = ({ g, dy, attributes }) => [
  g.op('DepthToSpace', [dy], { blocksize: attributes.int('blocksize', 1), mode: 'DCR' }),
];

/** Rules of ops that move, copy and drop elements. */
export const shapeRules = new Map<string, VjpRule>([
  ...['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'].map((op): [string, VjpRule] => [op, reshape]),
  ['Transpose', transpose],
  ['Expand', expand],
  ['Concat', concat],
  ['Split', split],
  ['Trilu', trilu],
  ['Pad', pad],
  ['Tile', tile],
  ['Slice', slice],
  ['DepthToSpace', depthToSpace],
  ['SpaceToDepth', spaceToDepth],
]);
