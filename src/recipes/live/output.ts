import { writeWholeFile } from '../grid/writeFile.ts';
import { show, type Rule } from '../../core/options.ts';
import type { Plot } from '../plots/plot.ts';

/**
 * Destination of figures: an element of a page, a function, or the path of a file: `.svg`, or `.html` for a
 * page that reloads itself every second during training.
 */
export type LiveTarget = { innerHTML: string } | ((svg: string, plot: Plot) => void) | string;

const isElement = (value: unknown): value is { innerHTML: string } =>
  typeof value === 'object' && value !== null && 'innerHTML' in value;

export const targetRule: Rule = {
  allowed: 'an element of a page, a function (svg) => void, or the path of an .svg or .html file',
  accepts: (value) =>
    typeof value === 'function' ||
    isElement(value) ||
    (typeof value === 'string' && /\.(svg|html)$/i.test(value)),
};

/** Returns a function that shows a figure; `isLast` is true if no other follows. */
export function sinkOf(where: string, to: LiveTarget): (plot: Plot, isLast: boolean) => void {
  if (typeof to === 'function') return (plot) => to(plot.toSVG(), plot);
  if (typeof to === 'string') {
    const isPage = /\.html$/i.test(to);
    return (plot, isLast) => {
      const svg = plot.toSVG();
      writeWholeFile(where, to, new TextEncoder().encode(isPage ? pageOf(svg, isLast) : svg));
    };
  }
  if (!isElement(to)) throw new TypeError(`${where}: to must be ${targetRule.allowed}, got ${show(to)}.`);
  return (plot) => {
    to.innerHTML = plot.toSVG();
  };
}

const pageOf = (svg: string, isLast: boolean): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
${isLast ? '' : '<meta http-equiv="refresh" content="1">\n'}<title>Training</title>
${svg}
</html>
`;
