/**
 * Loss landscapes, curvature, and the figures that show them.
 *
 * @module quasi-newton/landscape
 */
export { alignUnits, alignUnitsAsync, type AlignOptions } from './minima/alignUnits.ts';
export { decodeLandscape, encodeLandscape } from './grid/codec.ts';
export { connect, connectAsync, type ConnectOptions, type Connection } from './minima/connect.ts';
export { landscapeFromCSV, landscapeToCSV } from './io/csv.ts';
export { fromGrid, type GridSpec } from './io/fromGrid.ts';
export { landscapeFromJSON, landscapeToJSON, type JsonNumber, type LandscapeJson } from './io/json.ts';
export { readNPY, writeNPY, type NpyArray } from './io/npy.ts';
export {
  isComplete,
  mergeLandscapes,
  type AdaptiveReport,
  type LandscapeData,
  type Plane,
} from './grid/data.ts';
export type { Normalize } from './landscape/directions.ts';
export { landscape, landscapeAsync, type LandscapeAsyncOptions } from './landscape/landscape.ts';
export type { Executor, GridTask, TileResult } from './grid/executor.ts';
export {
  liveLandscape,
  liveLandscapeAsync,
  type AsyncLiveLandscape,
  type LiveLandscape,
  type LiveProgress,
} from './live/liveLandscape.ts';
export type { LiveOptions } from './live/options.ts';
export type { LiveTarget } from './live/output.ts';
export type { AdaptiveOptions, AdaptiveScale } from './landscape/adaptive.ts';
export type { LandscapeOptions } from './landscape/options.ts';
export { workerPool, type WorkerPoolOptions } from './pool/pool.ts';
export { between, pcaPlane, type DirectionSpec, type PcaPlane, type PlaneSpec } from './landscape/planes.ts';
export type { LandscapeProgress } from './landscape/progress.ts';
export type { RoleOverride } from './landscape/roles.ts';
export type { AsyncLoss, AsyncMetrics, Loss, Metrics } from './landscape/lossSource.ts';
export { onPlane, type PathOnPlane } from './grid/trajectory.ts';
export { boxplot } from './plots/boxplot.ts';
export type { BoxplotAttributes } from './plots/boxplotAttributes.ts';
export { convergence } from './plots/convergence.ts';
export type { ConvergenceAttributes } from './plots/convergenceAttributes.ts';
export { density, type DensitySample } from './plots/density.ts';
export type { DensityAttributes } from './plots/densityAttributes.ts';
export { fitPlot } from './plots/fitPlot.ts';
export type { FitAttributes, FittedCurve } from './plots/fitCurves.ts';
export type { HtmlOptions } from './plots/html.ts';
export type { Plot, VegaSpec } from './plots/plot.ts';
export type { PlotlyFigure } from './plots/plotly.ts';
export { toPNG, type PngOptions } from './plots/png.ts';
export type { AxisScale, FigureAttributes } from './plots/attributes.ts';
export type { Against, Run, Trace, TracePoint } from './plots/traces.ts';
export { line, type NamedLandscape } from './plots/line.ts';
export type { LineAttributes } from './plots/lineAttributes.ts';
export { contour, contourf, heatmap } from './plots/map.ts';
export type { ContourAttributes, MapAttributes } from './plots/mapAttributes.ts';
export type { LandscapePlot } from './plots/landscapePlot.ts';
export type { LandscapeAttributes, PathOverlay } from './plots/landscapeAttributes.ts';
export type { ValueScale } from './grid/valueScale.ts';
export type { ColorMap, ColorMapName } from './plots/color.ts';
export type { Sample } from './plots/samples.ts';
export { surface, type SurfaceAttributes } from './plots/surface.ts';
export { toOBJ, toVTP, type MeshAttributes } from './io/export3d.ts';
export type { CurvatureOptions } from './curvature/curvatureAt.ts';
export {
  boxSharpness,
  boxSharpnessAsync,
  type BoxSharpness,
  type BoxSharpnessOptions,
} from './curvature/boxSharpness.ts';
export {
  spectralDensity,
  spectralDensityAsync,
  type DensityOptions,
  type SpectralDensity,
} from './curvature/spectralDensity.ts';
export {
  eigenPlane,
  topEigenpairs,
  topEigenpairsAsync,
  type EigenList,
  type EigenOptions,
  type EigenPlaneOptions,
  type Eigenpairs,
} from './curvature/eigenpairs.ts';
export { curvatureMap, curvatureMapAsync, type CurvatureMapOptions } from './curvature/map.ts';
export { sharpness, sharpnessAsync, type Sharpness, type SharpnessOptions } from './curvature/sharpness.ts';
export {
  hessianDiagonal,
  hessianDiagonalAsync,
  type DiagonalEstimate,
  type DiagonalOptions,
} from './curvature/hessianDiagonal.ts';
export type { TensorChoice } from './curvature/operators.ts';
export {
  hessianTrace,
  hessianTraceAsync,
  type TraceEstimate,
  type TraceOptions,
} from './curvature/hessianTrace.ts';
