/**
 * Coordinates from `low` to `high` in equal steps, with every anchor inside the range on the grid, exactly.
 *
 * If `count` points do not hit the anchors, up to seven more are taken: 50 points from −1 to 1 become 51, so
 * that 0 is one of them. If that does not do either, the range is widened by up to a step on one side, so that at
 * least 0 is on the grid.
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
    // Counted from 0 outwards: symmetric, and 0 and both ends are exact.
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
