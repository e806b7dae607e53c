import type { Box } from './frame.ts';

/** Direction from which a surface is seen, degrees. */
export interface View {
  readonly azimuth: number;
  readonly elevation: number;
}

/** Map from the unit cube, x, y in [−1, 1] and height in [0, 1], to the picture; `depth` grows away from the viewer. */
export interface Projection {
  at(x: number, y: number, z: number): readonly [number, number];
  depth(x: number, y: number): number;
}

/** Height of the cube as a fraction of its width. */
export const heightRatio = 0.6;

/** Returns an orthographic projection of the cube that fits the box, with room for labels of this size. */
export function projectionInto(box: Box, view: View, fontSize: number): Projection {
  const a = (view.azimuth / 180) * Math.PI;
  const e = (view.elevation / 180) * Math.PI;
  const [sinA, cosA, sinE, cosE] = [Math.sin(a), Math.cos(a), Math.sin(e), Math.cos(e)];
  const along = (x: number, y: number) => x * cosA + y * sinA;
  const away = (x: number, y: number) => y * cosA - x * sinA;
  const width = 2 * (Math.abs(cosA) + Math.abs(sinA));
  const height = width * sinE + 2 * heightRatio * cosE;
  const [across, up] = [box.right - box.left, box.bottom - box.top];
  const scale = Math.min(
    (across - Math.min(10.7 * fontSize, 0.45 * across)) / width,
    (up - Math.min(5.7 * fontSize, 0.4 * up)) / height,
  );
  const centerX = (box.left + box.right) / 2;
  const centerY = (box.top + box.bottom) / 2 - Math.min(0.86 * fontSize, 0.05 * up);
  return {
    at: (x, y, z) => [
      centerX + scale * along(x, y),
      centerY - scale * (away(x, y) * sinE + (z - 0.5) * 2 * heightRatio * cosE),
    ],
    depth: away,
  };
}
