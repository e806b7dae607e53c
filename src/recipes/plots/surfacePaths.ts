import { lineColor } from './color.ts';
import { pathMarker, thinned } from './overlay.ts';
import { acrossAxis, heightOver, type Sheet } from './surfaceGrid.ts';
import { el, px } from './svg.ts';
import type { Field } from './field.ts';
import type { PathOverlay } from './landscapeAttributes.ts';
import type { Projection } from './projection.ts';

/** Most points of a path that are drawn on a surface. */
const mostPoints = 3000;

/** A part of a scene, which is painted from back to front. */
export interface Piece {
  readonly depth: number;
  readonly svg: string;
}

/**
 * Number of cells by which pieces of a path are moved toward the viewer, so that neighboring cells do not cover them:
 * first the rim, then the line, then the marker.
 */
const lift = { rim: 1.5, line: 2.5, marker: 3.5 };

/**
 * Returns paths on a surface, in short pieces that nearer parts of the surface can hide. They lie on the surface: a marker
 * at the height of its own loss would appear at another place. Its color shows that loss.
 */
export function pathsOn(
  sheet: Sheet,
  cube: Projection,
  field: Field,
  paths: readonly PathOverlay[],
): Piece[] {
  const cell = 2 / (Math.max(sheet.nx, sheet.ny) - 1);
  const toX = acrossAxis(field.x);
  const toY = acrossAxis(field.y);
  return paths.flatMap((overlay, k) => {
    const stroke = overlay.color ?? lineColor(k);
    // All pieces are sorted by depth; a longer path is drawn through evenly spaced points.
    const every = Math.ceil(overlay.path.x.length / mostPoints);
    const taken = Array.from(overlay.path.x.keys()).filter((t) => t % every === 0);
    const xs = taken.map((t) => toX(overlay.path.x[t]));
    const ys = taken.map((t) => toY(overlay.path.y[t]));
    const pieces: Piece[] = [];
    const places = xs.map((x, t) => cube.at(x, ys[t], heightOver(sheet, x, ys[t])));
    for (const t of thinned(
      places.map(([u]) => u),
      places.map(([, v]) => v),
    )) {
      const [cx, cy] = places[t];
      const depth = cube.depth(xs[t], ys[t]) - lift.marker * cell;
      pieces.push({ depth, svg: pathMarker(field, overlay, stroke, taken[t], cx, cy) });
    }
    for (const { d, depth } of shortLines(sheet, cube, xs, ys, cell)) {
      const style = { d, fill: 'none', strokeLinecap: 'round' };
      pieces.push(
        { depth: depth - lift.rim * cell, svg: el('path', { ...style, stroke: 'white', strokeWidth: 5 }) },
        { depth: depth - lift.line * cell, svg: el('path', { ...style, stroke, strokeWidth: 2.4 }) },
      );
    }
    return pieces;
  });
}

/** Splits a polyline into pieces no longer than a cell; parts that are not on the sheet are left out. */
function shortLines(
  sheet: Sheet,
  cube: Projection,
  xs: readonly number[],
  ys: readonly number[],
  cell: number,
): { readonly d: string; readonly depth: number }[] {
  const lines = [];
  for (let t = 0; t + 1 < xs.length; t++) {
    const [dx, dy] = [xs[t + 1] - xs[t], ys[t + 1] - ys[t]];
    const count = Math.min(1000, Math.max(1, Math.ceil(Math.max(Math.abs(dx), Math.abs(dy)) / cell)));
    for (let k = 0; k < count; k++) {
      const ends = [k / count, (k + 1) / count].map((s) => [xs[t] + s * dx, ys[t] + s * dy] as const);
      const places = ends.map(([x, y]) => cube.at(x, y, heightOver(sheet, x, y)));
      if (places.flat().some(Number.isNaN)) continue;
      const [[u0, v0], [u1, v1]] = places;
      lines.push({
        d: `M${px(u0)},${px(v0)}L${px(u1)},${px(v1)}`,
        depth: cube.depth(xs[t] + ((k + 0.5) / count) * dx, ys[t] + ((k + 0.5) / count) * dy),
      });
    }
  }
  return lines;
}
