import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chromium, type Browser, type Page } from 'playwright-core';
import { contourf, landscape, onPlane, surface, type LandscapePlot } from 'quasi-newton/landscape';
import type { LandscapeAttributes } from 'quasi-newton/landscape';
import { noBrowser } from '../../adapters/tfjs/browser/page.ts';

if (noBrowser !== null) console.warn(noBrowser);

const bowl = { p0: Float64Array.of(0, 0), fg: ([x, y]: Float64Array) => x * x + 2 * y * y };
const data = landscape(bowl, {
  directions: [Float64Array.of(1, 0), Float64Array.of(0, 1)],
  npoints: 11,
});
const points = Array.from({ length: 9 }, (_, t) => Float64Array.of(0.9 - 0.1 * t, 0.8 * Math.cos(t / 3)));
const paths = [
  {
    name: 'long <&>',
    path: onPlane(
      data.plane,
      points,
      points.map((x) => bowl.fg(x)),
    ),
  },
  { name: 'short', path: onPlane(data.plane, points.slice(0, 4)) },
];
const draws: Record<string, LandscapePlot<LandscapeAttributes>> = { contourf, surface };

describe('a page without paths', () => {
  it('has no controls', () => {
    expect(contourf(data).toHTML({ plotly: 'x.js' })).not.toContain('<form');
  });
});

describe.skipIf(noBrowser !== null)('a page with paths', () => {
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: ['--no-sandbox', '--enable-unsafe-swiftshader'],
    });
  }, 60_000);
  afterAll(async () => browser?.close());

  /** Opens a figure, and waits until it is drawn. */
  async function open(name: string, reducedMotion: 'reduce' | 'no-preference' = 'no-preference') {
    page = await browser.newPage({ viewport: { width: 640, height: 480 }, reducedMotion });
    await page.setContent(draws[name](data, { paths }).toHTML());
    await page.waitForFunction(() => document.querySelector('output')?.textContent !== '');
  }
  const lengths = async () =>
    page.evaluate<number[]>(
      "document.getElementById('figure').data.filter((t) => t.meta).map((t) => t.x.length)",
    );
  const told = async () => page.textContent('output');

  it.each(Object.keys(draws))(
    'shows whole paths, and steps by keys: %s',
    async (name) => {
      await open(name);
      expect(await lengths()).toEqual([9, 4]);
      expect(await told()).toContain('step 8 of 8 · long <&>: loss ');
      await page.focus('#steps input');
      await page.keyboard.press('Home');
      await page.waitForFunction(() => document.querySelector('output')?.textContent?.startsWith('step 0'));
      expect(await lengths()).toEqual([1, 1]);
      for (let k = 0; k < 5; k++) await page.keyboard.press('ArrowRight');
      await page.waitForFunction(() => document.querySelector('output')?.textContent?.startsWith('step 5'));
      expect(await lengths()).toEqual([6, 4]);
      expect(await told()).toContain('short: loss unknown');
      expect(await page.getAttribute('#steps input', 'aria-valuetext')).toBe(await told());
      await page.close();
    },
    60_000,
  );

  it('plays from the start when asked, and can be paused', async () => {
    await open('contourf');
    await page.focus('#steps button');
    await page.keyboard.press('Enter');
    expect(await page.textContent('#steps button')).toBe('Pause');
    await page.waitForFunction(() => document.querySelector('output')?.textContent?.startsWith('step 2'));
    await page.keyboard.press('Space');
    expect(await page.textContent('#steps button')).toBe('Play');
    await page.close();
  }, 60_000);

  it('plays nothing where the reader prefers reduced motion', async () => {
    await open('contourf', 'reduce');
    expect(await page.isVisible('#steps button')).toBe(false);
    expect(await page.isVisible('#steps input')).toBe(true);
    await page.close();
  }, 60_000);
});
