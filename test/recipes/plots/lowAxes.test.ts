import { expect, it } from 'vitest';
import { axisOf } from '../../../src/recipes/plots/axes.ts';

it('a low axis has two labels or more, where they have room, whatever its domain', () => {
  for (let most = 1; most < 10; most += 0.05) {
    for (const height of [90, 105, 120]) {
      const { ticks, at } = axisOf('linear', [-most, most], [height, 0], { fontSize: 14 });
      expect(ticks.length, `±${most} on ${height} px`).toBeGreaterThanOrEqual(2);
      // One below the other, labels do not overlap.
      const places = ticks.map(({ value }) => at(value));
      expect(Math.min(...places.slice(1).map((place, k) => Math.abs(place - places[k])))).toBeGreaterThan(14);
    }
  }
});
