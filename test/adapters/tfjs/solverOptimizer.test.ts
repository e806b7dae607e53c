import * as tf from '@tensorflow/tfjs';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  adam,
  gradientDescent,
  lbfgs,
  newtonCG,
  sequence,
  staticStep,
  strongWolfe,
  type Solver,
} from 'quasi-newton';
import {
  attach,
  BFGSOptimizer,
  ConjugateGradientOptimizer,
  GradientDescentOptimizer,
  LBFGSOptimizer,
  SOAPOptimizer,
  register,
  SolverOptimizer,
  SSBroydenOptimizer,
} from 'quasi-newton/tfjs';
import { expectNoLeak, sineData, sineModel, useBackend, variable, weightsOf } from './harness.ts';

beforeEach(() => useBackend('cpu'));

describe('new SolverOptimizer(solver)', () => {
  it.each<[string, Solver]>([
    [
      'sequence(adam(), lbfgs())',
      sequence({ solver: adam({ learningRate: 0.05 }), iterations: 20 }, lbfgs()),
    ],
    ['adam()', adam({ learningRate: 0.05 })],
    ['newtonCG()', newtonCG()],
  ])('trains a model through compile and fit: %s', (_name, solver) =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      for (const batchSize of [100, 25]) {
        const model = sineModel(2);
        const optimizer = new SolverOptimizer(solver, { fullBatch: batchSize === 100 });
        model.compile({ optimizer, loss: 'meanSquaredError' });
        const { history } = await model.fit(x, y, { batchSize, epochs: 60, verbose: 0 });
        expect(history.loss.at(-1) as number).toBeLessThan(0.7 * (history.loss[0] as number));
        optimizer.dispose();
        model.dispose();
      }
      tf.dispose([x, y]);
    }),
  );

  it.each<[string, Solver, number]>([
    ['lbfgs', lbfgs({ lower: 0.5 }), 20],
    ['adam', adam({ learningRate: 0.1, lower: 0.5 }), 300],
    ['gradientDescent', gradientDescent({ lower: 0.5 }), 20],
    [
      'sequence',
      sequence({ solver: adam({ learningRate: 0.1, lower: 0.5 }), iterations: 5 }, lbfgs({ lower: 0.5 })),
      20,
    ],
  ])('keeps the bounds of its solver: %s', (_name, solver, calls) =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([4, -3]));
      const optimizer = new SolverOptimizer(solver);
      let least = Infinity;
      const loss = () => {
        least = Math.min(least, ...w.dataSync());
        return w.square().sum();
      };
      for (let k = 0; k < calls; k++) {
        optimizer.minimize(loss as () => tf.Scalar, false, [w]);
        // The first call begins outside of the bounds.
        if (k === 0) least = Infinity;
      }
      expect([...w.dataSync()]).toEqual([0.5, 0.5]);
      expect(least).toBe(0.5);
      optimizer.dispose();
      w.dispose();
    }),
  );

  it('keeps them too where the loss is another one at each evaluation, with plain Adam', () =>
    expectNoLeak(() => {
      const w = variable(tf.tensor1d([0.52, 3]));
      const optimizer = new SolverOptimizer(lbfgs({ lower: 0.5, upper: [10, 10] }));
      let draws = 0;
      for (let k = 0; k < 400; k++) {
        optimizer.minimize(
          () =>
            w
              .sub(5 * Math.sin(++draws))
              .square()
              .sum(),
          false,
          [w],
        );
        for (const value of w.dataSync()) expect(value).toBeGreaterThanOrEqual(0.5);
      }
      optimizer.dispose();
      w.dispose();
    }));

  it('refuses what is no solver, and options in its own name', () => {
    expect(() => new SolverOptimizer({} as Solver)).toThrow(/^SolverOptimizer: solver must be a solver/);
    expect(() => new SolverOptimizer(lbfgs(), { memory: 3 } as object)).toThrow(
      /^SolverOptimizer: memory: no such option; there are maxIterations, fullBatch, learningRate/,
    );
  });

  it('takes the name of a solver that register was told of, and of no other', () => {
    register(tf, { solvers: { mine: () => lbfgs({ memory: 3 }) } });
    expect(new SolverOptimizer('mine').solver.describe(5)).toContain('memory 3');
    expect(() => new SolverOptimizer('yours')).toThrow(
      /^SolverOptimizer: no solver is named "yours"; there are .*'mine'.*\. Register it: register/,
    );
    expect(() => register(tf, { solvers: { my_own: () => lbfgs() } })).toThrow(
      /^register: the name of a solver must be of letters and digits.*got "my_own"/,
    );
    expect(() => register(tf, { solvers: { own: lbfgs() as never } })).toThrow(
      /^register: solvers.own must be a function that returns a solver/,
    );
  });

  it('says that a solver without a name cannot be saved', async () => {
    const model = sineModel();
    model.compile({ optimizer: new SolverOptimizer(lbfgs()), loss: 'meanSquaredError' });
    const handler = tf.io.withSaveHandler(() => Promise.reject(new Error('not reached')));
    await expect(model.save(handler, { includeOptimizer: true })).rejects.toThrow(
      /SolverOptimizer: the solver cannot be saved, as it has no name.*without includeOptimizer/,
    );
    model.dispose();
  });
});

describe('optimizer classes', () => {
  it('take all options of their solvers', () => {
    const initialStep = staticStep(0.5);
    const optimizers = [
      new LBFGSOptimizer({ memory: 3, damping: true, selfScaling: true, lower: [-1, -1], initialScaling: 'long', initialStep }), // prettier-ignore
      new BFGSOptimizer({ modifiedSecant: true, initialStep, lineSearch: strongWolfe({ c2: 0.1 }) }),
      new SSBroydenOptimizer({ lineSearch: 'hagerZhang', modifiedSecant: true }),
      new ConjugateGradientOptimizer({ eta: 0.1, theta: 2, beta: 'polakRibiere' }),
      new GradientDescentOptimizer({ learningRate: 0.05, momentum: 0.9, nesterov: true, maxChange: 2 }),
      new SOAPOptimizer({ learningRate: 0.3, beta1: 0.8, beta2: 0.9, clipNorm: 10, frequency: 5 }),
    ];
    const w = variable(tf.tensor1d([4, 3]));
    for (const optimizer of optimizers) {
      tf.tidy(() => w.assign(tf.tensor1d([4, 3])));
      for (let k = 0; k < 60; k++) optimizer.minimize(() => w.square().mul([1, 5]).sum(), false, [w]);
      expect(optimizer.progress!.loss).toBeLessThan(1e-2);
    }
    expect(() => new LBFGSOptimizer({ initialscaling: 'x', lower: 'y' } as object)).toThrow(
      /LBFGSOptimizer: 2 options[^]*initialscaling: no such option[^]*lower: must be a number/,
    );
    w.dispose();
  });

  it('tell SOAP the shapes of the variables', () => {
    const ends = [{}, { maxSide: 1 }].map((options) => {
      const w = variable(tf.tensor2d([1, -2, 3, 0.5, 2, -1], [2, 3]));
      const optimizer = new SOAPOptimizer({ learningRate: 0.05, maxChange: 1, ...options });
      const loss = () => w.square().mul([1, 2, 5]).sum().add(w.prod()) as tf.Scalar;
      for (let k = 0; k < 5; k++) optimizer.minimize(loss, false, [w]);
      const end = w.dataSync();
      w.dispose();
      optimizer.dispose();
      return end;
    });
    // With no side rotated it is Adam.
    expect(ends[0]).not.toEqual(ends[1]);
    expect(() => new SOAPOptimizer({ frequency: 0, lineSearch: 'hagerZhang' } as object)).toThrow(
      /SOAPOptimizer: 2 options[^]*frequency: must be a whole number[^]*lineSearch: no such option/,
    );
    expect(() => new SOAPOptimizer({ learningRate: () => 0.1 }).getConfig()).toThrow(
      /SOAPOptimizer: learningRate cannot be saved/,
    );
  });

  it('say which options cannot be saved', () => {
    const optimizer = new LBFGSOptimizer({ memory: 3, initialStep: staticStep(0.5), upper: [Infinity, 1] });
    expect(() => optimizer.getConfig()).toThrow(/LBFGSOptimizer: initialStep, upper cannot be saved/);
    expect(new LBFGSOptimizer({ lower: Float64Array.of(0, 1) }).getConfig()).toMatchObject({ lower: [0, 1] });
    expect(new LBFGSOptimizer({ upper: null }).getConfig()).toMatchObject({ upper: null });
  });
});

describe('a model that is not attached', () => {
  it.each(['fitDataset', 'trainOnBatch', 'fit'])('keeps no metric of extra evaluations in %s', (way) =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const model = sineModel();
      const optimizer = new LBFGSOptimizer({ maxIterations: 3 });
      model.compile({ optimizer, loss: 'meanSquaredError', metrics: ['mae', 'mse'] });
      const rows = { xs: tf.data.array(await x.array()), ys: tf.data.array(await y.array()) };
      const dataset = tf.data.zip(rows).batch(25);
      // What trainOnBatch returns, the loss and two metrics, is counted with them.
      const counts = [tf.memory().numTensors];
      for (let k = 0; k < 4; k++) {
        if (way === 'fitDataset') await model.fitDataset(dataset, { epochs: 2, verbose: 0 });
        else if (way === 'fit') await model.fit(x, y, { batchSize: 25, epochs: 2, verbose: 0 });
        else counts.push(((await model.trainOnBatch(x, y)) as number[]).length - 3 + counts[0]);
        counts.push(tf.memory().numTensors);
      }
      expect(new Set(counts).size).toBe(1);
      optimizer.dispose();
      model.dispose();
      tf.dispose([x, y]);
    }),
  );
});

/** Two heads on a nested trunk. */
function forked() {
  const input = tf.input({ shape: [1] });
  const trunk = tf
    .sequential({
      layers: [
        tf.layers.dense({ units: 5, activation: 'tanh', inputShape: [1], kernelConstraint: 'nonNeg' }),
      ],
    })
    .apply(input) as tf.SymbolicTensor;
  const outputs = [1, 2].map(() => tf.layers.dense({ units: 1 }).apply(trunk) as tf.SymbolicTensor);
  return tf.model({ inputs: input, outputs });
}

describe('attach stays in force', () => {
  it('attach stays in force when the model is frozen after compile, as a discriminator is', () =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const model = forked();
      const optimizer = new LBFGSOptimizer().attach(model);
      model.compile({ optimizer, loss: ['meanSquaredError', 'meanSquaredError'] });
      model.trainable = false;
      expect(await model.trainOnBatch(x, [y, y])).toHaveLength(3);
      for (let k = 0; k < 5; k++) await model.trainOnBatch(x, [y, y]);
      // The kernel of the trunk is still trained, which is so with all optimizers, and kept non-negative.
      expect(Math.min(...weightsOf(model)[0])).toBeGreaterThanOrEqual(0);
      const { history } = await model.fit(x, [y, y], { epochs: 1, batchSize: 100, verbose: 0 });
      expect(Object.keys(history)).toContain('gradientNorm');
      optimizer.dispose();
      model.dispose();
      tf.dispose([x, y]);
    }));

  it.each(['the same optimizer', 'another one'])(
    'attach stays in force when the model is compiled again with %s',
    (which) =>
      expectNoLeak(async () => {
        const { x, y } = sineData();
        const model = forked();
        const first = new LBFGSOptimizer();
        model.compile({ optimizer: first, loss: 'meanSquaredError' });
        attach(model);
        const optimizer = which === 'another one' ? new BFGSOptimizer() : first;
        model.compile({ optimizer, loss: 'meanAbsoluteError' });
        const args = { epochs: 5, batchSize: 100, verbose: 0 };
        const { history } = await model.fit(x, [y, y], args);
        expect(Object.keys(history)).toContain('gradientNorm');
        expect(Math.min(...weightsOf(model)[0])).toBeGreaterThanOrEqual(0);
        optimizer.dispose();
        model.dispose();
        tf.dispose([x, y]);
      }),
  );

  it('a model with nothing left to train is refused in the name of the attached optimizer', () =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const model = sineModel();
      model.compile({ optimizer: new LBFGSOptimizer(), loss: 'meanSquaredError' });
      model.trainable = false;
      await expect(model.trainOnBatch(x, y)).rejects.toThrow(
        /LBFGSOptimizer: none of the 6 variables is trainable/,
      );
      model.dispose();
      tf.dispose([x, y]);
    }));
});

it.each([
  ['lower must not exceed upper', { learningRate: 0.1, lower: 1, upper: 0 }],
  ['lower must be a number below Infinity', { lower: Infinity }],
  ['momentum needs a learningRate.', { momentum: 0.5 }],
  ['nesterov needs momentum > 0.', { learningRate: 1, nesterov: true }],
])('GradientDescentOptimizer refuses in its own name: %s', (message, options) => {
  expect(() => new GradientDescentOptimizer(options)).toThrow(`GradientDescentOptimizer: ${message}`);
});
