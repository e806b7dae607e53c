import { axisOf, domainOf, type Axis } from './axes.ts';
import { colors, residualShare, type Band, type FilledFit, type FitCurves } from './fitCurves.ts';
import { axesOf, clipped, fitted, frameOf, gridLines, labelsWidth, pictureOf } from './frame.ts';
import { inkOn } from './ink.ts';
import { el, polygon, polyline } from './svg.ts';

const RADIUS = 3;

/** The fit as SVG: data, curve and bands above, residuals below on the same x. */
export function fitSvg(curves: FitCurves, given: FilledFit): string {
  const attributes = fitted(given);
  const { fontSize } = attributes;
  const ink = inkOn(attributes.background);
  const { x, y, residuals, residualName, at, values, confidence, prediction } = curves;
  const bands = [prediction, confidence].filter((band) => band !== null);
  const ends = bands.flatMap(({ lower, upper }) => Array.from(lower).concat(Array.from(upper)));
  const xDomain = domainOf(x, 'linear', 0.03);
  const yDomain = domainOf([...y, ...values, ...ends], 'linear');
  const largest = residuals.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  const rDomain: [number, number] = [-1.15 * largest, 1.15 * largest];

  const labels = Math.max(
    labelsWidth('linear', yDomain, attributes),
    labelsWidth('linear', rDomain, attributes),
  );
  const whole = frameOf(attributes, labels, 0);
  const height = whole.bottom - whole.top;
  const split = Math.round(whole.bottom - residualShare * height);
  const upper = { ...whole, bottom: split - Math.round(0.05 * height), xlabel: '' };
  const lower = { ...whole, top: split, ylabel: residualName };
  const across = axisOf('linear', xDomain, [whole.left, whole.right], { fontSize, horizontal: true });
  const up = axisOf('linear', yDomain, [upper.bottom, upper.top], { fontSize });
  const aside = axisOf('linear', rDomain, [lower.bottom, lower.top], { fontSize });
  // The upper panel shares the axis of x with the lower one, which has the labels.
  const unlabeled: Axis = { ...across, ticks: across.ticks.map(({ value }) => ({ value, label: null })) };
  const area = (band: Band | null, opacity: number): string =>
    band === null
      ? ''
      : el('path', { d: areaOf(band, at, across, up), fill: colors.curve, fillOpacity: opacity });
  const dots = (list: readonly number[], axis: Axis): string[] =>
    x.map((value, i) =>
      el('circle', {
        cx: across.at(value),
        cy: axis.at(list[i]),
        r: RADIUS,
        fill: ink.text,
        fillOpacity: 0.75,
      }),
    );
  const curve = el('path', {
    d: polyline(at.map(across.at), values.map(up.at)),
    fill: 'none',
    stroke: colors.curve,
    strokeWidth: 2.4,
    strokeLinejoin: 'round',
  });
  const zero = el('path', {
    d: `M${lower.left},${aside.at(0)}H${lower.right}`,
    stroke: colors.curve,
    strokeWidth: 1.4,
  });
  return pictureOf(
    attributes,
    gridLines(attributes, upper, across, up),
    gridLines(attributes, lower, across, aside),
    clipped(upper, area(prediction, 0.1), area(confidence, 0.2), curve, ...dots(y, up)),
    axesOf({ ...attributes, xlabel: '' }, upper, unlabeled, up),
    clipped(lower, zero, ...dots(residuals, aside)),
    axesOf({ ...attributes, title: '', ylabel: residualName }, lower, across, aside),
  );
}

function areaOf({ lower, upper }: Band, at: readonly number[], x: Axis, y: Axis): string {
  const there = at.map(x.at);
  return polygon(
    [...there, ...there.toReversed()],
    [...Array.from(upper, y.at), ...Array.from(lower, y.at).toReversed()],
  );
}
