/** A page that shows a training: the built package, as a page loads it. */
import { existsSync, mkdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { trainOnnx } from './browser/live.js';
import { noBrowser, openBrowser, type Surroundings } from '../adapters/tfjs/browser/page.ts';

type Report = Awaited<ReturnType<typeof trainOnnx>>;

const built = existsSync(new URL('../../dist/index.js', import.meta.url));
const missing = noBrowser ?? (built ? null : 'the package is not built: npm run build.');
if (missing !== null) console.warn(missing);

/** Pictures of a run: raised by hand for a full one, which also leaves screenshots in this folder. */
const updates = Number(process.env['LIVE_UPDATES'] ?? 8);
const folder = process.env['LIVE_SCREENSHOTS'];

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds from begin to end, and those of them that the thread ran. */
  readonly dur?: number;
  readonly tdur?: number;
  readonly args: { readonly name?: string };
}

/**
 * Milliseconds of the longest task of the page's main thread: of CPU, where what other processes take does not count,
 * and by the clock.
 */
function longestTask(trace: Uint8Array): { cpu: number; wall: number } {
  const { traceEvents }: { traceEvents: readonly TraceEvent[] } = JSON.parse(new TextDecoder().decode(trace));
  const threadOf = ({ pid, tid }: TraceEvent) => `${pid} ${tid}`;
  const mains = new Set(
    traceEvents
      .filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain')
      .map(threadOf),
  );
  const tasks = traceEvents.filter(
    (event) => event.name.endsWith('RunTask') && event.tdur !== undefined && mains.has(threadOf(event)),
  );
  expect(tasks.length).toBeGreaterThan(100);
  const longest = (times: number[]) => times.reduce((most, time) => Math.max(most, time), 0) / 1000;
  return {
    cpu: longest(tasks.map(({ tdur = 0 }) => tdur)),
    wall: longest(tasks.map(({ dur = 0 }) => dur)),
  };
}

describe.skipIf(missing !== null)('a live landscape in Chromium', () => {
  let surroundings: Surroundings;
  beforeAll(async () => {
    surroundings = await openBrowser();
  }, 60_000);
  afterAll(async () => surroundings?.close());

  it.each([
    ['trainTfjs', 'contourf'],
    ['trainTfjs', 'surface'],
    ['trainOnnx', 'contourf'],
  ] as const)(
    '%s: the %s is drawn again and again, and the page is never blocked for 100 ms',
    async (train, draw) => {
      const { page, origin } = surroundings;
      const browser = page.context().browser();
      if (browser === null) throw new Error('there is no browser');
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(String(error)));
      await page.goto(`${origin}test/recipes/browser/live.html`);
      // As text: what a bundler makes of import() would not run there.
      const run = async (count: number) =>
        page.evaluate<Report>(`import('./live.js').then(({ ${train} }) => ${train}(${count}, '${draw}'))`);
      // Modules are loaded, and sessions of ONNX Runtime created.
      await run(1);
      await browser.startTracing(page, { categories: ['toplevel', 'disabled-by-default-devtools.timeline'] });
      const running = run(updates);
      const screenshots = async () => {
        for (let k = 0; k < 4; k++) {
          await page.waitForTimeout(2500);
          await page.screenshot({ path: `${folder}/${train}-${draw}-${k}.png` });
        }
      };
      if (folder !== undefined) mkdirSync(folder, { recursive: true });
      const [report] = await Promise.all([running, folder === undefined ? undefined : screenshots()]);
      const { cpu, wall } = longestTask(await browser.stopTracing());
      if (folder !== undefined) {
        await page.screenshot({ path: `${folder}/${train}-${draw}-end.png` });
        console.log(
          `${train}, ${draw}: ${report.updates} pictures in ${report.seconds.toFixed(1)} s, the longest task ${cpu.toFixed(0)} ms of CPU, ${wall.toFixed(0)} ms by the clock`,
        );
      }
      expect(errors).toEqual([]);
      expect(report.updates).toBeGreaterThanOrEqual(updates);
      expect(await page.locator('#figure svg path').count()).toBeGreaterThan(5);
      expect(cpu).toBeLessThan(100);
    },
    180_000,
  );
});
