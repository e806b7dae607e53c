import { minimize } from 'quasi-newton';

/**
 * Makes ½ Σ cᵢ(xᵢ − 1)² with cᵢ from 1 to 1e4, from 0: it is cheap, and takes more than fifty iterations.
 *
 * @param {number} n
 * @returns {import('quasi-newton').Problem}
 */
export function quadratic(n) {
  const curvatures = Float64Array.from({ length: n }, (_, i) => 10 ** ((4 * i) / n));
  return {
    p0: new Float64Array(n),
    fg(x, gradient) {
      let f = 0;
      for (let i = 0; i < n; i++) {
        const d = x[i] - 1;
        const g = curvatures[i] * d;
        f += 0.5 * g * d;
        if (gradient) gradient[i] = g;
      }
      return f;
    },
  };
}

/**
 * Returns the time of each iteration without that spent in `fg`, in seconds.
 *
 * @param {import('quasi-newton').Problem} problem
 * @param {import('quasi-newton').Solver} solver
 * @param {number} iterations
 */
export function secondsBeyondF(problem, solver, iterations) {
  /** @type {number[]} */
  const seconds = [];
  let inside = 0;
  let last = performance.now();
  minimize(
    {
      ...problem,
      fg(x, gradient) {
        const start = performance.now();
        const f = problem.fg(x, gradient);
        inside += performance.now() - start;
        return f;
      },
    },
    solver,
    {
      maxIterations: iterations,
      gtol: 0,
      callback() {
        seconds.push((performance.now() - last - inside) / 1000);
        inside = 0;
        last = performance.now();
        return false;
      },
    },
  );
  return seconds;
}
