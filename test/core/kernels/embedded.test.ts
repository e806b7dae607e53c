import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { embedded, embedKernels } from '../../../scripts/build-kernels.js';

test('the embedded bytes are what the source gives', async () => {
  for (const module of embedded) {
    expect(readFileSync(module.path, 'utf8')).toBe(await embedKernels(module));
  }
});
