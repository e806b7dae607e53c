import { refuse } from '../errors.ts';
import { reducedAxes } from '../infer/reduction.ts';
import { inferContext } from '../infer/context.ts';
import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { inverse, productOf, range } from '../graph/shape.ts';
import { DType } from '../graph/tensor.ts';
import type { VjpRule } from '../vjp.ts';

/** dx from x, and from y and dy with the reduced axes kept as size 1. */
type Reduction = (g: Builder, x: Value, y: Value, dy: Value, axes: readonly number[]) => Value;

const reduction =
  (dx: Reduction): VjpRule =>
  ({ g, node, inputs: [x], outputs: [y], dy, attributes }) => {
    const axes = reducedAxes(inferContext(g, node));
    if (axes === 'none') return [dx(g, x, y, dy, [])];
    if (attributes.int('keepdims', 1) === 1) return [dx(g, x, y, dy, axes ?? allOnes(g, y, x))];
    if (axes === undefined)
      refuse('its axes are known only at run time; keepdims = 1 or constant axes would do.');
    const kept = axes.toSorted((a, b) => a - b);
    return [dx(g, x, g.unsqueeze(y, kept), g.unsqueeze(dy, kept), axes)];
  };

/** The axes in which y has size 1 and x has not; refused where that cannot be told. */
function allOnes(g: Builder, y: Value, x: Value): number[] {
  const [from, to] = [g.shapeOf(x), g.shapeOf(y)];
  if (!from || !to || to.some((size) => typeof size === 'string')) {
    refuse('its axes are known only at run time; constant axes would do.');
  }
  return to.flatMap((size, axis) => (size === 1 && from[axis] !== 1 ? [axis] : []));
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
    if (axes === undefined)
      refuse('its axes are known only at run time; keepdims = 1 or constant axes would do.');
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
