import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const executablePath = '/usr/bin/chromium';

/** Why there is no browser to test in; null where there is one. */
export const noBrowser = existsSync(executablePath)
  ? null
  : `${executablePath} is not there: tests in the browser are skipped. Debian has it in the package chromium.`;

const types: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** A browser with a page, and the project's folder served to it. */
export interface Surroundings {
  readonly page: Page;
  /** `http://127.0.0.1:…/` */
  readonly origin: string;
  readonly close: () => Promise<void>;
}

/** Serves the built package and opens a browser on it. */
export async function openBrowser(): Promise<Surroundings> {
  const server = await serve();
  const { port } = server.address() as AddressInfo;
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
    origin: `http://127.0.0.1:${port}/`,
    async close() {
      await browser.close();
      await new Promise((done) => server.close(done));
    },
  };
}

function serve(): Promise<Server> {
  const server = createServer(({ url = '/' }, response) => {
    const path = normalize(new URL(url, 'http://localhost').pathname);
    const file = join(root, path);
    const type = types[extname(path)];
    if (!type || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': type }).end(readFileSync(file));
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done(server)));
}
