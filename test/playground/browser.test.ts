import { readFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import axeCore from 'axe-core';
import { chromium, type Browser, type Page } from 'playwright-core';
import { build, preview, type PreviewServer } from 'vite';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { noBrowser } from '../adapters/tfjs/browser/page.ts';

const root = fileURLToPath(new URL('../../playground', import.meta.url));
const table = fileURLToPath(new URL('../../docs/guides/airquality.csv', import.meta.url));
if (noBrowser !== null) console.warn(noBrowser);

describe.skipIf(noBrowser !== null)('the playground in a browser', () => {
  const outDir = mkdtempSync(join(tmpdir(), 'playground-'));
  let server: PreviewServer;
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    const shared = { root, configFile: join(root, 'vite.config.js'), logLevel: 'silent' } as const;
    await build({ ...shared, build: { outDir, reportCompressedSize: false } });
    server = await preview({ ...shared, build: { outDir }, preview: { port: 0, host: '127.0.0.1' } });
    browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: ['--no-sandbox', '--enable-unsafe-swiftshader'],
    });
  }, 120_000);
  afterEach(async () => {
    await page.close();
    const heard = complaints.splice(0);
    if (heard.length > 0) throw new Error(`The page complained: ${heard.join('; ')}`);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    rmSync(outDir, { recursive: true, force: true });
  });

  /** Opens the playground with these settings. */
  async function open(hash: string, options: Parameters<Browser['newPage']>[0] = {}): Promise<void> {
    page = await browser.newPage({ viewport: { width: 1240, height: 900 }, ...options });
    page.on('pageerror', ({ message }) => complaints.push(message));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    await page.addInitScript(() => {
      const durations: number[] = [];
      Object.assign(globalThis, { durations, firstCurve: NaN });
      const look = () => {
        if (document.querySelector('#losses img') === null) requestAnimationFrame(look);
        else Object.assign(globalThis, { firstCurve: performance.now() });
      };
      requestAnimationFrame(look);
      new PerformanceObserver((list) =>
        durations.push(...list.getEntries().map(({ duration }) => duration)),
      ).observe({
        type: 'longtask',
        buffered: true,
      });
    });
    await page.goto(`${server.resolvedUrls?.local[0]}#${hash}`);
  }
  const ended = () =>
    page.waitForFunction(() => document.body.dataset.state !== 'training', null, { timeout: 90_000 });
  const pictureOf = (id: string) => page.waitForSelector(`#${id} img`, { timeout: 60_000 });
  const status = () => page.textContent('.status');
  const losses = async () => (await page.locator('tbody tr td:nth-child(2)').allTextContents()).map(Number);

  /** What axe finds wrong with the page, each with the first element. */
  async function violations(): Promise<string[]> {
    await page.evaluate(axeCore.source);
    const { violations: found } = await page.evaluate(() =>
      (globalThis as unknown as { axe: typeof axeCore }).axe.run(),
    );
    return found.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
  }

  // Times are by the clock: on a busy machine, one try in three must do.
  it('trains by itself, draws losses, landscape and fit, and keeps the page free', { retry: 2 }, async () => {
    await open('evaluations=300');
    await pictureOf('losses');
    await ended();
    expect(await status()).toMatch(/^Done: 321 parameters/);
    const [adam, lbfgs, bfgs] = await losses();
    expect(lbfgs).toBeLessThan(adam);
    expect(bfgs).toBeLessThan(adam);
    for (const id of ['landscape', 'learned']) await pictureOf(id);
    const { durations, firstCurve } = await page.evaluate(() => {
      const { durations, firstCurve } = globalThis as unknown as { durations: number[]; firstCurve: number };
      return { durations, firstCurve };
    });
    if (process.env['PLAYGROUND_TIMES'] !== undefined)
      console.log(`first curve ${firstCurve.toFixed(0)} ms, longest task ${Math.max(0, ...durations)} ms`);
    // Goals are 200 ms and 3 s. Measured were 105 ms at most, and 1.4 to 1.7 s; other tests share the processor.
    expect(Math.max(0, ...durations)).toBeLessThan(400);
    expect(firstCurve).toBeLessThan(6000);
  });

  it.each([
    ['data=spirals&solvers=lbfgs&evaluations=300&backend=onnx', '100.0 %'],
    ['data=digits&solvers=lbfgs&evaluations=300&backend=wasm', '%'],
    ['data=spirals&solvers=bfgs.adam.soap&evaluations=300&backend=cpu', '%'],
  ])('runs on other data and backends: %s', async (hash, share) => {
    await open(hash);
    await ended();
    expect(await status()).toMatch(/^Done/);
    expect(await page.locator('tbody tr td:nth-child(3)').first().textContent()).toContain(share);
    await pictureOf('learned');
  });

  it('has no violation that axe finds, in light and in dark, wide and narrow', async () => {
    await open('evaluations=300&solvers=bfgs');
    await ended();
    await pictureOf('landscape');
    expect(await violations()).toEqual([]);
    await page.close();
    await open('evaluations=300&solvers=bfgs', {
      colorScheme: 'dark',
      viewport: { width: 375, height: 800 },
    });
    await ended();
    await pictureOf('landscape');
    expect(await violations()).toEqual([]);
    const widths = await page.evaluate(() => {
      const region = document.querySelector('.scroll');
      return [document.documentElement.scrollWidth, region?.scrollWidth, region?.clientWidth];
    });
    expect(widths).toEqual([375, 345, 345]);
    const heading = await page.evaluate(
      () => getComputedStyle(document.querySelector('tbody td') as Element, '::before').content,
    );
    expect(heading).toBe('"Loss "');
  });

  it('is worked by the keyboard, and its address holds what was chosen', async () => {
    await open('evaluations=300&solvers=bfgs');
    await ended();
    await page.focus('[name=data]');
    await page.keyboard.press('t'); // Two spirals
    await page.focus('[name=seed]');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => location.hash.includes('data=spirals'));
    expect(page.url()).toContain('seed=2');
    await ended();
    expect(await status()).toMatch(/^Done: 354 parameters/);
    await page.goBack();
    await page.waitForFunction(
      () => document.querySelector<HTMLSelectElement>('[name=data]')?.value === 'sine',
    );
    await ended();
    expect(await status()).toMatch(/^Done: 321 parameters/);
  });

  it('stops when it is told to', async () => {
    await open('evaluations=10000');
    await pictureOf('losses');
    await page.click('[name=stop]');
    expect(await status()).toBe('Stopped.');
    const before = await losses();
    await page.waitForTimeout(1000);
    expect(await losses()).toEqual(before);
  });

  it("learns the user's own table, and says what is wrong with it", async () => {
    await open('data=table&solvers=bfgs&evaluations=300');
    expect(await status()).toContain('Choose a file');
    await page.setInputFiles('[name=file]', table);
    await page.selectOption('[name=target]', 'ozone');
    await page.click('[type=submit]');
    await ended();
    expect(await status()).toMatch(/^Done/);
    expect((await losses())[0]).toBeLessThan(0.5);
    const text = readFileSync(table, 'utf8').replace('190', 'much');
    await page.setInputFiles('[name=file]', {
      name: 'a.csv',
      mimeType: 'text/csv',
      buffer: Buffer.from(text),
    });
    await page.selectOption('[name=target]', 'ozone');
    await page.click('[type=submit]');
    await page.waitForFunction(() => document.body.dataset.state === 'failed');
    expect(await status()).toContain('"much" is not a number');
  });
});
