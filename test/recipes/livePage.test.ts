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
    '%s: the %s is drawn again and again, and the page is not blocked for long',
    async (train, draw) => {
      const { page, origin } = surroundings;
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(String(error)));
      await page.goto(`${origin}test/recipes/browser/live.html`);
      // As text: what a bundler makes of import() would not run there.
      const run = page.evaluate<Report>(
        `import('./live.js').then(({ ${train} }) => ${train}(${updates}, '${draw}'))`,
      );
      if (folder !== undefined) {
        mkdirSync(folder, { recursive: true });
        for (let k = 0; k < 4; k++) {
          await page.waitForTimeout(2500);
          await page.screenshot({ path: `${folder}/${train}-${draw}-${k}.png` });
        }
      }
      const report = await run;
      if (folder !== undefined) {
        await page.screenshot({ path: `${folder}/${train}-${draw}-end.png` });
        const longest = Math.max(0, ...report.longTasks).toFixed(0);
        console.log(
          `${train}, ${draw}: ${report.updates} pictures in ${report.seconds.toFixed(1)} s, ${report.longTasks.length} tasks over 50 ms, the longest ${longest} ms`,
        );
      }
      expect(errors).toEqual([]);
      expect(report.updates).toBeGreaterThanOrEqual(updates);
      expect(await page.locator('#figure svg path').count()).toBeGreaterThan(5);
      // On a busy machine everything takes longer; on a quiet one 100 are not reached.
      expect(Math.max(0, ...report.longTasks)).toBeLessThan(400);
    },
    180_000,
  );
});
