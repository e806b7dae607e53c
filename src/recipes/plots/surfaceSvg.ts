import { rgb } from 'd3-color';
import { cage } from './surfaceBox.ts';
import { fitted, frameOf, pictureOf, titleOf } from './frame.ts';
import { colorBar, colorBarWidth } from './colorbar.ts';
import { colorAt, type Field } from './field.ts';
import type { FilledLandscapeAttributes } from './landscapeAttributes.ts';
import { pathLegend, pathLegendHeight } from './overlay.ts';
import { heightRatio, projectionInto, type Projection, type View } from './projection.ts';
import { sheetOf, type Sheet } from './surfaceGrid.ts';
import { pathsOn, type Piece } from './surfacePaths.ts';
import { description, el, pathThrough } from './svg.ts';

/** Returns the surface as SVG: quadrilaterals from back to front, lit from above, in a box with axes. */
export function surfaceSvg(field: Field, given: FilledLandscapeAttributes, view: View): string {
  const attributes = fitted(given);
  const right = colorBarWidth(field, attributes);
  const legend = pathLegendHeight(attributes);
  const box = frameOf({ ...attributes, xlabel: '', ylabel: '' }, 0, right, legend);
  const bar = { ...box, top: box.top + attributes.fontSize, bottom: box.bottom - attributes.fontSize };
  return pictureOf(
    attributes,
    description(field.note),
    cage(field, attributes, projectionInto(box, view, attributes.fontSize), view, box),
    scene(field, attributes, projectionInto(box, view, attributes.fontSize)),
    titleOf(attributes, (box.left + box.right) / 2, box.top - legend),
    pathLegend(attributes, box),
    colorBar(field, null, bar, attributes),
  );
}

/** Draws the surface and the paths on it, from back to front. */
function scene(field: Field, { paths, upsample }: FilledLandscapeAttributes, cube: Projection): string {
  const sheet = sheetOf(field, upsample);
  const pieces = [...quads(field, sheet, cube), ...pathsOn(sheet, cube, field, paths)];
  pieces.sort((a, b) => b.depth - a.depth);
  return el('g', { strokeWidth: 0.7, strokeLinejoin: 'round' }, pieces.map(({ svg }) => svg).join(''));
}

function quads(field: Field, sheet: Sheet, cube: Projection): Piece[] {
  const { nx, ny, values, isGap, height } = sheet;
  const u = (i: number) => (2 * i) / (nx - 1) - 1;
  const v = (j: number) => (2 * j) / (ny - 1) - 1;
  const pieces: Piece[] = [];
  for (let j = 0; j < ny - 1; j++) {
    for (let i = 0; i < nx - 1; i++) {
      if (isGap(i, j)) continue;
      const at = j * nx + i;
      const [a, b, c, d] = [values[at], values[at + 1], values[at + nx + 1], values[at + nx]];
      const corners = [
        cube.at(u(i), v(j), height(a)),
        cube.at(u(i + 1), v(j), height(b)),
        cube.at(u(i + 1), v(j + 1), height(c)),
        cube.at(u(i), v(j + 1), height(d)),
      ];
      const slopeX = ((height(b) - height(a) + height(c) - height(d)) / 2) * (nx - 1);
      const slopeY = ((height(d) - height(a) + height(c) - height(b)) / 2) * (ny - 1);
      const fill = lit(colorAt(field, (a + b + c + d) / 4), slopeX, slopeY);
      const depth = cube.depth(u(i + 0.5), v(j + 0.5));
      pieces.push({ depth, svg: el('path', { d: `${pathThrough(corners)}Z`, fill, stroke: fill }) });
    }
  }
  return pieces;
}

/** Returns a color under light from the upper left. */
function lit(color: string, slopeX: number, slopeY: number): string {
  const { r, g, b } = rgb(color);
  if (Number.isNaN(r)) return color;
  const norm = Math.sqrt(1 + (slopeX * heightRatio) ** 2 + (slopeY * heightRatio) ** 2);
  const light = (0.85 + 0.3 * slopeX * heightRatio + 0.3 * slopeY * heightRatio) / norm;
  const shade = Math.min(1.12, 0.72 + 0.34 * Math.max(0, light));
  return rgb(r * shade, g * shade, b * shade).formatHex();
}
