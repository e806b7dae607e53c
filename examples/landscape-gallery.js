// Draws all pictures of docs/gallery.md and writes the page: `npm run gallery`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { lbfgs, minimize } from 'quasi-newton';
import {
  alignUnits,
  between,
  boxplot,
  contour,
  contourf,
  convergence,
  curvatureMap,
  density,
  eigenPlane,
  heatmap,
  landscape,
  line,
  onPlane,
  pcaPlane,
  spectralDensity,
  surface,
  topEigenpairs,
} from 'quasi-newton/landscape';
import { fitFullBatch, modelProblem } from 'quasi-newton/tfjs';
import { digits } from './lib/digits.js';
import { digitNet } from './lib/landscapeDigits.js';
import { descents, sineProblem, thinned } from './lib/landscapeSine.js';

const folder = fileURLToPath(new URL('../docs/gallery/', import.meta.url));
mkdirSync(folder, { recursive: true });
/** @type {string[]} */
const sections = [];

/**
 * Writes a picture and adds its section to the page.
 *
 * @param {string} name
 * @param {import('quasi-newton/landscape').Plot} plot
 * @param {string} text - description of the picture
 * @param {string} code - code that draws it
 */
function show(name, plot, text, code) {
  writeFileSync(`${folder}${name}.svg`, plot.toSVG());
  const title = `${name[0].toUpperCase()}${name.slice(1).replaceAll('-', ' ')}`;
  sections.push(
    `## ${title}\n\n${text}\n\n![${title}](gallery/${name}.svg)\n\n\`\`\`js no-run\n${code}\n\`\`\`\n`,
  );
  console.log(`docs/gallery/${name}.svg`);
}

tf.enableProdMode();
await tf.setBackend('cpu');
const problem = sineProblem(1);
const { loss, params, p0 } = problem;

show(
  'random-directions',
  contourf(() => tf.tidy(() => Math.log10(1 + loss().dataSync()[0])), params, {
    color: 'turbo',
    npoints: 50,
    lnorm: 1,
    seed: 1234,
    zlabel: 'log₁₀(1 + loss)',
    levels: 16,
  }),
  'The classic FluxOptTools.jl call: the sine network (1-5-5-1, tanh, 46 parameters) at its start, in two random directions\nwith the norm of its parameters.',
  `contourf(() => tf.tidy(() => Math.log10(1 + loss().dataSync()[0])), params, {
  color: 'turbo', npoints: 50, lnorm: 1, seed: 1234,
});`,
);

const paths = descents(problem, 300);
const best = paths[2].points[paths[2].points.length - 1];
const plane = pcaPlane([...paths.flatMap(({ points }) => points), best]);
const data = landscape(problem, { directions: plane, npoints: 61 });
const overlays = paths.map((path) => {
  const { points, losses } = thinned(path, 40);
  return { name: path.name, color: path.color, path: onPlane(data.plane, points, losses) };
});
show(
  'paths',
  contourf(data, { zscale: 'log', levels: 16, paths: overlays }),
  `Adam, SLBFGS and BFGS from one start, in the plane of their principal axes. Each marker has the color of the *true* loss at its point, which lies off the plane (the smaller the marker, the farther away). The plane captures ${Math.round(100 * (plane.explained[0] + plane.explained[1]))} % of the paths, yet the loss in it is far from the loss along the paths.`,
  `const plane = pcaPlane([...points, best]);
const data = landscape(problem, { directions: plane, npoints: 61 });
contourf(data, { zscale: 'log', paths: [{ name: 'BFGS', path: onPlane(data.plane, points, losses) }] });`,
);
show(
  'surface',
  surface(data, { zscale: 'log', azimuth: 115, elevation: 45, paths: overlays }),
  'The same plane as a surface with the paths on it, drawn without WebGL. `toHTML()` writes a page in which the surface can\nbe rotated.',
  `surface(data, { zscale: 'log', azimuth: 115, elevation: 45, paths: [{ name: 'BFGS', path }] });`,
);
show(
  'contour-lines',
  contour(data, { zscale: 'log', color: 'viridis', levels: 14, levelSpacing: 'quantile', clims: [0.01, 50] }),
  'Contour lines in viridis, a perceptually uniform color map, with equal areas between consecutive levels.',
  `contour(data, { zscale: 'log', color: 'viridis', levels: 14, levelSpacing: 'quantile', clims: [0.01, 50] });`,
);

params.copyFrom(best);
const pairs = topEigenpairs(problem, { count: 2, maxProducts: 30 });
show(
  'eigenvectors',
  contourf(landscape(problem, { directions: eigenPlane(pairs, { deltaLoss: 0.01 }), npoints: 41 }), {
    zscale: 'log',
    color: 'viridis',
    levels: 16,
  }),
  'Around the best point of BFGS, along the two leading eigenvectors of the Hessian, each axis √(2ΔL/λ) long with ΔL = 0.01: where the loss is quadratic, its contours are circles.',
  `const pairs = topEigenpairs(problem, { count: 2 });
const data = landscape(problem, { directions: eigenPlane(pairs, { deltaLoss: 0.01 }), npoints: 41 });
contourf(data, { zscale: 'log', color: 'viridis' });`,
);
show(
  'convexity',
  heatmap(curvatureMap(problem, { npoints: 15, lnorm: 0.5, seed: 2, maxProducts: 12 }), {
    metric: 'ratio',
    zlabel: '|λmin / λmax|',
    color: 'magma',
    zscale: 'log',
  }),
  'Deviation from convexity: |λmin/λmax| of the Hessian at each point, by a Lanczos process with twelve products.',
  `heatmap(curvatureMap(problem, { npoints: 15, lnorm: 0.5 }), { metric: 'ratio', zscale: 'log', color: 'magma' });`,
);
show(
  'spectral-density',
  density(spectralDensity(problem, { steps: 30, samples: 10 })),
  'The spectrum of the Hessian at the same point, by stochastic Lanczos quadrature: nearly all eigenvalues at 0, a few outliers.',
  `density(spectralDensity(problem, { steps: 30, samples: 10 }));`,
);
params.copyFrom(p0);

const seeds = Array.from({ length: 8 }, (_, k) => k + 1);
const many = seeds.map((seed) => descents(sineProblem(seed), 200));
const names = many[0].map(({ name }) => name);
show(
  'convergence',
  convergence(
    names.map((name, k) => ({ name, runs: many.map((run) => run[k].result.trace) })),
    { xlabel: 'iteration', width: 720 },
  ),
  'Eight seeds of each method on the sine problem: medians, quartiles, single runs.',
  `convergence([{ name: 'BFGS', runs: results.map(({ trace }) => trace) }, …], { xlabel: 'iteration' });`,
);
const finals = Object.fromEntries(
  names.map((name, k) => [name, many.map((run) => run[k].losses[run[k].losses.length - 1])]),
);
show(
  'box-plot',
  boxplot(finals, { yscale: 'log', ylabel: 'final loss', width: 480, height: 400 }),
  'The final losses of the same runs.',
  `boxplot({ Adam: [...], BFGS: [...] }, { yscale: 'log', ylabel: 'final loss' });`,
);
show(
  'densities',
  density(finals, { xscale: 'log', xlabel: 'final loss' }),
  'The same losses as distributions: a kernel density estimate of the logarithms, with a tick at the bottom for each run.',
  `density({ Adam: [...], BFGS: [...] }, { xscale: 'log', xlabel: 'final loss' });`,
);

await tf.setBackend('wasm');
const { x, y } = digits(0, 300);
const labels = y.argMax(1);
const net = digitNet();
fitFullBatch(net, x, y, { solver: lbfgs(), maxIterations: 15 });
const accuracy = () =>
  tf.tidy(() => {
    const output = /** @type {tf.Tensor} */ (net.predict(x));
    return output.argMax(1).equal(labels).mean().dataSync()[0];
  });
const classifier = modelProblem(net, x, y);
const around = landscape(classifier, {
  npoints: 31,
  normalize: 'filter',
  ignore: ['bias'],
  seed: 3,
  metrics: { accuracy },
});
show(
  'filter-normalized',
  contourf(around, { zscale: 'log', levels: 16, zlabel: 'cross-entropy' }),
  'A classifier of handwritten digits (784-16-10), in directions normalized filter by filter (Li et al. 2018).',
  `const around = landscape(modelProblem(net, x, y), { npoints: 31, normalize: 'filter', ignore: ['bias'], metrics: { accuracy } });
contourf(around, { zscale: 'log', zlabel: 'cross-entropy' });`,
);
show(
  'accuracy',
  heatmap(around, { metric: 'accuracy', color: 'viridis' }),
  'The accuracy at the same points, without interpolation.',
  `heatmap(around, { metric: 'accuracy', color: 'viridis' });`,
);

/** A network of 64 hidden units, trained from one of several starts. @param {number} seed */
function wideNet(seed) {
  const dense = (/** @type {number} */ units, /** @type {object} */ rest) =>
    tf.layers.dense({
      units,
      kernelInitializer: tf.initializers.heNormal({ seed: 100 * seed + units }),
      ...rest,
    });
  const wide = tf.sequential({
    layers: [dense(64, { activation: 'relu', inputShape: [784] }), dense(10, { activation: 'softmax' })],
  });
  wide.compile({ loss: 'categoricalCrossentropy', optimizer: 'sgd' });
  return wide;
}
const wide = wideNet(1);
const wideProblem = modelProblem(wide, x, y);
const [first, second] = [wide, wideNet(2)].map(
  (start) => minimize(modelProblem(start, x, y), lbfgs(), { maxIterations: 15 }).x,
);
const correct = () =>
  tf.tidy(() => {
    const output = /** @type {tf.Tensor} */ (wide.predict(x));
    return output.argMax(1).equal(labels).mean().dataSync()[0];
  });
/** @param {Float64Array} to */
const towards = (to) =>
  landscape(wideProblem, {
    dimensions: 1,
    directions: between(first, to),
    npoints: 81,
    metrics: { accuracy: correct },
  });
const [straight, aligned] = [towards(second), towards(alignUnits(wideProblem, first, second))];
/** The highest loss between the two models. @param {import('quasi-newton/landscape').LandscapeData} along */
const barrier = ({ x: at, z }) => Math.max(...z.filter((_, i) => at[i] >= 0 && at[i] <= 1)).toFixed(3);
show(
  'between-models',
  line(
    [
      { name: 'as trained', data: straight },
      { name: 'units aligned', data: aligned },
    ],
    {
      right: 'accuracy',
      ylabel: 'cross-entropy',
      xlabel: 'from one trained network (0) to another (1)',
      width: 720,
    },
  ),
  `The loss along the line between two networks (784-64-10) trained from different starts: a barrier lies between them. When the hidden units of the second are reordered to match those of the first, the barrier falls from ${barrier(straight)} to ${barrier(aligned)}. The dashed lines are accuracies, with their axis on the right.`,
  `const towards = (to) => landscape(problem, { dimensions: 1, directions: between(first, to), metrics: { accuracy } });
line([
  { name: 'as trained', data: towards(second) },
  { name: 'units aligned', data: towards(alignUnits(problem, first, second)) },
], { right: 'accuracy' });`,
);

writeFileSync(
  fileURLToPath(new URL('../docs/gallery.md', import.meta.url)),
  `# Gallery

\`npm run gallery\` (\`examples/landscape-gallery.js\`) draws every figure on this page as SVG, without a browser. To make
your own, see [Loss landscapes and curvature](landscapes.md).

${sections.join('\n')}`,
);
console.log('docs/gallery.md');
