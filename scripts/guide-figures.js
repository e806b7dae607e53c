// Runs the scripts of pages, and the commands of docs/command-line.md, and keeps the pictures that they write, for the
// pages to show: part of `npm run figures`.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';

/** Pages, and the file that each writes. */
const pages = {
  'getting-started': 'relief.svg',
  'command-line': 'landscape.svg',
  'guides/curve-fitting': 'fit.svg',
  'guides/regression': 'ozone.svg',
  'guides/digits': 'accuracy.svg',
  'guides/physics-informed': 'losses.svg',
  'guides/onnx-fine-tuning': 'digits.svg',
  'guides/saving': 'losses.svg',
  'guides/adapter': 'loss.svg',
};
mkdirSync('.cache', { recursive: true });

const wanted = process.argv.slice(2); // such as guides/saving; all by default
for (const [page, file] of Object.entries(pages)) {
  if (wanted.length > 0 && !wanted.includes(page)) continue;
  const text = readFileSync(`docs/${page}.md`, 'utf8');
  // Inside the project, so that `quasi-newton` means the built package.
  const cwd = mkdtempSync(join('.cache', 'figure-'));
  try {
    for (const data of ['docs/guides/airquality.csv', 'examples/models/digits.onnx'])
      copyFileSync(data, join(cwd, basename(data)));
    if (page === 'command-line') runCommands(text, cwd);
    else runScript(text, cwd);
    const figure = `docs/figures/${page.replace('guides/', '')}.svg`;
    copyFileSync(join(cwd, file), figure);
    console.log(figure);
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

/** @type {(text: string, cwd: string) => void} */
function runScript(text, cwd) {
  const blocks = [...text.matchAll(/^```js[ \t]*\n([\s\S]*?)^```/gm)].map(([, code]) => code);
  writeFileSync(join(cwd, 'page.mjs'), blocks.join('\n'));
  execFileSync('node', ['page.mjs'], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}

/** The commands on the table of the page. @type {(text: string, cwd: string) => void} */
function runCommands(text, cwd) {
  const script = resolve('bin/quasi-newton.js');
  for (const [, line] of text.matchAll(/^npx quasi-newton (.*airquality.*)$/gm))
    execFileSync('node', [script, ...line.split(' ')], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}
