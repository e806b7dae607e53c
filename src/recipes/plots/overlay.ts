import { lineColor } from './color.ts';
import { colorAt, type Field } from './field.ts';
import type { FilledLandscapeAttributes, PathOverlay } from './landscapeAttributes.ts';
import { inkOn } from './ink.ts';
import { el, escapeXml, polyline, textWidth } from './svg.ts';
import { shortened } from './text.ts';
import type { Axis } from './axes.ts';
import { shares, type Box } from './frame.ts';

/**
 * Draws paths over a landscape: a line with a white rim, and markers with a ring in the line's color. The color of a marker
 * is that of the true loss, which may differ from the plane's. Markers shrink with their point's distance from the plane.
 * The path with the most markers is drawn first: over a sparse one, it would hide it.
 */
export function pathsOver(field: Field, { paths }: FilledLandscapeAttributes, x: Axis, y: Axis): string {
  const drawn = paths.map((overlay, k) => {
    const { path, color } = overlay;
    const xs = Array.from(path.x, x.at);
    const ys = Array.from(path.y, y.at);
    const d = polyline(xs, ys);
    const stroke = color ?? lineColor(k);
    const style = { d, fill: 'none', strokeLinejoin: 'round', strokeLinecap: 'round' };
    const markers = thinned(xs, ys).map((t) => pathMarker(field, overlay, stroke, t, xs[t], ys[t]));
    const svg = el(
      'g',
      {},
      el('path', { ...style, stroke: 'white', strokeWidth: 5 }),
      el('path', { ...style, stroke, strokeWidth: 2.4 }),
      markers.join(''),
    );
    return { count: markers.length, svg };
  });
  return drawn
    .toSorted((a, b) => b.count - a.count)
    .map(({ svg }) => svg)
    .join('');
}

/** Most markers drawn along one path. */
const mostMarkers = 2000;

/**
 * Returns the indices of at most 2,000 markers, each at least a few pixels from the previous one; the first and the last
 * are always kept.
 */
export function thinned(xs: ArrayLike<number>, ys: ArrayLike<number>): number[] {
  const apart = markersApart(xs, ys);
  if (apart.length <= mostMarkers) return apart;
  const step = (apart.length - 1) / (mostMarkers - 1);
  return Array.from({ length: mostMarkers }, (_, k) => apart[Math.round(k * step)]);
}

function markersApart(xs: ArrayLike<number>, ys: ArrayLike<number>): number[] {
  const kept: number[] = [];
  let last = -1;
  for (let t = 0; t < xs.length; t++) {
    if (!Number.isFinite(xs[t] + ys[t])) continue;
    const near = last >= 0 && Math.hypot(xs[t] - xs[last], ys[t] - ys[last]) < 4;
    if (near && t < xs.length - 1) continue;
    kept.push(t);
    last = t;
  }
  return kept;
}

/** Draws the marker of point t of a path, at (cx, cy), with a ring in the path's color. */
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

/** Returns the color of the marker of a point with this true loss. */
export function markerColor(field: Field, loss: number): string {
  const shown = field.transform.apply(loss);
  return Number.isNaN(shown) ? '#ffffff' : colorAt(field, shown);
}

/** Returns the radius of a marker; `inPlane` is the fraction of the point's distance from the center in the plane. */
const markerRadius = (inPlane: number) => 1.6 + 3 * inPlane;

/** Draws the names of the paths, in rows above the plotting area; names without room are counted. */
export function pathLegend(attributes: FilledLandscapeAttributes, box: Box): string {
  const { fontSize, background } = attributes;
  const { rows, left } = legendRows(attributes);
  const ink = inkOn(background).text;
  const parts = rows.flatMap((entries, r) => {
    const y = box.top - (1.05 + 1.5 * (rows.length - 1 - r)) * fontSize;
    return entries.map(({ name, full, color, x }) => {
      const line = `M${x.toFixed(1)},${y.toFixed(1)}h${(1.6 * fontSize).toFixed(1)}`;
      return [
        color === '' ? '' : el('path', { d: line, stroke: color, strokeWidth: 3 }),
        el(
          'text',
          { x: x + (color === '' ? 0 : 2 * fontSize), y: y + 0.35 * fontSize, fill: ink },
          escapeXml(name),
          ...(name === full ? [] : [el('title', {}, escapeXml(full))]),
        ),
      ].join('');
    });
  });
  return el('g', left > 0 ? { 'data-left-out': left } : {}, ...parts);
}

interface LegendPlace {
  readonly name: string;
  readonly full: string;
  readonly color: string;
  readonly x: number;
}

/** Returns at most three rows of names, from one side of the picture to the other. */
function legendRows({ paths, width, height, fontSize }: FilledLandscapeAttributes) {
  const most = Math.max(1, Math.min(3, Math.floor((shares.above * height) / (1.5 * fontSize) - 0.2)));
  const [start, end] = [fontSize, width - fontSize];
  const rows: LegendPlace[][] = [[]];
  let x = start;
  for (const [k, overlay] of paths.entries()) {
    const full = overlay.name;
    const name = shortened(full, end - start - 2.2 * fontSize, fontSize);
    const wide = (text: string) => 2 * fontSize + textWidth(text, fontSize);
    if (x > start && x + wide(name) > end) {
      if (rows.length === most) {
        const left = paths.length - k;
        return { rows: [...rows.slice(0, -1), counted(rows[most - 1], left, end, fontSize)], left };
      }
      rows.push([]);
      x = start;
    }
    rows[rows.length - 1].push({ name, full, color: overlay.color ?? lineColor(k), x });
    x += wide(name) + 1.2 * fontSize;
  }
  return { rows: paths.length === 0 ? [] : rows, left: 0 };
}

/** Returns a full row with the count of names that have no room; its last name is shortened to make room for the count. */
function counted(row: readonly LegendPlace[], left: number, end: number, fontSize: number): LegendPlace[] {
  const more = `and ${left} more`;
  const last = row[row.length - 1];
  const at = end - textWidth(more, fontSize);
  const name = shortened(last.name, at - last.x - 3.2 * fontSize, fontSize);
  const x = Math.min(at, last.x + textWidth(name, fontSize) + 3.2 * fontSize);
  return [...row.slice(0, -1), { ...last, name }, { name: more, full: more, color: '', x }];
}

/** Returns the height of the rows of names, px. */
export function pathLegendHeight(attributes: FilledLandscapeAttributes): number {
  const { rows } = legendRows(attributes);
  return rows.length === 0 ? 0 : (1.5 * rows.length + 0.3) * attributes.fontSize;
}

/** Draws a cross at the position of the parameters. */
export function centerMark(x: Axis, y: Axis, fontSize: number): string {
  const cx = x.at(0).toFixed(1);
  const cy = y.at(0).toFixed(1);
  const r = Number((0.43 * fontSize).toFixed(1));
  const d = `M${cx},${cy}m${-r},0h${2 * r}m${-r},${-r}v${2 * r}`;
  return [
    el('path', { d, stroke: 'white', strokeWidth: 4.4, strokeLinecap: 'round' }),
    el('path', { d, stroke: '#111', strokeWidth: 1.8, strokeLinecap: 'round' }),
  ].join('');
}
