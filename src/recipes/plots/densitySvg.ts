import { axisOf, domainOf, type Axis } from './axes.ts';
import { axesOf, clipped, fitted, frameOf, gridLines, labelsWidth, pictureOf, type Box } from './frame.ts';
import { legendOf, legendWidth } from './legend.ts';
import { namedLess } from './offset.ts';
import { el, polygon, polyline, px } from './svg.ts';
import { drawableSize, evenlyTaken } from '../grid/statistics.ts';
import type { lineDash } from './color.ts';
import type { DensityColumns } from './densityCurves.ts';
import type { FilledDensity } from './densityAttributes.ts';

/** A density, ready to be drawn. */
export interface DensityCurve extends DensityColumns {
  readonly name: string;
  readonly color: string;
  readonly dash: ReturnType<typeof lineDash>;
  /** The values of a sample, ascending; empty for a spectrum. */
  readonly values: readonly number[];
}

/** Most strokes drawn for one sample. */
export const mostStrokes = 1000;

export const hasLegend = (curves: readonly DensityCurve[], { legend }: FilledDensity): boolean =>
  legend === 'auto' ? curves.length > 1 : legend;

/** Returns the range of densities that is drawn. */
export function densityRange(
  curves: readonly DensityCurve[],
  { yscale, ylims }: FilledDensity,
): readonly [number, number] {
  if (ylims !== 'data') return ylims;
  let most = 0;
  for (const { y } of curves) for (const value of y) if (value <= drawableSize && value > most) most = value;
  if (most === 0) return yscale === 'log' ? [0.1, 1] : [0, 1];
  // Between eigenvalues a density falls to almost 0; a log axis for all of it would show little else.
  return yscale === 'log' ? [1e-6 * most, 2 * most] : [0, 1.05 * most];
}

/** Returns the range of x that is drawn: where a curve exceeds a thousandth of its peak; all of a spectrum. */
export function placesRange(
  curves: readonly DensityCurve[],
  { xscale, xlims }: FilledDensity,
): readonly [number, number] {
  if (xlims !== 'data') return xlims;
  const shown = curves.flatMap(({ x, y, values }) => {
    const least = values.length === 0 ? 0 : 1e-3 * y.reduce((most, value) => Math.max(most, value), 0);
    return Array.from(x).filter((_, i) => y[i] >= least);
  });
  return domainOf(shown, xscale, 0.02);
}

/** Returns the densities as SVG. */
export function densitySvg(curves: readonly DensityCurve[], given: FilledDensity): string {
  const attributes = fitted(given);
  const { fontSize, xscale, yscale, fill, points } = attributes;
  const xDomain = placesRange(curves, attributes);
  const yDomain = densityRange(curves, attributes);
  const entries = hasLegend(curves, attributes)
    ? curves.map(({ name, color, dash }) => ({ name, color, dash: dash.svg }))
    : [];
  const named = namedLess(attributes, xDomain, yDomain);
  const box = frameOf(named, labelsWidth(yscale, yDomain, attributes), legendWidth(entries, attributes));
  const x = axisOf(xscale, xDomain, [box.left, box.right], { fontSize, horizontal: true });
  const y = axisOf(yscale, yDomain, [box.bottom, box.top], { fontSize });
  // Densities near 0 are drawn below the lower end of a log axis.
  const row = (value: number) =>
    yscale === 'log' && !(value > yDomain[0] / 10) ? box.bottom + 99 : y.at(value);
  const shapes = curves.map((curve) => {
    const [across, up] = [Array.from(curve.x, x.at), Array.from(curve.y, row)];
    const ends = [across[across.length - 1] ?? NaN, across[0] ?? NaN];
    const foot = box.bottom + 99;
    const area = polygon([...across, ...ends], [...up, foot, foot]);
    const style = { fill: 'none', strokeWidth: 2.4, strokeLinejoin: 'round', strokeLinecap: 'round' };
    return [
      fill && area !== '' ? el('path', { d: area, fill: curve.color, fillOpacity: 0.16 }) : '',
      el('path', { d: polyline(across, up), stroke: curve.color, strokeDasharray: curve.dash.svg, ...style }),
    ].join('');
  });
  return pictureOf(
    attributes,
    gridLines(attributes, box, x, y),
    clipped(box, ...shapes, ...(points ? curves.map((curve) => strokes(curve, x, box, fontSize)) : [])),
    axesOf(named, box, x, y),
    legendOf(entries, box, attributes),
  );
}

/** Draws the values of a sample as short strokes at the bottom. */
function strokes({ values, color }: DensityCurve, x: Axis, box: Box, fontSize: number): string {
  if (values.length === 0) return '';
  const d = evenlyTaken(values, mostStrokes)
    .map((value) => `M${px(x.at(value))},${box.bottom}v${px(-0.6 * fontSize)}`)
    .join('');
  return el('path', { d, stroke: color, strokeOpacity: 0.6, strokeWidth: 1.2 });
}
