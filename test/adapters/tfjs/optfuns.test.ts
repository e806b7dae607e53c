import * as tf from '@tensorflow/tfjs';
import { beforeEach, describe, expect, it } from 'vitest';
import { bfgs, lbfgs, minimize } from 'quasi-newton';
import { optfuns } from 'quasi-newton/tfjs';
import {
  backends,
  centralDifferences,
  expectNoLeak,
  relativeDifference,
  sineData,
  sineModel,
  useBackend,
  variable,
  variablesOf,
} from './harness.ts';

/** (1 − a)² + 100(b − a²)² over two scalar variables. */
function rosenbrock() {
  const a = variable(tf.scalar(-1.2));
  const b = variable(tf.scalar(1));
  const loss = () => tf.add(tf.square(tf.sub(1, a)), tf.mul(100, tf.square(tf.sub(b, tf.square(a)))));
  return { a, b, loss: loss as () => tf.Scalar };
}

describe.each(backends)('optfuns on %s', (backend) => {
  beforeEach(() => useBackend(backend));

  it('evaluates value and gradient at x, and leaves the variables there', () =>
    expectNoLeak(() => {
      const { a, b, loss } = rosenbrock();
      const { lossfun, gradfun, fg, p0 } = optfuns(loss, [a, b]);
      expect([...p0]).toEqual([Math.fround(-1.2), 1]);
      expect(lossfun([0, 0])).toBe(1);
      expect([...gradfun([0, 0])]).toEqual([-2, 0]);
      const gradient = new Float64Array(2);
      expect(fg(Float64Array.of(1, 2), gradient)).toBe(100);
      expect([...gradient]).toEqual([-400, 200]);
      expect([a.dataSync()[0], b.dataSync()[0]]).toEqual([1, 2]);
      tf.dispose([a, b]);
    }));

  it('agrees with central differences on a network', () =>
    expectNoLeak(() => {
      const model = sineModel();
      const { x, y } = sineData();
      const loss = () => tf.losses.meanSquaredError(y, model.apply(x) as tf.Tensor) as tf.Scalar;
      const { gradfun, lossfun, p0 } = optfuns(loss, model);
      expect(relativeDifference(gradfun(p0), centralDifferences(lossfun, p0, 1e-2), 0.1)).toBeLessThan(1e-3);
      model.dispose();
      tf.dispose([x, y]);
    }));

  it('minimizes Rosenbrock within 45 evaluations to 1e-8', () =>
    expectNoLeak(() => {
      const { a, b, loss } = rosenbrock();
      const evaluationsTo = minimize(optfuns(loss, [a, b]), lbfgs()).trace.find(({ f }) => f <= 1e-8);
      expect(evaluationsTo?.evaluations).toBeLessThanOrEqual(45);
      expect(a.dataSync()[0]).toBeCloseTo(1, 3);
      tf.dispose([a, b]);
    }));
});

describe('what goes wrong in a loss', () => {
  beforeEach(() => useBackend('cpu'));

  it('that throws leaves no tensor, the error as it was, and the best point in the variables', () =>
    expectNoLeak(() => {
      const { a, b, loss } = rosenbrock();
      const fault = new Error('no more data');
      let evaluations = 0;
      let best = [Infinity, 0, 0];
      const failing = () => {
        if (++evaluations > 12) throw fault;
        const value = loss();
        const f = value.dataSync()[0];
        if (f < best[0]) best = [f, a.dataSync()[0], b.dataSync()[0]];
        return value;
      };
      expect(() => minimize(optfuns(failing, [a, b]), lbfgs())).toThrow(fault);
      expect([a.dataSync()[0], b.dataSync()[0]]).toEqual(best.slice(1));
      tf.dispose([a, b]);
    }));

  it('that does not depend on the variables is refused', () =>
    expectNoLeak(() => {
      const w = variable(tf.ones([3]));
      const detached = () => tf.tensor(w.dataSync()).square().mean();
      expect(() => minimize(optfuns(detached, [w]), lbfgs())).toThrow(
        /does not depend on any of the variables/,
      );
      w.dispose();
    }));

  it('that is not a scalar, or no tensor at all, is named', () =>
    expectNoLeak(() => {
      const w = variable(tf.ones([3]));
      expect(() =>
        minimize(
          optfuns(() => w.square(), [w]),
          lbfgs(),
        ),
      ).toThrow(/scalar.*shape \[3\]/);
      expect(() =>
        minimize(
          optfuns(() => 3 as unknown as tf.Scalar, [w]),
          lbfgs(),
        ),
      ).toThrow(/scalar.*got 3/);
      expect(() => optfuns('loss' as unknown as () => tf.Scalar, [w])).toThrow(/must be a function/);
      expect([...w.dataSync()]).toEqual([1, 1, 1]);
      w.dispose();
    }));

  it.each([NaN, Infinity])('that starts at %d is refused, the variables as they were', (value) =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([2, 3]));
      expect(() =>
        minimize(
          optfuns(() => w.sum().mul(value), [w]),
          bfgs(),
        ),
      ).toThrow(/f\(p0\) is/);
      expect([...w.dataSync()]).toEqual([2, 3]);
      w.dispose();
    }),
  );

  it('NaN among the variables is refused by name', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([2, NaN]), 'poisoned');
      expect(() =>
        minimize(
          optfuns(() => w.sum(), [w]),
          bfgs(),
        ),
      ).toThrow(/p0\[1\].*poisoned.*NaN/);
      w.dispose();
    }));

  it('that becomes NaN somewhere ends at the best finite point', () =>
    expectNoLeak(() => {
      const w = variable(tf.scalar(4));
      // √w − w/10: defined for w ≥ 0 only, and the steps lead below.
      const result = minimize(
        optfuns(() => w.sqrt().sub(w.mul(-0.1)), [w]),
        lbfgs(),
      );
      expect(Number.isFinite(result.f)).toBe(true);
      expect(w.dataSync()[0]).toBe(result.x[0]);
      w.dispose();
    }));
});

describe('a run stopped by the caller', () => {
  beforeEach(() => useBackend('cpu'));

  it('a run stopped by an aborted signal throws the reason unchanged, and the variables hold the best point', () =>
    expectNoLeak(() => {
      const { a, b, loss } = rosenbrock();
      const controller = new AbortController();
      const reason = new Error('enough');
      let f = Infinity;
      const options = {
        signal: controller.signal,
        callback: (progress: { iteration: number; f: number }) => {
          f = progress.f;
          if (progress.iteration === 3) controller.abort(reason);
        },
      };
      const problem = optfuns(loss, [a, b]);
      expect(() => minimize(problem, lbfgs(), options)).toThrow(reason);
      expect(problem.lossfun([a.dataSync()[0], b.dataSync()[0]])).toBe(f);
      tf.dispose([a, b]);
    }));

  it('a run stopped by a callback that throws rethrows its error, and its steps stay in the variables', () =>
    expectNoLeak(() => {
      const { a, b, loss } = rosenbrock();
      const fault = new Error('in the callback');
      const options = {
        callback: ({ iteration }: { iteration: number }) => {
          if (iteration === 2) throw fault;
        },
      };
      expect(() => minimize(optfuns(loss, [a, b]), lbfgs(), options)).toThrow(fault);
      expect(a.dataSync()[0]).not.toBe(Math.fround(-1.2));
      tf.dispose([a, b]);
    }));

  it('a run ends in words if a variable is disposed of in the middle', () =>
    expectNoLeak(() => {
      const { a, b, loss } = rosenbrock();
      const options = {
        callback: ({ iteration }: { iteration: number }) => {
          if (iteration === 2) b.dispose();
        },
      };
      expect(() => minimize(optfuns(loss, [a, b]), lbfgs(), options)).toThrow(/disposed/);
      a.dispose();
    }));
});

it('takes variables of a model and of the caller alike', () =>
  expectNoLeak(async () => {
    await useBackend('cpu');
    const model = sineModel();
    const { x, y } = sineData();
    const loss = () => tf.losses.meanSquaredError(y, model.apply(x) as tf.Tensor) as tf.Scalar;
    const fromModel = optfuns(loss, model);
    const fromList = optfuns(loss, variablesOf(model));
    expect(fromList.p0).toEqual(fromModel.p0);
    expect(fromList.gradfun(fromList.p0)).toEqual(fromModel.gradfun(fromModel.p0));
    model.dispose();
    tf.dispose([x, y]);
  }));
