import { expect, it } from 'vitest';
import { adam, auto, levenbergMarquardt, minimize, soap, type Problem } from 'quasi-newton';
import { poissonError, resampledPoisson } from '../../bench/problems/poisson.js';
import { uniform } from '../../bench/problems/random.js';

/** a·e^(−bt) + c·sin(dt) at m times that are drawn for each batch, without noise. */
function redrawn(m: number): Problem {
  const random = uniform(3);
  const truth = [2, 0.7, -1, 1.3];
  let times: number[] = [];
  const draw = () => void (times = Array.from({ length: m }, () => 4 * random()));
  draw();
  const value = ([a, b, c, d]: Iterable<number>, t: number) => a * Math.exp(-b * t) + c * Math.sin(d * t);
  const residuals: Problem['residuals'] = (x, r, jacobian) => {
    const [a, b, c, d] = x;
    times.forEach((t, i) => {
      r[i] = value(x, t) - value(truth, t);
      const decay = Math.exp(-b * t);
      jacobian?.set([decay, -a * t * decay, Math.sin(d * t), c * t * Math.cos(d * t)], 4 * i);
    });
  };
  return {
    p0: Float64Array.of(1.5, 1, -0.7, 1.2),
    residualCount: m,
    nextBatch: draw,
    residuals,
    fg(x, gradient) {
      const [r, jacobian] = [new Float64Array(m), new Float64Array(4 * m)];
      residuals(x, r, jacobian);
      gradient?.fill(0);
      if (gradient)
        r.forEach((ri, i) => gradient.forEach((_, j) => (gradient[j] += 2 * ri * jacobian[4 * i + j])));
      return r.reduce((sum, ri) => sum + ri * ri, 0);
    },
  };
}

it.each([3, 4, 30])(
  'Levenberg–Marquardt finds what residuals without noise are 0 at, though %i of them are redrawn each step',
  (m) => {
    const { x } = minimize(redrawn(m), levenbergMarquardt(), { maxIterations: 60, gtol: 0 });
    [2, 0.7, -1, 1.3].forEach((value, i) => expect(Math.abs(x[i] - value)).toBeLessThan(1e-6));
  },
);

it('Levenberg–Marquardt is far ahead of Adam and SOAP on a PINN whose points are redrawn', () => {
  const errorOf = (solver: Parameters<typeof minimize>[1], steps: number) =>
    poissonError(minimize(resampledPoisson(1), solver, { maxIterations: steps, gtol: 0 }).x);
  const error = errorOf(levenbergMarquardt(), 60);
  expect(error).toBeLessThan(1e-3);
  expect(error).toBeLessThan(0.1 * errorOf(soap({ learningRate: 0.03 }), 300));
  expect(error).toBeLessThan(0.1 * errorOf(adam({ learningRate: 0.03 }), 300));
});

it('auto stays with SOAP on batches of residuals, which may have noise', () => {
  expect(minimize(redrawn(30), auto(), { maxIterations: 5 }).method).toMatch(/SOAP.*chosen for mini-batches/);
});
