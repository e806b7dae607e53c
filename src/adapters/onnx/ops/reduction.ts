import type { NodeProto } from 'onnx-buf';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import { InferContext, type InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import type { Op, OpTable } from '../ir/op.ts';
import { meet, onlyFirst, rankOfInput, samplesWithout, unclear, type SampleRule } from '../ir/samples.ts';
import { axisFrom, inverse, productOf, range, unknownShape, type Shape } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { VjpRule } from '../ir/vjp.ts';
import { axesToInput } from './upgrades.ts';
import { mapAlong, mapReduction } from './vmap/broadcasting.ts';

/** The axes that a reduction sums over; undefined if they are known only at run time, `'none'` if it does nothing. */
function reducedAxes(c: InferContext): readonly number[] | 'none' | undefined {
  const rank = c.shape(0)?.length;
  if (rank === undefined) return undefined;
  const axes = c.has(1) ? c.integers(1) : [];
  if (axes === undefined) return undefined;
  if (axes.length > 0) return axes.map((axis) => axisFrom(axis, rank));
  return c.attributes.int('noop_with_empty_axes', 0) ? 'none' : range(rank);
}

const inferReduced: InferRule = (c) => {
  const shape = c.shape(0);
  const axes = reducedAxes(c);
  const dtype = c.dtype(0);
  if (axes === 'none') return [{ dtype, shape }];
  const keep = c.attributes.int('keepdims', 1) === 1;
  if (!keep && !c.has(1) && c.attributes.int('noop_with_empty_axes', 0) === 0) return [{ dtype, shape: [] }];
  if (shape === undefined || axes === undefined)
    return [{ dtype, shape: keep && shape ? unknownShape(shape.length) : undefined }];
  return [{ dtype, shape: without(shape, axes, keep) }];
};

function without(shape: Shape, axes: readonly number[], keep: boolean): Shape {
  const gone = new Set(axes);
  return keep ? shape.map((size, i) => (gone.has(i) ? 1 : size)) : shape.filter((_, i) => !gone.has(i));
}

const inferArgument: InferRule = (c) => {
  const shape = c.shape(0);
  const axis = c.axis(0);
  const reduced =
    shape && axis !== undefined ? without(shape, [axis], c.attributes.int('keepdims', 1) === 1) : undefined;
  return [{ dtype: DType.INT64, shape: reduced }];
};

const reducedSamples: SampleRule = (c) => {
  const samples = onlyFirst(c);
  const rank = rankOfInput(c, 0);
  const given = c.node.input[1] ? (c.integers(1) ?? unclear()) : [];
  if (given.length === 0 && c.attributes.int('noop_with_empty_axes', 0) === 1) return samples;
  const axes = given.length === 0 ? range(rank) : given.map((axis) => axisFrom(axis, rank));
  if (axes.includes(samples.axis)) meet('it reduces over the batch');
  return samplesWithout(samples, axes, c.attributes.int('keepdims', 1) === 1);
};

const argumentSamples: SampleRule = (c) => {
  const samples = onlyFirst(c);
  const axis = axisFrom(c.attributes.int('axis', 0), rankOfInput(c, 0));
  if (axis === samples.axis) meet('it reduces over the batch');
  return samplesWithout(samples, [axis], c.attributes.int('keepdims', 1) === 1);
};

/** dx from x, and from y and dy with the reduced axes kept as size 1. */
type Reduction = (g: Builder, x: Value, y: Value, dy: Value, axes: readonly number[] | Value) => Value;

/** As {@link reducedAxes}; refuses a node for which an empty list of axes at run time could mean all axes or none. */
function axesOf(g: Builder, node: NodeProto): ReturnType<typeof reducedAxes> {
  const c = new InferContext(g, node);
  const axes = reducedAxes(c);
  if (axes === undefined && c.attributes.int('noop_with_empty_axes', 0) !== 0)
    refuse(
      'its axes are known only at run time, and an empty list could mean all axes or none; make them constant.',
    );
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
      return [dx(g, x, kept, g.reshapeTo(dy, g.shape(kept)), given)];
    }
    const sorted = axes.toSorted((a, b) => a - b);
    // A scalar broadcasts as it is.
    const kept = g.shapeOf(dy)?.length === 0 ? dy : g.unsqueeze(dy, sorted);
    return [dx(g, x, g.unsqueeze(y, sorted), kept, axes)];
  };

/** Repeats a reduction whose axes are known only at run time, with these axes kept as size 1. */
function keptOf(g: Builder, { opType, input }: NodeProto, x: Value): Value {
  return g.op(opType, [x, input[1]], { keepdims: 1 });
}

/** The elements that attain the extremum share the cotangent equally. */
const extremum: Reduction = (g, x, y, dy, axes) => {
  const chosen = g.mask(g.equal(x, y), y);
  return g.mul(chosen, g.div(dy, g.sum(chosen, axes)));
};

/**
 * For each element, the product of the others. It is multiplied out without the element, not divided by it, so zeros
 * give the right gradient and second derivative.
 */
const product: Reduction = (g, x, _y, dy, axes) => {
  if (typeof axes === 'string') return productByQuotients(g, x, dy, axes);
  const rest = range(g.rank(x)).filter((axis) => !axes.includes(axis));
  const count = productOf(axes.map((axis) => g.shapeOf(x)?.[axis] ?? ''));
  if (typeof count !== 'number' || count > 1024) return productByQuotients(g, x, dy, g.integers(axes));
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

/**
 * As {@link product}, by division, for any number of factors along any axes. The product of the elements other than 0 is
 * divided by the element. If one other element is 0, it becomes a factor, so the second derivative is right, too.
 */
function productByQuotients(g: Builder, x: Value, dy: Value, axes: Value): Value {
  const isZero = g.equal(x, 0);
  const safe = g.where(isZero, 1, x);
  const quotient = g.div(g.op('ReduceProd', [safe, axes]), safe);
  const [zero, zeros] = [g.mask(isZero, x), g.where(isZero, x, 0)];
  const count = g.sub(g.sum(zero, axes), zero);
  const other = g.sub(g.sum(zeros, axes), zeros);
  const product = g.where(g.equal(count, 0), quotient, g.where(g.equal(count, 1), g.mul(other, quotient), 0));
  return g.mul(dy, product);
}

/** x/‖x‖, and 0 at the origin, as in PyTorch. */
const norm: Reduction = (g, x, y, dy) => {
  const origin = g.equal(y, 0);
  return g.mul(x, g.where(origin, 0, g.div(dy, g.where(origin, 1, y))));
};

/** Sum and mean: only the sizes before and after matter, not the axes. */
const spread =
  (divide: boolean): VjpRule =>
  ({ g, node, inputs: [x], outputs: [y], dy, attributes }) => {
    const axes = reducedAxes(new InferContext(g, node));
    const share = divide ? g.mul(dy, g.div(g.count(y, x), g.count(x, x))) : dy;
    const scalar = g.shapeOf(y)?.length === 0;
    if (scalar || axes === 'none' || attributes.int('keepdims', 1) === 1) return [g.expandLike(share, x)];
    if (axes === undefined || axesOf(g, node) === undefined)
      return [g.expandLike(g.reshapeTo(share, g.shape(keptOf(g, node, x))), x)];
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

/** Makes the entry of an op that reduces some axes. */
const reducing = (vjp: VjpRule, reduces?: Op['reduces']): Op => ({
  ...(reduces && { reduces }),
  infer: inferReduced,
  samples: reducedSamples,
  vjp,
  vmap: mapReduction,
  upgrade: axesToInput,
});
const argument: Op = { infer: inferArgument, samples: argumentSamples, vmap: mapAlong(0) };

/** Reductions over some axes. */
export const reductions: OpTable = {
  ReduceSum: reducing(spread(false), 'sum'),
  ReduceMean: reducing(spread(true), 'mean'),
  ReduceSumSquare: reducing(reduction((g, x, _y, dy) => g.mul(x, g.mul(2, dy)))),
  ReduceL1: reducing(reduction((g, x, _y, dy) => g.mul(g.sign(x), dy))),
  ReduceL2: reducing(reduction(norm)),
  ReduceLogSum: reducing(reduction((g, x, y, dy) => g.expandLike(g.div(dy, g.exp(y)), x))),
  ReduceLogSumExp: reducing(reduction((g, x, y, dy) => g.mul(dy, g.exp(g.sub(x, y))))),
  ReduceMax: reducing(reduction(extremum)),
  ReduceMin: reducing(reduction(extremum)),
  ReduceProd: {
    ...reducing(reduction(product)),
    content: (c) => {
      const data = c.contents(0);
      return data && c.shape(0)?.length === 1 ? [productOf(data)] : undefined;
    },
  },
  ArgMax: argument,
  ArgMin: argument,
};
