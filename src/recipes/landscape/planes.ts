/**
 * Planes of parameters other than random ones: between models, along a path.
 *
 * @module
 */
import { show } from '../../core/options.ts';
import { checkLength } from '../../core/paramSet.ts';
import { addScaled, dot, firstNonFinite, norm2, subtract } from '../../core/vector.ts';
import { leadingEigen } from './principalAxes.ts';

/** A plane, with suitable ranges. */
export interface PlaneSpec {
  /** θ at (0, 0), `[n]`. @defaultValue the center of the landscape */
  readonly center?: Float64Array;
  readonly directions: readonly Float64Array[];
  /** Range of the first coordinate. @defaultValue `[-lnorm, lnorm]` */
  readonly xrange?: readonly [number, number];
  readonly yrange?: readonly [number, number];
  /** Coordinates that must be exactly on the grid. @defaultValue `[0]` */
  readonly anchors?: readonly number[];
  readonly labels?: readonly [string, string];
  /** True if it goes through several models, each of which may have state in addition to its parameters. */
  readonly throughModels?: boolean;
}

/** Directions as vectors, or as a plane with its ranges. */
export type DirectionSpec = readonly Float64Array[] | PlaneSpec;

/**
 * Returns the line through two models, or the plane through three: the first at 0, the second at x = 1, the
 * third at y = 1.
 *
 * The axes of a plane are `b − a` and `c − a`, which may be oblique. Only parameters are interpolated: if the
 * loss reads moving statistics of batch normalization, these must be among the parameters, or `landscape`
 * refuses.
 *
 * @param models - two or three parameter vectors, `[n]` each
 * @throws RangeError if there are not two or three, if lengths differ, if two are equal, or if three lie
 *   on one line
 * @example
 * ```ts
 * line(landscape(problem, params, { dimensions: 1, directions: between(small.x, large.x) })).toSVG();
 * ```
 */
export function between(...models: readonly Float64Array[]): PlaneSpec {
  if (models.length !== 2 && models.length !== 3) {
    throw new RangeError(`between: needs two or three models, got ${models.length}.`);
  }
  const [a, ...others] = models;
  const directions = others.map((model, k) => {
    checkLength(`between: model ${k + 1}`, model, a.length);
    const d = new Float64Array(a.length);
    subtract(model, a, d);
    if (norm2(d) === 0) throw new RangeError(`between: models 0 and ${k + 1} are the same.`);
    return d;
  });
  if (directions.length === 2 && areParallel(directions[0], directions[1])) {
    throw new RangeError('between: the three models lie on one line; give two of them and draw the line.');
  }
  return {
    center: Float64Array.from(a),
    directions,
    xrange: [-0.5, 1.5],
    yrange: [-0.5, 1.5],
    anchors: [0, 1],
    labels: ['towards the second model', 'towards the third model'],
    throughModels: true,
  };
}

/**
 * Checks two models of n parameters.
 *
 * @throws RangeError for a wrong length, values that are not finite, and two that are the same
 */
export function checkModels(where: string, from: Float64Array, to: Float64Array, n: number): void {
  for (const [name, model] of Object.entries({ from, to })) {
    checkLength(`${where}: ${name}`, model, n);
    const bad = firstNonFinite(model);
    if (bad >= 0) throw new RangeError(`${where}: ${name}[${bad}] is ${model[bad]}; it must be finite.`);
  }
  const apart = new Float64Array(n);
  subtract(from, to, apart);
  if (norm2(apart) === 0) throw new RangeError(`${where}: both models are the same.`);
}

/** Returns true if two vectors are parallel to within rounding. */
export function areParallel(a: Float64Array, b: Float64Array): boolean {
  const along = dot(a, b) / dot(a, a);
  const off = new Float64Array(a.length);
  addScaled(b, -along, a, off);
  return norm2(off) <= 1e-10 * norm2(b);
}

/** Result of {@link pcaPlane}: a {@link PlaneSpec}, with the fractions of the path that it captures. */
export interface PcaPlane extends PlaneSpec {
  /** Fraction of Σ‖θₜ − θ_T‖² along each direction. */
  readonly explained: readonly number[];
}

/**
 * Returns the plane through the last point of a path that captures most of it: the two leading principal axes
 * of θₜ − θ_T.
 *
 * Computed from the T×T Gram matrix, so T long vectors take T² products and no n×n matrix. Not centered: the
 * plane goes through θ_T. Even if the plane captures the path, the loss in it may differ from that along the
 * path; see `onPlane`.
 *
 * @param trajectory - points θ₀ … θ_T of a path, `[n]` each, two or more
 * @param dimensions - dimension of the plane, 1 or 2
 * @throws RangeError if the path has too few points or does not move in enough directions
 * @see Li et al. (2018), section 7, arXiv:1712.09913
 */
export function pcaPlane(trajectory: readonly Float64Array[], dimensions: 1 | 2 = 2): PcaPlane {
  if (!Array.isArray(trajectory) || trajectory.length < 2) {
    throw new RangeError(`pcaPlane: trajectory must be two or more Float64Arrays, got ${show(trajectory)}.`);
  }
  const last = trajectory[trajectory.length - 1];
  const steps = trajectory.slice(0, -1).map((theta, t) => {
    checkLength(`pcaPlane: trajectory[${t}]`, theta, last.length);
    const delta = new Float64Array(last.length);
    subtract(theta, last, delta);
    return delta;
  });
  const count = steps.length;
  const gram = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j <= i; j++) gram[i * count + j] = gram[j * count + i] = dot(steps[i], steps[j]);
  }
  const { values, vectors, total } = leadingEigen(gram, count, dimensions);
  if (values.length < dimensions || values.some((value) => !(value > 1e-14 * total))) {
    throw new RangeError(
      `pcaPlane: the trajectory moves in fewer than ${dimensions} directions; give more points, or dimensions 1.`,
    );
  }
  const directions = vectors.map((weights) => {
    const axis = new Float64Array(last.length);
    steps.forEach((step, t) => addScaled(axis, weights[t], step, axis));
    const length = norm2(axis);
    // The signs of eigenvectors are arbitrary; choose those for which the path starts at positive
    // coordinates.
    const sign = dot(axis, steps[0]) < 0 ? -1 : 1;
    return axis.map((value) => (sign * value) / length);
  });
  const ranges = directions.map((d) => rangeOf([0, ...steps.map((step) => dot(step, d))]));
  return {
    center: Float64Array.from(last),
    directions,
    xrange: ranges[0],
    ...(ranges.length > 1 && { yrange: ranges[1] }),
    labels: [axisLabel('first', values[0] / total), axisLabel('second', (values[1] ?? 0) / total)],
    explained: Array.from(values, (value) => value / total),
  };
}

const axisLabel = (which: string, share: number) =>
  `${which} principal axis (${Number((100 * share).toPrecision(3))} %)`;

/** Returns the range of some values, widened by a fifth on either side. */
function rangeOf(values: readonly number[]): [number, number] {
  const low = values.reduce((least, value) => Math.min(least, value), Infinity);
  const high = values.reduce((most, value) => Math.max(most, value), -Infinity);
  const pad = 0.2 * (high - low);
  return [low - pad, high + pad];
}
