import { axisOf, domainOf, type Axis } from './axes.ts';
import { axesOf, clipped, fitted, frameOf, gridLines, labelsWidth, pictureOf } from './frame.ts';
import { legendOf, legendWidth, referenceEntry } from './legend.ts';
import { namedLess } from './offset.ts';
import { diamond, type Reference } from './reference.ts';
import { el, polygon, polyline } from './svg.ts';
import type { ConvergenceAttributes } from './convergenceAttributes.ts';
import type { Run, Summary } from './traces.ts';
import type { Filled } from '../../core/options.ts';

type Attributes = Filled<ConvergenceAttributes>;

/** One method, ready to be drawn. */
export interface Curve {
  readonly name: string;
  readonly color: string;
  /** Dash pattern of its lines, if any. */
  readonly dash: string | undefined;
  readonly runs: readonly Run[];
  readonly summary: Summary;
  readonly reference?: (Reference & { readonly x: number }) | undefined;
}

/** Returns the references of the curves that have one. */
export const referencesOf = (curves: readonly Curve[]) =>
  curves.flatMap(({ reference }) => (reference === undefined ? [] : [reference]));

/** Returns the domains of both axes. */
export function domainsOf(
  curves: readonly Curve[],
  { xscale, yscale, xlims, ylims }: Attributes,
): readonly [x: readonly [number, number], y: readonly [number, number]] {
  const all = curves.flatMap(({ runs }) => runs);
  const marks = referencesOf(curves).map((mark) => mark.y);
  return [
    xlims === 'data' ? domainOf(values(all, 'x'), xscale, 0.02) : xlims,
    ylims === 'data' ? domainOf(chained(values(all, 'y'), marks), yscale) : ylims,
  ];
}

/** Returns the curves as SVG. */
export function convergenceSvg(curves: readonly Curve[], given: Attributes): string {
  const attributes = fitted(given);
  const { fontSize, xscale, yscale } = attributes;
  const single = (curve: Curve) => curve.runs.length < 2;
  const references = referencesOf(curves);
  const [xDomain, yDomain] = domainsOf(curves, attributes);
  const marks = references.length > 0 ? [referenceEntry(attributes.reference)] : [];
  const entries = attributes.legend ? [...curves, ...marks] : [];
  const named = namedLess(attributes, xDomain, yDomain);
  const box = frameOf(named, labelsWidth(yscale, yDomain, attributes), legendWidth(entries, attributes));
  const x = axisOf(xscale, xDomain, [box.left, box.right], { fontSize, horizontal: true });
  const y = axisOf(yscale, yDomain, [box.bottom, box.top], { fontSize });
  const faint = curves.flatMap((curve) => {
    if (!attributes.runs || single(curve)) return [];
    const style = { fill: 'none', stroke: curve.color, strokeWidth: 1, strokeOpacity: 0.22 };
    return curve.runs.map((run) => el('path', { d: lineOf(run.x, run.y, x, y), ...style }));
  });
  const bands = curves
    .filter((curve) => attributes.band && !single(curve))
    .map(({ color, summary }) => el('path', { d: bandOf(summary, x, y), fill: color, fillOpacity: 0.16 }));
  const medians = curves.map(({ color, dash, summary }) => {
    const style = {
      fill: 'none',
      stroke: color,
      strokeWidth: 2.4,
      strokeLinejoin: 'round',
      strokeLinecap: 'round',
      strokeDasharray: dash,
    };
    return el('path', { d: lineOf(summary.x, summary.median, x, y), ...style });
  });
  return pictureOf(
    attributes,
    gridLines(attributes, box, x, y),
    clipped(box, ...bands, ...faint, ...medians),
    axesOf(named, box, x, y),
    ...references.map((mark) => diamond(x.at(mark.x), y.at(mark.y), mark.color)),
    legendOf(entries, box, attributes),
  );
}

function* values(runs: readonly Run[], of: 'x' | 'y'): Generator<number> {
  for (const run of runs) for (let i = 0; i < run[of].length; i++) yield run[of][i];
}

function* chained<Value>(...lists: readonly Iterable<Value>[]): Generator<Value> {
  for (const list of lists) yield* list;
}

function lineOf(xs: ArrayLike<number>, ys: ArrayLike<number>, x: Axis, y: Axis): string {
  return polyline(Array.from(xs, x.at), Array.from(ys, y.at));
}

function bandOf({ x: xs, q1, q3 }: Summary, x: Axis, y: Axis): string {
  const there = Array.from(xs, x.at);
  return polygon(
    [...there, ...there.toReversed()],
    [...Array.from(q3, y.at), ...Array.from(q1, y.at).toReversed()],
  );
}
