import { readFileSync } from 'node:fs';

const { PI, atan, cos, exp, sin } = Math;

/** @typedef {(x: number & readonly number[], b: ArrayLike<number>) => number} Model - x is a number, or for Nelson two */

/** @type {Model} */
const peaks = (x, b) =>
  b[0] * exp(-b[1] * x) + b[2] * exp(-(((x - b[3]) / b[4]) ** 2)) + b[5] * exp(-(((x - b[6]) / b[7]) ** 2));
/** @type {Model} */
const threeExponentials = (x, b) => b[0] * exp(-b[1] * x) + b[2] * exp(-b[3] * x) + b[4] * exp(-b[5] * x);
/** @type {Model} */
const chwirut = (x, b) => exp(-b[0] * x) / (b[1] + b[2] * x);

/** The models as the head of each data set gives them. @type {Record<string, Model>} */
const models = {
  Chwirut1: chwirut,
  Chwirut2: chwirut,
  DanWood: (x, b) => b[0] * x ** b[1],
  ENSO: (x, b) =>
    b[0] +
    b[1] * cos((2 * PI * x) / 12) +
    b[2] * sin((2 * PI * x) / 12) +
    b[4] * cos((2 * PI * x) / b[3]) +
    b[5] * sin((2 * PI * x) / b[3]) +
    b[7] * cos((2 * PI * x) / b[6]) +
    b[8] * sin((2 * PI * x) / b[6]),
  Gauss1: peaks,
  Gauss2: peaks,
  Gauss3: peaks,
  Kirby2: (x, b) => (b[0] + b[1] * x + b[2] * x * x) / (1 + b[3] * x + b[4] * x * x),
  Lanczos1: threeExponentials,
  Lanczos2: threeExponentials,
  Lanczos3: threeExponentials,
  MGH10: (x, b) => b[0] * exp(b[1] / (x + b[2])),
  MGH17: (x, b) => b[0] + b[1] * exp(-(x * b[3])) + b[2] * exp(-(x * b[4])),
  Misra1a: (x, b) => b[0] * (1 - exp(-b[1] * x)),
  Misra1b: (x, b) => b[0] * (1 - (1 + (b[1] * x) / 2) ** -2),
  Misra1c: (x, b) => b[0] * (1 - (1 + 2 * b[1] * x) ** -0.5),
  Misra1d: (x, b) => (b[0] * b[1] * x) / (1 + b[1] * x),
  Nelson: (x, b) => b[0] - b[1] * x[0] * exp(-b[2] * x[1]),
  Rat42: (x, b) => b[0] / (1 + exp(b[1] - b[2] * x)),
  Roszman1: (x, b) => b[0] - b[1] * x - atan(b[2] / (x - b[3])) / PI,
};

/**
 * @typedef {object} Reference
 * @property {string} level - of difficulty, as NIST has it
 * @property {readonly (readonly number[])[]} starts - two, the farther one first
 * @property {readonly number[]} parameters - certified
 * @property {readonly number[]} standardErrors - certified
 * @property {number} rss - certified residual sum of squares
 * @property {readonly number[]} y
 * @property {readonly number[] | readonly (readonly number[])[]} x
 */

/** @type {Record<string, Reference>} */
const data = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/nist-strd.json', import.meta.url), 'utf8'),
);

/**
 * Nonlinear regression problems of NIST's Statistical Reference Datasets, with certified values.
 *
 * @see https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml
 */
export const nist = Object.entries(data).map(([name, reference]) => {
  // Nelson's model is of log y.
  const y = name === 'Nelson' ? reference.y.map(Math.log) : reference.y;
  return Object.assign(reference, { name, model: models[name], y });
});

/**
 * Number of digits in which `values` agree with the certified ones, the least of all.
 *
 * @param {ArrayLike<number>} values
 * @param {readonly number[]} certified
 */
export const digits = (values, certified) =>
  Math.min(
    ...certified.map((c, i) => Math.min(11, -Math.log10(Math.abs(values[i] - c) / Math.abs(c) || 1e-11))),
  );
