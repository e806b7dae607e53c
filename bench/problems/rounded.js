/**
 * Returns a problem as float32 arithmetic computes it: x, f and every element of the gradient are rounded, and f has the
 * noise of a sum of many rounded terms, a few units in the last place, taken from a hash of x.
 *
 * @template {import('quasi-newton').Problem} P
 * @param {P} problem
 * @returns {P & { precision: 'float32' }}
 */
export function rounded(problem) {
  const x32 = new Float64Array(problem.p0.length);
  return {
    ...problem,
    precision: 'float32',
    fg(x, gradient) {
      let hash = 0;
      for (let i = 0; i < x.length; i++) {
        x32[i] = Math.fround(x[i]);
        hash = Math.imul(hash ^ Math.fround(x32[i] * 4096), 0x9e3779b1) ^ (hash >>> 15);
      }
      const f = problem.fg(x32, gradient);
      if (gradient) for (let i = 0; i < gradient.length; i++) gradient[i] = Math.fround(gradient[i]);
      const noise = ((hash >>> 8) / 2 ** 24 - 0.5) * 4;
      return Math.fround(f * (1 + noise * 2 ** -23));
    },
  };
}
