/** Training beside the main thread, and stopping it: the examples in `examples/workers/`, and a button of a page. */
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noBrowser, openBrowser, type Surroundings } from './browser/page.ts';
import type { EndMessage, ProgressMessage } from '../../../examples/workers/train.js';

const built = existsSync(new URL('../../../dist/index.js', import.meta.url));
const missing = built ? null : 'the package is not built: npm run build.';

/** Runs the example's worker thread; sends 'stop' after so many messages of progress. */
function runThread(maxIterations: number, stopAfter = Infinity) {
  const worker = new Worker(new URL('../../../examples/workers/nodeWorker.js', import.meta.url), {
    workerData: { maxIterations },
    stderr: true,
  });
  const progress: ProgressMessage[] = [];
  let asked = NaN;
  return new Promise<{ progress: ProgressMessage[]; end: EndMessage; delay: number }>((resolve, reject) => {
    worker.on('error', reject);
    worker.on('message', (message: ProgressMessage | EndMessage) => {
      if (message.kind !== 'progress') {
        resolve({ progress, end: message, delay: performance.now() - asked });
        return;
      }
      progress.push(message);
      if (progress.length === stopAfter) {
        asked = performance.now();
        worker.postMessage('stop');
      }
    });
  });
}

describe.skipIf(missing !== null)('in a worker thread of Node', () => {
  it('a model is trained, with progress, while this thread stays free', async () => {
    let ticks = 0;
    const ticking = setInterval(() => ticks++, 10);
    const { progress, end } = await runThread(60);
    clearInterval(ticking);
    expect(progress.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 61 }, (_, i) => i));
    expect(progress.at(-1)!.loss).toBeLessThan(0.01 * progress[0].loss);
    expect(end.kind).toBe('done');
    expect(end.weights.map(({ length }) => length)).toEqual([32, 32, 1024, 32, 32, 1]);
    expect(ticks).toBeGreaterThan(10);
  });

  it('a message stops it', async () => {
    const { progress, end, delay } = await runThread(1e6, 10);
    expect(end.kind).toBe('stopped');
    expect(progress.length).toBeLessThan(200);
    expect(delay).toBeLessThan(1000);
  });
});

describe.skipIf(missing !== null || noBrowser !== null)('in Chromium', () => {
  let browser: Surroundings;
  beforeAll(async () => {
    browser = await openBrowser();
  }, 60_000);
  afterAll(() => browser.close());

  it('the example trains in a Web Worker, shows progress, and its button stops it', async () => {
    const { page, origin } = browser;
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    await page.goto(`${origin}examples/workers/`);
    await page.click('#start');
    await page.waitForFunction(() => Number(document.getElementById('epoch')!.textContent) >= 20);
    await page.click('#stop');
    await page.waitForSelector('body[data-state=stopped]');
    const { stopAsked, ended } = await page.evaluate(
      () => Object.fromEntries(Object.entries(document.body.dataset)) as Record<string, string>,
    );
    expect(Number(ended) - Number(stopAsked)).toBeLessThan(1000);
    expect(Number(await page.textContent('#loss'))).toBeLessThan(0.05);
    expect(Number(await page.textContent('#prediction'))).toBeCloseTo(Math.sin(1), 0);
    await page.click('#start');
    await page.waitForSelector('body[data-state=done]', { timeout: 60_000 });
    expect(Number(await page.textContent('#prediction'))).toBeCloseTo(Math.sin(1), 2);
    expect(errors).toEqual([]);
  }, 120_000);

  // A single evaluation on webgl without a graphics card takes longer than this.
  it.each(['cpu'])(
    'a button of the page stops fitFullBatchAsync on %s within 100 ms, and the page lives meanwhile',
    // Other work on the machine can hold up a single press.
    { retry: 2, timeout: 60_000 },
    async (backend) => {
      const { page, origin } = browser;
      await page.goto(`${origin}test/adapters/tfjs/browser/blank.html`);
      // As text: what a bundler makes of import() would not run there.
      await page.evaluate(
        `import('./stop.js').then(({ trainUntilStopped }) => trainUntilStopped('${backend}'))`,
      );
      await page.waitForTimeout(600);
      await page.click('#stop');
      await page.waitForFunction(() => document.body.dataset.delay !== undefined);
      const { delay, frames, outcome } = await page.evaluate(
        () => Object.fromEntries(Object.entries(document.body.dataset)) as Record<string, string>,
      );
      console.log(
        `button to end of fitFullBatchAsync on ${backend}: ${delay} ms, frames painted meanwhile: ${frames}`,
      );
      expect(outcome).toBe('the button was pressed');
      expect(Number(delay)).toBeLessThan(100);
      expect(Number(frames)).toBeGreaterThan(5);
    },
  );
});
