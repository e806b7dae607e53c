import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** README.md and every Markdown page under docs/. */
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !/^(site|node_modules)\b/.test(name))
    .map((name) => join('docs', name)),
];

/** The page's `js` blocks, joined into one module; blocks marked `no-run` are for other surroundings. */
function codeOf(page: string): string {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/^```js[ \t]*\n([\s\S]*?)^```/gm)].map(([, code]) => code).join('\n');
}

/** What a page links to in this project: paths from the root, each with its anchor or `''`. */
function linksOf(page: string): { path: string; anchor: string }[] {
  const text = readFileSync(join(root, page), 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path, anchor = ''] = target.split('#');
      return { path: path === '' ? page : join(dirname(page), path), anchor };
    });
}

/** The anchors of a page's headings, as GitHub and the site name them. */
function anchorsOf(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '');
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{Letter}\p{Number}\s_-]/gu, '')
      .replaceAll(/\s/g, '-'),
  );
}

describe('every link in the documents leads somewhere', () => {
  it.each(pages)('every link in the documents leads somewhere: %s', (page) => {
    const broken = linksOf(page).filter(
      ({ path, anchor }) =>
        !existsSync(join(root, path)) ||
        (anchor !== '' && path.endsWith('.md') && !anchorsOf(path).includes(anchor)),
    );
    expect(broken).toEqual([]);
  });
});

describe('every work cited in a source by DOI or arXiv number', () => {
  const references = readFileSync(join(root, 'docs/references.md'), 'utf8');

  it('is among the references', () => {
    const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(join(root, 'src', name), 'utf8'));
    const cited = sources.flatMap((text) => text.match(/\b(?:arXiv:\d{4}\.\d+|doi:10\.[^\s,;)`]*\w)/g) ?? []);
    expect(cited.length).toBeGreaterThan(20);
    expect([...new Set(cited)].filter((work) => !references.includes(`[${work}]`))).toEqual([]);
  });
});

describe('every example in the documents runs', () => {
  // Inside the project, so that `quasi-newton` means the built package.
  const cache = join(root, '.cache');
  mkdirSync(cache, { recursive: true });

  it.concurrent.each(pages.filter((page) => codeOf(page) !== ''))(
    'every example in the documents runs: %s',
    async (page) => {
      const folder = mkdtempSync(join(cache, 'page-'));
      try {
        writeFileSync(join(folder, 'page.mjs'), codeOf(page));
        // Data and models that a page offers for download lie beside its script.
        for (const { path } of linksOf(page)) {
          if (/\.(csv|onnx)$/.test(path)) copyFileSync(join(root, path), join(folder, basename(path)));
        }
        const { stderr } = await promisify(execFile)('node', ['page.mjs'], { cwd: folder, timeout: 120_000 });
        expect(stderr).not.toMatch(/Error/);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    150_000,
  );
});

describe('every example in a docstring of a public entry point', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const examples = sources.flatMap((name) => {
    const text = readFileSync(join(root, 'src', name), 'utf8');
    return [...text.matchAll(/^ \* ```js\n([\s\S]*?)^ \* ```/gm)].map(([, block], i) => ({
      title: `${name}${i > 0 ? ` (${i + 1})` : ''}`,
      code: block.replaceAll(/^ \* ?/gm, ''),
    }));
  });

  it('runs', async () => {
    const folder = mkdtempSync(join(root, '.cache', 'docstrings-'));
    try {
      // One process for all: each example is a module of its own, loaded in turn.
      examples.forEach(({ title, code }, i) =>
        writeFileSync(join(folder, `${i}.mjs`), `// ${title}\n${code}`),
      );
      writeFileSync(
        join(folder, 'all.mjs'),
        examples
          .map(
            ({ title }, i) =>
              `await import('./${i}.mjs').catch((e) => { throw new Error(${JSON.stringify(title)}, { cause: e }); });`,
          )
          .join('\n'),
      );
      const run = promisify(execFile)('node', ['all.mjs'], { cwd: folder, timeout: 120_000 });
      await expect(run).resolves.toBeDefined();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('every numbered example runs', () => {
  const examples = readdirSync(join(root, 'examples')).filter((name) => /^\d\d-.*\.js$/.test(name));

  it.each(examples)('every numbered example runs: %s', async (name) => {
    const folder = mkdtempSync(join(root, '.cache', 'example-'));
    try {
      const { stdout } = await promisify(execFile)('node', [join(root, 'examples', name)], {
        cwd: folder,
        env: { ...process.env, QUICK: '1' },
        timeout: 120_000,
      });
      expect(stdout).toMatch(/Figure: out\//);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
