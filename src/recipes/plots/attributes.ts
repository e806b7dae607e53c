import { either, numberIn, oneOf, string, type Rule, type Rules } from '../../core/options.ts';

/** Attributes common to all figures. */
export interface FigureAttributes {
  /** Title. @defaultValue none */
  title?: string;
  xlabel?: string;
  ylabel?: string;
  /** Width of the figure, px. @defaultValue 640 */
  width?: number;
  /** Height of the figure, px. @defaultValue 480 */
  height?: number;
  /**
   * Size of the tick labels, px; titles and axis names are a little larger. Reduced in small figures: at most
   * a fifteenth of the height.
   *
   * @defaultValue 14
   */
  fontSize?: number;
  /** @defaultValue `'Helvetica, Arial, DejaVu Sans, sans-serif'` */
  fontFamily?: string;
  /** Color behind the figure, any CSS color, or `'none'`; text is light on dark colors. @defaultValue `'white'` */
  background?: string;
}

/** Attributes of a figure with the defaults filled in. */
export type Filled<Attributes> = Required<Attributes>;

/** Defaults that all figures share. */
export const theme: Filled<FigureAttributes> = {
  title: '',
  xlabel: '',
  ylabel: '',
  width: 640,
  height: 480,
  fontSize: 14,
  fontFamily: 'Helvetica, Arial, DejaVu Sans, sans-serif',
  background: 'white',
};

export const figureRules: Rules<FigureAttributes> = {
  title: string,
  xlabel: string,
  ylabel: string,
  width: numberIn(120, 10_000),
  height: numberIn(120, 10_000),
  fontSize: numberIn(4, 100),
  fontFamily: string,
  background: string,
};

/** A linear or a logarithmic axis. */
export type AxisScale = 'linear' | 'log';
export const axisScale = oneOf('linear', 'log');

/** A pair `[low, high]`, low < high. */
export const limits: Rule = {
  allowed: 'a pair [low, high] of finite numbers, low < high',
  accepts: (v) => Array.isArray(v) && v.length === 2 && v.every(Number.isFinite) && v[0] < v[1],
};

/** As {@link limits}, or those of the data. */
export const limitsOrData = either(limits, oneOf('data'));

/**
 * Returns the attributes of a figure, as recipes of Julia's Plots do: the user's values override defaults, and values
 * that a figure requires override the user's.
 */
export function recipe<Attributes extends object>(
  defaults: Attributes,
  user: Partial<Attributes>,
  forced: Partial<Attributes> = {},
): Attributes {
  const told = { ...user };
  for (const name in told) if (told[name] === undefined) delete told[name];
  return { ...defaults, ...told, ...forced };
}
