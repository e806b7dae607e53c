import { axisOf, domainOf, type Axis } from './axes.ts';
import { colors, residualShare, type Band, type FilledFit, type FitCurves } from './fitCurves.ts';
import { axesOf, clipped, fitted, frameOf, gridLines, labelsWidth, pictureOf, type Frame } from './frame.ts';
import { inkOn } from './ink.ts';
import { namedLess } from './offset.ts';
import type { AxisScale } from './attributes.ts';
import { el, polygon, polyline } from './svg.ts';

const RADIUS = 3;

/** Returns the fit as SVG: data, curve and bands above; residuals below, on the same x. */
export function fitSvg(curves: FitCurves, given: FilledFit): string {
  const attributes = fitted(given);
  const { y, residuals, residualName, confidence, prediction } = curves;
  const { upper, lower, across, up, aside } = panelsOf(curves, attributes);
  // Both panels share the x axis; the lower one has the labels.
  const unlabeled: Axis = { ...across, ticks: across.ticks.map(({ value }) => ({ value, label: null })) };
  const { text } = inkOn(attributes.background);
  const area = (band: Band | null, opacity: number) => areaOf(band, curves.at, across, up, opacity);
  return pictureOf(
    attributes,
    gridLines(attributes, upper, across, up),
    gridLines(attributes, lower, across, aside),
    clipped(
      upper,
      area(prediction, 0.1),
      area(confidence, 0.2),
      curveOf(curves, across, up),
      dotsOf(curves.x, y, across, up, text),
    ),
    axesOf({ ...attributes, xlabel: '' }, upper, unlabeled, up),
    clipped(lower, zeroLine(lower, aside), dotsOf(curves.x, residuals, across, aside, text)),
    axesOf({ ...attributes, title: '', ylabel: residualName }, lower, across, aside),
  );
}

/** Both panels, the x axis that they share, and the y axis of each. */
interface Panels {
  readonly upper: Frame;
  readonly lower: Frame;
  readonly across: Axis;
  readonly up: Axis;
  readonly aside: Axis;
}

/** Returns the domains of both axes of the upper panel. */
export function domainsOf({ x, y, values, confidence, prediction }: FitCurves, xscale: AxisScale) {
  const bands = [prediction, confidence].filter((band) => band !== null);
  const ends = bands.flatMap(({ lower, upper }) => Array.from(lower).concat(Array.from(upper)));
  return { x: domainOf(x, xscale, 0.03), y: domainOf([...y, ...values, ...ends], 'linear') };
}

function panelsOf(curves: FitCurves, attributes: FilledFit): Panels {
  const { fontSize, xscale } = attributes;
  const { residuals, residualName } = curves;
  const { x: xDomain, y: yDomain } = domainsOf(curves, xscale);
  const largest = residuals.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  const rDomain: [number, number] = [-1.15 * largest, 1.15 * largest];
  const labels = Math.max(
    labelsWidth('linear', yDomain, attributes),
    labelsWidth('linear', rDomain, attributes),
  );
  const whole = frameOf(namedLess(attributes, xDomain, yDomain), labels, 0);
  const height = whole.bottom - whole.top;
  const split = Math.round(whole.bottom - residualShare * height);
  const { nameEnds } = whole;
  const above = { xlabel: '', nameEnds: { ...nameEnds, x: '' } };
  const upper = { ...whole, ...above, bottom: split - Math.round(0.05 * height) };
  const lower = { ...whole, top: split, ylabel: residualName, nameEnds: { ...nameEnds, y: '' } };
  return {
    upper,
    lower,
    across: axisOf(xscale, xDomain, [whole.left, whole.right], { fontSize, horizontal: true }),
    up: axisOf('linear', yDomain, [upper.bottom, upper.top], { fontSize }),
    aside: axisOf('linear', rDomain, [lower.bottom, lower.top], { fontSize }),
  };
}

/** Largest number of dots drawn as one circle each; more become one path, with one dot for each half pixel. */
const mostCircles = 2000;

const half = (value: number) => Math.round(2 * value) / 2;

/** Draws a dot for each point. */
function dotsOf(xs: readonly number[], ys: readonly number[], x: Axis, y: Axis, color: string): string {
  if (xs.length <= mostCircles) {
    const style = { r: RADIUS, fill: color, fillOpacity: 0.75 };
    return xs.map((value, i) => el('circle', { cx: x.at(value), cy: y.at(ys[i]), ...style })).join('');
  }
  const places = new Set(xs.map((value, i) => `M${half(x.at(value))},${half(y.at(ys[i]))}h0.01`));
  const style = { stroke: color, strokeOpacity: 0.75, strokeWidth: 2 * RADIUS, strokeLinecap: 'round' };
  return el('path', { d: [...places].join(''), ...style });
}

const curveOf = ({ at, values }: FitCurves, x: Axis, y: Axis): string =>
  el('path', {
    d: polyline(at.map(x.at), values.map(y.at)),
    fill: 'none',
    stroke: colors.curve,
    strokeWidth: 2.4,
    strokeLinejoin: 'round',
  });

/** Draws the line of residual 0. */
const zeroLine = ({ left, right }: Frame, y: Axis): string =>
  el('path', { d: `M${left},${y.at(0)}H${right}`, stroke: colors.curve, strokeWidth: 1.4 });

/** Draws the area of a band, if there is one. */
function areaOf(band: Band | null, at: readonly number[], x: Axis, y: Axis, fillOpacity: number): string {
  if (band === null) return '';
  const there = at.map(x.at);
  const d = polygon(
    [...there, ...there.toReversed()],
    [...Array.from(band.upper, y.at), ...Array.from(band.lower, y.at).toReversed()],
  );
  return el('path', { d, fill: colors.curve, fillOpacity });
}
