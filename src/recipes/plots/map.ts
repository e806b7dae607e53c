/**
 * Landscapes seen from above: filled contours, contour lines, or one rectangle per cell.
 *
 * @module
 */
import { landscapePlot, type LandscapePlot } from './landscapePlot.ts';
import { contourLabels, levelLabels, roundLevels, type ContourLabel } from './contourLabels.ts';
import { fieldOf, levelsOf, type Field } from './field.ts';
import {
  contourRules,
  fillMapAttributes,
  mapRules,
  type ContourAttributes,
  type FilledMapAttributes,
  type MapAttributes,
} from './mapAttributes.ts';
import { mapPlotly } from './mapPlotly.ts';
import { mapSvg, refined, type MapFigure, type MapKind } from './mapSvg.ts';
import { mapVega } from './mapVega.ts';
import { plotOf, type Plot } from './plot.ts';
import type { LandscapeData } from '../grid/data.ts';

/**
 * Draws filled contours of a landscape.
 *
 * @throws RangeError for unknown or invalid attributes, or a landscape in one dimension
 * @example
 * ```ts
 * contourf(() => Math.log10(1 + loss()), params, { color: 'turbo', npoints: 50, lnorm: 1, seed: 1234 }).toSVG();
 * contourf(data, { zscale: 'log', levels: 30, paths: [{ name: 'Adam', path: onPlane(data.plane, points, losses) }] });
 * ```
 */
export const contourf: LandscapePlot<ContourAttributes> = landscapePlot(
  'contourf',
  contourRules,
  (data, user) => mapOf('contourf', data, user),
);

/** Draws contour lines of a landscape, each in the color of its level. See {@link contourf}. */
export const contour: LandscapePlot<ContourAttributes> = landscapePlot(
  'contour',
  contourRules,
  (data, user) => mapOf('contour', data, user),
);

/** Draws a landscape as one rectangle per point, without interpolation. See {@link contourf}. */
export const heatmap: LandscapePlot<MapAttributes> = landscapePlot('heatmap', mapRules, (data, user) =>
  mapOf('heatmap', data, user),
);

function mapOf(kind: MapKind, data: LandscapeData, user: ContourAttributes): Plot {
  if (data.y.length < 2) {
    throw new RangeError(`${kind}: this landscape has one dimension; draw it with line(data).`);
  }
  const attributes = fillMapAttributes(data, user);
  const field = fieldOf(data, attributes);
  const levels = kind === 'heatmap' ? [] : mapLevels(field, attributes);
  const figure = { kind, field, levels, attributes, labelsIn: labeler(field, levels, attributes) };
  return plotOf(attributes.title || 'Loss landscape', {
    toSVG: () => mapSvg(figure),
    toPlotly: () => mapPlotly(figure),
    toVega: () => mapVega(figure),
  });
}

function mapLevels(field: Field, { labels, levels, levelSpacing, zscale }: FilledMapAttributes): number[] {
  if (labels && typeof levels === 'number' && levelSpacing === 'uniform') {
    return roundLevels(field.low, field.high, levels, zscale, field.transform);
  }
  return levelsOf(field, { levels, levelSpacing });
}

/** Largest number of labeled levels. */
const mostLabeled = 10;

function labeler(
  field: Field,
  levels: readonly number[],
  attributes: FilledMapAttributes,
): MapFigure['labelsIn'] {
  if (!attributes.labels) return () => [];
  const every = Math.ceil(levels.length / mostLabeled);
  const texts = levelLabels(levels, field.transform, attributes.zscale === 'linear');
  const chosen = levels.flatMap((level, k) => (k % every === 0 ? [{ level, text: texts[k] }] : []));
  return (box, fontSize): ContourLabel[] =>
    contourLabels(
      refined(field, attributes),
      chosen.map(({ level }) => level),
      chosen.map(({ text }) => text),
      box,
      0.85 * fontSize,
    );
}
