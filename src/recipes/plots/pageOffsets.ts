/**
 * Offsets on pages: plotly and Vega label the numbers that they are given, so axes far from 0 are drawn less their offsets.
 *
 * @module
 */
import { nameLess, offsetOf, type Offset } from './offset.ts';
import type { AxisScale } from './attributes.ts';

/** Offsets of both axes of a page; null for axes without one. */
export interface PageOffsets {
  readonly x: Offset | null;
  readonly y: Offset | null;
}

/** Attributes of two axes. */
interface AxisAttributes {
  readonly xlabel: string;
  readonly ylabel: string;
  readonly xscale?: AxisScale;
  readonly yscale?: AxisScale;
  readonly xlims?: readonly [number, number] | 'data';
  readonly ylims?: readonly [number, number] | 'data';
}

/** Returns the offsets of both axes over these domains; an axis of categories is null. */
export const pageOffsets = (
  x: readonly [number, number] | null,
  y: readonly [number, number] | null,
): PageOffsets => ({ x: x && offsetOf(x), y: y && offsetOf(y) });

/** Returns values less an offset. */
export const less = (values: ArrayLike<number>, offset: Offset | null): Float64Array =>
  Float64Array.from(values, (value) => value - (offset?.value ?? 0));

/**
 * Returns the attributes of a page whose data are less these offsets: names tell them, and limits are less them. An axis
 * with an offset is linear: its range is so narrow that a logarithm would look the same.
 */
export function attributesLess<Attributes extends AxisAttributes>(
  attributes: Attributes,
  { x, y }: PageOffsets,
): Attributes {
  const { xlabel, ylabel, xlims, ylims } = attributes;
  const limits = (of: AxisAttributes['xlims'], offset: Offset) =>
    of === undefined || of === 'data' ? of : Array.from(less(of, offset));
  return {
    ...attributes,
    xlabel: nameLess(xlabel, x),
    ylabel: nameLess(ylabel, y),
    ...(x !== null && { xscale: 'linear', xlims: limits(xlims, x) }),
    ...(y !== null && { yscale: 'linear', ylims: limits(ylims, y) }),
  };
}

const told = (name: string, value: string) => (name === '' ? value : `${name}: ${value}`);

/**
 * Returns plotly traces whose hover texts tell the names of the axes, if values are less an offset.
 *
 * @param right - name of the second axis of y, and its offset
 */
export function hoveredLess(
  data: readonly Readonly<Record<string, unknown>>[],
  { xlabel, ylabel }: Pick<AxisAttributes, 'xlabel' | 'ylabel'>,
  { x, y }: PageOffsets,
  right: { readonly name: string; readonly offset: Offset | null } | null = null,
): Readonly<Record<string, unknown>>[] {
  if (x === null && y === null && (right === null || right.offset === null)) return [...data];
  const hovertemplate = (name: string) =>
    `${told(xlabel, '%{x}')}<br>${told(name, '%{y}')}<extra>%{fullData.name}</extra>`;
  return data.map((trace) =>
    trace['type'] !== 'scatter' || 'hovertemplate' in trace || 'hoverinfo' in trace
      ? trace
      : { ...trace, hovertemplate: hovertemplate('yaxis' in trace && right !== null ? right.name : ylabel) },
  );
}
