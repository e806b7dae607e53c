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

import { uniform } from '../../bench/problems/random.js';

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

/** Softmax cross-entropy of a linear classifier on samples that can be told apart, everything rounded to float32. */
function classes(seed: number): Problem {
  const [samples, inputs, labels] = [30, 8, 3];
  const random = uniform(seed);
  const features = Array.from({ length: samples }, (_, i) =>
    Float64Array.from({ length: inputs }, (__, j) => fround((j === i % labels ? 2 : 0) + random())),
  );
  return {
    p0: Float64Array.from({ length: labels * inputs }, () => random() - 0.5),
    precision: 'float32',
    fg(x, gradient) {
      gradient?.fill(0);
      let f = 0;
      for (const [i, sample] of features.entries()) {
        const logits = Array.from({ length: labels }, (_, c) =>
          sample.reduce((sum, value, j) => fround(sum + fround(fround(x[c * inputs + j]) * value)), 0),
        );
        const largest = Math.max(...logits);
        const powers = logits.map((logit) => fround(Math.exp(fround(logit - largest))));
        const sum = powers.reduce((a, b) => fround(a + b), 0);
        const logSum = fround(Math.log(sum));
        f = fround(f + fround(fround(logSum - fround(logits[i % labels] - largest)) / samples));
        if (!gradient) continue;
        for (let c = 0; c < labels; c++) {
          const error = fround(fround(powers[c] / sum) - (c === i % labels ? 1 : 0));
          for (let j = 0; j < inputs; j++) gradient[c * inputs + j] += fround((error * sample[j]) / samples);
        }
      }
      return f;
    },
  };
}

const solvers = { lbfgs, bfgs, conjugateGradient, ssbroyden };

describe('a cross-entropy that has reached 0', () => {
  it.each(Object.entries(solvers))('ends without failure by %s', (_, solver) => {
    for (let seed = 0; seed < 8; seed++) {
      const { f, termination } = minimize(classes(seed), solver(), { gtol: 0 });
      expect(f).toBeLessThan(1e-6);
      expect(terminations[termination].outcome).not.toBe('failed');
    }
  });

  it.each(Object.entries(solvers))('names a gradient with one wrong element, by %s', (_, solver) => {
    const { fg, ...facts } = classes(1);
    const wrong: Problem = {
      ...facts,
      fg(x, gradient) {
        const f = fg(x, gradient);
        if (gradient) gradient[3] += 0.05;
        return f;
      },
    };
    expect(minimize(wrong, solver()).termination).toBe('gradientMismatch');
  });
});

describe('a fit exact to float32', () => {
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
