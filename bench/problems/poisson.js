import { layoutOf, vectorParams } from 'quasi-newton';
import { normal, uniform } from './random.js';

const UNITS = 32;
/** Interior points on a side, and boundary points on a side. */
const INTERIOR = 28;
const SIDE = 30;
const { PI, sin, sqrt, tanh } = Math;

/**
 * The two-dimensional Poisson problem of the ENGD paper as a PINN: −Δu = 2π² sin πx sin πy on the unit
 * square, u = 0 on its boundary, u a 2-32-1 tanh network. 129 parameters: for each unit its two weights and
 * its bias, then the weights of the output, then its bias; all start from N(0, 0.1²).
 *
 * f = mean(r²) + 4·mean(u_b²) = Σ rᵢ², 784 residuals inside and 116 on the boundary.
 *
 * @param {number} seed - of the start
 * @returns {import('quasi-newton').Problem}
 * @see Müller & Zeinhofer (2023), Achieving high accuracy with PINNs via energy natural gradients, ICML,
 *   arXiv:2302.13163
 */
export function poisson(seed) {
  const next = normal(seed);
  const p0 = Float64Array.from({ length: 4 * UNITS + 1 }, () => 0.1 * next());
  const points = [...interiorPoints(), ...boundaryPoints()];
  const row = new Float64Array(p0.length);
  return {
    p0,
    residualCount: points.length,
    fg: (x, gradient) => sumOfSquares(points, x, gradient, row),
    residuals: (x, residuals, jacobian) => residualsAt(points, x, residuals, jacobian),
  };
}

/**
 * Makes the problem of {@link poisson} with new random points in each batch, 13 of 100 on the boundary.
 *
 * @param {number} seed - of the start and of the points
 * @param {number} [count] - of the points
 * @returns {import('quasi-newton').Problem}
 */
export function resampledPoisson(seed, count = 200) {
  const outside = Math.round(0.13 * count);
  const inside = count - outside;
  const random = uniform(seed);
  const { p0 } = poisson(seed);
  const layout = layoutOf([
    { name: 'hidden', shape: [UNITS, 3] },
    { name: 'output', shape: [1, UNITS] },
    { name: 'bias', shape: [1] },
  ]);
  const row = new Float64Array(p0.length);
  /** @type {Point[]} */
  let points = [];
  const draw = () => {
    points = Array.from({ length: count }, (_, i) => {
      const [x, y] = [random(), random()];
      if (i < inside) return { x, y, inside: true, weight: 1 / sqrt(inside) };
      const side = Math.floor(4 * random());
      const weight = sqrt(4 / outside);
      return side < 2 ? { x: side, y, inside: false, weight } : { x, y: side - 2, inside: false, weight };
    });
  };
  draw();
  return {
    p0,
    params: vectorParams(p0.slice(), layout),
    residualCount: count,
    nextBatch: draw,
    fg: (x, gradient) => sumOfSquares(points, x, gradient, row),
    residuals: (x, residuals, jacobian) => residualsAt(points, x, residuals, jacobian),
  };
}

/**
 * @param {Point[]} points
 * @param {Float64Array} x
 * @param {Float64Array | null} gradient
 * @param {Float64Array} row - scratch
 */
function sumOfSquares(points, x, gradient, row) {
  gradient?.fill(0);
  let f = 0;
  for (const point of points) {
    const r = residual(x, point, gradient && row);
    f += r * r;
    if (gradient) for (let j = 0; j < row.length; j++) gradient[j] += 2 * r * row[j];
  }
  return f;
}

/**
 * @param {Point[]} points
 * @param {Float64Array} x
 * @param {Float64Array} residuals
 * @param {Float64Array | null} jacobian
 */
function residualsAt(points, x, residuals, jacobian) {
  const n = x.length;
  points.forEach((point, i) => {
    residuals[i] = residual(x, point, jacobian && jacobian.subarray(i * n, (i + 1) * n));
  });
}

/** @typedef {{ x: number, y: number, inside: boolean, weight: number }} Point */

/** @returns {Point[]} */
function interiorPoints() {
  const weight = 1 / INTERIOR;
  return Array.from({ length: INTERIOR ** 2 }, (_, k) => ({
    x: ((k % INTERIOR) + 1) / (INTERIOR + 1),
    y: (Math.floor(k / INTERIOR) + 1) / (INTERIOR + 1),
    inside: true,
    weight,
  }));
}

/** @returns {Point[]} */
function boundaryPoints() {
  const count = 4 * (SIDE - 1);
  const weight = sqrt(4 / count);
  return Array.from({ length: count }, (_, k) => {
    const t = (k % (SIDE - 1)) / (SIDE - 1);
    const [x, y] = [
      [t, 0],
      [1, t],
      [1 - t, 1],
      [0, 1 - t],
    ][Math.floor(k / (SIDE - 1))];
    return { x, y, inside: false, weight };
  });
}

/**
 * Returns the weighted residual at a point; writes its derivatives to `out`, `[129]`, unless null.
 *
 * @param {Float64Array} p
 * @param {Point} point
 * @param {Float64Array | null} out
 */
function residual(p, { x, y, inside, weight }, out) {
  const bias = p.length - 1;
  let sum = inside ? -2 * PI * PI * sin(PI * x) * sin(PI * y) : p[bias];
  if (out) out[bias] = inside ? 0 : weight;
  for (let j = 0; j < UNITS; j++) {
    const [a, b] = [p[3 * j], p[3 * j + 1]];
    const v = p[3 * UNITS + j];
    const t = tanh(a * x + b * y + p[3 * j + 2]);
    const slope = 1 - t * t;
    if (!inside) {
      sum += v * t;
      if (!out) continue;
      out[3 * j] = weight * v * slope * x;
      out[3 * j + 1] = weight * v * slope * y;
      out[3 * j + 2] = weight * v * slope;
      out[3 * UNITS + j] = weight * t;
      continue;
    }
    // −Δu = −Σ v·tanh″·(a² + b²)
    const second = -2 * t * slope;
    const third = -2 * slope * (1 - 3 * t * t);
    const size = a * a + b * b;
    sum -= v * second * size;
    if (!out) continue;
    const common = -weight * v * third * size;
    out[3 * j] = common * x - 2 * weight * v * second * a;
    out[3 * j + 1] = common * y - 2 * weight * v * second * b;
    out[3 * j + 2] = common;
    out[3 * UNITS + j] = -weight * second * size;
  }
  return weight * sum;
}

/**
 * Returns the relative L2 error of the network on a grid of 198² points inside the square.
 *
 * @param {Float64Array} p
 */
export function poissonError(p) {
  const count = 198;
  let [error, size] = [0, 0];
  for (let k = 0; k < count * count; k++) {
    const x = ((k % count) + 1) / (count + 1);
    const y = (Math.floor(k / count) + 1) / (count + 1);
    const exact = sin(PI * x) * sin(PI * y);
    let u = p[p.length - 1];
    for (let j = 0; j < UNITS; j++) {
      u += p[3 * UNITS + j] * tanh(p[3 * j] * x + p[3 * j + 1] * y + p[3 * j + 2]);
    }
    error += (u - exact) ** 2;
    size += exact * exact;
  }
  return sqrt(error / size);
}
