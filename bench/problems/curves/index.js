import { normal, uniform } from '../random.js';

/**
 * @typedef {object} Curve
 * @property {string} name
 * @property {string} formula - of x and the parameters, in what JavaScript and Python have in common
 * @property {readonly string[]} parameters
 * @property {(x: number, parameters: ArrayLike<number>) => number} model
 * @property {readonly number[]} x
 * @property {readonly number[]} y
 * @property {readonly number[]} truth
 * @property {readonly (readonly number[])[]} starts
 */

/** Name: formula, values that the data are made with, first and last x, and optionally noise relative to the largest y. */
/** @type {Record<string, [string, Record<string, number>, number, number, number?]>} */
const formulas = {
  line: ['a + b * x', { a: 2, b: -0.7 }, 0, 10],
  cubic: ['a + b * x + c * x ** 2 + d * x ** 3', { a: 1, b: -2, c: 0.5, d: 0.1 }, -4, 4],
  decay: ['a * exp(-b * x) + c', { a: 5, b: 0.8, c: 1 }, 0, 6],
  'growth to a limit': ['a * (1 - exp(-b * x))', { a: 240, b: 5.5e-3 }, 10, 800],
  'two decays': ['a * exp(-b * x) + c * exp(-d * x)', { a: 3, b: 0.3, c: 5, d: 2.5 }, 0, 8, 0.002],
  'stretched exponential': ['a * exp(-((x / t) ** b)) + c', { a: 3, t: 4, b: 0.6, c: 0.5 }, 0.1, 30],
  'biexponential response': ['a * (exp(-b * x) - exp(-c * x))', { a: 12, b: 0.2, c: 1.5 }, 0.1, 20],
  'Michaelis–Menten': ['v * x / (k + x)', { v: 212, k: 0.064 }, 0.02, 1.1],
  'Michaelis–Menten, small k': ['v * x / (k + x)', { v: 3.5, k: 2e-3 }, 5e-4, 0.05],
  'substrate inhibition': ['v * x / (k + x + x ** 2 / i)', { v: 30, k: 4, i: 25 }, 0.5, 80],
  Hill: ['v * x ** h / (k ** h + x ** h)', { v: 10, k: 5, h: 2.5 }, 0.3, 30],
  'Hill, four parameters': ['d + (a - d) / (1 + (x / c) ** b)', { a: 0.1, b: 1.8, c: 12, d: 2.4 }, 0.5, 200],
  'Langmuir with Henry': ['q * k * x / (1 + k * x) + h * x', { q: 6, k: 0.9, h: 0.05 }, 0.05, 30],
  'dose response': ['b + (t - b) / (1 + 10 ** ((l - x) * h))', { b: 5, t: 95, l: -6.2, h: 1.1 }, -9, -4],
  logistic: ['l / (1 + exp(-k * (x - m)))', { l: 72, k: 0.35, m: 14 }, 0, 30],
  'logistic with offset': ['c + l / (1 + exp(-k * (x - m)))', { c: 10, l: 50, k: 1.2, m: 6 }, 0, 12],
  Gompertz: ['a * exp(-b * exp(-c * x))', { a: 100, b: 6, c: 0.4 }, 0, 20],
  Richards: ['a / (1 + exp(b - c * x)) ** (1 / d)', { a: 700, b: 5.3, c: 0.76, d: 1.3 }, 1, 15],
  Weibull: ['a - b * exp(-c * x ** d)', { a: 70, b: 60, c: 0.02, d: 1.6 }, 1, 30],
  Gaussian: ['a * exp(-((x - m) ** 2) / (2 * s ** 2))', { a: 8, m: 3, s: 0.7 }, 0, 6],
  'Gaussian on a slope': [
    'a * exp(-((x - m) ** 2) / (2 * s ** 2)) + b + c * x',
    { a: 40, m: 55, s: 6, b: 10, c: 0.2 },
    0,
    100,
  ],
  'two Gaussians': [
    'a * exp(-((x - m) ** 2) / (2 * s ** 2)) + b * exp(-((x - n) ** 2) / (2 * t ** 2))',
    { a: 5, m: 2, s: 0.5, b: 3, n: 4.5, t: 0.9 },
    0,
    8,
  ],
  Lorentzian: ['a * g ** 2 / ((x - m) ** 2 + g ** 2)', { a: 6, m: 10, g: 1.5 }, 0, 20],
  'pseudo-Voigt': [
    'a * (w / (1 + ((x - m) / g) ** 2) + (1 - w) * exp(-log(2) * ((x - m) / g) ** 2)) + c',
    { a: 9, w: 0.4, m: 5, g: 0.8, c: 1 },
    0,
    10,
  ],
  Fano: [
    'a * (q + (x - m) / g) ** 2 / (1 + ((x - m) / g) ** 2) + c',
    { a: 2, q: 1.5, m: 7, g: 0.6, c: 0.5 },
    3,
    11,
  ],
  Arrhenius: ['a * exp(-e / (8.314e-3 * x))', { a: 5e6, e: 45 }, 290, 370],
  Vogel: ['a * exp(b / (x - c))', { a: 0.02, b: 900, c: 150 }, 260, 420],
  'power law with offset': ['a * x ** b + c', { a: 2.5, b: 1.7, c: 10 }, 0.5, 12],
  'inverse power': ['a * (x + s) ** (-b)', { a: 50, s: 2, b: 1.3 }, 0, 40],
  'log with shift': ['a + b * log(x + s)', { a: 3, b: 2, s: 1.5 }, 0, 50],
  'damped sine': ['a * exp(-d * x) * sin(w * x + p)', { a: 4, d: 0.25, w: 2.2, p: 0.6 }, 0, 10],
  'sine with offset': ['a * sin(w * x + p) + c', { a: 2, w: 0.9, p: 1, c: 5 }, 0, 15],
  rational: ['(a + b * x) / (1 + c * x + d * x ** 2)', { a: 2, b: 3, c: 0.4, d: 0.25 }, 0, 12],
  'simple pole': ['a / (x - b) + c', { a: 4, b: -0.5, c: 1 }, 0, 10],
  Antoine: ['10 ** (a - b / (x + c))', { a: 4.2, b: 1500, c: 220 }, 20, 100],
  Planck: ['a * x ** 3 / (exp(b * x) - 1)', { a: 3, b: 0.7 }, 0.3, 15],
};

const POINTS = 24;
const functions = 'exp log sin cos atan sqrt'.split(' ');

/** @param {string} formula @param {readonly string[]} names @returns {Curve['model']} */
function modelOf(formula, names) {
  // oxlint-disable-next-line no-implied-eval, typescript/no-implied-eval -- formulas are written above, once for both languages
  const call = new Function(...functions, 'x', ...names, `return ${formula};`);
  const given = functions.map((name) => Math[/** @type {'exp'} */ (name)]);
  return (x, parameters) => call(...given, x, ...Array.from(parameters));
}

/**
 * Classic models with data of 24 points and noise of 1 %, each with a start of ones, which SciPy takes where none is given,
 * three within a factor of 3 of the true values, and four within a factor of 10.
 *
 * @type {readonly Curve[]}
 */
export const curves = Object.entries(formulas).map(
  ([name, [formula, values, first, last, noise = 0.01]], index) => {
    const [random, noiseOf] = [uniform(1000 + index), normal(2000 + index)];
    const parameters = Object.keys(values);
    const truth = Object.values(values);
    const model = modelOf(formula, parameters);
    const x = Array.from({ length: POINTS }, (_, i) => first + ((last - first) * i) / (POINTS - 1));
    const exact = x.map((value) => model(value, truth));
    const size = Math.max(...exact.map(Math.abs));
    const y = exact.map((value) => value + noise * size * noiseOf());
    const near = (/** @type {number} */ factor) => truth.map((value) => value * factor ** (2 * random() - 1));
    const starts = [truth.map(() => 1), ...[3, 3, 3, 10, 10, 10, 10].map(near)];
    return { name, formula, parameters, model, x, y, truth, starts };
  },
);
