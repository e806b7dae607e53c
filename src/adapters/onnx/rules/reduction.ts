import { refuse } from '../ir/errors.ts';
import { reducedAxes } from '../infer/reduction.ts';
import { inferContext } from '../ir/facts.ts';
import type { NodeProto } from 'onnx-buf';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { inverse, productOf, range } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { VjpRule } from '../ir/vjp.ts';

/** dx from x, and from y and dy with the reduced axes kept as size 1. */
type Reduction = (g: Builder, x: Value, y: Value, dy: Value, axes: readonly number[] | Value) => Value;

/** As {@link reducedAxes}; refused where run time decides between all axes and none. */
function axesOf(g: Builder, node: NodeProto): ReturnType<typeof reducedAxes> {
  const c = inferContext(g, node);
  const axes = reducedAxes(c);
  if (axes === undefined && c.attributes.int('noop_with_empty_axes', 0) !== 0)
    refuse('its axes are known only at run time, where none of them may mean all or nothing.');
  return axes;
}

const reduction =
  (dx: Reduction): VjpRule =>
  ({ g, node, inputs: [x, given], outputs: [y], dy, attributes }) => {
    const axes = axesOf(g, node);
    if (axes === 'none') return [dx(g, x, y, dy, [])];
    const keep = attributes.int('keepdims', 1) === 1;
    if (keep) return [dx(g, x, y, dy, axes ?? given)];
    if (axes === undefined) {
      const kept = keptOf(g, node, x);
      return [dx(g, x, kept, g.op('Reshape', [dy, g.op('Shape', [kept])], { allowzero: 1 }), given)];
    }
    const sorted = axes.toSorted((a, b) => a - b);
    return [dx(g, x, g.unsqueeze(y, sorted), g.unsqueeze(dy, sorted), axes)];
  };

/** A reduction once more, its axes, which only run time knows, kept as size 1. */
function keptOf(g: Builder, { opType, input }: NodeProto, x: Value): Value {
  return g.op(opType, [x, input[1]], { keepdims: 1 });
}

/** Spread over the elements that attain the extremum, evenly where several do. */
const extremum: Reduction = (g, x, y, dy, axes) => {
  const chosen = g.mask(g.equal(x, y), y);
  return g.mul(chosen, g.div(dy, g.sum(chosen, axes)));
};

/**
 * The product of the others, for each element: multiplied out, with the element itself left out, rather than divided
 * by it, so that it is right, and its derivative too, wherever there are zeros.
 */
const product: Reduction = (g, x, _y, dy, axes) => {
  if (typeof axes === 'string') refuse('its axes are known only at run time; constant axes would do.');
  const rest = range(g.rank(x)).filter((axis) => !axes.includes(axis));
  const count = productOf(axes.map((axis) => g.shapeOf(x)?.[axis] ?? ''));
  if (typeof count !== 'number' || count > 1024) {
    refuse('a product has a rule where it is of at most 1024 factors, their number known beforehand.');
  }
  const last = [...rest, ...axes];
  const moved = g.transpose(x, last);
  const factors = g.reshape(
    moved,
    g.concat([...(rest.length > 0 ? [g.sizes(x, rest)] : []), g.integers([count])], 0),
  );
  const itself = range(count * count).map((i) => (i % (count + 1) === 0 ? 1 : 0));
  const diagonal = g.constant(DType.BOOL, [count, count], itself);
  const left = g.where(diagonal, 1, g.unsqueeze(factors, [-2]));
  const others = g.op('ReduceProd', [left, g.integers([-1])], { keepdims: 0 });
  return g.mul(dy, g.transpose(g.reshapeLike(others, moved), inverse(last)));
};

/** x/‖x‖, and 0 at the origin, as torch has it. */
const norm: Reduction = (g, x, y, dy) => {
  const origin = g.equal(y, 0);
  return g.mul(x, g.where(origin, 0, g.div(dy, g.where(origin, 1, y))));
};

/** Sum and mean need to know nothing of the axes but which sizes they changed. */
const spread =
  (divide: boolean): VjpRule =>
  ({ g, node, inputs: [x], outputs: [y], dy, attributes }) => {
    const axes = reducedAxes(inferContext(g, node));
    const share = divide ? g.mul(dy, g.div(g.count(y, x), g.count(x, x))) : dy;
    const scalar = g.shapeOf(y)?.length === 0;
    if (scalar || axes === 'none' || attributes.int('keepdims', 1) === 1) return [g.expandLike(share, x)];
    if (axes === undefined || axesOf(g, node) === undefined)
      return [
        g.expandLike(g.op('Reshape', [share, g.op('Shape', [keptOf(g, node, x)])], { allowzero: 1 }), x),
      ];
    return [
      g.expandLike(
        g.unsqueeze(
          share,
          axes.toSorted((a, b) => a - b),
        ),
        x,
      ),
    ];
  };

export const reductions = new Map<string, VjpRule>([
  ['ReduceSum', spread(false)],
  ['ReduceMean', spread(true)],
  ['ReduceSumSquare', reduction((g, x, _y, dy) => g.mul(x, g.mul(2, dy)))],
  ['ReduceL1', reduction((g, x, _y, dy) => g.mul(g.sign(x), dy))],
  ['ReduceL2', reduction(norm)],
  ['ReduceLogSum', reduction((g, x, y, dy) => g.expandLike(g.div(dy, g.exp(y)), x))],
  ['ReduceLogSumExp', reduction((g, x, y, dy) => g.mul(dy, g.exp(g.sub(x, y))))],
  ['ReduceMax', reduction(extremum)],
  ['ReduceMin', reduction(extremum)],
  ['ReduceProd', reduction(product)],
]);
