import { describe, expect, it } from 'vitest';
import { landscape, line, type LandscapeData } from 'quasi-newton/landscape';

/** A loss and an accuracy along a line. */
const along = (shift: number): LandscapeData =>
  landscape(
    { p0: Float64Array.of(0), fg: ([x]) => 2 + (x - shift) ** 2 },
    {
      dimensions: 1,
      directions: [Float64Array.of(1)],
      npoints: 11,
      metrics: { accuracy: ([x]) => 1 - Math.abs(x - shift) / 4, heldOut: ([x]) => 3 + x * x },
    },
  );
const [training, heldOut] = [along(0), along(0.2)];
const pair = [
  { name: 'training', data: training },
  { name: 'held-out', data: heldOut },
];

describe('a line with a second quantity', () => {
  const plot = line(pair, { right: 'accuracy' });

  it('has an axis at the right, and a dashed line in the color of each landscape', () => {
    const svg = plot.toSVG();
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    const strokes = [...svg.matchAll(/stroke-width="2.4"[^>]*stroke="(#\w{6})"( stroke-dasharray="6 4")?/g)];
    expect(strokes.map(([, color, dash]) => [color, dash !== undefined])).toEqual([
      ['#0072b2', false],
      ['#0072b2', true],
      ['#d55e00', false],
      ['#d55e00', true],
    ]);
    // Both names and both quantities are in the legend; the axis has its own name.
    for (const name of ['training', 'held-out', 'loss']) expect(svg).toContain(`>${name}</text>`);
    expect(svg.match(/>accuracy<\/text>/g)).toHaveLength(2);
  });

  it('draws each quantity on its own axis in every form', () => {
    const { data, layout } = plot.toPlotly();
    expect(data.map(({ name, yaxis }) => [name, yaxis])).toEqual([
      ['training: loss', undefined],
      ['training: accuracy', 'y2'],
      ['held-out: loss', undefined],
      ['held-out: accuracy', 'y2'],
    ]);
    expect(data[3]['y']).toEqual(Array.from(heldOut.metrics['accuracy']));
    expect(layout).toMatchObject({ yaxis2: { overlaying: 'y', side: 'right' }, showlegend: true });
    const vega = plot.toVega();
    expect(vega).toMatchObject({ resolve: { scale: { y: 'independent' } } });
    const [left, right] = vega['layer'] as { data: { values: { y: number }[] } }[];
    expect(left.data.values.map(({ y }) => y)).toEqual([...training.z, ...heldOut.z]);
    expect(right.data.values).toHaveLength(22);
  });

  it('takes another metric for a landscape that names its own', () => {
    const both = line([
      { name: 'training', data: training, right: 'accuracy' },
      { name: 'held-out', data: training, metric: 'heldOut' },
    ]).toPlotly();
    expect(both.data.map(({ y }) => y)).toEqual([
      Array.from(training.z),
      Array.from(training.metrics['accuracy']),
      Array.from(training.metrics['heldOut']),
    ]);
    expect(both.layout['yaxis2']).toMatchObject({ title: { text: 'accuracy' } });
  });

  it('is unchanged without one', () => {
    expect(line(pair).toPlotly().layout).not.toHaveProperty('yaxis2');
    expect(line(pair).toVega()).not.toHaveProperty('layer');
    expect(line(training, { right: 'accuracy' }).toSVG()).toContain('>loss</text>');
  });

  it('names what is missing', () => {
    expect(() => line(pair, { right: 'error' })).toThrow(/no metric "error" .*; there are accuracy, heldOut/);
    expect(() => line([{ ...pair[0], metric: 'f' }])).toThrow(/no metric "f"/);
  });

  it('keeps all its text in pictures from 120 px up', () => {
    for (const width of [120, 200, 320]) {
      const svg = line(pair, {
        right: 'accuracy',
        width,
        height: 150,
        rightlabel: 'a long name '.repeat(9),
      }).toSVG();
      const frame = /<svg x="[\d.]+" y="[\d.]+" width="([\d.]+)"/.exec(svg);
      expect(Number(frame?.[1])).toBeGreaterThan(0.15 * width);
    }
  });
});
