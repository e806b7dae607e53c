import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lbfgs, minimize, type Problem } from 'quasi-newton';
import { uniform } from '../../bench/problems/random.js';
import { boxOf } from '../../src/core/bounds.ts';
import { MODEL_LIMIT, modelMatrix, stepInBox } from '../../src/solvers/boxDirection.ts';
import { limitedMemory } from '../../src/solvers/limitedMemory.ts';

/** A memory that has learned some steps on Σ cosh(aᵢᵀx), and the two-loop recursion on it. */
function learned(n: number, count: number, seed: number, selfScaling = false) {
  const random = uniform(seed);
  const vector = () => Float64Array.from({ length: n }, () => 2 * random() - 1);
  const inverse = limitedMemory(() => 5, { selfScaling }, true);
  const memory = inverse.init({ n, precision: 'float64' });
  const directions = Array.from({ length: 2 * n }, vector);
  const fg = (x: Float64Array, gradient: Float64Array): number => {
    gradient.fill(0);
    let f = 0;
    for (const a of directions) {
      const z = a.reduce((sum, value, i) => sum + value * x[i], 0);
      f += Math.cosh(z);
      for (let i = 0; i < n; i++) gradient[i] += Math.sinh(z) * a[i];
    }
    return f;
  };
  for (let k = 0; k < count; k++) {
    const alpha = 0.1;
    const x = vector();
    const [gradient, trialGradient] = [new Float64Array(n), new Float64Array(n)];
    const f = fg(x, gradient);
    const direction = gradient.map((value) => -value);
    const trial = x.map((value, i) => value + alpha * direction[i]);
    const trialF = fg(trial, trialGradient);
    inverse.learn(memory, { x, f, gradient, trial, trialF, trialGradient, direction, alpha });
  }
  return { memory, inverse, vector };
}

const times = (matrix: Float64Array, v: Float64Array): Float64Array =>
  v.map((_, i) => v.reduce((sum, value, j) => sum + matrix[i * v.length + j] * value, 0));

const norm = (v: Float64Array): number => Math.max(...v.map(Math.abs));

const cases = fc.record({
  n: fc.integer({ min: 1, max: 7 }),
  count: fc.integer({ min: 1, max: 9 }),
  seed: fc.integer({ min: 0, max: 1e6 }),
});

test('the matrix of the model is the inverse of what the two-loop recursion applies', () => {
  fc.assert(
    fc.property(cases, fc.boolean(), ({ n, count, seed }, selfScaling) => {
      const { memory, inverse, vector } = learned(n, count, seed, selfScaling);
      const matrix = modelMatrix(memory, n, selfScaling);
      const gradient = vector();
      const step = new Float64Array(n);
      inverse.apply(memory, gradient, step);
      const back = times(matrix, step);
      expect(norm(back.map((value, i) => value + gradient[i]))).toBeLessThan(1e-6 * norm(gradient));
    }),
    { numRuns: 300, seed: 4 },
  );
});

test('the matrix leaves out a pair whose sᵀBs underflows', () => {
  const memory = limitedMemory(() => 1, {}, true).init({ n: 2, precision: 'float64' });
  for (const row of memory.rows.slice(0, 2)) row[0] = 1e-200;
  memory.rho.fill(Infinity);
  memory.gamma.fill(0.5);
  for (const factor of [memory.tau, memory.biggs]) factor.fill(1);
  expect([...modelMatrix({ ...memory, count: 1, next: 1 }, 2, false)]).toEqual([2, 0, 0, 2]);
});

test('a step stays in the box, keeps what is held, and minimizes the model over what no bound stops', () => {
  let [stops, steps] = [0, 0];
  fc.assert(
    fc.property(cases, fc.double({ min: 0.01, max: 3, noNaN: true }), ({ n, count, seed }, width) => {
      const { memory, vector } = learned(n, count, seed);
      const gradient = vector();
      const x = vector();
      const lower = x.map((value, i) => value - (i % 3 === 0 ? 0 : width * ((i % 2) + 0.1)));
      const upper = x.map((value, i) => value + width * ((i % 4) + 0.1));
      const box = boxOf('test', lower, upper);
      const held = [...x.keys()].filter((i) => i % 3 === 0 && gradient[i] > 0);
      const matrix = modelMatrix(memory, n, false);
      const step = new Float64Array(n);
      if (!stepInBox({ matrix, gradient }, box, x, held, step)) return;
      if (held.length > 0) steps++;
      const slopes = times(matrix, step).map((value, i) => value + gradient[i]);
      expect(step.reduce((sum, value, i) => sum + value * gradient[i], 0)).toBeLessThan(0);
      for (let i = 0; i < n; i++) {
        const [lowest, highest] = [lower[i] - x[i], upper[i] - x[i]];
        expect(step[i]).toBeGreaterThanOrEqual(lowest);
        expect(step[i]).toBeLessThanOrEqual(highest);
        const isStopped = !held.includes(i) && (step[i] === lowest || step[i] === highest);
        if (isStopped) stops++;
        // Held elements stay, and the slopes of the model vanish along the free ones.
        const rest = held.includes(i) ? step[i] : isStopped ? 0 : slopes[i] / (norm(gradient) + norm(slopes));
        expect(Math.abs(rest)).toBeLessThan(1e-6);
      }
    }),
    { numRuns: 500, seed: 5 },
  );
  expect(stops).toBeGreaterThan(100);
  expect(steps).toBeGreaterThan(100);
});

test('a matrix that rounding made indefinite gives no step', () => {
  const box = boxOf('test', -1, 1);
  const model = { matrix: Float64Array.of(1, 2, 2, 1), gradient: Float64Array.of(1, 1) };
  expect(stepInBox(model, box, new Float64Array(2), [], new Float64Array(2))).toBe(false);
});

test.each([MODEL_LIMIT, MODEL_LIMIT + 2])(
  'n = %i: a coupled quadratic ends where the conditions hold',
  (n) => {
    const problem: Problem = {
      p0: new Float64Array(n).fill(0.5),
      fg(x, gradient) {
        gradient?.fill(0);
        let f = 0;
        for (let i = 0; i + 1 < n; i++) {
          const a = x[i + 1] - 2 * x[i] + Math.sin(i);
          f += a * a + 0.1 * x[i] ** 2;
          if (!gradient) continue;
          gradient[i + 1] += 2 * a;
          gradient[i] += 0.2 * x[i] - 4 * a;
        }
        return f;
      },
    };
    const { x, converged } = minimize(problem, lbfgs({ lower: -0.2, upper: 0.7 }), { gtol: 1e-9 });
    const gradient = new Float64Array(n);
    problem.fg(x, gradient);
    expect(converged).toBe(true);
    const violations = x.map((value, i) =>
      value === -0.2 ? -gradient[i] : value === 0.7 ? gradient[i] : Math.abs(gradient[i]),
    );
    expect(Math.max(...violations)).toBeLessThan(1e-8);
  },
);
