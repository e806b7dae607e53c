import { axisOf, domainOf } from './axes.ts';
import { axesOf, clipped, fitted, frameOf, gridLines, labelsWidth, pictureOf } from './frame.ts';
import { rightDash, type lineDash } from './color.ts';
import { inkOn } from './ink.ts';
import { legendOf, legendWidth, type LegendEntry } from './legend.ts';
import { namedLess } from './offset.ts';
import { rightAxis, rightAxisWidth } from './rightAxis.ts';
import { el, polyline } from './svg.ts';
import type { FilledLine } from './lineAttributes.ts';

/** A line, and its second quantity if there is one. */
export interface LineCurve {
  readonly name: string;
  readonly color: string;
  readonly dash: ReturnType<typeof lineDash>;
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly right: Float64Array | undefined;
}

/** True if a second quantity is drawn. */
export const hasRight = (curves: readonly LineCurve[]): boolean =>
  curves.some(({ right }) => right !== undefined);

/** True if the figure has a legend. */
export const hasLegend = (curves: readonly LineCurve[], { legend }: FilledLine): boolean =>
  legend === 'auto' ? curves.length > 1 || hasRight(curves) : legend;

/** Returns the legend: names with their colors and, with two quantities, those with their dashes. */
function entriesOf(curves: readonly LineCurve[], attributes: FilledLine): LegendEntry[] {
  if (!hasLegend(curves, attributes)) return [];
  const names = curves.map(({ name, color, dash }) => ({ name, color, dash: dash.svg }));
  if (!hasRight(curves)) return names;
  const color = inkOn(attributes.background).text;
  return [
    ...(curves.length > 1 ? names : []),
    { name: attributes.ylabel, color },
    { name: attributes.rightlabel, color, dash: rightDash.svg },
  ];
}

const valuesOf = (curves: readonly LineCurve[], of: 'x' | 'y' | 'right'): number[] =>
  curves.flatMap((curve) => Array.from(curve[of] ?? []));

/** Returns the domains of both axes, and of the second one of y; null if there is none. */
export const domainsOf = (curves: readonly LineCurve[], { yscale }: FilledLine) => ({
  x: domainOf(valuesOf(curves, 'x'), 'linear', 0),
  y: domainOf(valuesOf(curves, 'y'), yscale),
  right: hasRight(curves) ? domainOf(valuesOf(curves, 'right'), 'linear') : null,
});

/** Returns the lines as SVG. */
export function lineSvg(curves: readonly LineCurve[], given: FilledLine): string {
  const { yscale } = given;
  const { x: xDomain, y: yDomain, right: second } = domainsOf(curves, given);
  const attributes = namedLess(fitted(given), xDomain, yDomain);
  const { fontSize } = attributes;
  const entries = entriesOf(curves, given);
  const beside = second === null ? 0 : rightAxisWidth(second, attributes);
  const box = frameOf(
    attributes,
    labelsWidth(yscale, yDomain, attributes),
    beside + legendWidth(entries, attributes),
  );
  const x = axisOf('linear', xDomain, [box.left, box.right], { fontSize, horizontal: true });
  const y = axisOf(yscale, yDomain, [box.bottom, box.top], { fontSize });
  const up = second === null ? null : axisOf('linear', second, [box.bottom, box.top], { fontSize });
  const style = { fill: 'none', strokeWidth: 2.4, strokeLinejoin: 'round', strokeLinecap: 'round' };
  const lines = curves.flatMap((curve) => {
    const across = Array.from(curve.x, x.at);
    const left = polyline(across, Array.from(curve.y, y.at));
    const drawn = [el('path', { d: left, ...style, stroke: curve.color, strokeDasharray: curve.dash.svg })];
    if (up === null || curve.right === undefined) return drawn;
    const d = polyline(across, Array.from(curve.right, up.at));
    return [...drawn, el('path', { d, ...style, stroke: curve.color, strokeDasharray: rightDash.svg })];
  });
  const zero = x.at(0).toFixed(1);
  const center = el('path', {
    d: `M${zero},${box.top}V${box.bottom}`,
    stroke: inkOn(attributes.background).frame,
    strokeDasharray: '4 4',
  });
  return pictureOf(
    attributes,
    gridLines(attributes, box, x, y),
    clipped(box, attributes.mark ? center : '', ...lines),
    axesOf(attributes, box, x, y),
    up === null ? '' : rightAxis(up, box, attributes.rightlabel, attributes),
    legendOf(entries, { ...box, right: box.right + beside }, attributes),
  );
}
