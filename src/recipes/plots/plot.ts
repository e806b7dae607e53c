import { htmlPage, type HtmlOptions } from './html.ts';
import type { PlotlyFigure } from './plotly.ts';
import { toPNG, type PngOptions } from './png.ts';

/** A Vega or Vega-Lite specification (its `$schema` says which), for `vega-embed` and notebooks. */
export type VegaSpec = Readonly<Record<string, unknown>> & { readonly $schema: string };

/** A figure that can be output in several formats. */
export interface Plot {
  /** Returns a standalone SVG, drawn without a DOM. */
  toSVG(): string;
  /** Returns an interactive figure for plotly.js. */
  toPlotly(): PlotlyFigure;
  /** Returns a specification for Vega or Vega-Lite. */
  toVega(): VegaSpec;
  /**
   * Returns a standalone interactive page.
   *
   * @throws Error if plotly.js is to be embedded and `plotly.js-dist-min` is not installed
   */
  toHTML(options?: HtmlOptions): string;
  /**
   * Returns the bytes of a PNG image, rendered from the SVG.
   *
   * @throws Error if `@resvg/resvg-js` is not installed, or no font is found
   */
  toPNG(options?: PngOptions): Promise<Uint8Array>;
}

/** Makes a {@link Plot} of three drawings. */
export function plotOf(title: string, drawings: Pick<Plot, 'toSVG' | 'toPlotly' | 'toVega'>): Plot {
  return {
    ...drawings,
    toHTML: (options) => htmlPage(title, drawings.toPlotly(), options),
    toPNG: (options) => toPNG(drawings.toSVG(), options),
  };
}
