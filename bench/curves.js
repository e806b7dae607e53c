import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { curveFit } from 'quasi-newton';
import { geometricMean } from './lib/geometricMean.js';
import { pythonWith } from './lib/python.js';
import { digits } from './problems/nist/index.js';
import { curves } from './problems/curves/index.js';

export const title = 'Classic curves from rough starts';

/** @typedef {{ calls: number, x: ArrayLike<number> | null }} Fit */

/** A fit has found the solution if its sum of squares exceeds the least known by less than this part. */
const FOUND = 1e-4;

const tasks = curves.flatMap((curve) => curve.starts.map((p0, start) => ({ curve, p0, start })));

/** Fits that reach the least sum of squares known, and evaluations of the model, beside SciPy. */
export function run() {
  console.log(
    `${curves.length} models, ${tasks.length} fits: from ones, within a factor of 3 of the solution, within one of 10.\n`,
  );
  /** @type {Record<string, Fit[]>} */
  const results = { curveFit: tasks.map(fitOurs), ...scipy() };
  const references = new Map(
    curves.map((curve) => [curve, fitFrom(curve, fitFrom(curve, curve.truth).x ?? curve.truth).x]),
  );
  const least = new Map(curves.map((curve) => [curve, squares(curve, references.get(curve) ?? null)]));
  const lists = Object.values(results);
  for (const fits of lists) {
    fits.forEach(({ x }, k) => {
      const { curve } = tasks[k];
      least.set(curve, Math.min(least.get(curve) ?? Infinity, squares(curve, x)));
    });
  }
  const found = lists.map((fits) =>
    fits.map(({ x }, k) => squares(tasks[k].curve, x) <= (1 + FOUND) * (least.get(tasks[k].curve) ?? 0)),
  );
  const common = tasks.map((_, k) => found.every((list) => list[k]));
  const inKind = [0, 1, 4, 8].map(
    (from, kind, all) => (/** @type {number} */ k) =>
      tasks[k].start >= from && tasks[k].start < all[kind + 1],
  );
  console.log(
    'method'.padEnd(26),
    ...['found', 'from ones', 'factor 3', 'factor 10'].map((head) => head.padStart(10)),
    'below 7 digits'.padStart(15),
    'evaluations where all find it'.padStart(31),
  );
  Object.entries(results).forEach(([name, fits], l) => {
    const count = (/** @type {(k: number) => boolean} */ isIn) =>
      found[l].filter((is, k) => is && isIn(k)).length;
    const counts = [count(() => true), ...inKind.slice(0, 3).map(count)];
    const few = fits.filter(
      ({ x }, k) =>
        found[l][k] && digits(Array.from(x ?? []), Array.from(references.get(tasks[k].curve) ?? [])) < 7,
    ).length;
    const mean = geometricMean(fits.filter((_, k) => common[k]).map(({ calls }) => calls));
    console.log(
      name.padEnd(26),
      ...counts.map((is) => String(is).padStart(10)),
      String(few).padStart(15),
      mean.toFixed(1).padStart(31),
    );
  });
  console.log(`\n${'model'.padEnd(26)}`, ...Object.keys(results).map((name) => name.padStart(24)));
  for (const curve of curves) {
    const of = lists.map((_, l) => {
      const hits = tasks.map((task, k) => (task.curve === curve ? (found[l][k] ? '+' : '-') : '')).join('');
      return hits.padStart(24);
    });
    console.log(curve.name.padEnd(26), ...of);
  }
}

/** @param {typeof tasks[number]} task @returns {Fit} */
const fitOurs = ({ curve, p0 }) => fitFrom(curve, p0);

/** @param {import('./problems/curves/index.js').Curve} curve @param {ArrayLike<number>} p0 @returns {Fit} */
function fitFrom({ model, x, y }, p0) {
  try {
    const fit = curveFit(model, x, y, Array.from(p0));
    return { calls: fit.evaluations, x: fit.x };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { calls: 1, x: null }; // no value at the start
  }
}

/** @param {import('./problems/curves/index.js').Curve} curve @param {Fit['x']} parameters */
function squares({ model, x, y }, parameters) {
  if (parameters === null) return Infinity;
  const sum = x.reduce((total, value, i) => total + (model(value, parameters) - y[i]) ** 2, 0);
  return Number.isNaN(sum) ? Infinity : sum;
}

/** Those of SciPy, or none where there is no SciPy. @returns {Record<string, Fit[]>} */
function scipy() {
  const script = fileURLToPath(new URL('peers/curves.py', import.meta.url));
  const python = pythonWith('scipy');
  if (python === undefined) return {};
  const input = JSON.stringify(
    curves.map(({ name, formula, parameters, x, y, starts }) => ({
      name,
      formula,
      parameters,
      x,
      y,
      starts,
    })),
  );
  const { status, stdout, stderr } = spawnSync(python, [script], {
    input,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) throw new Error(stderr);
  return Object.fromEntries(
    Object.entries(JSON.parse(stdout)).map(([name, fits]) => [`SciPy ${name}`, fits]),
  );
}
