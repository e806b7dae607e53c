import { expect, it } from 'vitest';
import * as landscapes from 'quasi-newton/landscape';

const { contour, contourf, heatmap, landscapeAsync, surface } = landscapes;
const slow = { p0: Float64Array.of(1, 2), fg: () => Promise.resolve(1) };
const npoints = 3;

it.each<[string, (source: never, options?: { npoints: number }) => unknown]>([
  ['contour', contour],
  ['contourf', contourf],
  ['heatmap', heatmap],
  ['surface', surface],
])('%s of an asynchronous loss names a function that exists', (name, draw) => {
  const message = new RegExp(`^${name}: the loss returned a promise; evaluate it first.*landscapeAsync`);
  expect(() => draw(slow as never, { npoints })).toThrow(message);
  expect(landscapes).toHaveProperty('landscapeAsync');
  expect(() => draw(landscapeAsync(slow, { npoints }) as never)).toThrow(/got a Promise; await it first\.$/);
});
