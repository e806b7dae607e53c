import { existsSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';
import { serve } from '../../../../examples/browser/serve.js';

const executablePath = '/usr/bin/chromium';

/** Why there is no browser to test in; null where there is one. */
export const noBrowser = existsSync(executablePath)
  ? null
  : `${executablePath} is not there: tests in the browser are skipped. Debian has it in the package chromium.`;

/** A browser with a page, and the project's folder served to it. */
export interface Surroundings {
  readonly page: Page;
  /** `http://127.0.0.1:…/` */
  readonly origin: string;
  readonly close: () => Promise<void>;
}

/** Serves the built package and opens a browser on it. */
export async function openBrowser(): Promise<Surroundings> {
  const { origin, close } = await serve(0);
  const browser: Browser = await chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--enable-unsafe-webgpu',
      '--use-webgpu-adapter=swiftshader',
      '--enable-unsafe-swiftshader',
    ],
  });
  const page = await browser.newPage({ viewport: { width: 1100, height: 720 } });
  return {
    page,
    origin,
    async close() {
      await browser.close();
      await close();
    },
  };
}
