// Helpers of the examples on −Δu = 2π² sin πx sin πy in the unit square, u = 0 on its boundary.
import { randomNumbers } from './mlp.js';

/**
 * Returns ‖u − exact‖₂ / ‖exact‖₂ on a grid of 198² points.
 *
 * @param {import('quasi-newton/onnx').OnnxModel} model
 */
export async function relativeError(model) {
  const n = 198;
  const grid = Array.from({ length: n * n }, (_, i) => [(i % n) / (n - 1), Math.floor(i / n) / (n - 1)]);
  const { y } = await model.predict({ x: { data: grid.flat(), dims: [n * n, 2] } });
  let [apart, size] = [0, 0];
  for (const [i, [x1, x2]] of grid.entries()) {
    apart += (Number(y.data[i]) - exact(x1, x2)) ** 2;
    size += exact(x1, x2) ** 2;
  }
  return Math.sqrt(apart / size);
}

/**
 * Returns the exact solution.
 *
 * @param {number} x
 * @param {number} y
 */
export function exact(x, y) {
  return Math.sin(Math.PI * x) * Math.sin(Math.PI * y);
}

/**
 * Returns normally distributed random numbers (Box–Muller).
 *
 * @param {number} n
 * @param {number} deviation
 * @param {number} seed
 */
export function normal(n, deviation, seed) {
  const random = randomNumbers(seed);
  return Float64Array.from(
    { length: n },
    () => deviation * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  );
}
