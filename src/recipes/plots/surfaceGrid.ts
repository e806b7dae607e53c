import { withoutGaps } from './gaps.ts';
import type { Field } from './field.ts';
import { upsample, type Grid } from './upsample.ts';

/** A field refined for a surface, in the unit cube: x, y in [−1, 1], height in [0, 1]. */
export interface Sheet extends Grid {
  /** Returns the height of a value; values beyond the color range are cut off. */
  readonly height: (value: number) => number;
  /** True if the cell from (i, j) to (i + 1, j + 1) touches a sample without a value. */
  readonly isGap: (i: number, j: number) => boolean;
}

export function sheetOf(field: Field, factor: number): Sheet {
  return {
    ...upsample(withoutGaps(field), factor),
    height: (value) => Math.min(1, Math.max(0, (value - field.low) / (field.high - field.low))),
    isGap: gapsOf(field, factor),
  };
}

function gapsOf(field: Field, factor: number): (i: number, j: number) => boolean {
  if (!field.values.some(Number.isNaN)) return () => false;
  const missing = (i: number, j: number) => Number.isNaN(field.values[j * field.nx + i]);
  return (i, j) => {
    const a = Math.floor(i / factor);
    const b = Math.floor(j / factor);
    return missing(a, b) || missing(a + 1, b) || missing(a, b + 1) || missing(a + 1, b + 1);
  };
}

/** Returns the height of the sheet at (x, y); NaN outside of it and in its gaps. */
export function heightOver({ nx, ny, values, height, isGap }: Sheet, x: number, y: number): number {
  const u = ((x + 1) / 2) * (nx - 1);
  const v = ((y + 1) / 2) * (ny - 1);
  if (!(u >= 0 && u <= nx - 1 && v >= 0 && v <= ny - 1)) return NaN;
  const i = Math.min(nx - 2, Math.floor(u));
  const j = Math.min(ny - 2, Math.floor(v));
  if (isGap(i, j)) return NaN;
  const at = j * nx + i;
  const [s, t] = [u - i, v - j];
  const near = (1 - s) * height(values[at]) + s * height(values[at + 1]);
  const far = (1 - s) * height(values[at + nx]) + s * height(values[at + nx + 1]);
  return (1 - t) * near + t * far;
}

/** Returns the map from the coordinates of an axis to [−1, 1]. */
export function acrossAxis(axis: Float64Array): (value: number) => number {
  const low = axis[0];
  const span = axis[axis.length - 1] - low;
  return (value) => (2 * (value - low)) / span - 1;
}
