import { norm2, subtract } from '../../core/vector.ts';
import { evenlyTaken } from '../grid/statistics.ts';
import { pcaPlane, type PlaneSpec } from '../landscape/planes.ts';

/** The path of a training run, thinned to limit memory and time. */
export interface LivePath {
  /** Adds a copy of a point and its loss. */
  add(x: Float64Array, loss: number): void;
  /** Returns the kept points, `[n]` each, the newest last. */
  points(): readonly Float64Array[];
  /** Returns the losses of the kept points. */
  losses(): readonly number[];
}

/** Most points to keep; `mostNumbers` limits their total length. */
const mostPoints = 300;
const mostNumbers = 2_000_000;

/** Returns an empty path of points `[n]`; when it is full, it drops every other point. */
export function livePath(n: number): LivePath {
  const most = Math.max(12, Math.min(mostPoints, Math.floor(mostNumbers / n)));
  let kept: { x: Float64Array; loss: number; turn: number }[] = [];
  let stride = 1;
  let turn = 0;
  return {
    add(x, loss) {
      const last = kept[kept.length - 1];
      // The newest point is always kept; later it stays if its turn is a multiple of `stride`.
      if (last !== undefined && last.turn % stride !== 0) kept.pop();
      kept.push({ x: Float64Array.from(x), loss, turn });
      turn++;
      if (kept.length <= most) return;
      stride *= 2;
      kept = kept.filter((point, k) => point.turn % stride === 0 || k === kept.length - 1);
    },
    points: () => kept.map(({ x }) => x),
    losses: () => kept.map(({ loss }) => loss),
  };
}

/** Most points for the principal axes, whose cost grows with the square of the number. */
const mostForPlane = 24;

/**
 * Returns the plane of the path's principal axes through its newest point, no narrower than a third of its length; null
 * while the path does not span two directions.
 */
export function planeOfPath(points: readonly Float64Array[]): PlaneSpec | null {
  if (points.length < 3) return null;
  try {
    const { xrange = [-1, 1], yrange = xrange, ...plane } = pcaPlane(evenlyTaken(points, mostForPlane));
    const [middle, half] = [(yrange[0] + yrange[1]) / 2, (xrange[1] - xrange[0]) / 6];
    return {
      ...plane,
      xrange,
      yrange: [Math.min(yrange[0], middle - half), Math.max(yrange[1], middle + half)],
    };
  } catch (error) {
    // The path is still a straight line, or a single point.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** ‖a − b‖. */
export function distanceOf(a: Float64Array, b: Float64Array): number {
  const apart = new Float64Array(a.length);
  subtract(a, b, apart);
  return norm2(apart);
}
