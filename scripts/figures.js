// Draws the pictures at the top of the README, for light and for dark pages: `npm run figures`.
import { mkdirSync, writeFileSync } from 'node:fs';
import * as ort from 'onnxruntime-node';
import { adam, bfgs, lbfgs, minimizeAsync } from 'quasi-newton';
import { convergence, landscapeAsync, surface } from 'quasi-newton/landscape';
import { trainable } from 'quasi-newton/onnx';
import { mlp } from '../examples/lib/mlp.js';

/** @import { Plot } from 'quasi-newton/landscape' */

/** Colors of GitHub's pages. */
const pages = { light: 'white', dark: '#0d1117' };
mkdirSync('docs/figures', { recursive: true });

/**
 * Writes a picture twice.
 *
 * @param {string} name
 * @param {(background: string) => Plot} draw
 */
function save(name, draw) {
  for (const [page, background] of Object.entries(pages)) {
    writeFileSync(`docs/figures/${name}-${page}.svg`, draw(background).toSVG());
    console.log(`docs/figures/${name}-${page}.svg`);
  }
}

// The sine, learned by 1-5-5-1 with tanh, 46 parameters, from ten starts.
const points = Float32Array.from({ length: 100 }, (_, i) => -Math.PI + (2 * Math.PI * i) / 99);
const feeds = {
  x: { data: points, dims: [100, 1] },
  target: { data: points.map(Math.sin), dims: [100, 1] },
};
const methods = [
  { name: 'Adam', solver: adam({ learningRate: 0.05 }) },
  { name: 'L-BFGS', solver: lbfgs() },
  { name: 'BFGS', solver: bfgs() },
];
const seeds = Array.from({ length: 10 }, (_, i) => i + 1);
/** @type {import('quasi-newton/landscape').Trace[]} */
const traces = [];
for (const { name, solver } of methods) {
  const runs = [];
  for (const seed of seeds) {
    const model = await trainable(ort, mlp([1, 5, 5, 1], { seed }), { loss: 'mse' });
    const options = { maxIterations: 1000, maxEvaluations: 600, gtol: 0 };
    const { trace } = await minimizeAsync(model.problem(feeds), solver, options);
    runs.push(trace.filter((_, i) => i % 4 === 0 || i === trace.length - 1));
    await model.dispose();
  }
  traces.push({ name, runs });
  const ends = runs.map((run) => run[run.length - 1].f).toSorted((a, b) => a - b);
  console.log(`${name}: median loss ${((ends[4] + ends[5]) / 2).toExponential(1)}`);
}
save('convergence', (background) =>
  convergence(traces, {
    against: 'evaluations',
    xlabel: 'evaluations of the loss and its gradient',
    ylabel: 'mean squared error',
    width: 560,
    height: 420,
    background,
  }),
);

// Two spirals, told apart by 2-16-16-1: the loss around what L-BFGS found.
const spiral = Array.from({ length: 200 }, (_, i) => {
  const turn = i % 2;
  const angle = 0.6 + (3.4 * Math.PI * i) / 400;
  const radius = angle / 5.5;
  return { x: [radius * Math.cos(angle + Math.PI * turn), radius * Math.sin(angle + Math.PI * turn)], turn };
});
const classifier = await trainable(ort, mlp([2, 16, 16, 1], { seed: 3 }), {
  loss: 'binaryCrossEntropy',
  l2: 1e-4,
});
const problem = classifier.problem({
  x: { data: spiral.flatMap(({ x }) => x), dims: [200, 2] },
  target: { data: spiral.map(({ turn }) => turn), dims: [200, 1] },
});
const { f } = await minimizeAsync(problem, lbfgs(), { maxIterations: 1000 });
console.log(`loss ${f.toExponential(2)}`);
const data = await landscapeAsync(problem, { npoints: 45, normalize: 'filter', seed: 6, lnorm: 1.5 });
await classifier.dispose();
save('landscape', (background) =>
  surface(data, {
    zscale: 'log',
    color: 'viridis',
    azimuth: 30,
    elevation: 42,
    colorbar: false,
    width: 560,
    height: 420,
    background,
  }),
);
