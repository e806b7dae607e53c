import type resvg from '@resvg/resvg-js';
import { checkOptions, positive, string, type Rule, type Rules } from '../../core/options.ts';

/** Options of {@link toPNG}. */
export interface PngOptions {
  /** Pixels of the PNG per pixel of the SVG: 2 for high-density screens, 4 for print. @defaultValue 2 */
  scale?: number | undefined;
  /** Font files to use besides those of the system. @defaultValue none */
  fontFiles?: readonly string[] | undefined;
  /** Font family to use if those of the figure are missing. @defaultValue `'DejaVu Sans'` */
  defaultFontFamily?: string | undefined;
}

const files: Rule = {
  allowed: 'an array of paths',
  accepts: (v) => Array.isArray(v) && v.every((path) => typeof path === 'string'),
};
const rules: Rules<PngOptions> = {
  scale: positive,
  fontFiles: files,
  defaultFontFamily: string,
};

/**
 * Renders an SVG, or a figure, to a PNG image through `@resvg/resvg-js`.
 *
 * @returns the bytes of the PNG file
 * @throws Error if `@resvg/resvg-js` is not installed, or if no font is found, since all text would silently
 *   be missing
 */
export async function toPNG(
  plot: { toSVG(): string } | string,
  options: PngOptions = {},
): Promise<Uint8Array> {
  checkOptions('toPNG', options, rules);
  const { scale = 2, fontFiles = [], defaultFontFamily = 'DejaVu Sans' } = options;
  const { Resvg } = await loadResvg();
  const font = { loadSystemFonts: true, fontFiles: [...fontFiles], defaultFontFamily };
  const svg = typeof plot === 'string' ? plot : plot.toSVG();
  if (svg.includes('<text')) {
    const probe = new Resvg(probeSvg, { font });
    if (probe.getBBox() === undefined) {
      throw new Error(
        "toPNG: no font was found, so all text would be missing. Install one (apt-get install fonts-dejavu-core), or name a file: toPNG(plot, { fontFiles: ['/path/to/font.ttf'] }).",
      );
    }
  }
  return new Resvg(svg, { font, fitTo: { mode: 'zoom', value: scale } }).render().asPng();
}

const probeSvg =
  '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><text y="30" font-size="20">M</text></svg>';

async function loadResvg(): Promise<typeof resvg> {
  try {
    return await import('@resvg/resvg-js');
  } catch (cause) {
    throw new Error(
      'toPNG: @resvg/resvg-js could not be loaded. Install it (npm install @resvg/resvg-js), or use plot.toSVG().',
      { cause },
    );
  }
}
