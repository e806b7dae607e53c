import * as ort from 'onnxruntime-node';
import { adam, lbfgs, minimizeAsync } from 'quasi-newton';
import { differentiate, trainable, type LossTerm } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { mlp } from '../../../examples/lib/mlp.js';
import { fixture } from './fixtures.ts';
import { direction } from './harness.ts';
import { floats, modelFrom, node } from './written.ts';

const [samples, places, classes] = [3, 2, 4];
/** Scores [N, C, T] of an identity layer. */
const scores = modelFrom({
  inputs: { x: ['n', classes, places] },
  outputs: { y: ['n', classes, places] },
  initializers: [floats('w', [1, classes, 1], [1, 1, 1, 1])],
  nodes: [node('Mul', ['x', 'w'], 'y')],
});
const x = { data: direction(samples * classes * places, 5), dims: [samples, classes, places] };
const labels = [0, 3, 9, 1, 2, 9];
const classWeights = [0.5, 1.5, 2, 0.7];
const sampleWeight = [1, 0.25, 2];

/** log softmax over the classes. */
const logs = (n: number, t: number) => {
  const row = Array.from({ length: classes }, (_, c) => x.data[(n * classes + c) * places + t]);
  const total = Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0));
  return row.map((z) => z - total);
};

/** The loss written out, sample by sample, as torch defines it. */
function plain(term: LossTerm, target: readonly number[]): number {
  const { labelSmoothing = 0, ignoreIndex } = term;
  let [total, weight] = [0, 0];
  for (let n = 0; n < samples; n++) {
    for (let t = 0; t < places; t++) {
      const label = target[n * places + t];
      if (label === ignoreIndex) continue;
      const ofSample = term.sampleWeights ? sampleWeight[n] : 1;
      const w = (c: number) => term.classWeights?.[c] ?? 1;
      const log = logs(n, t);
      const even = log.reduce((sum, value, c) => sum - w(c) * value, 0) / classes;
      total += ofSample * ((1 - labelSmoothing) * -w(label) * log[label] + labelSmoothing * even);
      weight += ofSample * w(label);
    }
  }
  return term.reduction === 'sum' ? total : total / weight;
}

const weighted = { data: sampleWeight, dims: [samples] };
const options: readonly Partial<LossTerm>[] = [
  {},
  { classWeights },
  { ignoreIndex: 9 },
  { labelSmoothing: 0.1 },
  { sampleWeights: true },
  { classWeights, ignoreIndex: 9, labelSmoothing: 0.2, sampleWeights: true },
];

describe('a cross-entropy of classes', () => {
  test.each(options.flatMap((each) => [each, Object.assign({ reduction: 'sum' as const }, each)]))(
    'a cross-entropy of classes with %o equals its formula written out',
    async (option) => {
      const term: LossTerm = { loss: 'softmaxCrossEntropy', axis: 1, ...option };
      const target = option.ignoreIndex === undefined ? labels.map((label) => label % classes) : labels;
      const model = await trainable(ort, scores, { loss: term, precision: 'float64', trainable: ['w'] });
      const problem = model.problem({
        x,
        target: { data: target, dims: [samples, places] },
        ...(option.sampleWeights && { sample_weight: weighted }),
      });
      const gradient = problem.p0.slice();
      const f = await problem.fg(problem.p0, gradient);
      expect(f).toBeCloseTo(plain(term, target), 12);
      for (const [i, slope] of gradient.entries()) {
        const at = (h: number) => problem.fg(problem.p0.with(i, problem.p0[i] + h), null);
        expect(((await at(1e-5)) - (await at(-1e-5))) / 2e-5).toBeCloseTo(slope, 7);
      }
      await model.dispose();
    },
  );

  test('a cross-entropy of classes of probabilities may be smoothed and weighted', async () => {
    const target = Array.from({ length: samples * classes * places }, (_, i) => (i % 3 === 0 ? 1 : 0));
    const term: LossTerm = {
      loss: 'softmaxCrossEntropy',
      axis: 1,
      targets: 'probabilities',
      labelSmoothing: 0.1,
      classWeights,
    };
    const model = await trainable(ort, scores, { loss: term, precision: 'float64', trainable: ['w'] });
    const problem = model.problem({ x, target: { data: target, dims: x.dims } });
    let total = 0;
    for (let n = 0; n < samples; n++) {
      for (let t = 0; t < places; t++) {
        const at = (c: number) => 0.9 * target[(n * classes + c) * places + t] + 0.1 / classes;
        logs(n, t).forEach((log, c) => (total -= classWeights[c] * at(c) * log));
      }
    }
    expect(await problem.fg(problem.p0, null)).toBeCloseTo(total / (samples * places), 12);
    await model.dispose();
  });

  test('names the ignored index when it refuses a target', async () => {
    const loss = { loss: 'softmaxCrossEntropy', axis: 1, ignoreIndex: -1 } as const;
    const model = await trainable(ort, scores, { loss, trainable: ['w'] });
    const feeds = { x, target: { data: [0, 1, 2, -1, -2, 3], dims: [samples, places] } };
    expect(() => model.problem(feeds)).toThrow(
      'element 4 is -2; each must be a class, one of 0 to 3, or -1 for none.',
    );
    await model.dispose();
  });
});

test('samples are weighted in the other losses too', async () => {
  for (const loss of ['mse', 'mae', 'huber', 'binaryCrossEntropy'] as const) {
    const model = await trainable(ort, scores, {
      loss: { loss, sampleWeights: true },
      precision: 'float64',
      trainable: ['w'],
    });
    const single = await trainable(ort, scores, { loss, precision: 'float64', trainable: ['w'] });
    const target = { data: Array.from(x.data, () => 0.3), dims: x.dims };
    const all = model.problem({ x, target, sample_weight: weighted });
    const size = classes * places;
    let total = 0;
    for (let n = 0; n < samples; n++) {
      const row = (data: readonly number[]) => ({
        data: data.slice(n * size, (n + 1) * size),
        dims: [1, classes, places],
      });
      const one = single.problem({ x: row(x.data), target: row(target.data) });
      total += sampleWeight[n] * (await one.fg(one.p0, null));
    }
    expect(await all.fg(all.p0, null)).toBeCloseTo(total / sampleWeight.reduce((a, b) => a + b), 12);
    await model.dispose();
    await single.dispose();
  }
});

test.each<[LossTerm, string]>([
  [{ loss: 'mse', classWeights: [1] }, "classWeights: applies to 'softmaxCrossEntropy' only, not to 'mse'."],
  [{ loss: 'mse', delta: 1 }, "delta: applies to 'huber' only, not to 'mse'."],
  [{ loss: 'huber', ignoreIndex: 1 }, "ignoreIndex: applies to 'softmaxCrossEntropy' only, not to 'huber'."],
  [
    { loss: 'softmaxCrossEntropy', axis: 1, classWeights: [1, 2] },
    'classWeights must hold 4 numbers, one for each class; got 2.',
  ],
  [{ loss: 'softmaxCrossEntropy', labelSmoothing: 2 }, 'labelSmoothing: must be a number in [0, 1]'],
  [
    { loss: 'softmaxCrossEntropy', axis: 1, targets: 'probabilities', ignoreIndex: 1 },
    "ignoreIndex requires targets: 'indices'; got 'probabilities'.",
  ],
])('the options %o are refused', (loss, message) => {
  expect(() => differentiate(scores, { loss, wrt: ['w'] })).toThrow(message);
});

test('another run on a problem goes on from the parameters as they are now', async () => {
  const model = await trainable(ort, mlp([2, 8, 1]), { loss: 'mse', precision: 'float64' });
  const data = { data: direction(40, 3), dims: [20, 2] };
  const target = { data: direction(20, 4), dims: [20, 1] };
  const problem = model.problem({ x: data, target });
  const losses = [];
  for (let epoch = 0; epoch < 3; epoch++) {
    const { trace, f } = await minimizeAsync(problem, adam({ learningRate: 0.01 }), { maxIterations: 10 });
    losses.push([trace[0].f, f]);
  }
  expect(losses[1][0]).toBe(losses[0][1]);
  expect(losses[2][0]).toBe(losses[1][1]);
  expect(problem.p0).toEqual(model.params.copyInto(model.params.zeros()));
  await model.dispose();
});

test('a copy of a problem with another fg has the losses of that at many points, too', async () => {
  const model = await trainable(ort, mlp([2, 3, 1]), { loss: 'mse', precision: 'float64' });
  const problem = model.problem({
    x: { data: direction(8, 3), dims: [4, 2] },
    target: { data: direction(4, 4), dims: [4, 1] },
  });
  const doubled = {
    ...problem,
    fg: async (x: Float64Array, gradient: Float64Array | null) => 2 * (await problem.fg(x, gradient)),
  };
  const { p0 } = problem;
  const points = Float64Array.from([...p0, ...p0.map((p) => p + 0.1)]);
  const [plain, copied] = [new Float64Array(2), new Float64Array(2)];
  await problem.valuesAt?.(points, plain);
  await doubled.valuesAt?.(points, copied);
  expect(Array.from(copied)).toEqual(Array.from(plain, (loss) => expect.closeTo(2 * loss, 12)));
  await model.dispose();
});

describe('the loss of a model in training mode, in inference mode', () => {
  test('is that of what it predicts', async () => {
    const { bytes, inputs, target } = fixture('resnet_train');
    const model = await trainable(ort, bytes, { loss: 'softmaxCrossEntropy' });
    const feeds = Object.fromEntries(
      inputs.map(({ name, shape, values }) => [name, { data: values, dims: shape }]),
    );
    const all = { ...feeds, target: { data: target.values, dims: target.shape } };
    const problem = model.problem(all);
    await minimizeAsync(problem, lbfgs(), { maxIterations: 1 });
    // The first two samples: their own statistics are others than those of all.
    const half = Object.fromEntries(
      Object.entries(all).map(([name, { data, dims }]) => {
        const size = data.length / dims[0];
        return [name, { data: data.slice(0, 2 * size), dims: [2, ...dims.slice(1)] }];
      }),
    );
    const { target: classesOf, ...some } = half;
    const held = model.problem(half, { inference: true });
    const outputs = await model.predict(some);
    const [logits] = Object.values(outputs);
    const width = logits.dims[1];
    const rows = Array.from(logits.data, Number);
    const expected = classesOf.data.map((label, i) => {
      const row = rows.slice(i * width, (i + 1) * width);
      return Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0)) - row[label];
    });
    const mean = expected.reduce((a, b) => a + b) / expected.length;
    const gradient = held.p0.slice();
    expect(await held.fg(held.p0, null)).toBeCloseTo(mean, 4);
    expect(await held.fg(held.p0, gradient)).toBeCloseTo(mean, 4);
    const many = new Float64Array(1);
    await held.valuesAt?.(held.p0, many);
    expect(many[0]).toBeCloseTo(mean, 4);
    expect(Math.abs((await model.problem(half).fg(held.p0, null)) - mean)).toBeGreaterThan(1e-3);
    const after = await model.predict(some);
    expect(Array.from(Object.values(after)[0].data, Number)).toEqual(rows);
    expect(() => model.problem(all, { inferense: true } as never)).toThrow('inferense: no such option');
    await model.dispose();
  });
});

test('errors thrown by the user’s loss or choice are passed on unchanged', () => {
  const mine = new RangeError('mine');
  const fail = () => {
    throw mine;
  };
  const thrownBy = (work: () => unknown) => {
    try {
      return work();
    } catch (error) {
      return error;
    }
  };
  expect(thrownBy(() => differentiate(scores, { loss: fail, wrt: ['w'] }))).toBe(mine);
  expect(thrownBy(() => differentiate(scores, { loss: 'mse', wrt: fail }))).toBe(mine);
});
