import { lineColor } from './color.ts';
import { colorAt, type Field, type FilledLandscapeAttributes, type PathOverlay } from './field.ts';
import { el, escapeXml, polyline, textWidth } from './svg.ts';
import type { Axis } from './axes.ts';
import type { Box } from './frame.ts';

/**
 * Paths over a landscape: a line with a white rim, and markers in the color of the true loss, which need not be that
 * of the plane below, ringed in the color of the line; the smaller a marker, the farther its point lies off the plane.
 */
export function pathsOver(field: Field, paths: readonly PathOverlay[], x: Axis, y: Axis): string {
  return paths
    .map((overlay, k) => {
      const { path, color } = overlay;
      const xs = Array.from(path.x, x.at);
      const ys = Array.from(path.y, y.at);
      const d = polyline(xs, ys);
      const stroke = color ?? lineColor(k);
      const style = { d, fill: 'none', strokeLinejoin: 'round', strokeLinecap: 'round' };
      const markers = xs.map((cx, t) => pathMarker(field, overlay, stroke, t, cx, ys[t]));
      return el(
        'g',
        {},
        el('path', { ...style, stroke: 'white', strokeWidth: 5 }),
        el('path', { ...style, stroke, strokeWidth: 2.4 }),
        ...markers,
      );
    })
    .join('');
}

/** The marker of point t of a path, at (cx, cy), ringed in the color of the path. */
export function pathMarker(
  field: Field,
  { name, path }: PathOverlay,
  stroke: string,
  t: number,
  cx: number,
  cy: number,
): string {
  const fill = markerColor(field, path.loss[t]);
  const told = `${name}, point ${t}: loss ${short(path.loss[t])}, ${short(path.residual[t])} off the plane`;
  return el(
    'circle',
    { cx, cy, r: markerRadius(path.inPlane[t]), fill, stroke, strokeWidth: 1.1 },
    el('title', {}, escapeXml(told)),
  );
}

const short = (value: number) => (Number.isNaN(value) ? 'unknown' : value.toPrecision(3));

/** Color of the marker of a point with this true loss. */
export function markerColor(field: Field, loss: number): string {
  const shown = field.transform(loss);
  return Number.isNaN(shown) ? '#ffffff' : colorAt(field, shown);
}

/** Radius of the marker of a point of whose distance from the center this share lies in the plane. */
const markerRadius = (inPlane: number) => 1.6 + 3 * inPlane;

/** Names of the paths, in a row above the plotting area. */
export function pathLegend({ paths, fontSize }: FilledLandscapeAttributes, box: Box): string {
  let at = box.left;
  const entries = paths.map(({ name, color }, k) => {
    const x = at;
    at += 30 + textWidth(name, fontSize) + 18;
    const y = box.top - 0.75 * fontSize;
    return [
      el('path', { d: `M${x},${y.toFixed(1)}h22`, stroke: color ?? lineColor(k), strokeWidth: 3 }),
      el('text', { x: x + 28, y: y + 0.35 * fontSize, fill: '#222' }, escapeXml(name)),
    ].join('');
  });
  return el('g', {}, ...entries);
}

/** Height of that row, px. */
export function pathLegendHeight({ paths, fontSize }: FilledLandscapeAttributes): number {
  return paths.length === 0 ? 0 : 1.5 * fontSize;
}

/** A cross where the parameters are. */
export function centerMark(x: Axis, y: Axis): string {
  const cx = x.at(0).toFixed(1);
  const cy = y.at(0).toFixed(1);
  const d = `M${cx},${cy}m-6,0h12m-6,-6v12`;
  return [
    el('path', { d, stroke: 'white', strokeWidth: 4.4, strokeLinecap: 'round' }),
    el('path', { d, stroke: '#111', strokeWidth: 1.8, strokeLinecap: 'round' }),
  ].join('');
}
