import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { bfgs, checkGradient, checkJacobian, lbfgs, levenbergMarquardt, minimize } from 'quasi-newton';
import { leastSquaresProblem } from 'quasi-newton/tfjs';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

/** A 1-4-1 tanh network through a sine: 25 residuals, 13 unknowns. */
function network() {
  const x = tf.linspace(-2, 2, 25).reshape([25, 1]);
  const y = x.mul(1.5).sin();
  const weights = (shape: [number, number], seed: number) =>
    tf.variable(tf.randomNormal(shape, 0, 0.7, 'float32', seed));
  const [w, b, v, c] = [
    weights([1, 4], 1),
    weights([1, 4], 2),
    weights([4, 1], 3),
    tf.variable(tf.zeros([1, 1])),
  ];
  const residuals = () => x.matMul(w).add(b).tanh().matMul(v).add(c).sub(y);
  return { residuals, variables: [w, b, v, c] };
}

describe('leastSquaresProblem', () => {
  it('has the gradient and the Jacobian of its residuals', () => {
    const { residuals, variables } = network();
    const problem = leastSquaresProblem(residuals, variables);
    expect(problem.residualCount).toBe(25);
    expect(checkGradient(problem, { tolerance: 3e-2 })).toMatchObject({ wrong: [] });
    expect(checkJacobian(problem)).toMatchObject({ wrong: [], checked: 25 * 13 });
  });

  it.each(['rows', 'differences'] as const)(
    'trains a network by %s, lower than lbfgs and bfgs do',
    (jacobian) => {
      const [lm, ...others] = [levenbergMarquardt(), lbfgs(), bfgs()].map((solver) => {
        const { residuals, variables } = network();
        const problem = leastSquaresProblem(residuals, variables, { jacobian });
        const result = minimize(problem, solver, { maxIterations: 60, gtol: 0 });
        // The variables hold the solution.
        expect(result.f).toBe(problem.fg(problem.params.copyInto(problem.params.zeros()), null));
        return result.f;
      });
      expect(lm).toBeLessThan(1e-5);
      for (const other of others) expect(lm).toBeLessThan(other);
    },
  );

  it('returns the same f with and without a gradient', () => {
    const { residuals, variables } = network();
    const { fg, p0, residuals: compute } = leastSquaresProblem(residuals, variables);
    const r = new Float64Array(25);
    compute(p0, r, null);
    expect(fg(p0, new Float64Array(13))).toBe(fg(p0, null));
    expect(fg(p0, null)).toBeCloseTo(
      r.reduce((sum, value) => sum + value * value, 0),
      12,
    );
  });

  it('leaves no tensor behind, also when it throws', () => {
    const { residuals, variables } = network();
    const problem = leastSquaresProblem(residuals, variables);
    const before = tf.memory().numTensors;
    minimize(problem, levenbergMarquardt(), { maxIterations: 3 });
    expect(tf.memory().numTensors).toBe(before);
    let fails = false;
    const failing = leastSquaresProblem(() => {
      const values = residuals();
      if (fails) throw new Error('no data');
      return values;
    }, variables);
    fails = true;
    for (const gradient of [null, failing.params.zeros()]) {
      expect(() => failing.fg(failing.p0, gradient)).toThrow('no data');
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  it('refuses what is no tensor of residuals, and a number of them that changes', () => {
    const w = tf.variable(tf.tensor1d([1, 2, 3]));
    expect(() => leastSquaresProblem(() => 3 as unknown as tf.Tensor, [w])).toThrow(
      /must return a float32 tensor, got 3/,
    );
    expect(() => leastSquaresProblem(() => tf.tensor1d([1], 'int32'), [w])).toThrow(
      /got one of int32 with 1 values/,
    );
    expect(() => leastSquaresProblem(3 as unknown as () => tf.Tensor, [w])).toThrow(
      'leastSquaresProblem: residuals must be a function, got 3.',
    );
    let length = 3;
    const changing = leastSquaresProblem(() => w.slice([0], [length]), [w]);
    length = 2;
    expect(() => changing.fg(changing.p0, null)).toThrow(/returned 2 values; at first there were 3/);
  });
});

describe('leastSquaresProblem names mistakes', () => {
  const make = () => {
    const { residuals, variables } = network();
    let calls = 0;
    const changing = (change: (r: tf.Tensor) => unknown, from = 0) =>
      leastSquaresProblem(() => (calls++ < from ? residuals() : change(residuals())) as tf.Tensor, variables);
    return { residuals, variables, changing };
  };

  it('a tensor that is disposed, at first or later', () => {
    const dispose = (r: tf.Tensor) => {
      r.dispose();
      return r;
    };
    expect(() => make().changing(dispose)).toThrow(/residuals returned a disposed tensor/);
    expect(() => minimize(make().changing(dispose, 3), levenbergMarquardt())).toThrow(
      /residuals returned a disposed tensor/,
    );
  });

  it('data that are disposed, at first or later', () => {
    const { variables } = make();
    const y = tf.linspace(0, 1, 4).mul(2);
    const residuals = () => variables[3].sum().mul(y).sub(y);
    const problem = leastSquaresProblem(residuals, [variables[3]]);
    y.dispose();
    const message = /residuals used a disposed tensor; keep the data alive/;
    expect(() => minimize(problem, levenbergMarquardt())).toThrow(message);
    expect(() => leastSquaresProblem(residuals, [variables[3]])).toThrow(message);
  });

  it('a variable that is disposed, at first or later', () => {
    const { residuals, variables } = make();
    const problem = leastSquaresProblem(residuals, variables);
    variables[1].dispose();
    expect(() => minimize(problem, levenbergMarquardt())).toThrow(/is disposed; make a new set/);
    expect(() => leastSquaresProblem(residuals, variables)).toThrow(/is disposed/);
  });

  it('the first residual that is NaN', () => {
    const problem = make().changing((r) => tf.concat([r.flatten(), tf.tensor1d([NaN])]));
    expect(() => minimize(problem, levenbergMarquardt())).toThrow(
      'leastSquaresProblem: residual 25 of 26 is NaN at the first point; the data or the variables make it NaN.',
    );
  });

  it('another number of values, another type, or no tensor at a later call', () => {
    const solve = (change: (r: tf.Tensor) => unknown) =>
      minimize(make().changing(change, 4), levenbergMarquardt());
    expect(() => solve((r) => r.slice(1))).toThrow(/residuals returned 24 values; at first there were 25/);
    expect(() => solve((r) => r.toInt())).toThrow(/must return a float32 tensor, got one of int32/);
    expect(() => solve(() => undefined)).toThrow(/must return a float32 tensor, got undefined/);
  });
});
