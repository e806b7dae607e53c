/**
 * Landscapes as surfaces: in three dimensions with plotly, and without WebGL as SVG by the painter's
 * algorithm.
 *
 * @module
 */
import { numberIn, type Rules } from '../../core/options.ts';
import { landscapePlot } from './landscapePlot.ts';
import { fieldOf, levelsOf } from './field.ts';
import { fillAttributes, landscapeAttributeRules, type LandscapeAttributes } from './landscapeAttributes.ts';
import { mapVega } from './mapVega.ts';
import { plotOf } from './plot.ts';
import { surfacePlotly } from './surfacePlotly.ts';
import { surfaceSvg } from './surfaceSvg.ts';

/** Attributes of {@link surface}. */
export interface SurfaceAttributes extends LandscapeAttributes {
  /** Direction of view in degrees, counted from −y toward x. @defaultValue `-35` */
  azimuth?: number | undefined;
  /** Elevation of the view in degrees above the plane. @defaultValue `32` */
  elevation?: number | undefined;
}

const rules: Rules<SurfaceAttributes> = {
  ...landscapeAttributeRules,
  azimuth: numberIn(-360, 360),
  elevation: numberIn(0, 90),
};

/**
 * Draws a landscape as a surface. Vega has no surfaces, so `toVega()` returns the form of `contourf`.
 *
 * @throws RangeError for unknown or invalid attributes, or a landscape in one dimension
 * @example
 * ```ts
 * writeFileSync('surface.html', surface(data, { zscale: 'log' }).toHTML());
 * ```
 */
export const surface = landscapePlot('surface', rules, (data, { azimuth = -35, elevation = 32, ...user }) => {
  if (data.y.length < 2) {
    throw new RangeError('surface: this landscape has one dimension; draw it with line(data).');
  }
  // About sixty cells per side: finer ones are indistinguishable, and each is a polygon.
  const fine = Math.max(1, Math.min(16, Math.round(60 / Math.max(data.x.length, data.y.length))));
  const attributes = fillAttributes(data, { ...user, upsample: user.upsample ?? fine });
  const field = fieldOf(data, attributes);
  const view = { azimuth, elevation };
  return plotOf(attributes.title || 'Loss landscape', {
    toSVG: () => surfaceSvg(field, attributes, view),
    toPlotly: () => surfacePlotly(field, attributes, view),
    toVega: () =>
      mapVega({
        kind: 'contourf',
        field,
        levels: levelsOf(field, attributes),
        attributes: { ...attributes, upsample: user.upsample ?? 4, aspect: 'auto', labels: false },
        labelsIn: () => [],
      }),
  });
});
