import * as tf from '@tensorflow/tfjs';
import { beforeEach, describe, expect, it } from 'vitest';
import { bfgs, lbfgs, minimizeAsync } from 'quasi-newton';
import { fitFullBatch, fitFullBatchAsync, modelProblem, optfunsAsync, type FitLogs } from 'quasi-newton/tfjs';
import {
  backends,
  expectNoLeak,
  glorot,
  sineData,
  sineModel,
  useBackend,
  variable,
  weightsOf,
} from './harness.ts';

/** A noisy sine: 60 points to train on, 40 to validate on, and a network that can learn the noise. */
function noisy() {
  const { x, y } = tf.tidy(() => {
    const inputs = tf.randomUniform([100, 1], -3, 3, 'float32', 1);
    return { x: inputs, y: inputs.sin().add(tf.randomNormal([100, 1], 0, 0.5, 'float32', 2)) };
  });
  const layer = (units: number, seed: number, rest = {}) =>
    tf.layers.dense({ units, kernelInitializer: glorot(seed), ...rest });
  const model = tf.sequential({
    layers: [
      layer(20, 1, { activation: 'tanh', inputShape: [1] }),
      layer(20, 2, { activation: 'tanh' }),
      layer(1, 3),
    ],
  });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: ['mae'] });
  return { model, x, y, dispose: () => { model.dispose(); tf.dispose([x, y]); } }; // prettier-ignore
}

const evaluate = (model: tf.LayersModel, x: tf.Tensor, y: tf.Tensor): number[] =>
  tf.tidy(() => [model.evaluate(x, y, { batchSize: 1000 })].flat().map((scalar) => scalar.dataSync()[0]));

describe.each(['fitFullBatch', 'fitFullBatchAsync'] as const)('%s', (name) => {
  const fit = name === 'fitFullBatch' ? async (...args: Parameters<typeof fitFullBatch>) => fitFullBatch(...args) : fitFullBatchAsync; // prettier-ignore
  beforeEach(() => useBackend('cpu'));

  it('keeps weights within bounds, and refuses solvers that cannot', () =>
    expectNoLeak(async () => {
      const { model, x, y, dispose } = noisy();
      const free = await fit(model, x, y, { maxIterations: 30 });
      expect(Math.max(...free.x)).toBeGreaterThan(0.4);
      const { f, history } = await fit(model, x, y, { maxIterations: 30, lower: -0.3, upper: 0.4 });
      expect(f).toBeLessThan(history.loss[0]);
      const weights = weightsOf(model).flat(3);
      expect(Math.max(...weights)).toBeLessThanOrEqual(0.4);
      expect(Math.min(...weights)).toBeGreaterThanOrEqual(-0.3 - 1e-8);
      await expect(fit(model, x, y, { solver: bfgs(), lower: 0 })).rejects.toThrow(
        `${name}: lower and upper: bfgs() cannot keep x within bounds`,
      );
      await expect(fit(model, x, y, { upper: [1, 2] })).rejects.toThrow(
        `${name}: upper has length 2; there are`,
      );
      dispose();
    }));

  it('stops early and leaves the best weights, with validationSplit as with the same validationData', () =>
    expectNoLeak(async () => {
      const { model, x, y, dispose } = noisy();
      const start = model.getWeights().map((weight) => weight.clone());
      const parts = [x.slice(0, 60), y.slice(0, 60), x.slice(60, 40), y.slice(60, 40)];
      const earlyStopping = { patience: 15 };
      const split = await fit(model, x, y, { validationSplit: 0.4, earlyStopping, maxIterations: 400 });
      const after = weightsOf(model);
      const [valLoss, valMae] = evaluate(model, parts[2], parts[3]);
      const { history, bestEpoch } = split;
      expect(split.termination).toBe('callback');
      expect(split.message).toBe('val_loss has not improved for 15 iterations: stopped early.');
      expect(String(split)).toContain(split.message);
      expect(history.val_loss).toHaveLength(history.loss.length);
      expect(history.loss).toHaveLength(bestEpoch! + 16);
      expect(Math.min(...history.val_loss)).toBe(history.val_loss[bestEpoch!]);
      expect(valLoss).toBeCloseTo(history.val_loss[bestEpoch!], 6);
      expect(valMae).toBeCloseTo(history.val_mae[bestEpoch!], 6);
      expect(split.f).toBe(history.loss[bestEpoch!]);
      expect([...split.x]).toEqual(after.flat());
      model.setWeights(start);
      const given = await fit(model, parts[0], parts[1], {
        validationData: [parts[2], parts[3]],
        earlyStopping,
        maxIterations: 400,
      });
      expect(weightsOf(model)).toEqual(after);
      expect(given.history.val_loss).toEqual(history.val_loss);
      tf.dispose([start, parts]);
      dispose();
    }));

  it('says that a monitored value is NaN, instead of that it has not improved', async () => {
    const { model, x, y, dispose } = noisy();
    const validationData: [tf.Tensor, tf.Tensor] = [x, y.mul(NaN)];
    const options = { validationData, earlyStopping: { patience: 2 }, maxIterations: 9 };
    const { message, bestEpoch, history } = await fit(model, x, y, options);
    expect(message).toMatch(/^val_loss is NaN since the start: stopped early\. Look for NaN among the data/);
    expect(bestEpoch).toBeUndefined();
    expect(history.val_loss.every(Number.isNaN)).toBe(true);
    validationData[1].dispose();
    dispose();
  });

  it('refuses weights of samples and classes by what they must be', () => {
    const { model, x, y, dispose } = noisy();
    expect(() => fitFullBatch(model, x, y, { sampleWeight: [1, 2, 3] as never })).toThrow(
      /sampleWeight must be a tensor of shape \[samples\]; got Array\(3\)/,
    );
    const regression = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] });
    regression.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    const halves = tf.tensor2d([0, 0.5], [2, 1]);
    expect(() => fitFullBatch(regression, halves, halves, { classWeight: { 0: 1 } })).toThrow(
      /no weight for class 0\.5/,
    );
    regression.dispose();
    halves.dispose();
    for (const wrong of [5, null, true, 'balanced', { 0: Infinity }]) {
      expect(() => fitFullBatch(model, x, y, { classWeight: wrong as never })).toThrow(
        /classWeight:? must be/,
      );
      expect(() => fitFullBatch(model, x, y, { sampleWeight: wrong as never })).toThrow(
        /sampleWeight:? must be/,
      );
    }
    expect(() => fitFullBatch(model, x, y, { classWeight: { 0: -1 } })).toThrow(
      /classWeight must be an object from class numbers to factors ≥ 0/,
    );
    dispose();
  });

  it('keeps the last weights with restoreBest: false, and monitors any metric, up or down', () =>
    expectNoLeak(async () => {
      const { model, x, y, dispose } = noisy();
      const options = { validationSplit: 0.4, maxIterations: 300 };
      const mae = await fit(model, x, y, { ...options, earlyStopping: { monitor: 'val_mae', patience: 8, restoreBest: false } }); // prettier-ignore
      expect(mae.bestEpoch).toBeUndefined();
      expect(mae.message).toMatch(/^val_mae has not improved for 8/);
      expect(mae.f).toBe(Math.min(...mae.history.loss));
      const upward = await fit(model, x, y, { ...options, earlyStopping: { monitor: 'val_mae', mode: 'max', patience: 3 } }); // prettier-ignore
      expect(upward.history.val_mae[upward.bestEpoch!]).toBe(Math.max(...upward.history.val_mae));
      dispose();
    }));

  it('computes metrics as evaluate does: those compiled, or others by name and function', () =>
    expectNoLeak(async () => {
      const { model, x, y, dispose } = noisy();
      const compiled = await fit(model, x, y, { metrics: true, maxIterations: 5 });
      expect(compiled.history.mae.at(-1)).toBeCloseTo(evaluate(model, x, y)[1], 6);
      const worst = (yTrue: tf.Tensor, yPred: tf.Tensor) => yTrue.sub(yPred).abs().max();
      const other = await fit(model, x, y, {
        metrics: ['mape', worst],
        validationSplit: 0.3,
        maxIterations: 5,
      });
      expect(Object.keys(other.history)).toEqual(
        expect.arrayContaining(['mape', 'worst', 'val_loss', 'val_mape', 'val_worst']),
      );
      const error = tf.tidy(() => (model.predict(x.slice(0, 70)) as tf.Tensor).sub(y.slice(0, 70)).abs().max().dataSync()[0]); // prettier-ignore
      expect(other.history.worst.at(-1)).toBeCloseTo(error, 5);
      // The model stays compiled as it was.
      expect(evaluate(model, x, y)).toHaveLength(2);
      expect(Object.keys((await fit(model, x, y, { maxIterations: 2 })).history)).toEqual(
        expect.not.arrayContaining(['mae']),
      );
      dispose();
    }));

  it('weights classes as model.fit does, and samples', () =>
    expectNoLeak(async () => {
      const x = tf.randomNormal([40, 2], 0, 1, 'float32', 1);
      const labels = tf.tidy(() => x.sum(1).greater(0.8).toInt());
      const y = tf.tidy(() => tf.oneHot(labels, 2).toFloat());
      const make = (optimizer: tf.Optimizer | 'sgd') => {
        const model = tf.sequential({
          layers: [
            tf.layers.dense({
              units: 2,
              activation: 'softmax',
              inputShape: [2],
              kernelInitializer: glorot(1),
            }),
          ],
        });
        model.compile({ optimizer, loss: 'categoricalCrossentropy' });
        return model;
      };
      const sgd = tf.train.sgd(0);
      const [model, twin] = [make('sgd'), make(sgd)];
      const classWeight = { 0: 0.5, 1: 4 };
      const { history } = await twin.fit(x, y, { classWeight, batchSize: 40, epochs: 1, verbose: 0 });
      const problem = modelProblem(model, x, y, { classWeight });
      expect(problem.lossfun(problem.p0)).toBeCloseTo(history.loss[0] as number, 6);
      const sampleWeight = tf.tidy(() => labels.toFloat().mul(3.5).add(0.5));
      const bySample = modelProblem(model, x, y, { sampleWeight, batchSize: 7 });
      expect(bySample.lossfun(problem.p0)).toBeCloseTo(problem.lossfun(problem.p0), 6);
      const both = await fit(model, x, y, {
        classWeight,
        sampleWeight,
        maxIterations: 30,
        validationSplit: 0.2,
      });
      expect(both.f).toBeLessThan(both.history.loss[0]);
      expect(() => modelProblem(model, x, y, { classWeight: { 0: 1 } })).toThrow(
        /modelProblem: classWeight has no weight for class 1.*it has 0/,
      );
      await expect(fit(model, x, y, { sampleWeight: x })).rejects.toThrow(
        /sampleWeight must have the shape \[40\]/,
      );
      problem.dispose();
      bySample.dispose();
      sgd.dispose();
      model.dispose();
      twin.dispose();
      tf.dispose([x, y, labels, sampleWeight]);
    }));

  it('calls onEpochEnd with logs, and stops where it says so', () =>
    expectNoLeak(async () => {
      const { model, x, y, dispose } = noisy();
      const seen: FitLogs[] = [];
      const epochs: number[] = [];
      const result = await fit(model, x, y, {
        validationSplit: 0.5,
        onEpochEnd(epoch, logs) {
          epochs.push(epoch);
          seen.push(logs);
          return epoch === 4;
        },
      });
      expect(epochs).toEqual([0, 1, 2, 3, 4]);
      expect(seen.map(({ loss }) => loss)).toEqual(result.history.loss);
      expect(seen.map((logs) => logs.val_mae)).toEqual(result.history.val_mae);
      expect(result.message).toBe('onEpochEnd asked to stop.');
      dispose();
    }));

  it('brings BatchNorm up to date before it validates', () =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const model = tf.sequential({
        layers: [
          tf.layers.dense({ units: 6, inputShape: [1], kernelInitializer: glorot(1) }),
          tf.layers.batchNormalization(),
          tf.layers.activation({ activation: 'tanh' }),
          tf.layers.dense({ units: 1, kernelInitializer: glorot(2) }),
        ],
      });
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const { history } = await fit(model, x, y, { validationData: [x, y], maxIterations: 20 });
      history.loss.forEach((loss, i) => expect(history.val_loss[i]).toBeCloseTo(loss, 3));
      model.dispose();
      tf.dispose([x, y]);
    }));

  it('logs the losses and metrics of several outputs under their own names', () =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const other = tf.tidy(() => y.mul(3).add(2));
      const input = tf.input({ shape: [1] });
      const head = (unit: string, seed: number) =>
        tf.layers.dense({ units: 1, name: unit, kernelInitializer: glorot(seed) }).apply(input);
      const model = tf.model({ inputs: input, outputs: [head('first', 1), head('second', 2)] as tf.SymbolicTensor[] }); // prettier-ignore
      model.compile({ optimizer: 'sgd', loss: ['meanSquaredError', 'meanAbsoluteError'], metrics: ['mae'] });
      const targets = [y, other];
      const result = await fit(model, x, targets, {
        validationData: [x, targets],
        metrics: true,
        maxIterations: 3,
        earlyStopping: { restoreBest: false, patience: 9 },
      });
      const [a, b] = model.predict(x) as tf.Tensor[];
      const mean = (values: () => tf.Tensor) => tf.tidy(() => values().mean().dataSync()[0]);
      const wanted = {
        first_loss: mean(() => a.sub(y).square()),
        second_loss: mean(() => b.sub(other).abs()),
        first_mae: mean(() => a.sub(y).abs()),
        second_mae: mean(() => b.sub(other).abs()),
      };
      const last = (name: string) => result.history[name].at(-1)!;
      for (const [key, value] of Object.entries(wanted)) {
        expect(last(key)).toBeCloseTo(value, 5);
        expect(last(`val_${key}`)).toBeCloseTo(value, 5);
      }
      expect(last('loss')).toBeCloseTo(wanted.first_loss + wanted.second_loss, 5);
      expect(last('val_loss')).toBeCloseTo(last('loss'), 5);
      model.dispose();
      tf.dispose([x, y, other, a, b]);
    }));

  it('reports wrong options under its own name, and lists its options', () =>
    expectNoLeak(async () => {
      const { model, x, y, dispose } = noisy();
      const refused = (options: object, words: RegExp) =>
        expect(fit(model, x, y, options)).rejects.toThrow(words);
      await refused({ batchsize: 3 }, new RegExp(`^${name}: batchsize: no such option; there are solver, batchSize,.*earlyStopping`)); // prettier-ignore
      await refused({ validationSplit: 1 }, /validationSplit: must be a number in \(0, 1\), got 1/);
      await refused({ validationSplit: 0.999 }, /leaves 0 of 100 samples to train on/);
      await refused({ validationData: [x, y, x] }, /validationData: must be \[x, y\], got Array\(3\)/);
      await refused({ validationSplit: 0.2, validationData: [x, y] }, /either validationData or/);
      await refused({ earlyStopping: {} }, /earlyStopping.monitor is "val_loss", and the logs have loss, gr/);
      await refused(
        { earlyStopping: { patiance: 3 } },
        new RegExp(`^${name}: earlyStopping: patiance: no such`),
      );
      await refused({ solver: {} }, /solver: must be a solver such as lbfgs\(\)/);
      await expect(fit({} as tf.LayersModel, x, y)).rejects.toThrow(
        new RegExp(`^${name}: the model must be`),
      );
      await expect(fit(model, 3 as never, y, { validationSplit: 0.5 })).rejects.toThrow(new RegExp(`^${name}: x must be a tensor`)); // prettier-ignore
      dispose();
    }));
});

it('fitFullBatch refuses asynchronous callbacks', () =>
  expectNoLeak(() => {
    const { model, x, y, dispose } = noisy();
    expect(() => fitFullBatch(model, x, y, { onEpochEnd: async () => true })).toThrow(
      /fitFullBatchAsync awaits promises/,
    );
    expect(() => fitFullBatch(model, x, y, { yieldEvery: 5 } as object)).toThrow(
      /^fitFullBatch: yieldEvery: no such/,
    );
    dispose();
  }));

it('fitFullBatch ends after maxTime', () =>
  expectNoLeak(async () => {
    await useBackend('cpu');
    const { model, x, y, dispose } = noisy();
    const { termination, elapsed } = fitFullBatch(model, x, y, { maxTime: 0.2, maxIterations: 1e6, gtol: 0 });
    expect(termination).toBe('maxTime');
    expect(elapsed).toBeLessThan(1);
    dispose();
  }));

describe.each(backends)('while fitFullBatchAsync works on %s', (backend) => {
  beforeEach(() => useBackend(backend));

  it('timers run, and an abort takes effect before the next iteration', () =>
    expectNoLeak(async () => {
      const { model, x, y, dispose } = noisy();
      let ticks = 0;
      let iterationsAfter = 0;
      const ticking = setInterval(() => ticks++, 20);
      const controller = new AbortController();
      setTimeout(() => {
        controller.abort(new Error('stopped by a button'));
      }, 300);
      const options = {
        signal: controller.signal,
        solver: lbfgs(),
        onEpochEnd: () => void (iterationsAfter += controller.signal.aborted ? 1 : 0),
      };
      const endless = async () => {
        for (;;) await fitFullBatchAsync(model, x, y, options);
      };
      await expect(endless()).rejects.toThrow('stopped by a button');
      // The one under way may still end.
      expect(iterationsAfter).toBeLessThanOrEqual(1);
      clearInterval(ticking);
      expect(ticks).toBeGreaterThan(0);
      expect(weightsOf(model).flat().every(Number.isFinite)).toBe(true);
      dispose();
    }));

  it('a timeout signal ends minimizeAsync of a problem by optfunsAsync', () =>
    expectNoLeak(async () => {
      const w = variable(tf.randomNormal([50], 0, 1, 'float32', 1));
      const problem = await optfunsAsync(() => w.square().sub(1).square().sum().add(w.cos().sum()), [w]);
      const started = performance.now();
      const endless = { ...problem, fg: async (x: Float64Array, g: Float64Array | null) => (await problem.fg(x, g)) * (1 + 1e-3 * Math.random()) }; // prettier-ignore
      const signal = AbortSignal.timeout(200);
      const run = async () => {
        for (;;) await minimizeAsync(endless, lbfgs(), { gtol: 0, signal });
      };
      await expect(run()).rejects.toThrow(/timeout/);
      expect(performance.now() - started).toBeLessThan(5000);
      w.dispose();
    }));

  it('onEpochEnd may take its time', () =>
    expectNoLeak(async () => {
      const x = tf.tidy(() => tf.linspace(-1, 1, 20).reshape([20, 1]));
      const model = sineModel();
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
      const steps: string[] = [];
      const onEpochEnd = async (epoch: number) => {
        steps.push(`begin ${epoch}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
        steps.push(`end ${epoch}`);
        return epoch >= 3;
      };
      const { history } = await fitFullBatchAsync(model, x, x, { onEpochEnd });
      expect(steps.slice(0, 6)).toEqual(['begin 0', 'end 0', 'begin 1', 'end 1', 'begin 2', 'end 2']);
      expect(history.loss.length).toBeLessThanOrEqual(5);
      model.dispose();
      x.dispose();
    }));

  it('an error in onEpochEnd ends it unchanged', () =>
    expectNoLeak(async () => {
      const { model, x, y, dispose } = noisy();
      const fault = new Error('in onEpochEnd');
      await expect(fitFullBatchAsync(model, x, y, { onEpochEnd: () => Promise.reject(fault) })).rejects.toBe(
        fault,
      );
      dispose();
    }));
});
