/** Values on a regular grid, row by row: `values[j * nx + i]`. */
export interface Grid {
  readonly nx: number;
  readonly ny: number;
  readonly values: Float64Array;
}

/**
 * Refines a grid `factor` times by Catmull-Rom splines in both directions.
 *
 * Samples keep their values, and values between them stay in the range of the 4×4 samples around them: next to a steep
 * wall, a plain spline would show a trench that is not there.
 *
 * @param grid - finite values
 * @see Keys (1981), doi:10.1109/TASSP.1981.1163711
 */
export function upsample({ nx, ny, values }: Grid, factor: number): Grid {
  if (factor <= 1 || nx < 2) return { nx, ny, values };
  const width = (nx - 1) * factor + 1;
  const height = ny < 2 ? 1 : (ny - 1) * factor + 1;
  const out = new Float64Array(width * height);
  const weights = Array.from({ length: factor }, (_, k) => catmullRom(k / factor));
  const square = new Float64Array(16);
  for (let v = 0; v < height; v++) {
    const j = Math.floor(v / factor);
    const wy = weights[v % factor];
    for (let u = 0; u < width; u++) {
      const i = Math.floor(u / factor);
      const wx = weights[u % factor];
      let low = Infinity;
      let high = -Infinity;
      let sum = 0;
      gather(square, values, nx, ny, i, j);
      for (let b = 0; b < 4; b++) {
        for (let a = 0; a < 4; a++) {
          const value = square[4 * b + a];
          sum += wy[b] * wx[a] * value;
          if (value < low) low = value;
          if (value > high) high = value;
        }
      }
      out[v * width + u] = Math.min(high, Math.max(low, sum));
    }
  }
  return { nx: width, ny: height, values: out };
}

/** Weights of the samples at −1, 0, 1, 2 for a point at t in [0, 1). */
function catmullRom(t: number): readonly [number, number, number, number] {
  return [
    ((2 - t) * t - 1) * t * 0.5,
    ((3 * t - 5) * t * t + 2) * 0.5,
    ((4 - 3 * t) * t + 1) * t * 0.5,
    (t - 1) * t * t * 0.5,
  ];
}

/** Returns the 4×4 samples around (i, j), extrapolated linearly beyond the edge. */
function gather(
  square: Float64Array,
  values: Float64Array,
  nx: number,
  ny: number,
  i: number,
  j: number,
): void {
  for (let b = 0; b < 4; b++) {
    for (let a = 0; a < 4; a++) square[4 * b + a] = beyond(values, nx, ny, i + a - 1, j + b - 1);
  }
}

function beyond(values: Float64Array, nx: number, ny: number, i: number, j: number): number {
  if (j < 0)
    return ny < 2
      ? beyond(values, nx, ny, i, 0)
      : 2 * beyond(values, nx, ny, i, 0) - beyond(values, nx, ny, i, 1);
  if (j >= ny) return ny < 2 ? beyond(values, nx, ny, i, 0) : extend(values, nx, ny, i, j);
  const row = j * nx;
  if (i < 0) return 2 * values[row] - values[row + 1];
  if (i < nx) return values[row + i];
  return values[row + nx - 1] + (i - nx + 1) * (values[row + nx - 1] - values[row + nx - 2]);
}

function extend(values: Float64Array, nx: number, ny: number, i: number, j: number): number {
  const last = beyond(values, nx, ny, i, ny - 1);
  return last + (j - ny + 1) * (last - beyond(values, nx, ny, i, ny - 2));
}
