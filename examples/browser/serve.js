/**
 * Serves the project's folder, so that a page can load the built package: `node examples/browser/serve.js`,
 * after `npm run build`, and open the address it prints.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** @type {Record<string, string>} */
const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.wasm': 'application/wasm',
};

/**
 * @param {number} port - 0 is any that is free
 * @returns {Promise<{ origin: string, close: () => Promise<unknown> }>}
 */
export function serve(port) {
  const server = createServer(({ url = '/' }, response) => {
    const path = normalize(new URL(url, 'http://localhost').pathname);
    // Modules of fp-ts import each other without an extension.
    const name = extname(path) === '' ? `${path}.js` : path;
    const file = join(root, path.endsWith('/') ? `${path}index.html` : name);
    const type = types[extname(file)];
    if (!type || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': type }).end(readFileSync(file));
  });
  return new Promise((done) => {
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      const listening = typeof address === 'object' && address ? address.port : port;
      const close = () => new Promise((closed) => server.close(closed));
      done({ origin: `http://127.0.0.1:${listening}/`, close });
    });
  });
}

if (resolve(process.argv[1] ?? '') === fileURLToPath(import.meta.url)) {
  const { origin } = await serve(8080);
  console.log(`${origin}examples/browser/`);
}
