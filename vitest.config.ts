import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^quasi-newton\/core$/, replacement: source('core/index.ts') },
      { find: /^quasi-newton\/tfjs$/, replacement: source('adapters/tfjs/index.ts') },
      { find: /^quasi-newton\/onnx$/, replacement: source('adapters/onnx/index.ts') },
      { find: /^quasi-newton\/bullmq$/, replacement: source('adapters/bullmq/index.ts') },
      { find: /^quasi-newton\/landscape$/, replacement: source('recipes/index.ts') },
      { find: /^quasi-newton$/, replacement: source('index.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/setup.ts'],
    testTimeout: 60_000,
    // A browser may take its time to open.
    hookTimeout: 60_000,
    reporters: ['default', 'json'],
    outputFile: { json: 'out/tests.json' },
    // Training runs are long and compute-bound: one worker a core, a process of its own each.
    pool: 'forks',
  },
});
