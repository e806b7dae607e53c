import { el, px } from './svg.ts';

/** A value from elsewhere, drawn as a hollow diamond for comparison. */
export interface Reference {
  /** Position along x: a number, or the name of a column. */
  readonly x: number | string;
  readonly y: number;
  readonly color: string;
}

/** Draws a hollow diamond, white inside to be visible on lines and boxes, unless its position is not finite. */
export function diamond(x: number, y: number, color: string, size = 7): string {
  if (!Number.isFinite(x + y)) return '';
  return el('path', {
    d: `M${px(x)},${px(y - size)}l${px(size)},${px(size)}l${px(-size)},${px(size)}l${px(-size)},${px(-size)}z`,
    fill: '#fff',
    stroke: color,
    strokeWidth: 2,
  });
}

/** Returns the diamonds as a plotly trace. */
export function referencesPlotly(references: readonly Reference[], name: string): Record<string, unknown>[] {
  if (references.length === 0) return [];
  const marker = {
    symbol: 'diamond-open',
    size: 11,
    color: references.map(({ color }) => color),
    line: { width: 2 },
  };
  const [x, y] = [references.map((reference) => reference.x), references.map((reference) => reference.y)];
  return [{ type: 'scatter', mode: 'markers', name, x, y, marker }];
}

/** Returns the diamonds as a Vega-Lite layer, on the axes `x` and `y` of the other layers. */
export function referencesVega(
  references: readonly Reference[],
  name: string,
  axes: { readonly x: object; readonly y: { readonly title: string } },
): Record<string, unknown>[] {
  if (references.length === 0) return [];
  return [
    {
      data: { values: references.map(({ x, y, color }) => ({ x, y, color, name })) },
      mark: { type: 'point', shape: 'diamond', size: 110, strokeWidth: 2, filled: false, clip: true },
      encoding: {
        x: { ...axes.x, field: 'x' },
        y: { ...axes.y, field: 'y' },
        color: { field: 'color', type: 'nominal', scale: null },
        tooltip: [{ field: 'name' }, { field: 'y', title: axes.y.title }],
      },
    },
  ];
}
