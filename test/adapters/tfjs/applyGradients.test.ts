import * as tf from '@tensorflow/tfjs';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  BFGSOptimizer,
  ConjugateGradientOptimizer,
  GradientDescentOptimizer,
  LBFGSOptimizer,
  SLBFGSOptimizer,
  SSBFGSOptimizer,
  SSBroydenOptimizer,
  type SolverOptimizer,
} from 'quasi-newton/tfjs';
import { expectNoLeak, useBackend, variable, weightsOf } from './harness.ts';

const classes = {
  LBFGSOptimizer,
  BFGSOptimizer,
  SSBFGSOptimizer,
  SSBroydenOptimizer,
  ConjugateGradientOptimizer,
  SLBFGSOptimizer,
  GradientDescentOptimizer,
};
type Name = keyof typeof classes;
/** Conjugate gradients live on line searches; gradient descent learns nothing. */
const learners = (Object.keys(classes) as Name[]).filter((name) => !/Gradient/.test(name));

beforeEach(() => useBackend('cpu'));

/** A linear regression whose least squares have curvatures from 1 to 100 times the smallest. */
function regression() {
  const [x, y] = tf.tidy(() => {
    const inputs = tf.randomNormal([256, 5], 0, 1, 'float32', 1).mul([1, 2, 3, 5, 8]);
    return [inputs, inputs.matMul(tf.tensor2d([[1], [-2], [3], [0.5], [1]]))];
  });
  const w = variable(tf.zeros([5, 1]));
  const loss = () => x.matMul(w).sub(y).square().mean() as tf.Scalar;
  return { w, loss, dispose: () => tf.dispose([x, y, w]) };
}

/** The usual loop: losses along `steps` calls of computeGradients and applyGradients. */
function train(
  optimizer: SolverOptimizer,
  { w, loss }: ReturnType<typeof regression>,
  steps: number,
  options?: { learningRate?: number; sameFunction?: boolean },
): number[] {
  return Array.from({ length: steps }, () => {
    const { value, grads } = optimizer.computeGradients(loss, [w]);
    optimizer.applyGradients(grads, options);
    const [f] = value.dataSync();
    tf.dispose([value, grads]);
    return f;
  });
}

describe('applyGradients', () => {
  it.each(Object.keys(classes) as Name[])('never climbs above the start with the defaults: %s', (name) =>
    expectNoLeak(() => {
      const problem = regression();
      const optimizer = new classes[name]();
      const losses = train(optimizer, problem, 150);
      expect(Math.max(...losses)).toBe(losses[0]);
      expect(losses.at(-1)).toBeLessThan(0.2 * losses[0]);
      optimizer.dispose();
      problem.dispose();
    }),
  );

  it.each(learners)('learns curvature where all gradients belong to one function: %s', (name) =>
    expectNoLeak(() => {
      const [plain, learning] = [false, true].map((sameFunction) => {
        const problem = regression();
        const optimizer = new classes[name]({ learningRate: 0.3 });
        const losses = train(optimizer, problem, 60, { sameFunction });
        optimizer.dispose();
        problem.dispose();
        return losses;
      });
      expect(learning.at(-1)).toBeLessThan(1e-2 * learning[0]);
      expect(learning.at(-1)).toBeLessThan(plain.at(-1)!);
    }),
  );

  it('takes the very steps of BFGS with unit steps, by its formula', () =>
    expectNoLeak(() => {
      // f = x² + 10y² from (1, 1); H is updated by Nocedal & Wright (6.17), from H₀ = I.
      const w = variable(tf.tensor1d([1, 1]));
      const optimizer = new BFGSOptimizer({ initialScaling: 'none' });
      const gradientAt = ([x, y]: number[]) => [2 * x, 20 * y];
      let H = [[1, 0], [0, 1]]; // prettier-ignore
      let x = [1, 1];
      let last: { s: number[]; g: number[] } | null = null;
      for (let k = 0; k < 6; k++) {
        const g = gradientAt(x);
        if (last) {
          const { s } = last;
          const y = g.map((value, i) => value - last!.g[i]);
          const sy = s[0] * y[0] + s[1] * y[1];
          const Hy = H.map((row) => row[0] * y[0] + row[1] * y[1]);
          const yHy = y[0] * Hy[0] + y[1] * Hy[1];
          H = H.map((row, i) =>
            row.map(
              (value, j) => value + ((1 + yHy / sy) * s[i] * s[j]) / sy - (Hy[i] * s[j] + s[i] * Hy[j]) / sy,
            ),
          );
        }
        const d = H.map((row) => -(row[0] * g[0] + row[1] * g[1]));
        const norm = Math.max(Math.abs(d[0]), Math.abs(d[1]));
        const alpha: number = last ? Math.min(1, 0.2 / norm) : 0.2 * Math.min(1, 1 / norm);
        const next: number[] = x.map((value, i) => value + alpha * d[i]);
        last = { s: next.map((value, i) => value - x[i]), g };
        const gradient = tf.tensor1d(gradientAt([...w.dataSync()]));
        optimizer.applyGradients({ [w.name]: gradient }, { learningRate: 0.2, sameFunction: true });
        gradient.dispose();
        x = next;
        expect([...w.dataSync()].map((value, i) => Math.abs(value - x[i])).every((e) => e < 1e-4)).toBe(true);
      }
      optimizer.dispose();
      w.dispose();
    }));

  it('moves no parameter by more than the learning rate, of the options or of the call', () =>
    expectNoLeak(() => {
      const problem = regression();
      const optimizer = new LBFGSOptimizer({ learningRate: 0.5 });
      for (const [rate, options] of [
        [0.5, {}],
        [0.1, { learningRate: 0.1 }],
        [0.02, { learningRate: 0.02, sameFunction: true }],
      ] as const) {
        // prettier-ignore
        for (let k = 0; k < 10; k++) {
          const before = problem.w.dataSync().slice();
          train(optimizer, problem, 1, options);
          const moved = Math.max(...problem.w.dataSync().map((value, i) => Math.abs(value - before[i])));
          expect(moved).toBeLessThanOrEqual(rate * (1 + 1e-5));
        }
      }
      optimizer.dispose();
      problem.dispose();
    }));

  it('learns no curvature across a call of minimize or a change of the weights by others', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([4, 3]));
      const optimizer = new BFGSOptimizer({ learningRate: 0.1 });
      const apply = (gradient: number[]) =>
        tf.tidy(() => optimizer.applyGradients({ [w.name]: tf.tensor1d(gradient) }, { sameFunction: true }));
      apply([1, 1]);
      tf.tidy(() => w.assign(tf.tensor1d([7, 7])));
      // With the pair of (1, 1) and (−1, 1) the direction would no longer be the gradient's.
      apply([-1, 1]);
      expect([...w.dataSync()].map((value) => Math.round(value * 1e4) / 1e4)).toEqual([7.1, 6.9]);
      optimizer.dispose();
      w.dispose();
    }));

  it('refuses options it does not have, in its own name', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([4, 3]));
      const gradient = tf.tensor1d([1, 1]);
      const apply = (options: object) => new LBFGSOptimizer().applyGradients({ [w.name]: gradient }, options);
      expect(() => apply({ learningrate: 1 })).toThrow(
        /^applyGradients: learningrate: no such option; there are learningRate, sameFunction/,
      );
      expect(() => apply({ learningRate: -1 })).toThrow(/learningRate: must be a finite number > 0, got -1/);
      tf.dispose([w, gradient]);
    }));

  it('survives a Q-learning loop whose targets move, with the defaults', () =>
    expectNoLeak(() => {
      const problem = regression();
      const optimizer = new LBFGSOptimizer();
      let worst = 0;
      for (let k = 0; k < 300; k++) {
        const loss = () => problem.loss().mul(1 + Math.sin(k)) as tf.Scalar;
        const { value, grads } = optimizer.computeGradients(loss, [problem.w]);
        optimizer.applyGradients(grads);
        worst = Math.max(worst, Math.abs(value.dataSync()[0]));
        tf.dispose([value, grads]);
      }
      expect(worst).toBeLessThan(2.1 * regressionStart());
      expect(tf.tidy(() => problem.loss().dataSync()[0])).toBeLessThan(1);
      optimizer.dispose();
      problem.dispose();
    }));
});

/** The loss at the start of {@link regression}. */
function regressionStart(): number {
  const { loss, dispose } = regression();
  const [f] = tf.tidy(() => loss().dataSync());
  dispose();
  return f;
}

describe('bounds of an optimizer', () => {
  it.each([
    [
      'GradientDescentOptimizer',
      () => new GradientDescentOptimizer({ learningRate: 0.5, lower: -0.2, upper: 0.3 }),
    ],
    ['LBFGSOptimizer', () => new LBFGSOptimizer({ learningRate: 0.5, lower: -0.2, upper: 0.3 })],
  ] as const)('hold in applyGradients, too: %s', (_, make) =>
    expectNoLeak(() => {
      const problem = regression();
      const optimizer = make();
      for (let k = 0; k < 20; k++) {
        train(optimizer, problem, 1, { sameFunction: k % 2 === 1 });
        const weights = problem.w.dataSync();
        expect(Math.max(...weights)).toBeLessThanOrEqual(Math.fround(0.3));
        expect(Math.min(...weights)).toBeGreaterThanOrEqual(Math.fround(-0.2));
      }
      // Weights of 1, −2, 3, 0.5 and 1 would be best.
      const signs = [...problem.w.dataSync()].map(Math.sign);
      expect(signs).toEqual([1, -1, 1, 1, 1]);
      problem.dispose();
      optimizer.dispose();
    }),
  );

  it('must be as many as there are weights, said in its name', () =>
    expectNoLeak(() => {
      const problem = regression();
      const optimizer = new LBFGSOptimizer({ lower: [0, 1] });
      const message = 'LBFGSOptimizer: lower has length 2; there are 5 unknowns.';
      expect(() => optimizer.minimize(problem.loss, false, [problem.w])).toThrow(message);
      problem.dispose();
      optimizer.dispose();
    }));

  it('must agree with the constraints of layers', () =>
    expectNoLeak(async () => {
      const problem = regression();
      const bounds = { lower: -0.2, upper: 0.3 };
      const made = (
        kernelConstraint: ReturnType<typeof tf.constraints.nonNeg>,
        optimizer: SolverOptimizer = new LBFGSOptimizer(bounds),
      ) => {
        const model = tf.sequential({
          layers: [tf.layers.dense({ units: 1, inputShape: [5], kernelConstraint, useBias: false })],
        });
        model.setWeights([problem.w]);
        optimizer.attach(model);
        model.compile({ optimizer, loss: 'meanSquaredError' });
        return { model, optimizer };
      };
      const y = tf.ones([4, 1]);
      const x = tf.tensor2d([[1, 2, 3, 4, -5], [2, 1, 0, 3, 1], [0, 0, 1, -1, 2], [1, 1, 1, 1, 1]]); // prettier-ignore
      const gradientsOf = ({ model, optimizer }: ReturnType<typeof made>) =>
        optimizer.computeGradients(
          () => x.matMul(model.getWeights()[0]).sub(1).square().mean(),
          model.trainableWeights.map((weight) => weight.read() as tf.Variable),
        );
      const agreeing = made(tf.constraints.nonNeg());
      await agreeing.model.fit(x, y, { batchSize: 4, epochs: 5, verbose: 0 });
      const [kernel] = agreeing.model.getWeights();
      expect(Math.min(...kernel.dataSync())).toBeGreaterThanOrEqual(0);
      expect(Math.max(...kernel.dataSync())).toBeLessThanOrEqual(Math.fround(0.3));
      // A step beyond the bounds is not the fault of the constraints.
      const long = made(
        tf.constraints.nonNeg(),
        new GradientDescentOptimizer({ learningRate: 0.5, ...bounds }),
      );
      const next = gradientsOf(long);
      long.optimizer.applyGradients(next.grads);
      const weights = long.model.getWeights()[0].dataSync();
      expect(Math.min(...weights)).toBe(0);
      expect(Math.max(...weights)).toBeCloseTo(0.3, 6);
      const { model, optimizer } = made(tf.constraints.unitNorm({ axis: 0 }));
      const { value, grads } = gradientsOf({ model, optimizer });
      const before = weightsOf(model);
      expect(() => optimizer.applyGradients(grads)).toThrow(
        /^LBFGSOptimizer: lower and upper: the layer constraints of the attached model set weight \d to .* beyond its bounds/,
      );
      expect(weightsOf(model)).toEqual(before);
      tf.dispose([value, grads, next, x, y]);
      for (const each of [agreeing, long, { model, optimizer }]) {
        each.optimizer.dispose();
        each.model.dispose();
      }
      problem.dispose();
    }));
});
