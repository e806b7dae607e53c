import { checkOptions, string, type Rules } from '../../core/options.ts';
import { nodeModule } from '../node.ts';
import { escapeXml } from './svg.ts';
import type { PlotlyFigure } from './plot.ts';

/** Options of `toHTML`. */
export interface HtmlOptions {
  /**
   * `'inline'`: plotly.js goes into the page (about 5 MB), which then needs nothing else. Anything else is the
   * address to load plotly.js from.
   *
   * @defaultValue `'inline'`
   */
  plotly?: string;
}

const rules: Rules<HtmlOptions> = { plotly: string };

/** A page with one interactive figure. */
export function htmlPage(title: string, figure: PlotlyFigure, options: HtmlOptions = {}): string {
  checkOptions('toHTML', options, rules);
  const { plotly = 'inline' } = options;
  const library =
    plotly === 'inline'
      ? `<script>${plotlySource().replaceAll('</script', String.raw`<\/script`)}</script>`
      : `<script src="${escapeXml(plotly)}"></script>`;
  const json = JSON.stringify({ ...figure, config: { responsive: true, displaylogo: false } });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(title)}</title>
<style>html, body { height: 100%; margin: 0; font-family: sans-serif } #figure { width: 100%; height: 100% }</style>
${library}
</head>
<body>
<div id="figure"></div>
<script>
const figure = ${json.replaceAll('<', String.raw`\u003c`)};
Plotly.newPlot('figure', figure.data, figure.layout, figure.config);
</script>
</body>
</html>
`;
}

function plotlySource(): string {
  const { createRequire } = nodeModule('node:module', 'toHTML with plotly inline');
  const { readFileSync } = nodeModule('node:fs', 'toHTML with plotly inline');
  // From here, then from the user's project: a peer may be visible from only one of the two.
  for (const from of [import.meta.url, `${process.cwd()}/`]) {
    try {
      return readFileSync(createRequire(from).resolve('plotly.js-dist-min'), 'utf8');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND')) throw error;
    }
  }
  throw new Error(
    "toHTML: plotly.js-dist-min is not installed. Install it (npm install plotly.js-dist-min), or pass the address of a copy: toHTML({ plotly: 'https://…/plotly.min.js' }).",
  );
}
