// The loss landscape of the sine problem, in the plane of the paths that Adam, SLBFGS and BFGS take, and along the leading
// eigenvectors of its Hessian. Writes out/landscape-sine*.svg and an interactive page.
import { mkdirSync, writeFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import {
  contourf,
  eigenPlane,
  landscape,
  onPlane,
  pcaPlane,
  surface,
  topEigenpairs,
} from 'quasi-newton/landscape';
import { descents, sineProblem, thinned } from './lib/landscapeSine.js';
import { landscapeBar } from './lib/progress.js';
import { printTable, saveFigure } from './lib/report.js';

const quick = process.env.QUICK === '1';
const npoints = quick ? 11 : 51;

tf.enableProdMode();
await tf.setBackend('cpu');
const problem = sineProblem(1);
const { loss, params, p0 } = problem;
console.log(
  `\nThe loss landscape of the sine problem: ${params.length} parameters, backend ${tf.getBackend()}`,
);

// As in FluxOptTools.jl: two random directions as long as the parameters, at the start.
const number = () => tf.tidy(() => Math.log10(1 + loss().dataSync()[0]));
saveFigure(
  'landscape-sine-random.svg',
  contourf(number, params, {
    color: 'turbo',
    npoints: quick ? 10 : 50,
    lnorm: 1,
    seed: 1234,
    zlabel: 'log₁₀(1 + loss)',
    title: 'Around the start, in random directions',
    onProgress: landscapeBar('Around the start'),
  }),
);

// The plane through the best point that the three paths stay closest to.
const paths = descents(problem, quick ? 50 : 300);
const best = paths[2].points[paths[2].points.length - 1];
const plane = pcaPlane([...paths.flatMap(({ points }) => points), best]);
const data = landscape(problem, { directions: plane, npoints, onProgress: landscapeBar('Around the paths') });
const overlays = paths.map((path) => {
  const { points, losses } = thinned(path, 40);
  return { name: path.name, color: path.color, path: onPlane(data.plane, points, losses) };
});
const share = Math.round(100 * plane.explained.reduce((sum, part) => sum + part, 0));
const attributes = /** @type {const} */ ({
  zscale: 'log',
  paths: overlays,
  title: `Three descents; the plane holds ${share} % of them`,
});
saveFigure('landscape-sine.svg', contourf(data, attributes));
saveFigure('landscape-sine-surface.svg', surface(data, { zscale: 'log', azimuth: 25, elevation: 45 }));
mkdirSync('out', { recursive: true });
writeFileSync('out/landscape-sine.html', surface(data, attributes).toHTML());
console.log('Page:   out/landscape-sine.html\n');

printTable(
  ['Method', 'Points', 'Loss at the end', 'Off the plane at the end'],
  paths.map(({ name, points, losses }, k) => {
    const { residual } = overlays[k].path;
    return [
      name,
      String(points.length),
      losses[losses.length - 1].toExponential(1),
      residual[residual.length - 1].toPrecision(2),
    ];
  }),
);

// Curvature at the best point, and the landscape along the leading eigenvectors.
params.copyFrom(best);
const pairs = topEigenpairs(problem, { count: 2, maxProducts: 30 });
/** @param {ArrayLike<number>} values @param {ArrayLike<number>} errors @param {number} i */
const withError = (values, errors, i) => `${values[i].toPrecision(4)} ± ${errors[i].toPrecision(1)}`;
const [first, second] = [0, 1].map((i) => withError(pairs.values, pairs.errors, i));
const least = withError(pairs.bottom.values, pairs.bottom.errors, 0);
console.log(`\nHessian at the best point, from ${pairs.products} products: λ1 = ${first}, λ2 = ${second},`);
console.log(
  `λmin = ${least}${pairs.bottom.accurate[0] ? '' : ': too small beside λ1 to resolve in float32'}.`,
);
saveFigure(
  'landscape-sine-eigen.svg',
  contourf(problem, {
    directions: eigenPlane(pairs, { deltaLoss: 0.01 }),
    npoints,
    onProgress: landscapeBar('Along the eigenvectors'),
    zscale: 'log',
    color: 'viridis',
    title: 'Along the leading eigenvectors',
  }),
);
params.copyFrom(p0);
