/**
 * Filters: groups of elements of the flat vector.
 *
 * @module
 */
import { sizeOf, type Layout, type TensorEntry, type TensorRole } from '../../core/layout.ts';

/** A partition of the flat vector: element i is in group `of[i]`, one of `count`; −1 means no group. */
export interface Grouping {
  readonly of: Int32Array;
  readonly count: number;
}

/**
 * Returns the role of a tensor if the adapter does not know it or is wrong; undefined to accept the
 * adapter's.
 */
export type RoleOverride = (tensor: TensorEntry) => TensorRole | undefined;

/**
 * Returns the role of a tensor in its network: the user's override, or the adapter's, or a guess from name
 * and rank.
 *
 * The guess: a tensor of rank 0 or 1 is a normalization if its name says so (gamma, beta, scale, running or
 * moving statistics), and a bias otherwise. For rank 2 and more, an embedding has one filter per row; a
 * depthwise kernel `[h, w, in, m]` has one per pair of its last two indices; a tensor called weight, as in
 * torch, has one per first index; any other, such as a TensorFlow kernel, has one per last index.
 */
export function roleOf(tensor: TensorEntry, override?: RoleOverride): TensorRole {
  return override?.(tensor) ?? tensor.role ?? guess(tensor);
}

function guess({ name, shape }: TensorEntry): TensorRole {
  if (shape.length < 2) {
    return /gamma|beta|norm|\bbn\b|scale|running|moving/i.test(name) ? { kind: 'norm' } : { kind: 'bias' };
  }
  if (/embed/i.test(name)) return { kind: 'embedding', filterAxes: [0] };
  if (/depthwise/i.test(name) && shape.length === 4) return { kind: 'weight', filterAxes: [2, 3] };
  if (/weight/i.test(name)) return { kind: 'weight', filterAxes: [0] };
  return { kind: 'weight', filterAxes: [shape.length - 1] };
}

/** Returns the whole vector as one group. */
export function oneGroup(n: number): Grouping {
  return { of: new Int32Array(n), count: 1 };
}

/** Returns one group for each tensor. */
export function layerGroups(layout: Layout): Grouping {
  const of = new Int32Array(layout.length);
  layout.tensors.forEach(({ offset, size }, k) => of.fill(k, offset, offset + size));
  return { of, count: layout.tensors.length };
}

/**
 * Returns one group for each filter; a tensor without filters (a bias, a normalization) is one group.
 *
 * @throws RangeError if a role names an axis that its tensor does not have
 */
export function filterGroups(layout: Layout, override?: RoleOverride): Grouping {
  const of = new Int32Array(layout.length);
  let count = 0;
  for (const tensor of layout.tensors) {
    const { offset, size } = tensor;
    const axes = axesOf(tensor, roleOf(tensor, override));
    const filters = axes.reduce((product, { length }) => product * length, 1);
    for (let k = 0; k < size; k++) {
      let filter = 0;
      for (const { stride, length } of axes) filter = filter * length + (Math.floor(k / stride) % length);
      of[offset + k] = count + filter;
    }
    count += filters;
  }
  return { of, count };
}

interface Axis {
  readonly length: number;
  readonly stride: number;
}

function axesOf({ name, shape }: TensorEntry, { filterAxes = [] }: TensorRole): Axis[] {
  return filterAxes.map((axis) => {
    if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length) {
      throw new RangeError(
        `landscape: the role of ${JSON.stringify(name)} names filter axis ${axis}; its shape is [${shape.join(', ')}].`,
      );
    }
    return { length: shape[axis], stride: sizeOf(shape.slice(axis + 1)) };
  });
}
