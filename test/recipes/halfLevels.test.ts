import { describe, expect, it } from 'vitest';
import { halfLevels, predictedAt, stencilsOf, weightsAt } from '../../src/recipes/landscape/halfLevels.ts';

const axis = (n: number) => Float64Array.from({ length: n }, (_, i) => i - (n >> 1));

describe('half levels', () => {
  it('are lattices, centers of their squares, and middles of their edges', () => {
    const { of, cells, first } = halfLevels({ x: axis(65), y: axis(65) });
    expect(first).toBe(8);
    expect(cells.map((level) => level.length)).toEqual([81, 64, 144, 256, 544, 1024, 2112]);
    const level = (i: number, j: number) => of[j * 65 + i];
    expect([
      level(0, 8),
      level(4, 4),
      level(4, 8),
      level(2, 2),
      level(2, 4),
      level(1, 1),
      level(1, 2),
    ]).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('half levels of a line halve its stride', () => {
    const { cells } = halfLevels({ x: axis(129), y: Float64Array.of(0) });
    expect(cells.map((level) => level.length)).toEqual([9, 8, 16, 32, 64]);
  });

  it.each([
    [65, 65],
    [25, 25],
    [51, 38],
    [129, 1],
  ])('predict linear functions exactly on %i × %i points, from coarser ones', (nx, ny) => {
    const grid = { x: axis(nx), y: ny === 1 ? Float64Array.of(0) : axis(ny) };
    const levels = halfLevels(grid);
    const stencil = stencilsOf(grid, levels);
    const plane = Float64Array.from(
      { length: nx * ny },
      (_, cell) => 2 + 0.5 * (cell % nx) - 3 * Math.floor(cell / nx),
    );
    plane.forEach((value, cell) => {
      if (levels.of[cell] === 0) return;
      expect(predictedAt(plane, cell, stencil(cell))).toBeCloseTo(value, 9);
      for (const delta of stencil(cell).deltas) expect(levels.of[cell + delta]).toBeLessThan(levels.of[cell]);
    });
  });
});

describe('the weights of a prediction', () => {
  const square = [-3, -1, 1, 3].flatMap((y) => [-3, -1, 1, 3].map((x) => [x, y] as const));

  it('are exact for sums of |p − pₖ|³ whose coefficients vanish on linear functions', () => {
    const weights = weightsAt(square);
    const f = (x: number, y: number) =>
      Math.hypot(x + 3, y + 1) ** 3 - 2 * Math.hypot(x + 1, y + 1) ** 3 + Math.hypot(x - 1, y + 1) ** 3;
    const found = square.reduce((sum, [x, y], k) => sum + weights[k] * f(x, y), 0);
    expect(found).toBeCloseTo(f(0, 0), 10);
  });

  it('the weights of a prediction on a line are those of the natural cubic spline', () => {
    // Through (-3, 0), (-1, 0), (1, 1), (3, 0): second derivatives 0, a, b, 0 with 8a + 2b = 3, 2a + 8b = -6.
    const [a, b] = [0.6, -0.9];
    const weights = weightsAt([-3, -1, 1, 3].map((x) => [x, 0] as const));
    expect(weights[2]).toBeCloseTo(0.5 - (2 ** 2 / 16) * (a + b), 12);
  });
});
