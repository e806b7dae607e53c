/**
 * The problems of two to four variables without data: 1–7, 9, 12–14 and 16 of Moré, Garbow & Hillstrom.
 *
 * @typedef {import('./residualProblem.js').ResidualProblem} ResidualProblem
 */

const { abs, atan2, cos, exp, hypot, PI, sin, sqrt } = Math;

/** @type {ResidualProblem} */
export const rosenbrock = {
  m: 2,
  start: [-1.2, 1],
  minima: [0],
  residuals([x1, x2], r, J) {
    r.set([10 * (x2 - x1 * x1), 1 - x1]);
    J?.set([-20 * x1, 10, -1, 0]);
  },
};

/** @type {ResidualProblem} */
export const freudensteinRoth = {
  m: 2,
  start: [0.5, -2],
  minima: [0, 48.984253679],
  residuals([x1, x2], r, J) {
    r.set([-13 + x1 + ((5 - x2) * x2 - 2) * x2, -29 + x1 + ((x2 + 1) * x2 - 14) * x2]);
    J?.set([1, (10 - 3 * x2) * x2 - 2, 1, (3 * x2 + 2) * x2 - 14]);
  },
};

/** @type {ResidualProblem} */
export const powellBadlyScaled = {
  m: 2,
  start: [0, 1],
  minima: [0],
  residuals([x1, x2], r, J) {
    r.set([1e4 * x1 * x2 - 1, exp(-x1) + exp(-x2) - 1.0001]);
    J?.set([1e4 * x2, 1e4 * x1, -exp(-x1), -exp(-x2)]);
  },
};

/** @type {ResidualProblem} */
export const brownBadlyScaled = {
  m: 3,
  start: [1, 1],
  minima: [0],
  residuals([x1, x2], r, J) {
    r.set([x1 - 1e6, x2 - 2e-6, x1 * x2 - 2]);
    J?.set([1, 0, 0, 1, x2, x1]);
  },
};

/** @type {ResidualProblem} */
export const beale = {
  m: 3,
  start: [1, 1],
  minima: [0],
  residuals([x1, x2], r, J) {
    [1.5, 2.25, 2.625].forEach((y, i) => {
      r[i] = y - x1 * (1 - x2 ** (i + 1));
      J?.set([x2 ** (i + 1) - 1, x1 * (i + 1) * x2 ** i], 2 * i);
    });
  },
};

/** @type {ResidualProblem} */
export const jennrichSampson = {
  m: 10,
  start: [0.3, 0.4],
  minima: [124.36218236],
  residuals([x1, x2], r, J) {
    for (let i = 1; i <= 10; i++) {
      r[i - 1] = 2 + 2 * i - (exp(i * x1) + exp(i * x2));
      J?.set([-i * exp(i * x1), -i * exp(i * x2)], 2 * (i - 1));
    }
  },
};

/** @type {ResidualProblem} */
export const helicalValley = {
  m: 3,
  start: [-1, 0, 0],
  minima: [0],
  residuals([x1, x2, x3], r, J) {
    // The published angle runs from −1/4 to 3/4 of a turn.
    const turn = atan2(x2, x1) / (2 * PI);
    const theta = turn < -0.25 ? turn + 1 : turn;
    const radius = hypot(x1, x2);
    r.set([10 * (x3 - 10 * theta), 10 * (radius - 1), x3]);
    const c = 100 / (2 * PI * radius * radius);
    J?.set([c * x2, -c * x1, 10, (10 * x1) / radius, (10 * x2) / radius, 0, 0, 0, 1]);
  },
};

/** @type {ResidualProblem} */
export const gaussian = {
  m: 15,
  start: [0.4, 1, 0],
  minima: [1.1279327696e-8],
  residuals([x1, x2, x3], r, J) {
    const half = [0.0009, 0.0044, 0.0175, 0.054, 0.1295, 0.242, 0.3521, 0.3989];
    for (let i = 0; i < 15; i++) {
      const d = (7 - i) / 2 - x3;
      const e = exp((-x2 * d * d) / 2);
      r[i] = x1 * e - half[i < 8 ? i : 14 - i];
      J?.set([e, (-x1 * e * d * d) / 2, x1 * e * x2 * d], 3 * i);
    }
  },
};

/** @type {ResidualProblem} */
export const box3d = {
  m: 10,
  start: [0, 10, 20],
  minima: [0],
  residuals([x1, x2, x3], r, J) {
    for (let i = 0; i < 10; i++) {
      const t = 0.1 * (i + 1);
      const c = exp(-t) - exp(-10 * t);
      r[i] = exp(-t * x1) - exp(-t * x2) - x3 * c;
      J?.set([-t * exp(-t * x1), t * exp(-t * x2), -c], 3 * i);
    }
  },
};

/** @type {ResidualProblem} */
export const powellSingular = {
  m: 4,
  start: [3, -1, 0, 1],
  minima: [0],
  residuals([x1, x2, x3, x4], r, J) {
    const [p, q] = [x2 - 2 * x3, x1 - x4];
    r.set([x1 + 10 * x2, sqrt(5) * (x3 - x4), p * p, sqrt(10) * q * q]);
    J?.set([1, 10, 0, 0, 0, 0, sqrt(5), -sqrt(5), 0, 2 * p, -4 * p, 0]);
    J?.set([2 * sqrt(10) * q, 0, 0, -2 * sqrt(10) * q], 12);
  },
};

/** @type {ResidualProblem} */
export const wood = {
  m: 6,
  start: [-3, -1, -3, -1],
  minima: [0],
  residuals([x1, x2, x3, x4], r, J) {
    r.set([10 * (x2 - x1 * x1), 1 - x1, sqrt(90) * (x4 - x3 * x3), 1 - x3]);
    r.set([sqrt(10) * (x2 + x4 - 2), (x2 - x4) / sqrt(10)], 4);
    J?.set([-20 * x1, 10, 0, 0, -1, 0, 0, 0, 0, 0, -2 * sqrt(90) * x3, sqrt(90), 0, 0, -1, 0]);
    J?.set([0, sqrt(10), 0, sqrt(10), 0, 1 / sqrt(10), 0, -1 / sqrt(10)], 16);
  },
};

/** @type {ResidualProblem} */
export const brownDennis = {
  m: 20,
  start: [25, 5, -5, -1],
  minima: [85822.201626],
  residuals([x1, x2, x3, x4], r, J) {
    for (let i = 0; i < 20; i++) {
      const t = (i + 1) / 5;
      const p = x1 + t * x2 - exp(t);
      const q = x3 + x4 * sin(t) - cos(t);
      r[i] = p * p + q * q;
      J?.set([2 * p, 2 * p * t, 2 * q, 2 * q * sin(t)], 4 * i);
    }
  },
};

/** @type {ResidualProblem} */
export const gulf = {
  m: 99,
  start: [5, 2.5, 0.15],
  minima: [0],
  residuals([x1, x2, x3], r, J) {
    for (let i = 0; i < 99; i++) {
      const t = (i + 1) / 100;
      const d = 25 + (-50 * Math.log(t)) ** (2 / 3) - x2;
      const power = abs(d) ** x3;
      const e = exp(-power / x1);
      r[i] = e - t;
      J?.set(
        [(e * power) / (x1 * x1), (e * power * x3) / (x1 * d), (-e * power * Math.log(abs(d))) / x1],
        3 * i,
      );
    }
  },
};
