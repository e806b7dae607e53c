import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it, vi } from 'vitest';
import { callerIn } from './callIn.ts';

vi.mock('@resvg/resvg-js', () => {
  throw new Error('Cannot find package');
});

const cache = fileURLToPath(new URL('../../.cache', import.meta.url));
mkdirSync(cache, { recursive: true });
const folder = mkdtempSync(join(cache, 'picture-'));
const { call, refusal } = callerIn(folder);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('landscape refuses a .png before any work if the package that renders it is missing', async () => {
  writeFileSync(join(folder, 'line.csv'), 'x,y\n1,2\n2,4\n3,6.1\n');
  await call('create line.onnx --data line.csv --target y --hidden 2');
  const message = await refusal('landscape line.onnx --data line.csv --npoints 5 --out a.svg --out a.png');
  expect(message).toContain(
    '--out: a.png needs @resvg/resvg-js, which could not be loaded: npm install @resvg/resvg-js, or write a .svg.',
  );
  expect(existsSync(join(folder, 'a.svg'))).toBe(false);
});
