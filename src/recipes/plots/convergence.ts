import { checkOptions, show, type Filled } from '../../core/options.ts';
import { convergenceSvg, domainsOf, referencesOf, type Curve } from './convergenceSvg.ts';
import { lineColor, lineDash, vegaDash } from './color.ts';
import { faded } from './ink.ts';
import { plotOf, type Plot, type VegaSpec } from './plot.ts';
import { recipe, type AxisScale } from './attributes.ts';
import {
  convergenceDefaults,
  convergenceRules,
  type ConvergenceAttributes,
} from './convergenceAttributes.ts';
import { attributesLess, hoveredLess, less, pageOffsets, type PageOffsets } from './pageOffsets.ts';
import { partsOf, runsOf, summarize, type Trace } from './traces.ts';
import { referencesPlotly, referencesVega } from './reference.ts';
import { finiteOrNull, plotlyAxis, plotlyLayout, type PlotlyFigure } from './plotly.ts';

/**
 * Draws the loss against epochs, evaluations or seconds for several methods, with runs from several seeds each: the median
 * as a line, the quartiles as a band, and individual runs faintly behind.
 *
 * @param traces - methods; a run is `{ x, y }`, the `trace` of a `SolveResult`, or a list of losses
 * @throws RangeError for unknown or invalid attributes, or if x and y of a run differ in length
 * @throws TypeError if a trace or a run has another form
 * @example
 * ```ts
 * convergence([
 *   { name: 'L-BFGS', runs: seeds.map((seed) => solveWith(seed).trace) },
 *   { name: 'Adam', runs: [{ x: [0, 1, 2], y: [1, 0.5, 0.3] }], reference: 0.25 },
 * ], { against: 'seconds', xlabel: 'time (s)' }).toSVG();
 * ```
 */
export function convergence(traces: readonly Trace[], attributes: ConvergenceAttributes = {}): Plot {
  checkOptions('convergence', attributes, convergenceRules);
  if (!Array.isArray(traces) || traces.length === 0) {
    throw new TypeError(
      `convergence: traces must be an array of { name, runs }, at least one; got ${show(traces)}.`,
    );
  }
  const final = recipe(convergenceDefaults, {
    ...attributes,
    xlabel: attributes.xlabel ?? attributes.against ?? 'iterations',
  });
  const curves = traces.map((trace, k): Curve => {
    const runs = runsOf(trace, final.against);
    const summary = summarize(runs, { x: final.xscale, y: final.yscale });
    const color = trace.color ?? lineColor(k);
    const end = summary.x.reduce((most, value) => (value > most ? value : most), -Infinity);
    const reference = trace.reference === undefined ? undefined : { x: end, y: trace.reference, color };
    return { name: trace.name, color, dash: lineDash(k).svg, runs, summary, reference };
  });
  return plotOf(final.title || 'Convergence', {
    toSVG: () => convergenceSvg(curves, final),
    toPlotly: () => plotly(curves, final),
    toVega: () => vega(curves, final),
  });
}

/** Returns the curves and their attributes less the offsets of the axes. */
function lessOffsets(given: readonly Curve[], attributes: Filled<ConvergenceAttributes>) {
  const [x, y] = domainsOf(given, attributes);
  const offsets = pageOffsets(x, y);
  const curves = given.map((curve) => curveLess(curve, offsets));
  return { curves, offsets, attributes: attributesLess(attributes, offsets) };
}

function curveLess(curve: Curve, offsets: PageOffsets): Curve {
  const { runs, summary, reference } = curve;
  const across = (values: ArrayLike<number>) => less(values, offsets.x);
  const up = (values: ArrayLike<number>) => less(values, offsets.y);
  return {
    ...curve,
    runs: runs.map(({ x, y }) => ({ x: across(x), y: up(y) })),
    summary: { x: across(summary.x), median: up(summary.median), q1: up(summary.q1), q3: up(summary.q3) },
    reference: reference && { ...reference, x: across([reference.x])[0], y: up([reference.y])[0] },
  };
}

function plotly(given: readonly Curve[], final: Filled<ConvergenceAttributes>): PlotlyFigure {
  const { curves, offsets, attributes } = lessOffsets(given, final);
  const data = curves.flatMap((curve, k) => {
    const several = curve.runs.length > 1;
    const band = attributes.band && several ? plotlyBand(curve) : [];
    const runs = attributes.runs && several ? curve.runs : [];
    const { name, color, summary } = curve;
    return [
      ...band,
      ...runs.map(({ x, y }) => plotlyLine(name, x, y, { color, width: 1 }, 0.25)),
      plotlyLine(name, summary.x, summary.median, { color, width: 2.4, dash: lineDash(k).plotly }, 1),
    ];
  });
  const layout = {
    ...plotlyLayout(attributes),
    showlegend: attributes.legend,
    xaxis: plotlyAxis(attributes.xlabel, attributes.xscale, attributes.xlims),
    yaxis: plotlyAxis(attributes.ylabel, attributes.yscale, attributes.ylims),
  };
  const marks = referencesPlotly(referencesOf(curves), attributes.reference);
  return { data: hoveredLess([...data, ...marks], attributes, offsets), layout };
}

interface PlotlyLine {
  readonly color?: string;
  readonly width: number;
  readonly dash?: string;
}

/** Returns a line; a faint one, for an individual run, is not named in the legend. */
function plotlyLine(
  name: string,
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  line: PlotlyLine,
  opacity: number,
): Record<string, unknown> {
  const named = opacity === 1 ? {} : { showlegend: false, hoverinfo: 'skip' };
  const columns = { x: finiteOrNull(x), y: finiteOrNull(y) };
  return { type: 'scatter', mode: 'lines', name, legendgroup: name, ...columns, line, opacity, ...named };
}

function plotlyBand({ name, color, summary: { x, q1, q3 } }: Curve): Record<string, unknown>[] {
  const edge = (y: Float64Array) => plotlyLine(name, x, y, { width: 0 }, 0.99);
  return [edge(q1), { ...edge(q3), fill: 'tonexty', fillcolor: faded(color, 0.16) }];
}

function vega(given: readonly Curve[], final: Filled<ConvergenceAttributes>): VegaSpec {
  const { curves, attributes } = lessOffsets(given, final);
  const { title, width, height, xlabel, ylabel, xscale, yscale, xlims, ylims } = attributes;
  const rows = curves.flatMap(({ name, summary: { x, median, q1, q3 } }) =>
    // A new part begins after each gap, so no line crosses it.
    partsOf(x, median, { x: xscale, y: yscale }).map(({ i, part }) => ({
      name,
      part,
      x: x[i],
      y: median[i],
      q1: q1[i],
      q3: q3[i],
    })),
  );
  const scaleOf = (type: AxisScale, domain: typeof xlims) => ({
    type,
    ...(type === 'linear' && { zero: false }),
    ...(domain !== 'data' && { domain }),
  });
  const color = {
    field: 'name',
    type: 'nominal',
    title: null,
    sort: null,
    scale: { domain: curves.map(({ name }) => name), range: curves.map(({ color }) => color) },
    ...(!attributes.legend && { legend: null }),
  };
  const strokeDash = vegaDash(curves.map(({ name }) => name));
  const x = { field: 'x', type: 'quantitative', title: xlabel, scale: scaleOf(xscale, xlims) };
  const y = { type: 'quantitative', title: ylabel, scale: scaleOf(yscale, ylims) };
  const area = {
    mark: { type: 'area', opacity: 0.18, clip: true },
    encoding: { x, y: { ...y, field: 'q1' }, y2: { field: 'q3' }, color, detail: { field: 'part' } },
  };
  const line = {
    mark: { type: 'line', strokeWidth: 2.4, clip: true },
    encoding: { x, y: { ...y, field: 'y' }, color, strokeDash, detail: { field: 'part' } },
  };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title,
    width,
    height,
    data: { values: rows },
    layer: [
      ...(attributes.band ? [area] : []),
      line,
      ...referencesVega(referencesOf(curves), attributes.reference, { x, y }),
    ],
  };
}
