import { expect, it } from 'vitest';
import { boxplot, convergence, density, type Plot } from 'quasi-newton/landscape';

interface Plotly {
  readonly layout: { readonly yaxis: { readonly range?: readonly number[] } };
}

/** Plots of one kind with the y axis that attributes ask for. */
const plots: readonly (readonly [string, (attributes: { ylims?: readonly [number, number] }) => Plot])[] = [
  [
    'boxplot',
    (attributes) => boxplot({ a: [1, 2, 3, 4], b: [2, 3, 5, 6] }, { yscale: 'linear', ...attributes }),
  ],
  [
    'convergence',
    (attributes) => convergence([{ name: 'a', runs: [[4, 3, 2]] }], { yscale: 'linear', ...attributes }),
  ],
  ['density', (attributes) => density({ a: [1, 2, 3, 4, 5] }, attributes)],
];

it.each(plots)('%s: ylims sets the range of the y axis in every form', (_, make) => {
  const [free, fixed] = [make({}), make({ ylims: [-40, 90] })];
  const { layout } = fixed.toPlotly() as unknown as Plotly;
  expect(layout.yaxis.range).toEqual([-40, 90]);
  expect(JSON.stringify(fixed.toVega())).toContain('"domain":[-40,90]');
  expect(JSON.stringify(free.toVega())).not.toContain('"domain":[-40,90]');
  const ticks = (svg: string) => svg.match(/>[−\d.]+<\/text>/g) ?? [];
  expect(ticks(fixed.toSVG())).toContain('>80</text>');
  expect(ticks(free.toSVG())).not.toContain('>80</text>');
});
