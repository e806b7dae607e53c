// The Poisson equation of 05-onnx-pinn.js as a least-squares problem: Levenberg–Marquardt compared with SSBroyden, without
// Adam first. The graph computes the Jacobian in one run. Writes out/pinn-least-squares.svg, loss against seconds.
import * as ort from 'onnxruntime-node';
import { levenbergMarquardt, minimizeAsync, ssbroyden } from 'quasi-newton';
import { convergence } from 'quasi-newton/landscape';
import { trainable } from 'quasi-newton/onnx';
import { mlp } from './lib/mlp.js';
import { exact, normal, relativeError } from './lib/poisson.js';
import { median, printTable, saveFigure } from './lib/report.js';

const quick = process.env.QUICK === '1';
const seeds = quick ? 1 : 3;

const side = 28;
const interior = Array.from({ length: side * side }, (_, i) => [
  (1 + (i % side)) / (side + 1),
  (1 + Math.floor(i / side)) / (side + 1),
]);
const boundary = Array.from({ length: 29 }, (_, i) => i / 29).flatMap((t) => [
  [t, 0],
  [1, t],
  [1 - t, 1],
  [0, 1 - t],
]);
const points = [...interior, ...boundary];
const isInside = (/** @type {number} */ i) => i < interior.length;
const column = (/** @type {number[]} */ data) => ({ data, dims: [data.length, 1] });
const feeds = {
  x: { data: points.flat(), dims: [points.length, 2] },
  source: column(points.map(([x, y]) => 2 * Math.PI ** 2 * exact(x, y))),
  // With these weights, the sum of squares is the mean in the interior plus four times the mean on the boundary.
  inside: column(points.map((_, i) => (isInside(i) ? 1 / side : 0))),
  edge: column(points.map((_, i) => (isInside(i) ? 0 : Math.sqrt(4 / boundary.length)))),
};

/** One residual for each point: Δu + source inside, u on the boundary. @type {import('quasi-newton/onnx').ResidualFunction} */
function residuals(g, { outputs: [u], target, gradient }) {
  const [slope] = gradient(u, ['x']);
  const [xx, yy] = [0, 1].map((axis) => {
    const [again] = gradient(g.slice(slope, axis, axis + 1, 1), ['x']);
    return g.slice(again, axis, axis + 1, 1);
  });
  return g.add(g.mul(target('inside', u), g.add(xx, yy, target('source', u))), g.mul(target('edge', u), u));
}

const methods = [
  { name: 'Levenberg–Marquardt', solver: levenbergMarquardt(), iterations: quick ? 10 : 300 },
  {
    name: 'Levenberg–Marquardt, columns',
    solver: levenbergMarquardt({ scaling: 'columns' }),
    iterations: quick ? 10 : 300,
  },
  { name: 'SSBroyden', solver: ssbroyden(), iterations: quick ? 30 : 2000 },
];
console.log(
  `\nPoisson's equation: network 2-32-1, 129 parameters, 900 residuals, float64, ${seeds} start${seeds > 1 ? 's' : ''}\n`,
);
/** @type {Map<string, { error: number, seconds: number, x: number[], y: number[] }[]>} */
const runs = new Map(methods.map(({ name }) => [name, []]));
for (let seed = 1; seed <= seeds; seed++) {
  const model = await trainable(ort, mlp([2, 32, 1]), {
    loss: (g, context) => g.sumOfAll(g.square(/** @type {string} */ (residuals(g, context)))),
    precision: 'float64',
    sessionOptions: { intraOpNumThreads: 1 },
  });
  const start = normal(model.params.length, 0.1, seed);
  for (const { name, solver, iterations } of methods) {
    model.params.copyFrom(start);
    const { trace, elapsed } = await minimizeAsync(model.leastSquares(feeds, { residuals }), solver, {
      maxIterations: iterations,
      gtol: 0,
    });
    const [x, y] = [trace.map((entry) => entry.elapsed), trace.map(({ f }) => f)];
    runs.get(name)?.push({ error: await relativeError(model), seconds: elapsed, x, y });
  }
  await model.dispose();
}
printTable(
  ['Method', 'Iterations', 'Median relative L2 error', 'Seconds'],
  methods.map(({ name, iterations }) => {
    const results = runs.get(name) ?? [];
    return [
      name,
      String(iterations),
      median(results.map(({ error }) => error)).toExponential(1),
      median(results.map(({ seconds }) => seconds)).toFixed(1),
    ];
  }),
);
saveFigure(
  'pinn-least-squares.svg',
  convergence(
    [...runs].map(([name, results]) => ({ name, runs: results })),
    { title: 'Poisson’s equation by residuals', xlabel: 'seconds', ylabel: 'loss' },
  ),
);
