import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { curveFit } from 'quasi-newton';
import { geometricMean } from './lib/geometricMean.js';
import { pythonWith } from './lib/python.js';
import { digits, nist } from './problems/nist/index.js';

export const title = 'NIST’s reference problems of nonlinear regression';

/** @typedef {{ name: string, start: number, calls: number, digits: number }} Fit */

/** Evaluations of the model and digits of the parameters, beside SciPy. */
export function run() {
  console.log(
    '20 problems, two starts each, derivatives by differences; evaluations of the model include those.\n',
  );
  const ours = nist.flatMap(({ name, model, x, y, starts, parameters }) =>
    starts.map((p0, i) => {
      const fit = curveFit(model, /** @type {(number & readonly number[])[]} */ (x), y, p0);
      return { name, start: i + 1, calls: fit.evaluations, digits: digits(fit.x, parameters) };
    }),
  );
  console.log('method'.padEnd(40), 'evaluations'.padStart(12), 'below 7 digits'.padStart(15));
  for (const [name, fits] of Object.entries({ curveFit: ours, ...scipy() })) {
    const mean = geometricMean(fits.map(({ calls }) => calls));
    const few = fits.filter(({ digits }) => digits < 7).length;
    console.log(name.padEnd(40), mean.toFixed(1).padStart(12), String(few).padStart(15));
  }
  console.log('\nproblem, start'.padEnd(16), 'evaluations'.padStart(12), 'digits'.padStart(8));
  for (const { name, start, calls, digits } of ours) {
    console.log(`${name} ${start}`.padEnd(15), String(calls).padStart(12), digits.toFixed(1).padStart(8));
  }
}

/** Those of SciPy, or none where there is no SciPy. @returns {Record<string, Fit[]>} */
function scipy() {
  const script = fileURLToPath(new URL('peers/nist.py', import.meta.url));
  const python = pythonWith('scipy');
  if (python === undefined) return {};
  const { status, stdout } = spawnSync(python, [script], { encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (status !== 0) return {};
  return Object.fromEntries(
    Object.entries(JSON.parse(stdout)).map(([name, fits]) => [`SciPy ${name}`, fits]),
  );
}
