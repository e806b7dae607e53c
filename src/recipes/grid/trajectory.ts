import { show } from '../../core/options.ts';
import { checkLength } from '../../core/paramSet.ts';
import { dot, norm2, subtract } from '../../core/vector.ts';
import type { Plane } from './data.ts';

/** A path projected onto a plane. */
export interface PathOnPlane {
  /** Coordinates of the projection of each point, `[T]`. */
  readonly x: Float64Array;
  readonly y: Float64Array;
  /**
   * Distance of each point from the plane, `[T]`: if it is large, the plane says little about the loss there.
   */
  readonly residual: Float64Array;
  /** Fraction of each point's distance from the center that lies in the plane, from 0 to 1, `[T]`. */
  readonly inPlane: Float64Array;
  /** The true loss at each point, `[T]`, not that at its projection; NaN if not given. */
  readonly loss: Float64Array;
}

/**
 * Projects a path onto the plane of a landscape, orthogonally even if the directions are oblique.
 *
 * @param points - `[n]` each
 * @param losses - the loss at each point; drawn as the color of its marker
 * @throws RangeError if lengths differ, or the plane came from a file without its vectors
 */
export function onPlane(
  plane: Plane,
  points: readonly Float64Array[],
  losses?: ArrayLike<number>,
): PathOnPlane {
  const { center, directions } = plane;
  if (center.length === 0) {
    throw new RangeError(
      'onPlane: the landscape was stored without its vectors; evaluate it again, or store them.',
    );
  }
  if (!Array.isArray(points))
    throw new TypeError(`onPlane: points must be an array of Float64Arrays, got ${show(points)}.`);
  if (losses !== undefined) checkLength('onPlane: losses', losses, points.length);
  const [dx, dy = null] = directions;
  const a = dot(dx, dx);
  const b = dy === null ? 0 : dot(dx, dy);
  const c = dy === null ? 1 : dot(dy, dy);
  const determinant = a * c - b * b;
  const delta = new Float64Array(center.length);
  const path = {
    x: new Float64Array(points.length),
    y: new Float64Array(points.length),
    residual: new Float64Array(points.length),
    inPlane: new Float64Array(points.length),
    loss: losses === undefined ? new Float64Array(points.length).fill(NaN) : Float64Array.from(losses),
  };
  points.forEach((point, t) => {
    checkLength(`onPlane: points[${t}]`, point, center.length);
    subtract(point, center, delta);
    const distance = norm2(delta);
    const u = dot(dx, delta);
    const v = dy === null ? 0 : dot(dy, delta);
    path.x[t] = (c * u - b * v) / determinant;
    path.y[t] = (a * v - b * u) / determinant;
    for (let i = 0; i < delta.length; i++)
      delta[i] -= path.x[t] * dx[i] + (dy === null ? 0 : path.y[t] * dy[i]);
    path.residual[t] = norm2(delta);
    const off = distance === 0 ? 0 : Math.min(1, path.residual[t] / distance);
    path.inPlane[t] = Math.sqrt(1 - off * off);
  });
  return path;
}
