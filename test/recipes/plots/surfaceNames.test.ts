import { expect, it } from 'vitest';
import { fromGrid, surface } from 'quasi-newton/landscape';

const axis = (from: number, to: number) =>
  Array.from({ length: 21 }, (_, i) => from + ((to - from) * i) / 20);

it.each([20, 45, 70])('a surface names both of its axes from every side, %d degrees up', (elevation) => {
  const [x, y] = [axis(-1.5, 9.7), axis(-1.6, 3.2)];
  const z = y.flatMap((v) => x.map((u) => 1e-3 + (u - 2) ** 2 + v * v));
  const labels = ['first principal axis (94.2 %)', 'second principal axis (4.14 %)'] as const;
  const data = fromGrid({ x, y, z, labels });
  for (let azimuth = 0; azimuth < 360; azimuth += 15) {
    const svg = surface(data, { zscale: 'log', azimuth, elevation }).toSVG();
    for (const label of labels) expect(svg, `${azimuth} degrees`).toContain(`>${label}<`);
  }
});
