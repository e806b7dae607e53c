/** The page `examples/browser/`, as a person would use it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noBrowser, openBrowser, type Surroundings } from './browser/page.ts';

describe.skipIf(noBrowser)('the example in the browser', () => {
  let browser: Surroundings;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser.close());

  it('trains both, draws both curves, and L-BFGS ends lower', async () => {
    const { page, origin } = browser;
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    await page.goto(`${origin}examples/browser/`);
    await page.waitForSelector('body[data-state=ready]');
    await page.selectOption('select[name=evaluations]', '500');
    await page.click('button');
    await page.waitForSelector('body[data-state=done]', { timeout: 120_000 });
    const cells = await page.locator('tbody td:nth-child(2)').allTextContents();
    const [adam, lbfgs] = cells.map(Number);
    expect(errors).toEqual([]);
    expect(adam).toBeGreaterThan(0);
    expect(lbfgs).toBeLessThan(0.5 * adam);
    for (const figure of ['#loss', '#fit']) {
      for (const key of ['adam', 'lbfgs']) {
        const points = await page.locator(`${figure} polyline.${key}`).getAttribute('points');
        expect(points!.split(' ').length).toBeGreaterThan(100);
        expect(points).not.toContain('NaN');
      }
    }
    const shot = await page.screenshot();
    mkdirSync('out', { recursive: true });
    writeFileSync('out/browser-example.png', shot);
    // Both colours are on the picture: in the curves, not only in the legend.
    expect(await colouredPixels(browser, shot)).toEqual({ adam: true, lbfgs: true });
  }, 180_000);
});

/** Whether a picture of the page has the curves' colours in more than a few places. */
function colouredPixels({ page }: Surroundings, shot: Buffer): Promise<Record<string, boolean>> {
  return page.evaluate(async (base64) => {
    const image = new Image();
    image.src = `data:image/png;base64,${base64}`;
    await image.decode();
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width: image.width, height: image.height });
    const context = canvas.getContext('2d')!;
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    const count = (r: number, g: number, b: number) => {
      let near = 0;
      for (let i = 0; i < data.length; i += 4) {
        if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 30) near++;
      }
      return near;
    };
    return { adam: count(0xd9, 0x72, 0x0b) > 300, lbfgs: count(0x16, 0x67, 0xc7) > 300 };
  }, shot.toString('base64'));
}
