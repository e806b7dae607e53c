import { contours } from 'd3-contour';
import { px } from './svg.ts';
import type { Box } from './frame.ts';
import type { Grid } from './upsample.ts';

/** One point of d3-contour's geometry. */
type Position = readonly number[];

/**
 * The regions where a grid is at or above each level, as SVG path data in `box`.
 *
 * d3-contour puts sample i at i + ½ and closes its polygons half a cell beyond the outermost samples; here sample 0
 * lies on the edge of the box, the last on the other, and what is beyond is for the caller to clip.
 */
export function regionsAbove(grid: Grid, levels: readonly number[], box: Box): string[] {
  const trace = contours().size([grid.nx, grid.ny]);
  // The declared type wants an array.
  const values = Array.from(grid.values);
  return levels.map((level) => pathOf(trace.contour(values, level).coordinates, grid, box));
}

function pathOf(coordinates: readonly Position[][][], { nx, ny }: Grid, box: Box): string {
  const scaleX = (box.right - box.left) / (nx - 1);
  const scaleY = (box.bottom - box.top) / (ny - 1);
  let path = '';
  for (const polygon of coordinates) {
    for (const ring of polygon) {
      let pen = 'M';
      let lastX = NaN;
      let lastY = NaN;
      // The last point of a ring is its first.
      for (let k = 0; k < ring.length - 1; k++) {
        const [u, v] = ring[k];
        const x = box.left + (u - 0.5) * scaleX;
        const y = box.bottom - (v - 0.5) * scaleY;
        if (Math.abs(x - lastX) + Math.abs(y - lastY) < 0.5) continue;
        path += `${pen}${px(x)},${px(y)}`;
        pen = 'L';
        lastX = x;
        lastY = y;
      }
      path += 'Z';
    }
  }
  return path;
}
