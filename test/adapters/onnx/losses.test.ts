import { InferenceSession } from 'onnxruntime-node';
import { differentiate, gradientNameOf, OnnxError, type DifferentiateOptions } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { numbersOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { realInput } from './cases/arbitrary.ts';
import { direction, feedsOf, modelOf, quiet, type Build, type Input } from './harness.ts';

const [n, features, classes] = [5, 3, 4];
const x = realInput([n, features], 1);
const weights = realInput([features, classes], 2).values;
const bias = realInput([classes], 3).values;

/** The logits z = x·w + b, computed here. */
const logits = Array.from({ length: n }, (_, i) =>
  Array.from(
    { length: classes },
    (_, k) =>
      bias[k] +
      Array.from(
        { length: features },
        (_, j) => x.values[i * features + j] * weights[j * classes + k],
      ).reduce((a, b) => a + b, 0),
  ),
);

const layer: Build = (g, { x }) =>
  g.add(g.matmul(x, g.constant(11, [features, classes], weights)), g.constant(11, [classes], bias));
const ending =
  (op: string): Build =>
  (g, inputs) =>
    g.op(op, [layer(g, inputs)]);

/** Loss and gradients, the latter held against central differences of the former. */
async function evaluate(
  bytes: Uint8Array,
  options: DifferentiateOptions,
  data: Readonly<Record<string, Input>>,
): Promise<number> {
  const { bytes: trainer, parameters } = differentiate(bytes, options);
  const session = await InferenceSession.create(trainer, quiet);
  const values = Object.fromEntries(
    parameters.map(({ name, shape, tensor }): [string, Input] => [
      name,
      { shape, values: numbersOf(tensor) },
    ]),
  );
  const run = async (parameters: Readonly<Record<string, Input>>) =>
    session.run(feedsOf({ ...data, ...parameters }, 'float64'));
  const results = await run(values);
  for (const name of Object.keys(values)) {
    const along = direction(values[name].values.length, 1);
    const moved = (h: number) => ({
      ...values,
      [name]: { ...values[name], values: values[name].values.map((v, i) => v + h * along[i]) },
    });
    const [up, down] = [await run(moved(1e-5)), await run(moved(-1e-5))];
    const numeric = (Number(up['loss'].data[0]) - Number(down['loss'].data[0])) / 2e-5;
    const exact = along.reduce((sum, v, i) => sum + v * Number(results[gradientNameOf(name)].data[i]), 0);
    expect(Math.abs(exact - numeric)).toBeLessThan(1e-8 * Math.max(1, Math.abs(numeric)));
  }
  await session.release();
  return Number(results['loss'].data[0]);
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const target = realInput([n, classes], 4);
const errors = logits.flat().map((z, i) => z - target.values[i]);
const indices: Input = { shape: [n], values: [0, 3, 1, 1, 2], integral: true };
const logSoftmax = (row: readonly number[]) => {
  const sum = Math.log(row.reduce((total, z) => total + Math.exp(z), 0));
  return row.map((z) => z - sum);
};
const probabilities: Input = {
  shape: [n, classes],
  values: realInput([n, classes], 5, { low: 0.1, high: 1 }).values.flatMap((_, i, all) => {
    const row = all.slice(i - (i % classes), i - (i % classes) + classes);
    return all[i] / row.reduce((a, b) => a + b, 0);
  }),
};
const crossEntropy = mean(logits.map((row, i) => -logSoftmax(row)[indices.values[i]]));
const bits: Input = { shape: [n, classes], values: target.values.map((v) => (v > 0 ? 1 : 0)) };
const binary = mean(logits.flat().map((z, i) => Math.log1p(Math.exp(z)) - bits.values[i] * z));

const plain = modelOf({ x }, layer);

describe('losses have the value of their formula, and its gradient', () => {
  test.each<[string, Uint8Array, DifferentiateOptions['loss'], Input, number]>([
    ['mse', plain, 'mse', target, mean(errors.map((e) => e * e))],
    ['mae', plain, 'mae', target, mean(errors.map(Math.abs))],
    [
      'huber',
      plain,
      'huber',
      target,
      mean(errors.map((e) => (Math.abs(e) <= 1 ? (e * e) / 2 : Math.abs(e) - 0.5))),
    ],
    [
      'huber of delta 2',
      plain,
      { loss: 'huber', delta: 2 },
      target,
      mean(errors.map((e) => (Math.abs(e) <= 2 ? (e * e) / 2 : 2 * (Math.abs(e) - 1)))),
    ],
    ['cross-entropy of logits', plain, 'softmaxCrossEntropy', indices, crossEntropy],
    [
      'cross-entropy of a Softmax',
      modelOf({ x }, ending('Softmax')),
      'softmaxCrossEntropy',
      indices,
      crossEntropy,
    ],
    [
      'cross-entropy of a LogSoftmax',
      modelOf({ x }, ending('LogSoftmax')),
      'softmaxCrossEntropy',
      indices,
      crossEntropy,
    ],
    [
      'cross-entropy of probabilities',
      plain,
      { loss: 'softmaxCrossEntropy', targets: 'probabilities' },
      probabilities,
      mean(
        logits.map(
          (row, i) =>
            -logSoftmax(row).reduce((sum, l, k) => sum + l * probabilities.values[i * classes + k], 0),
        ),
      ),
    ],
    ['binary cross-entropy of logits', plain, 'binaryCrossEntropy', bits, binary],
    [
      'binary cross-entropy of a Sigmoid',
      modelOf({ x }, ending('Sigmoid')),
      'binaryCrossEntropy',
      bits,
      binary,
    ],
  ])(
    'losses have the value of their formula, and its gradient: %s',
    async (_name, bytes, loss, target, value) => {
      expect(await evaluate(bytes, { loss }, { x, target })).toBeCloseTo(value, 12);
    },
  );

  test('classes along another axis than the last', async () => {
    const image = modelOf({ x }, (g, inputs) =>
      g.op('Transpose', [g.unsqueeze(layer(g, inputs), [1])], { perm: [0, 2, 1] }),
    );
    const target = { ...indices, shape: [n, 1] };
    expect(
      await evaluate(image, { loss: { loss: 'softmaxCrossEntropy', axis: 1 } }, { x, target }),
    ).toBeCloseTo(crossEntropy, 12);
  });

  test('saturated logits keep their gradient', async () => {
    const far = modelOf({ x }, (g, inputs) => g.op('Sigmoid', [g.mul(1000, layer(g, inputs))]));
    const value = mean(logits.flat().map((z, i) => Math.max(1000 * z, 0) - bits.values[i] * 1000 * z));
    expect((await evaluate(far, { loss: 'binaryCrossEntropy' }, { x, target: bits })) / value).toBeCloseTo(
      1,
      8,
    );
  });

  test('several outputs, weighted, and weight decay', async () => {
    const bytes = modelOf({ x }, (g, inputs) => {
      const z = layer(g, inputs);
      g.addOutput('score', g.op('Sigmoid', [z]));
      return z;
    });
    const loss = [
      { loss: 'softmaxCrossEntropy', output: 'y', weight: 0.25, target: 'label' },
      { loss: 'binaryCrossEntropy', output: 'score', weight: 2 },
    ] as const;
    const decay = 0.005 * weights.reduce((sum, w) => sum + w * w, 0);
    const value = await evaluate(bytes, { loss, l2: 0.01 }, { x, label: indices, 'target/score': bits });
    expect(value).toBeCloseTo(0.25 * crossEntropy + 2 * binary + decay, 12);
  });

  test('a loss given as a graph', async () => {
    const graph = modelOf(
      { y: { shape: [n, classes], values: [] }, wanted: target },
      (g, { y, wanted }) => g.meanOfAll(g.abs(g.sub(y, wanted))),
      { output: 'own' },
    );
    expect(await evaluate(plain, { loss: { graph } }, { x, wanted: target })).toBeCloseTo(
      mean(errors.map(Math.abs)),
      12,
    );
  });

  test('a loss that the model computes already', async () => {
    const bytes = modelOf({ x }, (g, inputs) => g.meanOfAll(g.square(layer(g, inputs))));
    expect(await evaluate(bytes, { loss: { output: 'y' } }, { x })).toBeCloseTo(
      mean(logits.flat().map((z) => z * z)),
      12,
    );
  });

  test('a loss written as a function', async () => {
    const value = await evaluate(
      plain,
      {
        loss: (g, { outputs: [y], target }) => {
          const error = g.sub(y, target('wanted', y));
          return g.meanOfAll(g.log(g.add(g.square(error), 1)));
        },
      },
      { x, wanted: target },
    );
    expect(value).toBeCloseTo(mean(errors.map((e) => Math.log(1 + e * e))), 12);
  });
});

const refusal = (build: Build, loss: DifferentiateOptions['loss']) => {
  try {
    differentiate(modelOf({ x }, build), { loss });
  } catch (error) {
    return error instanceof OnnxError ? error.message : undefined;
  }
  return undefined;
};

describe('losses that do not fit the end of the model are refused', () => {
  test('probabilities that are rearranged after their Softmax or Sigmoid', () => {
    expect(refusal((g, inputs) => g.flat(ending('Sigmoid')(g, inputs)), 'binaryCrossEntropy')).toContain(
      'name the logits',
    );
    expect(
      refusal((g, inputs) => g.unsqueeze(ending('Softmax')(g, inputs), [0]), 'softmaxCrossEntropy'),
    ).toContain('name the logits');
  });

  test('an ending that belongs to the other cross-entropy', () => {
    expect(refusal(ending('Softmax'), 'binaryCrossEntropy')).toContain(
      'ends in Softmax; this loss needs logits, or a final Sigmoid.',
    );
    expect(refusal(ending('Sigmoid'), 'softmaxCrossEntropy')).toContain(
      'ends in Sigmoid; this loss needs logits, or a final Softmax or LogSoftmax.',
    );
  });

  test('a Softmax along another axis than the classes', () => {
    expect(
      refusal((g, inputs) => g.op('Softmax', [layer(g, inputs)], { axis: 0 }), 'softmaxCrossEntropy'),
    ).toContain('use axis: 0');
  });
});
