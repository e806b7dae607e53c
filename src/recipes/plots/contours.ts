import { contours } from 'd3-contour';
import { pathThrough } from './svg.ts';
import type { Box } from './frame.ts';
import type { Grid } from './upsample.ts';

/** One point of d3-contour's geometry. */
type Position = readonly number[];

/** A closed line, px: x and y of each point, the first not repeated. */
export interface Ring {
  readonly xs: readonly number[];
  readonly ys: readonly number[];
}

/**
 * Returns the outlines of the regions where a grid is at or above each level, in `box`.
 *
 * d3-contour puts sample i at i + ½ and closes its polygons half a cell beyond the outermost samples. Here the first and
 * the last sample lie on the edges of the box; the caller clips the rest.
 */
export function ringsAbove(grid: Grid, levels: readonly number[], box: Box): Ring[][] {
  const trace = contours().size([grid.nx, grid.ny]);
  // The declared type requires an array.
  const values = Array.from(grid.values);
  return levels.map((level) =>
    trace
      .contour(values, level)
      .coordinates.flatMap((polygon) => polygon.map((ring) => ringOf(ring, grid, box))),
  );
}

/** Returns the same regions as SVG path data. */
export function regionsAbove(grid: Grid, levels: readonly number[], box: Box): string[] {
  return ringsAbove(grid, levels, box).map((rings) => rings.map(pathOf).join(''));
}

function ringOf(ring: readonly Position[], { nx, ny }: Grid, box: Box): Ring {
  const scaleX = (box.right - box.left) / (nx - 1);
  const scaleY = (box.bottom - box.top) / (ny - 1);
  const xs: number[] = [];
  const ys: number[] = [];
  let lastX = NaN;
  let lastY = NaN;
  // The last point of a ring is its first.
  for (let k = 0; k < ring.length - 1; k++) {
    const [u, v] = ring[k];
    const x = box.left + (u - 0.5) * scaleX;
    const y = box.bottom - (v - 0.5) * scaleY;
    if (Math.abs(x - lastX) + Math.abs(y - lastY) < 0.5) continue;
    xs.push(x);
    ys.push(y);
    lastX = x;
    lastY = y;
  }
  return { xs, ys };
}

const pathOf = ({ xs, ys }: Ring): string => `${pathThrough(xs.map((x, k) => [x, ys[k]]))}Z`;
