/**
 * The problems that fit a model to data: 8, 10, 15 and 17–19 of Moré, Garbow & Hillstrom.
 *
 * @typedef {import('./residualProblem.js').ResidualProblem} ResidualProblem
 */

const { exp } = Math;

const bardData = [0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.1, 4.39];

/** @type {ResidualProblem} */
export const bard = {
  m: 15,
  start: [1, 1, 1],
  minima: [8.2148773066e-3, 17.4286],
  residuals([x1, x2, x3], r, J) {
    bardData.forEach((y, i) => {
      const u = i + 1;
      const v = 15 - i;
      const w = Math.min(u, v);
      const d = v * x2 + w * x3;
      r[i] = y - (x1 + u / d);
      J?.set([-1, (u * v) / (d * d), (u * w) / (d * d)], 3 * i);
    });
  },
};

const meyerData = [
  34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872,
];

/** @type {ResidualProblem} */
export const meyer = {
  m: 16,
  start: [0.02, 4000, 250],
  minima: [87.945855171],
  residuals([x1, x2, x3], r, J) {
    meyerData.forEach((y, i) => {
      const d = 50 + 5 * i + x3;
      const e = exp(x2 / d);
      r[i] = x1 * e - y;
      J?.set([e, (x1 * e) / d, (-x1 * e * x2) / (d * d)], 3 * i);
    });
  },
};

const kowalikOsborneData = [
  [4, 0.1957],
  [2, 0.1947],
  [1, 0.1735],
  [0.5, 0.16],
  [0.25, 0.0844],
  [0.167, 0.0627],
  [0.125, 0.0456],
  [0.1, 0.0342],
  [0.0833, 0.0323],
  [0.0714, 0.0235],
  [0.0625, 0.0246],
];

/** @type {ResidualProblem} */
export const kowalikOsborne = {
  m: 11,
  start: [0.25, 0.39, 0.415, 0.39],
  minima: [3.0750560385e-4, 1.02734e-3],
  residuals([x1, x2, x3, x4], r, J) {
    kowalikOsborneData.forEach(([u, y], i) => {
      const p = u * u + u * x2;
      const q = u * u + u * x3 + x4;
      r[i] = y - (x1 * p) / q;
      J?.set([-p / q, (-x1 * u) / q, (x1 * p * u) / (q * q), (x1 * p) / (q * q)], 4 * i);
    });
  },
};

const osborne1Data = [
  0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.85, 0.818, 0.784, 0.751, 0.718, 0.685, 0.658, 0.628,
  0.603, 0.58, 0.558, 0.538, 0.522, 0.506, 0.49, 0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.42, 0.414,
  0.411, 0.406,
];

/** @type {ResidualProblem} */
export const osborne1 = {
  m: 33,
  start: [0.5, 1.5, -1, 0.01, 0.02],
  minima: [5.4648946975e-5],
  residuals([x1, x2, x3, x4, x5], r, J) {
    osborne1Data.forEach((y, i) => {
      const t = 10 * i;
      const [p, q] = [exp(-t * x4), exp(-t * x5)];
      r[i] = y - (x1 + x2 * p + x3 * q);
      J?.set([-1, -p, -q, t * x2 * p, t * x3 * q], 5 * i);
    });
  },
};

/** @type {ResidualProblem} */
export const biggsExp6 = {
  m: 13,
  start: [1, 2, 1, 1, 1, 1],
  minima: [0, 5.6556499255e-3],
  residuals([x1, x2, x3, x4, x5, x6], r, J) {
    for (let i = 0; i < 13; i++) {
      const t = 0.1 * (i + 1);
      const y = exp(-t) - 5 * exp(-10 * t) + 3 * exp(-4 * t);
      const [p, q, s] = [exp(-t * x1), exp(-t * x2), exp(-t * x5)];
      r[i] = x3 * p - x4 * q + x6 * s - y;
      J?.set([-t * x3 * p, t * x4 * q, p, -q, -t * x6 * s, s], 6 * i);
    }
  },
};

const osborne2Data = [
  1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746, 0.679, 0.608, 0.655, 0.616,
  0.606, 0.602, 0.626, 0.651, 0.724, 0.649, 0.649, 0.694, 0.644, 0.624, 0.661, 0.612, 0.558, 0.533, 0.495,
  0.5, 0.423, 0.395, 0.375, 0.372, 0.391, 0.396, 0.405, 0.428, 0.429, 0.523, 0.562, 0.607, 0.653, 0.672,
  0.708, 0.633, 0.668, 0.645, 0.632, 0.591, 0.559, 0.597, 0.625, 0.739, 0.71, 0.729, 0.72, 0.636, 0.581,
  0.428, 0.292, 0.162, 0.098, 0.054,
];

/** @type {ResidualProblem} */
export const osborne2 = {
  m: 65,
  start: [1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5],
  minima: [4.0137736294e-2],
  residuals(x, r, J) {
    osborne2Data.forEach((y, i) => {
      const t = i / 10;
      const decay = exp(-t * x[4]);
      const row = 11 * i;
      r[i] = y - x[0] * decay;
      if (J) [J[row], J[row + 4]] = [-decay, t * x[0] * decay];
      for (let k = 1; k <= 3; k++) {
        const d = t - x[7 + k];
        const peak = exp(-d * d * x[4 + k]);
        r[i] -= x[k] * peak;
        if (!J) continue;
        J[row + k] = -peak;
        J[row + 4 + k] = x[k] * peak * d * d;
        J[row + 7 + k] = -2 * x[k] * peak * d * x[4 + k];
      }
    });
  },
};
