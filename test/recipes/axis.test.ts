import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gridAxis } from '../../src/recipes/grid/axis.ts';

describe('gridAxis', () => {
  it('makes an even number of points odd, so that 0 is on the grid and the ends are exact', () => {
    for (const [count, taken] of [
      [50, 51],
      [51, 51],
      [2, 3],
      [4, 5],
    ] as const) {
      const axis = gridAxis(-0.3, 0.3, count, [0]);
      expect(axis).toHaveLength(taken);
      expect(axis[(taken - 1) / 2]).toBe(0);
      expect([axis[0], axis[taken - 1]]).toEqual([-0.3, 0.3]);
    }
  });

  it('takes both models of an interpolation onto the grid', () => {
    const axis = gridAxis(-0.5, 1.5, 51, [0, 1]);
    expect(axis).toHaveLength(53);
    expect(axis).toContain(0);
    expect(axis).toContain(1);
  });

  it('leaves a range without anchors as it is', () => {
    expect([...gridAxis(1, 3, 3, [0])]).toEqual([1, 2, 3]);
    expect([...gridAxis(0, 1, 4, [0, 1])].length).toBe(4);
  });

  it('has 0 exactly, ascends in equal steps and covers any range around it', () => {
    const end = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
    fc.assert(
      fc.property(end, end, fc.integer({ min: 2, max: 200 }), (below, above, count) => {
        const axis = gridAxis(-below, above, count, [0]);
        const step = (axis[axis.length - 1] - axis[0]) / (axis.length - 1);
        expect(axis).toContain(0);
        expect(axis[0]).toBeLessThanOrEqual(-below * (1 - 1e-12));
        expect(axis[axis.length - 1]).toBeGreaterThanOrEqual(above * (1 - 1e-12));
        for (let i = 1; i < axis.length; i++)
          expect(Math.abs(axis[i] - axis[i - 1] - step)).toBeLessThan(1e-9 * step + 1e-12);
      }),
    );
  });
});
