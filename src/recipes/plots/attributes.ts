import { either, limits, numberIn, oneOf, string, type Rules, type Filled } from '../../core/options.ts';

/** Attributes common to all figures. */
export interface FigureAttributes {
  /** Title. @defaultValue none */
  title?: string | undefined;
  xlabel?: string | undefined;
  ylabel?: string | undefined;
  /** Width of the figure, px. @defaultValue 640 */
  width?: number | undefined;
  /** Height of the figure, px. @defaultValue 480 */
  height?: number | undefined;
  /**
   * Size of the tick labels, px; titles and axis names are a little larger. Reduced in small figures: at most
   * a fifteenth of the height.
   *
   * @defaultValue 14
   */
  fontSize?: number | undefined;
  /** CSS font family. @defaultValue `'Helvetica, Arial, DejaVu Sans, sans-serif'` */
  fontFamily?: string | undefined;
  /** Color behind the figure, any CSS color, or `'none'`; text is light on dark colors. @defaultValue `'white'` */
  background?: string | undefined;
}

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

/** A pair of limits, or those of the data. */
export const limitsOrData = either(limits, oneOf('data'));

/**
 * Returns the attributes of a figure, as recipes of Julia's Plots do: the user's values override defaults, and values
 * that a figure requires override the user's.
 */
export function recipe<Attributes extends object>(
  defaults: Attributes,
  user: { readonly [Name in keyof Attributes]?: Attributes[Name] | undefined },
  forced: Partial<Attributes> = {},
): Attributes {
  const final = { ...defaults };
  for (const name in user) {
    const value = user[name];
    if (value !== undefined) final[name] = value;
  }
  return { ...final, ...forced };
}
