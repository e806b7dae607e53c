import { expect, it } from 'vitest';
import fc from 'fast-check';
import { fromGrid, surface } from 'quasi-newton/landscape';

const axis = (from: number, to: number) =>
  Array.from({ length: 21 }, (_, i) => from + ((to - from) * i) / 20);

function bowl(x: readonly number[], y: readonly number[], labels: readonly [string, string]) {
  const z = y.flatMap((v) => x.map((u) => 1e-3 + (u - 2) ** 2 + v * v));
  return fromGrid({ x, y, z, labels });
}

/** Texts of the labels of a surface, and their lines with centers; raised exponents are read as if they stood on the line. */
function textsOf(svg: string) {
  const found = svg.matchAll(/<text x="([-\d.]+)" y="([-\d.]+)" text-anchor="middle"[^>]*>(.*?)<\/text>/g);
  return Array.from(found, ([, x, y, content]) => {
    const plain = (part: string) => part.replaceAll(/<[^>]*>/g, '');
    const [first, second] = content.split(/ <tspan x="[^"]*" dy="/);
    const lines = [{ x: Number(x), y: Number(y), text: plain(first) }];
    if (second !== undefined) {
      const [dy, rest] = second.split(/">(.*)/);
      lines.push({ x: Number(x), y: Number(y) + Number(dy), text: plain(rest) });
    }
    return { text: lines.map(({ text }) => text).join(' '), lines };
  });
}

it.each([20, 45, 70])('a surface names both of its axes from every side, %d degrees up', (elevation) => {
  const labels = ['first principal axis (94.2 %)', 'second principal axis (4.14 %)'] as const;
  const data = bowl(axis(-1.5, 9.7), axis(-1.6, 3.2), labels);
  for (let azimuth = 0; azimuth < 360; azimuth += 15) {
    const svg = surface(data, { zscale: 'log', azimuth, elevation, upsample: 1 }).toSVG();
    const texts = textsOf(svg).map(({ text }) => text);
    for (const label of labels) expect(texts, `${azimuth} degrees`).toContain(label);
  }
});

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
        for (const other of texts.filter((each) => each !== name).flatMap(({ lines }) => lines)) {
          for (const line of name!.lines) {
            const aside = Math.abs(line.x - other.x) - half(line.text) - half(other.text);
            const above = Math.abs(line.y - other.y) - fontSize;
            expect(Math.max(aside, above), `${line.text} beside ${other.text}`).toBeGreaterThan(
              0.3 * fontSize,
            );
          }
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
    const ticks = texts.filter(({ text }) => /^−?[\d.]+$/.test(text)).flatMap(({ lines }) => lines);
    for (const label of labels) {
      const { lines } = texts.find(({ text }) => text === label)!;
      const gaps = lines.flatMap((line) => {
        const half = (0.45 * line.text.length * 15.4) / 2;
        return ticks.map(({ x, y }) => Math.hypot(Math.max(0, Math.abs(x - line.x) - half), y - line.y));
      });
      expect(Math.min(...gaps), `${label}, ${azimuth} degrees`).toBeLessThan(2.5 * 14);
    }
  }
});

it('a long name without room at its edge stands there in two lines', () => {
  const labels = ['first principal axis (93.2 %)', 'second principal axis (5.08 %)'] as const;
  const data = bowl(axis(-1.5, 9.4), axis(-1.7, 2.4), labels);
  const texts = textsOf(surface(data, { zscale: 'log', azimuth: 115, elevation: 45 }).toSVG());
  const name = texts.find(({ text }) => text === labels[0])!;
  expect(name.lines.map(({ text }) => text)).toEqual(['first principal', 'axis (93.2 %)']);
  // Its own ticks, 0 to 8, stand to the right of the others; beside their middle, 4, and no lower than 8.
  const tick = (wanted: string) => texts.filter(({ text }) => text === wanted).map(({ lines }) => lines[0]);
  const [four, eight] = [tick('4')[0], tick('8')[0]];
  expect(name.lines[0].x).toBeGreaterThan(four.x);
  expect(name.lines[1].y).toBeLessThan(eight.y);
});
