/**
 * Gradients of ops that write updates into a tensor, at places given by indices.
 *
 * @module
 */
import { sizeOf } from '../../../core/layout.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import { axisFrom, isStatic, range } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { VjpContext, VjpRule } from '../ir/vjp.ts';

/** Functions that scatter updates, and that read values at the same indices. */
interface Scatter {
  readonly write: (g: Builder, into: Value, indices: Value, updates: Value, reduction?: string) => Value;
  readonly read: (g: Builder, from: Value, indices: Value) => Value;
  /** True if it is known before the model runs that no element is written twice. */
  readonly areDistinct: (g: Builder, data: Value, indices: Value) => boolean;
}

/**
 * The cotangents of updates that were not overwritten by others; 0 for those that were. The updates are numbered, and their
 * numbers scattered in the same way.
 */
function ofKept({ g, inputs: [data, indices, updates] }: VjpContext, ways: Scatter, picked: Value): Value {
  const numbers = g.reshapeLike(g.places(g.size(updates)), updates);
  const written = ways.write(g, g.filled(g.shape(data), 0, DType.INT64), indices, numbers);
  return g.where(g.equal(ways.read(g, written, indices), numbers), picked, 0);
}

/** True if no two lists of numbers are the same. */
const allDiffer = (lists: readonly (readonly number[])[]): boolean =>
  new Set(lists.map((list) => list.join())).size === lists.length;

/** Constant indices, those that count from the end by `size` as positions; undefined if these are not known. */
const positions = (indices: readonly number[], size: (k: number) => unknown): number[] | undefined => {
  const found = indices.map((i, k) => (i < 0 ? i + Number(size(k)) : i));
  return found.some(Number.isNaN) ? undefined : found;
};

/** Overwritten elements of the data get no cotangent, unless the update was combined with them. */
function scatter(c: VjpContext, ways: Scatter) {
  const { g, inputs, dy, needs, attributes } = c;
  const [data, indices, updates] = inputs;
  const reduction = attributes.string('reduction', 'none');
  if (reduction === 'max' || reduction === 'min') return scatterExtreme(c, ways);
  if (reduction === 'mul') return scatterProduct(c, ways);
  if (reduction !== 'none' && reduction !== 'add') refuse(`reduction ${reduction} has no rule.`);
  const picked = needs(2) && ways.read(g, dy, indices);
  if (reduction === 'add') return [needs(0) && dy, undefined, picked];
  const kept = picked && (ways.areDistinct(g, data, indices) ? picked : ofKept(c, ways, picked));
  const covered = needs(0) && ways.write(g, dy, indices, g.zerosLike(updates));
  return [covered && g.expandLike(covered, data), undefined, kept];
}

/** Elements that attain a maximum or minimum share its cotangent equally, as in PyTorch's scatter_reduce. */
function scatterExtreme({ g, node, inputs: [data, indices, updates], dy }: VjpContext, ways: Scatter) {
  const dtype = g.floatTypeOf(data);
  const y = node.output[0];
  const ofData = g.cast(g.equal(data, y), dtype);
  const ofUpdates = g.cast(g.equal(updates, ways.read(g, y, indices)), dtype);
  const count = ways.write(g, ofData, indices, ofUpdates, 'add');
  const share = g.div(dy, count);
  return [g.mul(ofData, share), undefined, g.mul(ofUpdates, ways.read(g, share, indices))];
}

/**
 * The derivative of a product by a factor is the product of the other factors. It is computed as the product of all
 * nonzero factors, divided by the factor itself unless that is 0; it is 0 if another factor is 0.
 */
function scatterProduct({ g, inputs: [data, indices, updates], dy }: VjpContext, ways: Scatter) {
  const dtype = g.floatTypeOf(data);
  const zerosIn = (v: Value) => g.cast(g.equal(v, 0), dtype);
  const withoutZeros = (v: Value) => g.where(g.equal(v, 0), 1, v);
  const zeros = ways.write(g, zerosIn(data), indices, zerosIn(updates), 'add');
  const product = g.mul(dy, ways.write(g, withoutZeros(data), indices, withoutZeros(updates), 'mul'));
  const of = (factor: Value, zeros: Value, product: Value) =>
    g.where(g.equal(zeros, zerosIn(factor)), g.div(product, withoutZeros(factor)), 0);
  const at = (v: Value) => ways.read(g, v, indices);
  return [of(data, zeros, product), undefined, of(updates, at(zeros), at(product))];
}

/** Indices of element k, counted row by row. */
const unravel = (k: number, shape: readonly number[]): number[] =>
  shape.map((size, axis) => Math.floor(k / sizeOf(shape.slice(axis + 1))) % size);

/** The gradient of ScatterElements. */
export const scatterElements: VjpRule = (c) => {
  const axis = c.attributes.int('axis', 0);
  return scatter(c, {
    write: (g, into, indices, updates, reduction = 'none') =>
      g.scatter(into, indices, updates, axis, reduction),
    read: (g, from, indices) => g.gatherElements(from, indices, axis),
    areDistinct(g, data, indices) {
      const [shape, constant] = [g.shapeOf(indices), g.integersOf(indices)];
      if (!isStatic(shape) || constant === undefined) return false;
      const along = axisFrom(axis, shape.length);
      const found = positions(constant, () => g.shapeOf(data)?.[along]);
      return found !== undefined && allDiffer(found.map((i, k) => unravel(k, shape).with(along, i)));
    },
  });
};

/** The gradient of ScatterND. */
export const scatterND: VjpRule = (c) =>
  scatter(c, {
    write: (g, into, indices, updates, reduction = 'none') =>
      g.op('ScatterND', [into, indices, updates], { reduction }),
    read: (g, from, indices) => g.gatherAt(from, indices),
    areDistinct(g, data, indices) {
      const [depth, constant] = [g.shapeOf(indices)?.at(-1), g.integersOf(indices)];
      if (typeof depth !== 'number' || constant === undefined) return false;
      const found = positions(constant, (k) => g.shapeOf(data)?.[k % depth]);
      const lists = found && range(found.length / depth).map((n) => found.slice(n * depth, (n + 1) * depth));
      return lists !== undefined && allDiffer(lists);
    },
  });
