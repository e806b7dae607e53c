import { boolean, checkOptions, integerIn, numberBetween, show, type Rules } from '../../core/options.ts';
import { domainsOf, fitSvg } from './fitSvg.ts';
import { attributesLess, hoveredLess, less, pageOffsets } from './pageOffsets.ts';
import { plotlyAxis, plotlyLayout, type PlotlyFigure } from './plotly.ts';
import { plotOf, type Plot, type VegaSpec } from './plot.ts';
import type { AxisScale } from './attributes.ts';
import { axisScale, figureRules, recipe, theme } from './attributes.ts';
import {
  colors,
  residualShare,
  type Band,
  type FilledFit,
  type FitAttributes,
  type FitCurves,
  type FittedCurve,
} from './fitCurves.ts';

const rules: Rules<FitAttributes> = {
  ...figureRules,
  level: numberBetween(0, 1),
  band: boolean,
  xscale: axisScale,
  npoints: integerIn(2, 100_000),
};

const defaults: FilledFit = {
  ...theme,
  xlabel: 'x',
  ylabel: 'y',
  level: 0.95,
  band: true,
  xscale: 'linear',
  npoints: 200,
};

/**
 * Draws a fit: data, curve, the bands of the curve and of new observations, and below them the residuals, in
 * units of σ if known.
 *
 * @param fit - the result of `curveFit`, for a model of one variable
 * @throws RangeError for unknown or invalid attributes, or a model of several variables
 * @throws TypeError if `fit` is not a fit
 * @example
 * ```ts
 * fitPlot(curveFit(decay, t, y, { a: 1, b: 1 }), { xlabel: 'time (s)', ylabel: 'counts' }).toSVG();
 * ```
 */
export function fitPlot(fit: FittedCurve, attributes: FitAttributes = {}): Plot {
  checkOptions('fitPlot', attributes, rules);
  if (typeof fit?.predict !== 'function') {
    throw new TypeError(`fitPlot: fit must be the result of curveFit, got ${show(fit)}.`);
  }
  const final = recipe(defaults, attributes);
  const curves = curvesOf(fit, final);
  return plotOf(final.title || 'Fit', {
    toSVG: () => fitSvg(curves, final),
    toPlotly: () => plotly(curves, final),
    toVega: () => vega(curves, final),
  });
}

const isFinite = ({ lower, upper }: Band): boolean =>
  lower.every(Number.isFinite) && upper.every(Number.isFinite);

function curvesOf(fit: FittedCurve, { level, band, xscale, npoints }: FilledFit): FitCurves {
  const { points, y, fitted, sigma } = fit;
  const x = points.map((point) => {
    if (typeof point === 'number') return point;
    if (point.length === 1) return point[0];
    throw new RangeError(
      `fitPlot: the model has ${point.length} variables, and a figure shows one. Draw predict(points) along a line instead.`,
    );
  });
  const low = x.reduce((a, b) => Math.min(a, b), Infinity);
  const high = x.reduce((a, b) => Math.max(a, b), -Infinity);
  if (xscale === 'log' && !(low > 0)) {
    throw new RangeError(
      `fitPlot: xscale: 'log' shows positive x only; the lowest here is ${low}. Leave it out.`,
    );
  }
  const isList = typeof points[0] !== 'number';
  const at = Array.from({ length: npoints }, (_, i) => between(low, high, i / (npoints - 1), xscale));
  // A model of lists with one number gets such lists.
  const asked = (isList ? at.map((value) => [value]) : at) as number[];
  const { values, confidence, prediction } = fit.predict(asked, { level });
  return {
    x,
    y: Array.from(y),
    residualName: sigma.every((value) => value === 1) ? 'residual' : 'residual / σ',
    residuals: Array.from(y, (value, i) => (value - fitted[i]) / sigma[i]),
    at,
    values: Array.from(values),
    confidence: band && isFinite(confidence) ? confidence : null,
    prediction: band && prediction !== null && isFinite(prediction) ? prediction : null,
  };
}

/** Returns the value at a fraction of the way from `low` to `high` along an axis. */
function between(low: number, high: number, part: number, scale: AxisScale): number {
  if (scale === 'linear') return low + (high - low) * part;
  // Not beyond the ends by rounding: the model may not be defined there.
  return Math.min(high, Math.max(low, low ** (1 - part) * high ** part));
}

/** Returns data, curve and attributes less the offsets of the axes. */
function lessOffsets(given: FitCurves, attributes: FilledFit) {
  const domains = domainsOf(given, attributes.xscale);
  const offsets = pageOffsets(domains.x, domains.y);
  const up = (values: ArrayLike<number>) => less(values, offsets.y);
  const bandLess = (band: Band | null) => band && { lower: up(band.lower), upper: up(band.upper) };
  const curves: FitCurves = {
    ...given,
    x: Array.from(less(given.x, offsets.x)),
    at: Array.from(less(given.at, offsets.x)),
    y: Array.from(up(given.y)),
    values: Array.from(up(given.values)),
    confidence: bandLess(given.confidence),
    prediction: bandLess(given.prediction),
  };
  return { curves, offsets, attributes: attributesLess(attributes, offsets) };
}

function plotly(given: FitCurves, final: FilledFit): PlotlyFigure {
  const { curves, offsets, attributes } = lessOffsets(given, final);
  const { x, y, residuals, at, values, confidence, prediction } = curves;
  const edge = (list: Float64Array, more: object) => ({
    type: 'scatter',
    mode: 'lines',
    x: at,
    y: Array.from(list),
    line: { width: 0 },
    hoverinfo: 'skip',
    showlegend: false,
    ...more,
  });
  const area = (band: Band | null, name: string, opacity: number) =>
    band === null
      ? []
      : [
          edge(band.lower, {}),
          edge(band.upper, {
            name,
            fill: 'tonexty',
            fillcolor: `rgba(31, 111, 180, ${opacity})`,
            showlegend: true,
          }),
        ];
  const marker = { color: colors.data, size: 6 };
  const data = [
    ...area(prediction, `new observations, ${100 * attributes.level} %`, 0.1),
    ...area(confidence, `curve, ${100 * attributes.level} %`, 0.2),
    {
      type: 'scatter',
      mode: 'lines',
      name: 'fit',
      x: at,
      y: values,
      line: { color: colors.curve, width: 2.4 },
    },
    { type: 'scatter', mode: 'markers', name: 'data', x, y, marker },
    {
      type: 'scatter',
      mode: 'markers',
      name: 'residuals',
      x,
      y: residuals,
      yaxis: 'y2',
      marker,
      showlegend: false,
    },
  ];
  const layout = {
    ...plotlyLayout(attributes),
    xaxis: { ...plotlyAxis(attributes.xlabel, attributes.xscale, 'data'), anchor: 'y2' },
    yaxis: { ...plotlyAxis(attributes.ylabel, 'linear', 'data'), domain: [residualShare + 0.06, 1] },
    yaxis2: {
      ...plotlyAxis(curves.residualName, 'linear', 'data'),
      domain: [0, residualShare],
      zeroline: true,
    },
  };
  const right = { name: curves.residualName, offset: null };
  return { data: hoveredLess(data, attributes, offsets, right), layout };
}

function vega(given: FitCurves, final: FilledFit): VegaSpec {
  const { curves, attributes } = lessOffsets(given, final);
  const { x, y, residuals, at, values, confidence, prediction } = curves;
  const { title, width, height, xlabel, ylabel, xscale } = attributes;
  const scale = { zero: false };
  const across = {
    field: 'x',
    type: 'quantitative',
    title: xlabel,
    scale: xscale === 'log' ? { type: 'log' } : scale,
  };
  const up = { type: 'quantitative', title: ylabel, scale };
  const area = (band: Band | null, opacity: number) =>
    band === null
      ? []
      : [
          {
            data: { values: at.map((xi, i) => ({ x: xi, low: band.lower[i], high: band.upper[i] })) },
            mark: { type: 'area', opacity, color: colors.curve },
            encoding: { x: across, y: { ...up, field: 'low' }, y2: { field: 'high' } },
          },
        ];
  const points = (list: readonly number[], encoding: object) => ({
    data: { values: x.map((xi, i) => ({ x: xi, y: list[i] })) },
    mark: { type: 'point', filled: true, color: colors.data },
    encoding: { x: across, y: { ...encoding, field: 'y' } },
  });
  const line = {
    data: { values: at.map((xi, i) => ({ x: xi, y: values[i] })) },
    mark: { type: 'line', color: colors.curve, strokeWidth: 2.4 },
    encoding: { x: across, y: { ...up, field: 'y' } },
  };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title,
    vconcat: [
      {
        width,
        height: (1 - residualShare) * height,
        layer: [...area(prediction, 0.1), ...area(confidence, 0.2), line, points(y, up)],
      },
      {
        width,
        height: residualShare * height,
        ...points(residuals, { type: 'quantitative', title: curves.residualName }),
      },
    ],
  };
}
