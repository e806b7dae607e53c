import type { Box } from './frame.ts';

/** Where a surface is seen from, degrees. */
export interface View {
  readonly azimuth: number;
  readonly elevation: number;
}

/** From the unit cube to the picture: x, y in [−1, 1], height in [0, 1]; `depth` grows away from the eye. */
export interface Projection {
  at(x: number, y: number, z: number): readonly [number, number];
  depth(x: number, y: number): number;
}

/** Height of the cube as a fraction of its width. */
export const heightRatio = 0.6;

/** An orthographic projection of the cube that fits the box, with room for labels. */
export function projectionInto(box: Box, view: View): Projection {
  const a = (view.azimuth / 180) * Math.PI;
  const e = (view.elevation / 180) * Math.PI;
  const [sinA, cosA, sinE, cosE] = [Math.sin(a), Math.cos(a), Math.sin(e), Math.cos(e)];
  const across = (x: number, y: number) => x * cosA + y * sinA;
  const away = (x: number, y: number) => y * cosA - x * sinA;
  const width = 2 * (Math.abs(cosA) + Math.abs(sinA));
  const height = width * sinE + 2 * heightRatio * cosE;
  const scale = Math.min((box.right - box.left - 150) / width, (box.bottom - box.top - 80) / height);
  const centerX = (box.left + box.right) / 2;
  const centerY = (box.top + box.bottom) / 2 - 12;
  return {
    at: (x, y, z) => [
      centerX + scale * across(x, y),
      centerY - scale * (away(x, y) * sinE + (z - 0.5) * 2 * heightRatio * cosE),
    ],
    depth: away,
  };
}
