import { checkOptions, string, type Rules } from '../../core/options.ts';
import { isNode, nodeModule } from '../grid/node.ts';
import { escapeXml } from './svg.ts';
import { stepControls, stepScript, stepsOf } from './steps.ts';
import type { PlotlyFigure } from './plotly.ts';

/** Options of `toHTML`. */
export interface HtmlOptions {
  /**
   * `'inline'` embeds plotly.js in the page (about 5 MB), which is then self-contained. Anything else is the
   * address to load plotly.js from.
   *
   * @defaultValue `'inline'`
   */
  plotly?: string | undefined;
}

const rules: Rules<HtmlOptions> = { plotly: string };

const style = `html, body { height: 100%; margin: 0; font-family: sans-serif }
body { display: flex; flex-direction: column }
#figure { flex: 1; min-height: 0; width: 100% }
#steps { display: flex; gap: 0.8em; align-items: center; padding: 0.4em 1em }
#steps input { flex: 1; min-width: 6em }
#steps output { min-width: 40%; font-size: 0.85em; font-variant-numeric: tabular-nums }
#steps button { min-width: 5em; font: inherit }`;

/** Returns a page with one interactive figure, in which paths can be followed step by step. */
export function htmlPage(title: string, figure: PlotlyFigure, options: HtmlOptions = {}): string {
  checkOptions('toHTML', options, rules);
  const { plotly = 'inline' } = options;
  const library =
    plotly === 'inline'
      ? `<script>${plotlySource().replaceAll('</script', String.raw`<\/script`)}</script>`
      : `<script src="${escapeXml(plotly)}"></script>`;
  const steps = stepsOf(figure);
  const json = JSON.stringify({ ...figure, config: { responsive: true, displaylogo: false } });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(title)}</title>
<style>${style}</style>
${library}
</head>
<body>
<div id="figure"></div>
${steps > 1 ? stepControls(steps) : ''}<script>
const figure = ${json.replaceAll('<', String.raw`\u003c`)};
const drawn = Plotly.newPlot('figure', figure.data, figure.layout, figure.config);
${steps > 1 ? stepScript : ''}</script>
</body>
</html>
`;
}

function plotlySource(): string {
  if (!isNode()) {
    throw new Error(
      "toHTML: plotly.js can be embedded in the page only in Node. Pass the address of a copy: toHTML({ plotly: 'https://…/plotly.min.js' }).",
    );
  }
  const { createRequire } = nodeModule('node:module', 'toHTML');
  const { readFileSync } = nodeModule('node:fs', 'toHTML');
  // Resolved from this file, then from the user's project: a peer dependency may be visible from only one of them.
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
