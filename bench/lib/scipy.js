import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { pythonWith } from './python.js';
import { hitCounter } from './firstHit.js';

/** The version of SciPy, or null where no Python has it. */
export function scipyVersion() {
  const python = pythonWith('scipy');
  if (python === undefined) return null;
  const { stdout } = spawnSync(python, ['-c', 'import scipy; print(scipy.__version__)']);
  return String(stdout).trim();
}

/** Options that let SciPy run as far as the rule of the comparison asks. */
export const scipyOptions = {
  'L-BFGS-B': { maxcor: 10, ftol: 1e-16, gtol: 1e-12, maxfun: 3000, maxiter: 100_000, maxls: 20 },
  BFGS: { gtol: 1e-12, maxiter: 100_000 },
};

/** A running SciPy, solving problems that live here. */
export class SciPy {
  #child = spawn(
    pythonWith('scipy') ?? 'python3',
    [fileURLToPath(new URL('minimizeByScipy.py', import.meta.url))],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  #bytes = Buffer.alloc(0);

  /**
   * As `evaluationsToSolve`, with SciPy.
   *
   * @param {import('quasi-newton').Problem} problem
   * @param {number} minimum
   * @param {keyof typeof scipyOptions} method
   */
  async evaluationsToSolve(problem, minimum, method, limit = 3000) {
    const counter = hitCounter(problem, minimum, limit);
    await this.minimize({ ...problem, fg: counter.fg }, method, limit, {
      enough: () => counter.hit() !== null,
    });
    return counter.hit();
  }

  /**
   * Minimizes a problem with SciPy until it ends, has taken `limit` evaluations, or meets the rule.
   *
   * @param {import('quasi-newton').Problem} problem
   * @param {keyof typeof scipyOptions} method
   * @param {number} limit
   * @param {{ enough?: () => boolean, bounds?: readonly [lower: Float64Array, upper: Float64Array], gradient?: boolean }} [more]
   */
  async minimize({ p0, fg }, method, limit, { enough = () => false, bounds, gradient = true } = {}) {
    const n = p0.length;
    const answer = new Float64Array(n + 1);
    const x = new Float64Array(n);
    const task = { method, n, options: scipyOptions[method], bounded: bounds !== undefined, gradient };
    this.#child.stdin.write(`${JSON.stringify(task)}\n`);
    for (const vector of [p0, ...(bounds ?? [])]) this.#child.stdin.write(Buffer.from(bytesOf(vector)));
    for (let evaluations = 1; String(await this.#read(1)) === 'x'; evaluations++) {
      bytesOf(x).set(await this.#read(8 * n));
      answer[0] = enough() || evaluations > limit ? NaN : finite(fg(x, answer.subarray(1)));
      this.#child.stdin.write(Buffer.from(bytesOf(answer)));
    }
  }

  close() {
    this.#child.stdin.end();
  }

  /** @param {number} count - of bytes */
  async #read(count) {
    const chunks = [this.#bytes];
    let length = this.#bytes.length;
    while (length < count) {
      const [chunk] = await once(this.#child.stdout, 'data');
      chunks.push(chunk);
      length += chunk.length;
    }
    const all = Buffer.concat(chunks, length);
    this.#bytes = all.subarray(count);
    return all.subarray(0, count);
  }
}

/** NaN is the sign that the parent has had enough, so a value that is not finite is sent as Infinity. */
const finite = (/** @type {number} */ f) => (Number.isFinite(f) ? f : Infinity);

const bytesOf = (/** @type {Float64Array} */ x) => new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
