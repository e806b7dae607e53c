// The pages of the site, in their order, and a plugin of typedoc that names them by their headings.
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Converter } from 'typedoc';

/** Sections, and the beginnings of the paths of their pages; a page belongs to the first that fits. */
const sections = {
  'Begin here': ['getting-started', 'which-api', 'command-line', 'how-to-choose', 'troubleshooting', 'limits', 'migration'],
  Guides: [
    'guides/curve-fitting',
    'guides/regression',
    'guides/digits',
    'guides/physics-informed',
    'guides/onnx-fine-tuning',
    'guides/onnx-transfer-learning',
    'guides/saving',
    'guides/adapter',
    'guides/',
  ],
  'In depth': ['tfjs', 'tfjs-layers', 'tfjs-to-onnx', 'onnx-training', 'onnx-differentiate', 'landscapes', 'gallery', 'beyond-one-machine', 'reverse-communication', ''],
  Solvers: ['solvers/'],
};
const order = ['Begin here', 'Guides', 'In depth', 'Solvers'];
const plan = order.flatMap((section) => sections[section].map((start) => ({ section, start })));

/** Where a page stands in the plan: the longest beginning counts, so that '' takes what nothing else does. */
function placeOf(path) {
  const fits = plan.filter(({ start }) => path.startsWith(start));
  const longest = Math.max(...fits.map(({ start }) => start.length));
  return plan.findIndex((place) => place === fits.find(({ start }) => start.length === longest));
}

/** All pages but the first, as paths from this folder, in their order. */
export const pages = readdirSync(fileURLToPath(new URL('.', import.meta.url)), {
  recursive: true,
  encoding: 'utf8',
})
  .filter((path) => path.endsWith('.md') && !/^(site|node_modules|landing)\b/.test(path))
  .sort((a, b) => placeOf(a) - placeOf(b) || a.localeCompare(b));

export const sectionTitles = order;

/**
 * Takes the heading off a page, which begins with it; code in it is a part of its own.
 *
 * @param {{ kind: string, text: string }[]} parts
 */
function takeHeading(parts) {
  const start = parts[0]?.text.trimStart();
  if (!start?.startsWith('# ')) return undefined;
  parts[0].text = start.slice(2);
  let title = '';
  for (const part of parts) {
    const end = part.text.indexOf('\n');
    title += end < 0 ? part.text : part.text.slice(0, end);
    part.text = end < 0 ? '' : part.text.slice(end);
    if (end >= 0) break;
  }
  return title;
}

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_context, page) => {
    page.frontmatter.category = plan[placeOf(page.name.replace(/^docs\//, ''))].section;
    const title = takeHeading(page.content);
    if (title !== undefined) page.name = title.replaceAll('`', '');
  });
}
