/**
 * Serves the project's folder, so that a page can load the built package. Run `npm run build`, then
 * `node examples/browser/serve.js`, and open the address it prints.
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

/** Addresses of the packages that modules import by name: an import map does not reach into workers. */
const packages = /** @type {Record<string, string>} */ ({
  '@tensorflow/tfjs': '/node_modules/@tensorflow/tfjs/dist/tf.fesm.min.js',
  'quasi-newton': '/dist/index.js',
  'quasi-newton/tfjs': '/dist/adapters/tfjs/index.js',
});

/** Returns a module with package names replaced by addresses, as a bundler does. @param {string} code */
const withAddresses = (code) =>
  code.replaceAll(/(\bfrom |\bimport )'([^'./][^']*)'/g, (all, keyword, name) =>
    name in packages ? `${keyword}'${packages[name]}'` : all,
  );

/**
 * @param {number} port - 0 for any free port
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
    const isOwn = extname(file) === '.js' && /^\/(dist|examples)\//.test(path);
    const content = isOwn ? withAddresses(readFileSync(file, 'utf8')) : readFileSync(file);
    response.writeHead(200, { 'content-type': type }).end(content);
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
