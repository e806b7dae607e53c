// A physics-informed network solves −Δu = 2π² sin πx sin πy with u = 0 on the boundary of the unit square, as an
// ONNX graph in float64, which the last digits require and tfjs does not have. The residual contains second derivatives
// of the network with respect to its input; training differentiates them once more, with respect to the weights. After
// 500 iterations of Adam, three methods continue from the same point. Writes out/pinn.svg.
//
// The setup follows Müller and Zeinhofer (2023), arXiv:2302.13163.
import * as ort from 'onnxruntime-node';
import { adam, bfgs, lbfgs, minimizeAsync, ssbroyden } from 'quasi-newton';
import { convergence } from 'quasi-newton/landscape';
import { trainable } from 'quasi-newton/onnx';
import { mlp } from './lib/mlp.js';
import { exact, normal, relativeError } from './lib/poisson.js';
import { progressBar } from './lib/progress.js';
import { median, printTable, saveFigure } from './lib/report.js';

const quick = process.env.QUICK === '1';
const seeds = quick ? 1 : 3;
const adamIterations = quick ? 50 : 500;
const iterations = quick ? 50 : 1000;

const interior = Array.from({ length: 28 * 28 }, (_, i) => [
  (1 + (i % 28)) / 29,
  (1 + Math.floor(i / 28)) / 29,
]);
const boundary = Array.from({ length: 29 }, (_, i) => i / 29).flatMap((t) => [
  [t, 0],
  [1, t],
  [1 - t, 1],
  [0, 1 - t],
]);
const points = [...interior, ...boundary];
const column = (/** @type {number[]} */ data) => ({ data, dims: [data.length, 1] });
const feeds = {
  x: { data: points.flat(), dims: [points.length, 2] },
  source: column(points.map(([x, y]) => 2 * Math.PI ** 2 * exact(x, y))),
  // Mean squared residual in the interior, plus four times the mean of u² on the boundary.
  residualWeight: column(points.map((_, i) => (i < interior.length ? 1 / interior.length : 0))),
  boundaryWeight: column(points.map((_, i) => (i < interior.length ? 0 : 4 / boundary.length))),
};

/** @type {import('quasi-newton/onnx').LossFunction} */
function poisson(g, { outputs: [u], target, gradient }) {
  const [slope] = gradient(u, ['x']);
  const second = [0, 1].map((axis) => {
    const [again] = gradient(g.slice(slope, axis, axis + 1, 1), ['x']);
    return g.slice(again, axis, axis + 1, 1);
  });
  const residual = g.add(second[0], second[1], target('source', u));
  return g.add(
    g.sumOfAll(g.mul(target('residualWeight', u), g.square(residual))),
    g.sumOfAll(g.mul(target('boundaryWeight', u), g.square(u))),
  );
}

const methods = [
  { name: 'L-BFGS, memory 100', solver: lbfgs({ memory: 100 }) },
  { name: 'BFGS', solver: bfgs() },
  { name: 'SSBroyden', solver: ssbroyden() },
];
console.log(
  `\nPoisson's equation: network 2-32-1, 129 parameters, float64 in ONNX Runtime, ${adamIterations} iterations of Adam and ${iterations} of another, ${seeds} seed${seeds > 1 ? 's' : ''}\n`,
);
const bar = progressBar('Solving by networks', seeds * methods.length);
/** @type {Map<string, { f: number, error: number, milliseconds: number, losses: number[] }[]>} */
const runs = new Map(methods.map(({ name }) => [name, []]));
for (let seed = 1; seed <= seeds; seed++) {
  const model = await trainable(ort, mlp([2, 32, 1]), {
    loss: poisson,
    precision: 'float64',
    sessionOptions: { intraOpNumThreads: 1 },
  });
  model.params.copyFrom(normal(model.params.length, 0.1, seed));
  const first = await minimizeAsync(model.problem(feeds), adam({ learningRate: 5e-3 }), {
    maxIterations: adamIterations,
  });
  for (const { name, solver } of methods) {
    model.params.copyFrom(first.x);
    const second = await minimizeAsync(model.problem(feeds), solver, { maxIterations: iterations, gtol: 0 });
    const losses = [...first.trace, ...second.trace.slice(1)].map(({ f }) => f);
    const milliseconds = (1000 * second.elapsed) / second.iterations;
    runs.get(name)?.push({ f: second.f, error: await relativeError(model), milliseconds, losses });
    bar.step();
  }
  await model.dispose();
}
bar.done();

printTable(
  ['After Adam', 'Median loss', 'Median relative L2 error', 'ms/iteration'],
  [...runs].map(([name, results]) => [
    name,
    median(results.map(({ f }) => f)).toExponential(1),
    median(results.map(({ error }) => error)).toExponential(1),
    median(results.map(({ milliseconds }) => milliseconds)).toFixed(1),
  ]),
);
saveFigure(
  'pinn.svg',
  convergence(
    [...runs].map(([name, results]) => ({
      name,
      runs: results.map(({ losses }) => ({ x: losses.map((_, i) => i), y: losses })),
    })),
    { title: 'Poisson’s equation, 129 parameters', xlabel: 'iteration', ylabel: 'loss' },
  ),
);
