/**
 * Loss landscapes, curvature, and the figures that show them.
 *
 * @module
 */
export { boxplot, type BoxplotAttributes, type Sample } from './plots/boxplot.ts';
export { convergence, type ConvergenceAttributes } from './plots/convergence.ts';
export type { HtmlOptions } from './plots/html.ts';
export type { Plot, PlotlyFigure, VegaSpec } from './plots/plot.ts';
export { toPNG, type PngOptions } from './plots/png.ts';
export type { AxisScale, FigureAttributes } from './plots/recipe.ts';
export type { Against, Run, Trace, TracePoint } from './plots/traces.ts';
