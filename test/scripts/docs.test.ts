import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listVersions, newestFirst } from '../../scripts/docs.js';
import { noBrowser } from '../adapters/tfjs/browser/page.ts';

const script = readFileSync(fileURLToPath(new URL('../../docs/site.js', import.meta.url)));
/** A page with the parts of typedoc's that the script looks for. */
const pageAt = (base: string) => `<!doctype html><html lang="en" data-base="${base}"><title>page</title>
  <header id="tsd-toolbar"><a class="title" href="#">quasi-newton</a><div id="tsd-toolbar-links"></div></header>
  <script src="${base}site.js"></script></html>`;

/** A folder with a site for each of these versions, every one with a first page, the last one with no other. */
function siteOf(...versions: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'site-'));
  for (const version of versions) {
    mkdirSync(join(folder, version, 'guides'), { recursive: true });
    writeFileSync(join(folder, version, 'site.js'), script);
    writeFileSync(join(folder, version, 'index.html'), pageAt('./'));
    if (version !== versions.at(-1)) writeFileSync(join(folder, version, 'guides/a.html'), pageAt('../'));
  }
  return folder;
}

describe('listVersions', () => {
  it('lists releases by number, newest first, and leads to the newest release', () => {
    const folder = siteOf('0.9.0', '0.10.0', '1.0.0-beta.2', '1.0.0-beta.10', 'assets');
    try {
      const versions = ['1.0.0-beta.10', '1.0.0-beta.2', '0.10.0', '0.9.0'];
      expect(listVersions(folder)).toEqual(versions);
      expect(JSON.parse(readFileSync(join(folder, 'versions.json'), 'utf8'))).toEqual(versions);
      expect(readFileSync(join(folder, 'index.html'), 'utf8')).toContain('url=0.10.0/index.html');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('takes a pre-release for older than its release', () => {
    expect(['1.0.0-rc.1', '1.0.0', '1.0.1-a'].sort(newestFirst)).toEqual(['1.0.1-a', '1.0.0', '1.0.0-rc.1']);
  });
});

describe.skipIf(noBrowser !== null)('the choice of versions on the site', () => {
  const many = siteOf('0.2.0', '0.1.0');
  const one = siteOf('0.1.0');
  let browser: Browser;
  const servers: Server[] = [];

  beforeAll(async () => {
    for (const folder of [many, one]) listVersions(folder);
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  });
  afterAll(async () => {
    await browser?.close();
    for (const server of servers) server.close();
    for (const folder of [many, one]) rmSync(folder, { recursive: true, force: true });
  });

  /** Serves a folder, and returns its address. */
  async function serve(folder: string): Promise<string> {
    const server = createServer(({ url = '' }, response) => {
      try {
        const body = readFileSync(join(folder, url));
        response.setHeader('content-type', url.endsWith('.js') ? 'text/javascript' : 'text/html').end(body);
      } catch {
        response.writeHead(404).end();
      }
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const choice = (page: Page) => page.getByRole('combobox', { name: 'Version' });

  it('leads to the same page of another version, or to its first page', async () => {
    const page = await browser.newPage();
    const address = await serve(many);
    await page.goto(`${address}/0.2.0/guides/a.html`);
    await choice(page).waitFor();
    expect(await choice(page).locator('option').allTextContents()).toEqual(['0.2.0', '0.1.0']);
    expect(await choice(page).inputValue()).toBe('0.2.0');
    await choice(page).selectOption('0.1.0');
    await page.waitForURL(`${address}/0.1.0/index.html`);
    await choice(page).selectOption('0.2.0');
    await page.waitForURL(`${address}/0.2.0/index.html`);
    await page.close();
  });

  it.each([
    ['there is one version', async () => `${await serve(one)}/0.1.0/index.html`],
    ['the site is not built under its version', async () => `${await serve(join(many, '0.2.0'))}/index.html`],
    ['it is opened as a file', async () => pathToFileURL(join(many, '0.2.0/index.html')).href],
  ])('does not show where %s, and complains of nothing', async (_, address) => {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on('pageerror', ({ message }) => complaints.push(message));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    await page.goto(await address(), { waitUntil: 'networkidle' });
    expect(await choice(page).count()).toBe(0);
    expect(complaints.filter((text) => !text.includes('404'))).toEqual([]);
    await page.close();
  });
});
