import { expect, it } from 'vitest';
import fc from 'fast-check';
import { fromGrid, surface } from 'quasi-newton/landscape';

const axis = (from: number, to: number) =>
  Array.from({ length: 21 }, (_, i) => from + ((to - from) * i) / 20);

function bowl(x: readonly number[], y: readonly number[], labels: readonly [string, string]) {
  const z = y.flatMap((v) => x.map((u) => 1e-3 + (u - 2) ** 2 + v * v));
  return fromGrid({ x, y, z, labels });
}

it.each([20, 45, 70])('a surface names both of its axes from every side, %d degrees up', (elevation) => {
  const labels = ['first principal axis (94.2 %)', 'second principal axis (4.14 %)'] as const;
  const data = bowl(axis(-1.5, 9.7), axis(-1.6, 3.2), labels);
  for (let azimuth = 0; azimuth < 360; azimuth += 15) {
    const svg = surface(data, { zscale: 'log', azimuth, elevation, upsample: 1 }).toSVG();
    for (const label of labels) expect(svg, `${azimuth} degrees`).toContain(`>${label}<`);
  }
});

/** Centers and texts of the labels of a surface; raised exponents are read as if they stood on the line. */
function textsOf(svg: string) {
  const found = svg.matchAll(/<text x="([-\d.]+)" y="([-\d.]+)" text-anchor="middle"[^>]*>(.*?)<\/text>/g);
  return Array.from(found, ([, x, y, text]) => ({
    x: Number(x),
    y: Number(y),
    text: text.replaceAll(/<[^>]*>/g, ''),
  }));
}

it('no tick label of a surface comes near the name of an axis', () => {
  const view = fc.record({
    azimuth: fc.integer({ min: 0, max: 359 }),
    elevation: fc.integer({ min: 15, max: 75 }),
    width: fc.integer({ min: 480, max: 1200 }),
    height: fc.integer({ min: 400, max: 900 }),
    fontSize: fc.integer({ min: 9, max: 16 }),
    ends: fc.tuple(
      fc.double({ min: 0.1, max: 30, noNaN: true }),
      fc.double({ min: 0.1, max: 30, noNaN: true }),
    ),
    long: fc.boolean(),
  });
  fc.assert(
    fc.property(view, ({ ends: [a, b], long, ...attributes }) => {
      const labels = long
        ? (['first principal axis (93.2 %)', 'second principal axis (5.08 %)'] as const)
        : (['x / ‖p‖', 'y / ‖p‖'] as const);
      const texts = textsOf(
        surface(bowl(axis(-a, 3 * b), axis(-b, a), labels), { ...attributes, upsample: 1 }).toSVG(),
      );
      const { fontSize } = attributes;
      for (const label of labels) {
        const name = texts.find(({ text }) => text === label);
        expect(texts.map(({ text }) => text)).toContain(label);
        // At least 0.45 em for a letter, so that two texts are no farther apart than this says.
        const half = (text: string) => (0.45 * text.length * fontSize) / 2;
        for (const other of texts.filter((each) => each !== name)) {
          const aside = Math.abs(name!.x - other.x) - half(label) - half(other.text);
          const above = Math.abs(name!.y - other.y) - fontSize;
          expect(Math.max(aside, above), `${label} beside ${other.text}`).toBeGreaterThan(0.3 * fontSize);
        }
      }
    }),
    { numRuns: 150 },
  );
});

it('long names stand beside the tick labels of their axes', () => {
  const labels = ['first principal axis (94.2 %)', 'second principal axis (4.14 %)'] as const;
  const data = bowl(axis(-1, 1), axis(-1, 1), labels);
  for (const azimuth of [30, 60, 120, 150, 210, 240, 300, 330]) {
    const texts = textsOf(surface(data, { azimuth, upsample: 1 }).toSVG());
    const ticks = texts.filter(({ text }) => /^−?[\d.]+$/.test(text));
    for (const label of labels) {
      const name = texts.find(({ text }) => text === label)!;
      const half = (0.45 * label.length * 15.4) / 2;
      const gaps = ticks.map(({ x, y }) => Math.hypot(Math.max(0, Math.abs(x - name.x) - half), y - name.y));
      expect(Math.min(...gaps), `${label}, ${azimuth} degrees`).toBeLessThan(2.5 * 14);
    }
  }
});
