import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { absoluteLinks, cdnOf, isRelative, linksOf } from '../../scripts/readme.js';

const script = fileURLToPath(new URL('../../scripts/readme.js', import.meta.url));
const base = cdnOf({ name: 'some', version: '1.2.3' });

describe('absoluteLinks', () => {
  it.each([
    ['![a picture](docs/a.svg)', `![a picture](${base}docs/a.svg)`],
    ['[a page](./docs/b.md#part)', `[a page](${base}docs/b.md#part)`],
    ['[`code`](docs/b.md)', `[\`code\`](${base}docs/b.md)`],
    ['[![both](docs/a.svg)](docs/b.md)', `[![both](${base}docs/a.svg)](${base}docs/b.md)`],
    [
      '<source srcset="docs/a.svg"><img src="docs/a.svg" alt="x">',
      `<source srcset="${base}docs/a.svg"><img src="${base}docs/a.svg" alt="x">`,
    ],
    ['[web](https://a.org/x), [mail](mailto:a@b.c), [part](#part)', undefined],
    ['`[a](docs/a.svg)` and\n\n```md\n[a](docs/gone.svg)\n```\n', undefined],
  ])('rewrites %s', (text, expected) => {
    const result = absoluteLinks(text, base, ['docs/a.svg', 'docs/b.md']);
    expect(result).toBe(expected ?? text);
    expect(linksOf(result).filter(isRelative)).toEqual([]);
  });

  it('names a link to what the package does not hold', () => {
    expect(() => absoluteLinks('![a](docs/gone.svg)', base, ['docs/a.svg'])).toThrow(
      'README.md links to docs/gone.svg, which is not a file of the package',
    );
  });

  it('has the address of the version', () => {
    expect(base).toBe('https://cdn.jsdelivr.net/npm/some@1.2.3/');
  });
});

describe('packing', () => {
  let folder: string;
  const text = '# Some\r\n\r\n![a](a.svg)\r\nno line end after this';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'readme-'));
    mkdirSync(join(folder, 'out'));
    writeFileSync(
      join(folder, 'package.json'),
      JSON.stringify({ name: 'some', version: '1.2.3', files: ['a.svg'] }),
    );
    writeFileSync(join(folder, 'a.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
    writeFileSync(join(folder, 'README.md'), text);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const run = (action: string) => spawnSync('node', [script, action], { cwd: folder, encoding: 'utf8' });
  const readme = () => readFileSync(join(folder, 'README.md'), 'utf8');

  it('rewrites README.md, and puts it back byte for byte', () => {
    expect(run('rewrite').stderr).toBe('');
    expect(readme()).toContain(`![a](${base}a.svg)`);
    expect(run('restore').stderr).toBe('');
    expect(readme()).toBe(text);
    expect(existsSync(join(folder, 'out/pack'))).toBe(false);
    expect(run('restore').status).toBe(0);
    expect(readme()).toBe(text);
  });

  it('begins from the original after a packing that failed', () => {
    run('rewrite');
    expect(run('rewrite').status).toBe(0);
    expect(readme()).toContain(`![a](${base}a.svg)`);
    run('restore');
    expect(readme()).toBe(text);
  });

  it('never writes over what was changed since', () => {
    run('rewrite');
    writeFileSync(join(folder, 'README.md'), 'changed');
    const { status, stderr } = run('restore');
    expect(status).not.toBe(0);
    expect(stderr).toContain('README.md has changed since');
    expect(readme()).toBe('changed');
  });

  it('leaves README.md alone when a link leads nowhere', () => {
    writeFileSync(join(folder, 'README.md'), '[b](b.md)');
    const { status, stderr } = run('rewrite');
    expect(status).not.toBe(0);
    expect(stderr).toContain('README.md links to b.md');
    expect(readme()).toBe('[b](b.md)');
  });
});
