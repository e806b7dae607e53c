/**
 * The problems of variable dimension: 20–35 of Moré, Garbow & Hillstrom.
 *
 * @typedef {import('./residualProblem.js').ResidualProblem} ResidualProblem
 */

const { cos, exp, sin, sqrt } = Math;

/** @param {number} n @param {(j: number) => number} element - of j = 1, …, n */
const vector = (n, element) => Array.from({ length: n }, (_, j) => element(j + 1));

/** @param {number} n @param {number} minimum @returns {ResidualProblem} */
export const watson = (n, minimum) => ({
  m: 31,
  start: vector(n, () => 0),
  minima: [minimum],
  residuals(x, r, J) {
    for (let i = 0; i < 29; i++) {
      const t = (i + 1) / 29;
      let derivative = 0;
      let value = 0;
      for (let j = 0; j < n; j++) {
        if (j > 0) derivative += j * x[j] * t ** (j - 1);
        value += x[j] * t ** j;
      }
      r[i] = derivative - value * value - 1;
      if (J) for (let j = 0; j < n; j++) J[i * n + j] = (j > 0 ? j * t ** (j - 1) : 0) - 2 * value * t ** j;
    }
    r.set([x[0], x[1] - x[0] * x[0] - 1], 29);
    J?.set([1], 29 * n);
    J?.set([-2 * x[0], 1], 30 * n);
  },
});

/** @param {number} n @returns {ResidualProblem} */
export const extendedRosenbrock = (n) => ({
  m: n,
  start: vector(n, (j) => (j % 2 === 1 ? -1.2 : 1)),
  minima: [0],
  residuals(x, r, J) {
    for (let i = 0; i < n; i += 2) {
      r.set([10 * (x[i + 1] - x[i] * x[i]), 1 - x[i]], i);
      J?.set([-20 * x[i], 10], i * n + i);
      J?.set([-1], (i + 1) * n + i);
    }
  },
});

/** @param {number} n @returns {ResidualProblem} */
export const extendedPowell = (n) => ({
  m: n,
  start: vector(n, (j) => [3, -1, 0, 1][(j - 1) % 4]),
  minima: [0],
  residuals(x, r, J) {
    for (let i = 0; i < n; i += 4) {
      const p = x[i + 1] - 2 * x[i + 2];
      const q = x[i] - x[i + 3];
      r.set([x[i] + 10 * x[i + 1], sqrt(5) * (x[i + 2] - x[i + 3]), p * p, sqrt(10) * q * q], i);
      J?.set([1, 10], i * n + i);
      J?.set([sqrt(5), -sqrt(5)], (i + 1) * n + i + 2);
      J?.set([2 * p, -4 * p], (i + 2) * n + i + 1);
      J?.set([2 * sqrt(10) * q, 0, 0, -2 * sqrt(10) * q], (i + 3) * n + i);
    }
  },
});

/** @param {number} n @param {number} minimum @returns {ResidualProblem} */
export const penalty1 = (n, minimum) => ({
  m: n + 1,
  start: vector(n, (j) => j),
  minima: [minimum],
  residuals(x, r, J) {
    r[n] = -0.25;
    for (let i = 0; i < n; i++) {
      r[i] = sqrt(1e-5) * (x[i] - 1);
      r[n] += x[i] * x[i];
      if (J) [J[i * n + i], J[n * n + i]] = [sqrt(1e-5), 2 * x[i]];
    }
  },
});

/** @param {number} n @param {number} minimum @returns {ResidualProblem} */
export const penalty2 = (n, minimum) => ({
  m: 2 * n,
  start: vector(n, () => 0.5),
  minima: [minimum],
  residuals(x, r, J) {
    const a = sqrt(1e-5);
    r[0] = x[0] - 0.2;
    r[2 * n - 1] = -1;
    if (J) J[0] = 1;
    for (let j = 0; j < n; j++) {
      r[2 * n - 1] += (n - j) * x[j] * x[j];
      if (J) J[(2 * n - 1) * n + j] = 2 * (n - j) * x[j];
      if (j === 0) continue;
      const [e, before] = [exp(x[j] / 10), exp(x[j - 1] / 10)];
      r[j] = a * (e + before - exp((j + 1) / 10) - exp(j / 10));
      r[n + j - 1] = a * (e - exp(-1 / 10));
      J?.set([(a * before) / 10, (a * e) / 10], j * n + j - 1);
      if (J) J[(n + j - 1) * n + j] = (a * e) / 10;
    }
  },
});

/** @param {number} n @returns {ResidualProblem} */
export const variablyDimensioned = (n) => ({
  m: n + 2,
  start: vector(n, (j) => 1 - j / n),
  minima: [0],
  residuals(x, r, J) {
    let sum = 0;
    for (let j = 0; j < n; j++) {
      r[j] = x[j] - 1;
      sum += (j + 1) * (x[j] - 1);
    }
    r.set([sum, sum * sum], n);
    if (J)
      for (let j = 0; j < n; j++) {
        J[j * n + j] = 1;
        J[n * n + j] = j + 1;
        J[(n + 1) * n + j] = 2 * sum * (j + 1);
      }
  },
});

/** @param {number} n @returns {ResidualProblem} */
export const trigonometric = (n) => ({
  m: n,
  start: vector(n, () => 1 / n),
  minima: [0, 2.7950561219e-5],
  residuals(x, r, J) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += cos(x[j]);
    for (let i = 0; i < n; i++) {
      r[i] = n - sum + (i + 1) * (1 - cos(x[i])) - sin(x[i]);
      if (J) for (let j = 0; j < n; j++) J[i * n + j] = sin(x[j]);
      if (J) J[i * n + i] += (i + 1) * sin(x[i]) - cos(x[i]);
    }
  },
});

/** @param {number} n @returns {ResidualProblem} */
export const brownAlmostLinear = (n) => ({
  m: n,
  start: vector(n, () => 0.5),
  minima: [0, 1],
  residuals(x, r, J) {
    let sum = 0;
    let product = 1;
    for (let j = 0; j < n; j++) {
      sum += x[j];
      product *= x[j];
    }
    for (let i = 0; i < n - 1; i++) {
      r[i] = x[i] + sum - (n + 1);
      if (J) for (let j = 0; j < n; j++) J[i * n + j] = i === j ? 2 : 1;
    }
    r[n - 1] = product - 1;
    if (J)
      for (let j = 0; j < n; j++) {
        let others = 1;
        for (let k = 0; k < n; k++) if (k !== j) others *= x[k];
        J[(n - 1) * n + j] = others;
      }
  },
});

/** @param {number} n @returns {ResidualProblem} */
export const discreteBoundaryValue = (n) => ({
  m: n,
  start: vector(n, (j) => (j / (n + 1)) * (j / (n + 1) - 1)),
  minima: [0],
  residuals(x, r, J) {
    const h = 1 / (n + 1);
    for (let i = 0; i < n; i++) {
      const u = x[i] + (i + 1) * h + 1;
      const [left, right] = [i > 0 ? x[i - 1] : 0, i < n - 1 ? x[i + 1] : 0];
      r[i] = 2 * x[i] - left - right + (h * h * u ** 3) / 2;
      if (!J) continue;
      J[i * n + i] = 2 + 1.5 * h * h * u * u;
      if (i > 0) J[i * n + i - 1] = -1;
      if (i < n - 1) J[i * n + i + 1] = -1;
    }
  },
});

/** @param {number} n @returns {ResidualProblem} */
export const discreteIntegral = (n) => ({
  m: n,
  start: vector(n, (j) => (j / (n + 1)) * (j / (n + 1) - 1)),
  minima: [0],
  residuals(x, r, J) {
    const h = 1 / (n + 1);
    for (let i = 0; i < n; i++) {
      const t = (i + 1) * h;
      r[i] = x[i];
      if (J) J[i * n + i] = 1;
      for (let j = 0; j < n; j++) {
        const tj = (j + 1) * h;
        const u = x[j] + tj + 1;
        const weight = (h * (j <= i ? (1 - t) * tj : t * (1 - tj))) / 2;
        r[i] += weight * u ** 3;
        if (J) J[i * n + j] += 3 * weight * u * u;
      }
    }
  },
});

/** @param {number} n @returns {ResidualProblem} */
export const broydenTridiagonal = (n) => ({
  m: n,
  start: vector(n, () => -1),
  minima: [0],
  residuals(x, r, J) {
    for (let i = 0; i < n; i++) {
      const [left, right] = [i > 0 ? x[i - 1] : 0, i < n - 1 ? x[i + 1] : 0];
      r[i] = (3 - 2 * x[i]) * x[i] - left - 2 * right + 1;
      if (!J) continue;
      J[i * n + i] = 3 - 4 * x[i];
      if (i > 0) J[i * n + i - 1] = -1;
      if (i < n - 1) J[i * n + i + 1] = -2;
    }
  },
});

/** @param {number} n @returns {ResidualProblem} */
export const broydenBanded = (n) => ({
  m: n,
  start: vector(n, () => -1),
  minima: [0],
  residuals(x, r, J) {
    for (let i = 0; i < n; i++) {
      r[i] = x[i] * (2 + 5 * x[i] * x[i]) + 1;
      if (J) J[i * n + i] = 2 + 15 * x[i] * x[i];
      for (let j = Math.max(0, i - 5); j <= Math.min(n - 1, i + 1); j++) {
        if (j === i) continue;
        r[i] -= x[j] * (1 + x[j]);
        if (J) J[i * n + j] = -(1 + 2 * x[j]);
      }
    }
  },
});

/** @param {number} n @param {number} m @returns {ResidualProblem} */
export const linearFullRank = (n, m) => ({
  m,
  start: vector(n, () => 1),
  minima: [m - n],
  residuals(x, r, J) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += x[j];
    for (let i = 0; i < m; i++) {
      r[i] = (i < n ? x[i] : 0) - (2 / m) * sum - 1;
      if (J) for (let j = 0; j < n; j++) J[i * n + j] = (i === j ? 1 : 0) - 2 / m;
    }
  },
});

/** @param {number} n @param {number} m @returns {ResidualProblem} */
export const linearRank1 = (n, m) => ({
  m,
  start: vector(n, () => 1),
  minima: [(m * (m - 1)) / (2 * (2 * m + 1))],
  residuals(x, r, J) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += (j + 1) * x[j];
    for (let i = 0; i < m; i++) {
      r[i] = (i + 1) * sum - 1;
      if (J) for (let j = 0; j < n; j++) J[i * n + j] = (i + 1) * (j + 1);
    }
  },
});

/** @param {number} n @param {number} m @returns {ResidualProblem} */
export const linearRank1Zero = (n, m) => ({
  m,
  start: vector(n, () => 1),
  minima: [(m * m + 3 * m - 6) / (2 * (2 * m - 3))],
  residuals(x, r, J) {
    let sum = 0;
    for (let j = 1; j < n - 1; j++) sum += (j + 1) * x[j];
    for (let i = 0; i < m; i++) {
      const inner = i > 0 && i < m - 1;
      r[i] = (inner ? i * sum : 0) - 1;
      if (J && inner) for (let j = 1; j < n - 1; j++) J[i * n + j] = i * (j + 1);
    }
  },
});

/** @param {number} n @param {readonly number[]} minima @returns {ResidualProblem} */
export const chebyquad = (n, minima) => ({
  m: n,
  start: vector(n, (j) => j / (n + 1)),
  minima,
  residuals(x, r, J) {
    for (let i = 1; i <= n; i++) r[i - 1] = i % 2 === 0 ? 1 / (i * i - 1) : 0;
    for (let j = 0; j < n; j++) {
      // Tᵢ and Tᵢ′ at 2x − 1, by their recurrence.
      const z = 2 * x[j] - 1;
      let [before, now, slopeBefore, slope] = [1, z, 0, 2];
      for (let i = 0; i < n; i++) {
        r[i] += now / n;
        if (J) J[i * n + j] = slope / n;
        [slopeBefore, slope] = [slope, 4 * now + 2 * z * slope - slopeBefore];
        [before, now] = [now, 2 * z * now - before];
      }
    }
  },
});
