import type { Grid } from './upsample.ts';

/**
 * Replaces missing values by the means of their neighbors, layer by layer from the edge of a gap inwards. Contours then
 * run straight into the gap, which a mark covers afterwards.
 */
export function withoutGaps({ nx, ny, values }: Grid): Grid {
  const filled = Float64Array.from(values);
  let open = Array.from(filled.keys()).filter((cell) => Number.isNaN(filled[cell]));
  while (open.length > 0) {
    const means = open.map((cell) => neighborMean(filled, nx, ny, cell));
    const before = open;
    open = [];
    before.forEach((cell, k) => {
      filled[cell] = means[k];
      if (Number.isNaN(means[k])) open.push(cell);
    });
    if (open.length === before.length) break;
  }
  return { nx, ny, values: filled };
}

/** Returns the mean of the neighbors that have a value; NaN if none has. */
function neighborMean(values: Float64Array, nx: number, ny: number, cell: number): number {
  const i = cell % nx;
  const j = Math.floor(cell / nx);
  let sum = 0;
  let count = 0;
  const add = (inGrid: boolean, neighbor: number) => {
    if (!inGrid || Number.isNaN(values[neighbor])) return;
    sum += values[neighbor];
    count++;
  };
  add(i > 0, cell - 1);
  add(i < nx - 1, cell + 1);
  add(j > 0, cell - nx);
  add(j < ny - 1, cell + nx);
  return count === 0 ? NaN : sum / count;
}
