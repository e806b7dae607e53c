/**
 * Random directions, normalized after Li, Xu, Taylor, Studer and Goldstein (2018), arXiv:1712.09913.
 *
 * Departures: the second direction is made orthogonal to the first, filter by filter, so that ⟨dx, dy⟩ = 0 and
 * the norm of each filter is exact at once; and a norm is not divided by ‖d‖ + 1e-10 but by ‖d‖.
 *
 * @module
 */
import { dot, norm2 } from '../../core/vector.ts';
import { gaussian } from './random.ts';
import { filterGroups, layerGroups, oneGroup, roleOf, type Grouping, type RoleOverride } from './roles.ts';
import type { Layout, TensorRole } from '../../core/layout.ts';

/**
 * Norm of a random direction: `'global'` ‖d‖ = ‖p‖, as in FluxOptTools; `'layer'` and `'filter'` the same for
 * each tensor and each filter; `'weight'` dᵢ ∝ |pᵢ|; `'dlayer'` and `'dfilter'` norm 1 for each tensor and
 * each filter; `'none'` not normalized.
 */
export type Normalize = (typeof normalizations)[number];

export const normalizations = ['global', 'filter', 'layer', 'weight', 'dfilter', 'dlayer', 'none'] as const;

/** Options of random directions. */
export interface DirectionOptions {
  readonly dimensions: 1 | 2;
  readonly seed: number;
  readonly normalize: Normalize;
  readonly ignore: readonly TensorRole['kind'][];
  readonly roles?: RoleOverride | undefined;
}

/**
 * Returns one or two random directions at `center`, orthogonal to each other, `[n]` each.
 *
 * A filter whose parameters are all zero is not moved. Filters with one element cannot be made orthogonal
 * individually: their signs are chosen to keep ⟨dx, dy⟩ small, and the other filters are rotated to
 * compensate for the rest. If there are no others (all tensors are scalars), the directions are orthogonal
 * but the norms of dy are not exact.
 *
 * @throws RangeError if every element of a direction would be 0
 */
export function randomDirections(
  center: Float64Array,
  layout: Layout,
  options: DirectionOptions,
): Float64Array[] {
  const { dimensions, seed, normalize, roles } = options;
  const groups = groupsOf(layout, normalize, roles);
  leaveOut(groups, layout, options);
  const draw = gaussian(seed);
  const unit = normalize === 'dfilter' || normalize === 'dlayer';
  const lengths = groupNorms(center, groups);
  const wanted = unit ? new Float64Array(groups.count).fill(1) : lengths;
  const free = normalize === 'weight' || normalize === 'none';

  const directions = Array.from({ length: dimensions }, () => {
    const d = new Float64Array(center.length);
    for (let i = 0; i < d.length; i++) {
      // Drawn for ignored tensors too: ignoring them does not change the other tensors.
      d[i] = draw();
      if (groups.of[i] < 0) d[i] = 0;
      else if (normalize === 'weight') d[i] *= Math.abs(center[i]);
    }
    return d;
  });
  const [dx, dy] = directions;
  if (!free) scaleGroups(dx, groups, wanted);
  if (!(norm2(dx) > 0)) {
    throw new RangeError(
      `landscape: directions with normalize '${normalize}' have the norms of the parameters, which are all 0 here; use normalize: 'none', or give directions.`,
    );
  }
  if (dy !== undefined) {
    if (free || !orthogonalInGroups(dx, dy, groups, wanted)) {
      removeComponent(dx, dy);
      if (!(norm2(dy) > 1e-12 * norm2(dx))) {
        throw new RangeError(
          'landscape: two directions need at least two parameters to move; use dimensions: 1.',
        );
      }
    }
  }
  return directions;
}

function groupsOf(layout: Layout, normalize: Normalize, roles?: RoleOverride): Grouping {
  switch (normalize) {
    case 'filter':
    case 'dfilter':
      return filterGroups(layout, roles);
    case 'layer':
    case 'dlayer':
      return layerGroups(layout);
    case 'global':
    case 'weight':
    case 'none':
      return oneGroup(layout.length);
  }
}

/** Removes the tensors of ignored kinds from all groups. */
function leaveOut({ of }: Grouping, layout: Layout, { ignore, roles }: DirectionOptions): void {
  for (const tensor of layout.tensors) {
    if (ignore.includes(roleOf(tensor, roles).kind)) of.fill(-1, tensor.offset, tensor.offset + tensor.size);
  }
}

/** ‖v_g‖ for each group g. */
export function groupNorms(v: Float64Array, { of, count }: Grouping): Float64Array {
  return groupDots(v, v, { of, count }).map(Math.sqrt);
}

function groupDots(a: Float64Array, b: Float64Array, { of, count }: Grouping): Float64Array {
  const sums = new Float64Array(count);
  for (let i = 0; i < a.length; i++) if (of[i] >= 0) sums[of[i]] += a[i] * b[i];
  return sums;
}

/** `d_g ← d_g · wanted_g / ‖d_g‖`, twice, since one division leaves rounding errors. */
function scaleGroups(d: Float64Array, groups: Grouping, wanted: Float64Array): void {
  for (let pass = 0; pass < 2; pass++) {
    const norms = groupNorms(d, groups);
    for (let i = 0; i < d.length; i++) {
      const g = groups.of[i];
      if (g >= 0) d[i] = norms[g] > 0 ? (d[i] / norms[g]) * wanted[g] : 0;
    }
  }
}

/**
 * Rotates `dy` so that ‖dy_g‖ = wanted_g in each group, and ⟨dx, dy⟩ = 0 overall.
 *
 * @returns false if this is impossible
 */
function orthogonalInGroups(
  dx: Float64Array,
  dy: Float64Array,
  groups: Grouping,
  wanted: Float64Array,
): boolean {
  const sizes = new Uint32Array(groups.count);
  for (const g of groups.of) if (g >= 0) sizes[g]++;

  // Groups of one element: choose their signs to keep their contribution to ⟨dx, dy⟩ small.
  let surplus = 0;
  let others = 0;
  for (let i = 0; i < dx.length; i++) {
    const g = groups.of[i];
    if (g < 0 || sizes[g] !== 1) continue;
    dy[i] = surplus > 0 ? -dx[i] : dx[i];
    surplus += dx[i] * dy[i];
  }
  for (let g = 0; g < groups.count; g++) if (sizes[g] > 1) others += wanted[g] ** 2;
  const cosine = surplus === 0 ? 0 : -surplus / others;
  if (!(Math.abs(cosine) <= 1)) return false;

  // Other groups: take the part of dy_g orthogonal to dx_g, then rotate it by an angle that cancels the surplus.
  const scale = new Float64Array(groups.count);
  for (let pass = 0; pass < 2; pass++) {
    const squares = groupDots(dx, dx, groups);
    const along = groupDots(dx, dy, groups);
    for (let g = 0; g < groups.count; g++) scale[g] = squares[g] > 0 ? along[g] / squares[g] : 0;
    for (let i = 0; i < dx.length; i++) {
      const g = groups.of[i];
      if (g >= 0 && sizes[g] > 1) dy[i] -= scale[g] * dx[i];
    }
  }
  const sine = Math.sqrt(1 - cosine * cosine);
  const norms = groupNorms(dy, groups);
  for (let i = 0; i < dx.length; i++) {
    const g = groups.of[i];
    if (g < 0 || sizes[g] === 1) continue;
    dy[i] = norms[g] > 0 ? sine * (dy[i] / norms[g]) * wanted[g] + cosine * dx[i] : 0;
  }
  return true;
}

/** `d ← d − (⟨d, v⟩ / ⟨v, v⟩) v`, twice. */
function removeComponent(v: Float64Array, d: Float64Array): void {
  for (let pass = 0; pass < 2; pass++) {
    const along = dot(v, d) / dot(v, v);
    for (let i = 0; i < d.length; i++) d[i] -= along * v[i];
  }
}
