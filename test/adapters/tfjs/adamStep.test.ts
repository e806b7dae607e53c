import { expect, test } from 'vitest';
import { adamStep, adamVectors } from '../../../src/adapters/tfjs/accelerate/adamStep.ts';

const wave = (n: number, seed: number) =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(seed + 1.3 * i));

/** Algorithm 1 of Kingma & Ba (2015), in float64, for gradients that are the same at every step. */
function byTheBook(
  p: Float64Array,
  g: Float64Array,
  steps: number,
  rate: number,
  epsilon: number,
): Float64Array {
  const [m, v] = [new Float64Array(p.length), new Float64Array(p.length)];
  const x = p.slice();
  for (let t = 1; t <= steps; t++) {
    for (let i = 0; i < p.length; i++) {
      m[i] = 0.9 * m[i] + 0.1 * g[i];
      v[i] = 0.999 * v[i] + 0.001 * g[i] ** 2;
      const [mHat, vHat] = [m[i] / (1 - 0.9 ** t), v[i] / (1 - 0.999 ** t)];
      x[i] -= (rate * mHat) / (Math.sqrt(vHat) + epsilon);
    }
  }
  return x;
}

test.each([1, 3, 255, 256, 257, 1023, 1030])('steps of Adam on %d numbers are those of the paper', (n) => {
  const p = wave(n, 0);
  // From gradients of 0 to some whose squares are next to the smallest of float32.
  const g = wave(n, 1).map((value, i) => (i % 7 === 0 ? 0 : value * 10 ** (-17 * ((i % 5) / 4))));
  const [m, v] = adamVectors(n);
  const [rate, epsilon, steps] = [0.01, 1e-7, 20];
  const expected = byTheBook(Float64Array.from(p), Float64Array.from(g), steps, rate, epsilon);
  for (let t = 1; t <= steps; t++) {
    const [step, unbias] = [rate / (1 - 0.9 ** t), 1 / (1 - 0.999 ** t)];
    adamStep({ p, g, m, v }, { beta1: 0.9, beta2: 0.999, epsilon, step, unbias });
  }
  for (let i = 0; i < n; i++) expect(Math.abs(p[i] - expected[i])).toBeLessThan(3e-6);
  expect(m.length).toBe(n);
});

test('a NaN in the gradient stays visible', () => {
  const p = wave(300, 0);
  const g = wave(300, 1);
  g[299] = NaN;
  const [m, v] = adamVectors(300);
  adamStep({ p, g, m, v }, { beta1: 0.9, beta2: 0.999, epsilon: 1e-7, step: 0.1, unbias: 1000 });
  expect(p[299]).toBeNaN();
  expect(p[298]).not.toBeNaN();
});

test.each([3, 300])(
  'a gradient whose square is no float32 number moves %d numbers, and they move on afterwards',
  (n) => {
    const huge = [1.7e19, -1e20, 3e38, -3e38];
    const p = new Float32Array(n);
    const g = Float32Array.from({ length: n }, (_, i) => huge[i % 4]);
    const [m, v] = adamVectors(n);
    const numbers = { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 };
    adamStep({ p, g, m, v }, { ...numbers, step: 0.1 / (1 - 0.9), unbias: 1 / (1 - 0.999) });
    // The first step of Adam is the rate, against the sign of the gradient.
    p.forEach((value, i) => expect(value).toBeCloseTo(-0.1 * Math.sign(huge[i % 4]), 5));
    const before = p.slice();
    for (let t = 2; t <= 5; t++)
      adamStep({ p, g, m, v }, { ...numbers, step: 0.1 / (1 - 0.9 ** t), unbias: 1 / (1 - 0.999 ** t) });
    p.forEach((value, i) => expect(value - before[i]).toBeCloseTo(-0.4 * Math.sign(huge[i % 4]), 4));
    expect(v.every(Number.isFinite)).toBe(true);
  },
);
