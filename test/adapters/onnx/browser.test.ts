/** Training in a browser: the built package, as a page loads it. */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { train } from './browser/checks.js';
import { noBrowser, openBrowser, type Surroundings } from '../tfjs/browser/page.ts';

type Trained = Awaited<ReturnType<typeof train>>;

const built = existsSync(new URL('../../../dist/index.js', import.meta.url));
const missing = noBrowser ?? (built ? null : 'the package is not built: npm run build.');
if (missing !== null) console.warn(missing);

describe.skipIf(missing !== null)('in Chromium', () => {
  let surroundings: Surroundings;
  beforeAll(async () => {
    surroundings = await openBrowser();
    await surroundings.page.goto(`${surroundings.origin}test/adapters/onnx/browser/blank.html`);
  }, 60_000);
  afterAll(async () => surroundings?.close());

  it.each([
    ['wasm', false],
    ['webgpu', false],
    ['wasm', true],
  ] as const)(
    'a model is trained on %s (in a worker of ONNX Runtime: %s), predicts, and is written',
    async (target, proxy) => {
      // The runtime of a page works in one way for all its life.
      await surroundings.page.goto(`${surroundings.origin}test/adapters/onnx/browser/blank.html`);
      // As text: what a bundler makes of import() would not run there.
      const run = `import('./checks.js').then(({ train }) => train('${target}', ${proxy}))`;
      const { losses, predicted, written } = await surroundings.page.evaluate<Trained>(run);
      expect(losses.length).toBe(31);
      expect(losses[30]).toBeLessThan(0.05 * losses[0]);
      for (const [i, value] of predicted.entries()) {
        expect(value).toBeCloseTo(written[i], target === 'wasm' ? 5 : 3);
      }
    },
    60_000,
  );
});
