import { describe, expect, it } from 'vitest';
import {
  bfgs,
  conjugateGradient,
  lbfgs,
  minimize,
  ssbroyden,
  terminations,
  type Problem,
} from 'quasi-newton';

const { fround } = Math;
const times = Float64Array.from({ length: 60 }, (_, i) => fround(i / 15));

/** a·exp(−kt) + c fitted to values that it can take on, everything rounded to float32: the least f is noise. */
function decay(truth: readonly [number, number, number]): Problem {
  const model = ([a, k, c]: Iterable<number>, t: number) => {
    const e = fround(Math.exp(-fround(fround(k) * t)));
    return { e, y: fround(fround(fround(a) * e) + fround(c)) };
  };
  const data = times.map((t) => model(truth, t).y);
  return {
    p0: Float64Array.of(1, 0.5, 0),
    precision: 'float32',
    fg(x, gradient) {
      gradient?.fill(0);
      let f = 0;
      times.forEach((t, i) => {
        const { e, y } = model(x, t);
        const r = fround(y - data[i]);
        f = fround(f + fround(fround(r * r) / times.length));
        const slopes = [e, -x[0] * t * e, 1];
        if (gradient) slopes.forEach((slope, j) => (gradient[j] += (2 * r * slope) / times.length));
      });
      gradient?.forEach((value, j) => (gradient[j] = fround(value)));
      return f;
    },
  };
}

describe('a fit as good as float32 can tell', () => {
  const solvers = { lbfgs, bfgs, conjugateGradient, ssbroyden };
  const truths = [
    [2.5, 1.7, 0.3],
    [1, 0.2, -2],
    [4, 3, 1],
    [0.5, 0.9, 0.1],
  ] as const;

  it.each(Object.entries(solvers))('is no failure of %s', (_, solver) => {
    for (const truth of truths) {
      const { f, termination } = minimize(decay(truth), solver());
      expect(f).toBeLessThan(1e-11);
      expect(terminations[termination].outcome).not.toBe('failed');
    }
  });
});
