import { lineColor } from './color.ts';
import { barTitle } from './colorbar.ts';
import { colorAt } from './field.ts';
import { gapColor, regionsOf, type MapFigure } from './mapSvg.ts';
import { markerColor } from './overlay.ts';
import { shapeOf } from './mapAttributes.ts';
import { withoutTags } from './ticks.ts';
import type { Box } from './frame.ts';
import type { VegaSpec } from './plot.ts';

/** The map as a Vega specification: the regions of the SVG as paths, so that both are one picture. */
export function mapVega(given: MapFigure): VegaSpec {
  const figure = inShape(given);
  const { field, attributes } = figure;
  const { width, height, title, xlabel, ylabel, paths, mark } = attributes;
  const box = { left: 0, top: 0, right: width, bottom: height };
  const { x, y } = field;
  const lines = figure.kind === 'contour';
  const points = paths.flatMap(({ name, path, color }, k) =>
    Array.from(path.x, (at, t) => ({
      name,
      x: at,
      y: path.y[t],
      color: color ?? lineColor(k),
      fill: markerColor(field, path.loss[t]),
      loss: path.loss[t],
      residual: path.residual[t],
    })),
  );
  const place = { x: { scale: 'x', field: 'x' }, y: { scale: 'y', field: 'y' } };
  const line = {
    type: 'group',
    from: { facet: { name: 'path', data: 'points', groupby: 'name' } },
    marks: [
      {
        type: 'line',
        from: { data: 'path' },
        encode: { enter: { ...place, stroke: { field: 'color' }, strokeWidth: { value: 2.4 } } },
      },
    ],
  };
  const marker = {
    type: 'symbol',
    from: { data: 'points' },
    encode: { enter: { ...place, fill: { field: 'fill' }, stroke: { value: 'white' }, size: { value: 50 } } },
  };
  const label = {
    type: 'text',
    from: { data: 'labels' },
    encode: {
      enter: {
        x: { field: 'x' },
        y: { field: 'y' },
        angle: { field: 'angle' },
        text: { field: 'text' },
        align: { value: 'center' },
        baseline: { value: 'middle' },
        fill: { value: '#111' },
      },
    },
  };
  const center = {
    type: 'symbol',
    encode: {
      enter: {
        x: { scale: 'x', value: 0 },
        y: { scale: 'y', value: 0 },
        shape: { value: 'cross' },
        size: { value: 90 },
        fill: { value: '#111' },
      },
    },
  };
  return {
    $schema: 'https://vega.github.io/schema/vega/v5.json',
    width,
    height,
    padding: 8,
    ...(title !== '' && { title }),
    data: [
      {
        name: 'regions',
        values:
          figure.kind === 'heatmap' ? heatmapCells(figure) : regionsOf(figure, box).slice(lines ? 1 : 0),
      },
      { name: 'gaps', values: figure.kind === 'heatmap' ? [] : gapCells(figure) },
      { name: 'points', values: points },
      { name: 'labels', values: labelsOf(figure, box) },
    ],
    scales: [
      {
        name: 'x',
        type: 'linear',
        zero: false,
        nice: false,
        domain: [x[0], x[x.length - 1]],
        range: 'width',
      },
      {
        name: 'y',
        type: 'linear',
        zero: false,
        nice: false,
        domain: [y[0], y[y.length - 1]],
        range: 'height',
      },
      {
        name: 'color',
        type: 'linear',
        domain: evenly(field.low, field.high),
        range: evenly(0, 1).map(field.color),
      },
    ],
    axes: [
      { orient: 'bottom', scale: 'x', title: xlabel },
      { orient: 'left', scale: 'y', title: ylabel },
    ],
    ...(attributes.colorbar && {
      legends: [
        {
          fill: 'color',
          type: 'gradient',
          title: barTitle(legendTitle(figure), field),
          gradientLength: height - 20,
        },
      ],
    }),
    marks: [
      {
        type: 'group',
        clip: true,
        encode: { enter: { width: { value: width }, height: { value: height } } },
        marks: [
          {
            type: 'path',
            from: { data: 'regions' },
            encode: { enter: { path: { field: 'path' }, [lines ? 'stroke' : 'fill']: { field: 'color' } } },
          },
          {
            type: 'path',
            from: { data: 'gaps' },
            encode: { enter: { path: { field: 'path' }, fill: { field: 'color' } } },
          },
          label,
          line,
          marker,
          ...(mark ? [center] : []),
        ],
      },
    ],
  };
}

/** The figure with the width or height cut to the shape of its plotting area. */
function inShape(figure: MapFigure): MapFigure {
  const { field, attributes, kind } = figure;
  const { width, height } = attributes;
  const ratio = shapeOf(field, attributes, [width, height], kind === 'heatmap');
  if (ratio === null) return figure;
  const size = { width: Math.min(width, height * ratio), height: Math.min(height, width / ratio) };
  return { ...figure, attributes: { ...attributes, ...size } };
}

/** Labels of the contours; Vega has no superscripts in text. */
const labelsOf = ({ labelsIn, attributes }: MapFigure, box: Box) =>
  labelsIn(box, attributes.fontSize).map(({ x, y, angle, text }) => ({
    x,
    y,
    angle,
    text: withoutTags(text),
  }));

/** Vega labels transformed values, and says so. */
function legendTitle({ field: { label, transform }, attributes: { zscale } }: MapFigure): string {
  if (zscale === 'symlog') return `±log₁₀(1 + |${label}| / ${transform.threshold})`;
  return zscale === 'log' ? `log₁₀ ${label}` : label;
}

const evenly = (low: number, high: number) =>
  Array.from({ length: 17 }, (_, k) => low + (high - low) * (k / 16));

/** The cells without a value. */
const gapCells = (figure: MapFigure) => heatmapCells(figure).filter(({ missing }) => missing);

/** The cells of a heatmap as paths. */
function heatmapCells({
  field,
  attributes: { width, height },
}: MapFigure): { path: string; color: string; missing: boolean }[] {
  const { nx, ny, values } = field;
  const w = width / (nx - 1);
  const h = height / (ny - 1);
  return Array.from(values, (value, cell) => {
    const left = ((cell % nx) - 0.5) * w;
    const top = height - (Math.floor(cell / nx) + 0.5) * h;
    const path = `M${left.toFixed(2)},${top.toFixed(2)}h${(w + 0.4).toFixed(2)}v${(h + 0.4).toFixed(2)}h${(-w - 0.4).toFixed(2)}Z`;
    const missing = Number.isNaN(value);
    return { path, color: missing ? gapColor : colorAt(field, value), missing };
  });
}
