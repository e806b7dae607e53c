/**
 * Landscapes seen from above: filled contours, contour lines, or one rectangle for each cell.
 *
 * @module
 */
import { landscapePlot, type LandscapePlot } from './landscapePlot.ts';
import {
  fieldOf,
  fillAttributes,
  landscapeAttributeRules,
  levelsOf,
  type LandscapeAttributes,
} from './field.ts';
import { mapPlotly } from './mapPlotly.ts';
import { mapSvg, type MapKind } from './mapSvg.ts';
import { mapVega } from './mapVega.ts';
import { plotOf } from './plot.ts';

/**
 * Filled contours of a landscape.
 *
 * @throws RangeError for unknown or bad attributes, and for a landscape in one dimension
 * @example
 * ```ts
 * contourf(() => Math.log10(1 + loss()), params, { color: 'turbo', npoints: 50, lnorm: 1, seed: 1234 }).toSVG();
 * contourf(data, { zscale: 'log', levels: 30, paths: [{ name: 'Adam', path: onPlane(data.plane, points, losses) }] });
 * ```
 */
export const contourf = mapOf('contourf');

/** Contour lines of a landscape, each in the color of its level. See {@link contourf}. */
export const contour = mapOf('contour');

/** A landscape as a rectangle for each point, nothing interpolated. See {@link contourf}. */
export const heatmap = mapOf('heatmap');

function mapOf(kind: MapKind): LandscapePlot<LandscapeAttributes> {
  return landscapePlot(kind, landscapeAttributeRules, (data, user) => {
    if (data.y.length < 2) {
      throw new RangeError(`${kind}: this landscape has one dimension; draw it with line(data).`);
    }
    const attributes = fillAttributes(data, user);
    const field = fieldOf(data, attributes);
    const levels = kind === 'heatmap' ? [] : levelsOf(field, attributes);
    const figure = { kind, field, levels, attributes };
    return plotOf(attributes.title || 'Loss landscape', {
      toSVG: () => mapSvg(figure),
      toPlotly: () => mapPlotly(figure),
      toVega: () => mapVega(figure),
    });
  });
}
