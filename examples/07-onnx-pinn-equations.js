// Three more physics-informed networks, as ONNX graphs in float64 with residuals: a harmonic oscillator; Burgers' equation
// u_t + u·u_x = ν·u_xx; and the oscillator's damping μ with its standard error, from twenty noisy values. Compares
// Levenberg–Marquardt with Adam and SSBroyden. Writes out/pinn-equations.svg, loss against seconds.
import * as ort from 'onnxruntime-node';
import { adam, levenbergMarquardt, minimizeAsync, sequence, ssbroyden } from 'quasi-newton';
import { convergence } from 'quasi-newton/landscape';
import { graph, trainable } from 'quasi-newton/onnx';
import { mlp, randomNumbers } from './lib/mlp.js';
import { printTable, saveFigure } from './lib/report.js';

const quick = process.env.QUICK === '1';
const column = (/** @type {number[]} */ data) => ({ data, dims: [data.length, 1] });
const range = (/** @type {number} */ n) => Array.from({ length: n }, (_, i) => i);
/** @typedef {import('quasi-newton/onnx').ResidualFunction} ResidualFunction */

const damping = 0.4;
const omega = Math.sqrt(4 - damping ** 2 / 4);
/** Solution of u″ + μu′ + 4u = 0 with u(0) = 1, u′(0) = −μ/2. @param {number} t */
const wave = (t) => Math.exp((-damping * t) / 2) * Math.cos(omega * t);
const times = range(121).map((i) => i / 20);

/** u″ + μu′ + 4u at all times, and the two values at 0. @type {ResidualFunction} */
function oscillator(g, { outputs: [u], gradient, target }) {
  const [first] = gradient(u, ['x']);
  const [second] = gradient(first, ['x']);
  const equation = g.add(second, g.mul(damping, first), g.mul(4, u));
  const start = target('start', u); // 1 at t = 0, else 0
  return [
    g.mul(1 / Math.sqrt(times.length), equation),
    g.mul(10, start, g.sub(u, 1)),
    g.mul(10, start, g.add(first, damping / 2)),
  ];
}

const sigma = 0.02;
/** The same with μ unknown, and values with errors of σ in the place of the start. @type {ResidualFunction} */
function inverse(g, { outputs: [u], gradient, target, value }) {
  const [first] = gradient(u, ['x']);
  const [second] = gradient(first, ['x']);
  const equation = g.add(second, g.mul(value('mu'), first), g.mul(4, u));
  // In units of σ, so that their sum of squares is χ². The residuals of the equation are much smaller.
  return [g.mul(100, equation), g.mul(target('known', u), 1 / sigma, g.sub(u, target('values', u)))];
}

const viscosity = 0.1 / Math.PI;
const grid = range(21).flatMap((i) => range(31).map((j) => [i / 20, -1 + j / 15])); // (t, x)
/** u_t + u·u_x − ν·u_xx, u(0, x) = −sin πx, u(t, ±1) = 0. @type {ResidualFunction} */
function burgers(g, { outputs: [u], gradient, target }) {
  const [slope] = gradient(u, ['x']);
  const part = (/** @type {string} */ v, /** @type {number} */ k) => g.slice(v, k, k + 1, 1);
  const [t, x] = [part(slope, 0), part(slope, 1)];
  const [second] = gradient(x, ['x']);
  const equation = g.sub(g.add(t, g.mul(u, x)), g.mul(viscosity, part(second, 1)));
  const known = g.mul(target('known', u), g.sub(u, target('values', u)));
  return [g.mul(1 / Math.sqrt(grid.length), equation), g.mul(2 / Math.sqrt(71), known)];
}

/**
 * Returns the exact solution of Burgers' equation, by the Cole–Hopf transform.
 *
 * @param {number[]} point
 */
function exactBurgers([t, x]) {
  if (t === 0) return -Math.sin(Math.PI * x);
  let [above, below] = [0, 0];
  for (let z = -8; z <= 8; z += 0.02) {
    const place = Math.PI * (x - z * Math.sqrt(4 * viscosity * t));
    const weight = Math.exp(-z * z - Math.cos(place) / (2 * Math.PI * viscosity));
    above -= weight * Math.sin(place);
    below += weight;
  }
  return above / below;
}

/** A 1-16-1 network with a parameter μ beside it. */
function withCoefficient() {
  const random = randomNumbers(4);
  const g = graph();
  const x = g.input('x', ['N', 1]);
  const w = g.weight('w', [1, 16], () => 2 * random() - 1);
  const b = g.weight('b', [16], () => 4 * random() - 2);
  const v = g.weight('v', [16, 1], () => random() - 0.5);
  const mu = g.weight('mu', [1], () => 0);
  const u = g.matmul(g.tanh(g.add(g.matmul(x, w), b)), v);
  // u does not depend on μ; adding 0·μ keeps μ in the file.
  g.output('y', g.add(u, g.mul(0, mu)));
  return g.toBytes();
}

const noise = randomNumbers(9);
/** Normal numbers, by sums of twelve uniform ones. */
const normal = () => range(12).reduce((sum) => sum + noise(), -6);
const isKnown = (/** @type {number} */ i) => i % 6 === 0;
const isEdge = (/** @type {number[]} */ [t, x]) => t === 0 || Math.abs(x) === 1;

const equations = [
  {
    name: 'Oscillator',
    bytes: mlp([1, 24, 1]),
    residuals: oscillator,
    feeds: { x: column(times), start: column(times.map((t) => (t === 0 ? 1 : 0))) },
    exact: times.map(wave),
  },
  {
    name: 'Burgers',
    bytes: mlp([2, 16, 16, 1]),
    residuals: burgers,
    feeds: {
      x: { data: grid.flat(), dims: [grid.length, 2] },
      known: column(grid.map((point) => (isEdge(point) ? 1 : 0))),
      values: column(grid.map(([t, x]) => (t === 0 ? -Math.sin(Math.PI * x) : 0))),
    },
    exact: grid.map(exactBurgers),
  },
  {
    name: 'Unknown damping',
    bytes: withCoefficient(),
    residuals: inverse,
    feeds: {
      x: column(times),
      known: column(times.map((_, i) => (isKnown(i) ? 1 : 0))),
      values: column(times.map((t) => wave(t) + sigma * normal())),
    },
    exact: times.map(wave),
  },
];
const methods = [
  {
    name: 'Levenberg–Marquardt',
    solver: levenbergMarquardt({ scaling: 'columns' }),
    iterations: quick ? 10 : 200,
  },
  {
    name: 'Adam, SSBroyden',
    solver: sequence({ solver: adam({ learningRate: 5e-3 }), iterations: quick ? 10 : 500 }, ssbroyden()),
    iterations: quick ? 20 : 2500,
  },
];

const rows = [];
const runs = [];
for (const { name, bytes, residuals, feeds, exact } of equations) {
  for (const method of methods) {
    const model = await trainable(ort, bytes, {
      loss: (g, context) => {
        const [first, ...others] = [residuals(g, context)].flat().map((value) => g.sumOfAll(g.square(value)));
        return g.add(first, ...others);
      },
      ...(name === 'Unknown damping' && { trainable: ['w', 'b', 'v', 'mu'] }),
      precision: 'float64',
      sessionOptions: { intraOpNumThreads: 1 },
    });
    const problem = model.leastSquares(feeds, { residuals });
    const { x, f, elapsed, trace } = await minimizeAsync(problem, method.solver, {
      maxIterations: method.iterations,
      gtol: 0,
    });
    const { y } = await model.predict({ x: feeds.x });
    const error = Math.hypot(...exact.map((u, i) => u - Number(y.data[i]))) / Math.hypot(...exact);
    const mu =
      name === 'Unknown damping'
        ? `${x[x.length - 1].toFixed(4)} ± ${(await errorOf(problem, x)).toFixed(4)}`
        : '';
    rows.push([name, method.name, f.toExponential(1), error.toExponential(1), mu, elapsed.toFixed(1)]);
    if (name === 'Burgers') {
      runs.push({
        name: method.name,
        runs: [{ x: trace.map((entry) => entry.elapsed), y: trace.map((entry) => entry.f) }],
      });
    }
    await model.dispose();
  }
}
printTable(['Equation', 'Method', 'Loss', 'Relative error of u', `μ (${damping})`, 'Seconds'], rows);
saveFigure(
  'pinn-equations.svg',
  convergence(runs, { title: 'Burgers’ equation', xlabel: 'seconds', ylabel: 'loss' }),
);

/**
 * Returns the standard error of the last parameter: the square root of the last element of (JᵀJ)⁻¹, by Cholesky
 * factorization, for residuals in units of σ.
 *
 * @param {import('quasi-newton/onnx').OnnxLeastSquares} problem
 * @param {Float64Array} x
 */
async function errorOf(problem, x) {
  const [n, m] = [x.length, problem.residualCount];
  const jacobian = new Float64Array(m * n);
  await problem.residuals(x, new Float64Array(m), jacobian);
  const matrix = range(n).map(() => new Float64Array(n));
  for (let row = 0; row < m * n; row += n) {
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) matrix[i][j] += jacobian[row + i] * jacobian[row + j];
  }
  // Some directions of the weights change nothing, so JᵀJ is singular; adding 1e-12 of its largest element makes it definite.
  const small = 1e-12 * Math.max(...matrix.map((row, i) => row[i]));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i][j] + (i === j ? small : 0);
      for (let k = 0; k < j; k++) sum -= matrix[i][k] * matrix[j][k];
      matrix[i][j] = i === j ? Math.sqrt(sum) : sum / matrix[j][j];
    }
  }
  return 1 / matrix[n - 1][n - 1];
}
