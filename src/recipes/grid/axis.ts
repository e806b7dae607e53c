/**
 * Returns coordinates from `low` to `high` in equal steps, with every anchor inside the range exactly on the grid.
 *
 * If `count` points miss an anchor, up to seven more are tried: 50 points from −1 to 1 become 51, to include 0. If these
 * miss it too, the range is widened by up to a step on one side, to have at least 0 on the grid.
 *
 * @param count - number of points, ≥ 2
 */
export function gridAxis(low: number, high: number, count: number, anchors: readonly number[]): Float64Array {
  const inside = anchors.filter((anchor) => anchor > low && anchor < high);
  for (let n = count; n < count + 8; n++) {
    if (inside.every((anchor) => isWhole(((anchor - low) / (high - low)) * (n - 1))))
      return evenSteps(low, high, n);
  }
  return low < 0 && high > 0 ? throughZero(low, high, Math.max(3, count)) : evenSteps(low, high, count);
}

const isWhole = (value: number) => Math.abs(value - Math.round(value)) < 1e-9;

function evenSteps(low: number, high: number, n: number): Float64Array {
  const zero = (-low / (high - low)) * (n - 1);
  if (low < 0 && high > 0 && isWhole(zero)) {
    // Counted outwards from 0: symmetric, with exact ends and an exact 0.
    const k = Math.round(zero);
    return Float64Array.from({ length: n }, (_, i) =>
      i < k ? ((k - i) * low) / k : ((i - k) * high) / (n - 1 - k),
    );
  }
  return Float64Array.from({ length: n }, (_, i) => (low * (n - 1 - i) + high * i) / (n - 1));
}

function throughZero(low: number, high: number, n: number): Float64Array {
  const below = Math.min(n - 2, Math.max(1, Math.round((-low / (high - low)) * (n - 1))));
  const step = Math.max(-low / below, high / (n - 1 - below));
  return Float64Array.from({ length: n }, (_, i) => (i - below) * step);
}
