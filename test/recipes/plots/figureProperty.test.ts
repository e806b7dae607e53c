import { writeFileSync } from 'node:fs';
import { Resvg } from '@resvg/resvg-js';
import { rgb } from 'd3-color';
import { describe, expect, it } from 'vitest';
import { randomFigure } from '../lib/randomFigures.ts';

/** Number of random figures: raised by hand for a full run. */
const count = Number(process.env['RANDOM_FIGURES'] ?? 40);
/** Seed of the first: others than before are drawn by hand too. */
const first = Number(process.env['RANDOM_FIGURES_FROM'] ?? 1);
/** Where thirty of them are written, to be looked at. */
const folder = process.env['RANDOM_FIGURES_FOLDER'];

const numbersOf = (svg: string, attribute: string) =>
  [...svg.matchAll(new RegExp(` ${attribute}="([^"]*)"`, 'g'))].map(([, value]) => Number(value));

/** Texts of tick labels in their order, one list for each axis: those that end at the axis, or stand in its middle. */
function tickLabels(svg: string): string[][] {
  const sides = [/text-anchor="end"/, /text-anchor="middle"/];
  // The labels of each panel are a group of their own.
  return svg.split('<g ').flatMap((group) => {
    const texts = [...group.matchAll(/<text ([^>]*)>(.*?)<\/text>/g)];
    return sides.map((side) =>
      texts
        .filter(([, attributes]) => side.test(attributes) && !/transform|font-weight/.test(attributes))
        .map(([, , text]) => text)
        .filter((text) => /^−?\d/.test(text)),
    );
  });
}

/** Texts whose own color, or that of the groups around them, is as dark as a dark background or as light as a light one. */
function unreadable(svg: string): string[] {
  const paper = /<rect width="[\d.]+" height="[\d.]+" fill="([^"]*)"\/>/.exec(svg)?.[1] ?? 'white';
  const found: string[] = [];
  const fills = ['black'];
  for (const [, end, name, attributes, empty, text] of svg.matchAll(
    /<(\/?)(\w+)((?: [\w:-]+="[^"]*")*)(\/?)>([^<]*)/g,
  )) {
    if (end === '/') fills.pop();
    else if (empty === '') fills.push(/ fill="([^"]*)"/.exec(attributes)?.[1] ?? fills[fills.length - 1]);
    const ink = fills[fills.length - 1];
    const isOutside = !attributes.includes('paint-order') && !attributes.includes('stroke=');
    if (end === '' && name === 'text' && isOutside && Math.abs(lightness(ink) - lightness(paper)) < 90)
      found.push(`${text} in ${ink} on ${paper}`);
  }
  return found;
}

/** From 0 to 255. */
function lightness(color: string): number {
  const { r, g, b } = rgb(color);
  return 0.299 * r + 0.587 * g + 0.114 * b;
}

describe('random figures', () => {
  it('have no negative size, no label twice in a row, and all text inside the picture and to be read', () => {
    const faults: string[] = [];
    let drawn = 0;
    for (let seed = first; seed < first + count; seed++) {
      const figure = randomFigure(seed);
      if (figure === null) continue;
      drawn++;
      const { plot, width, height } = figure;
      const svg = plot.toSVG();
      if (folder !== undefined && seed % Math.ceil(count / 30) === 0)
        writeFileSync(`${folder}/${seed}.svg`, svg);
      const fault = (what: string) => faults.push(`seed ${seed}, ${width}×${height}: ${what}`);
      const drawing = svg.replaceAll(/<text.*?<\/text>|<title>.*?<\/title>/g, '');
      const notNumber = /.{0,40}(NaN|undefined|Infinity).{0,20}/.exec(drawing)?.[0];
      if (notNumber !== undefined) fault(notNumber);
      for (const text of unreadable(svg)) fault(text);
      for (const name of ['width', 'height', 'r']) {
        if (numbersOf(svg, name).some((value) => !(value >= 0))) fault(`${name} below 0`);
      }
      // The plotting area: upright and not squeezed to nothing.
      const frame = /<svg x="[\d.]+" y="[\d.]+" width="([\d.]+)" height="([\d.]+)"/.exec(svg);
      if (frame !== null && (Number(frame[1]) < 0.15 * width || Number(frame[2]) < 0.15 * height)) {
        fault(`plotting area of ${frame[1]}×${frame[2]}`);
      }
      // On a surface, labels of three axes stand side by side.
      for (const labels of frame === null ? [] : tickLabels(svg)) {
        labels.forEach((label, k) => {
          if (k > 0 && label === labels[k - 1]) fault(`label ${label} twice`);
        });
      }
      const texts = svg.match(/<text.*?<\/text>/g)?.filter((text) => !/>\s*<\/text>/.test(text)) ?? [];
      const head = /^<svg[^>]*>/.exec(svg)?.[0] ?? '';
      const font = { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans' };
      const bounds = new Resvg(`${head}${texts.join('')}</svg>`, { font }).getBBox();
      if (bounds !== undefined) {
        const { x, y } = bounds;
        if (x < -1 || y < -1 || x + bounds.width > width + 1 || y + bounds.height > height + 1) {
          fault(`text from (${x}, ${y}) to (${x + bounds.width}, ${y + bounds.height})`);
        }
      }
      // Every form can be made and holds nothing that JSON turns into something else.
      expect(JSON.stringify(plot.toPlotly())).not.toContain('undefined');
      expect(plot.toVega().$schema).toContain('vega');
    }
    if (count > 40)
      console.log(drawn, 'figures drawn,', faults.length, 'faults', faults.slice(0, 40).join('\n'));
    expect(faults).toEqual([]);
    expect(drawn).toBeGreaterThan(0.7 * count);
  }, 600_000);
});
