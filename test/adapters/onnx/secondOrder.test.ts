import { InferenceSession } from 'onnxruntime-node';
import {
  differentiate,
  gradientNameOf,
  hessianVectorNameOf,
  vectorNameOf,
  type LossFunction,
} from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { numbersOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { realInput } from './cases/arbitrary.ts';
import { feedsOf as fixtureFeeds, fixture } from './fixtures.ts';
import { Tensor } from 'onnxruntime-node';
import { checkGradients, direction, feedsOf, modelOf, quiet, type Build, type Input } from './harness.ts';

/** The largest difference, relative to the largest number. */
const difference = (got: ArrayLike<number | bigint>, wanted: readonly number[]) => {
  const size = Math.max(1, ...wanted.map(Math.abs));
  return Math.max(...wanted.map((value, i) => Math.abs(Number(got[i]) - value))) / size;
};

test.each(['mlp_acts_mse', 'cnn', 'resnet_train', 'transformer', 'lstm'])(
  'the product of the Hessian of %s with a vector is the derivative of its gradient along it',
  async (name) => {
    const reference = fixture(name);
    const loss = reference.target.integral ? 'softmaxCrossEntropy' : 'mse';
    const made = differentiate(reference.bytes, { loss, precision: 'float64', hessianVector: true });
    const session = await InferenceSession.create(made.bytes, quiet);
    const feeds = fixtureFeeds(reference, made);
    const vectors = made.parameters.map(({ shape, tensor }, k) => ({
      shape,
      values: direction(numbersOf(tensor).length, k).map((v) => 0.1 * v),
    }));
    made.parameters.forEach(({ name }, k) => {
      feeds[vectorNameOf(name)] = new Tensor(
        'float64',
        Float64Array.from(vectors[k].values),
        vectors[k].shape,
      );
    });
    const gradientsAt = async (h: number) => {
      const moved = { ...feeds };
      made.parameters.forEach(({ name, shape, tensor }, k) => {
        const values = numbersOf(tensor).map((v, i) => v + h * vectors[k].values[i]);
        moved[name] = new Tensor('float64', Float64Array.from(values), shape);
      });
      return session.run(moved);
    };
    const [exact, up, down] = [await session.run(feeds), await gradientsAt(1e-5), await gradientsAt(-1e-5)];
    for (const { name } of made.parameters) {
      const [high, low] = [up[gradientNameOf(name)].data, down[gradientNameOf(name)].data];
      const numeric = Array.from(
        { length: high.length },
        (_, i) => (Number(high[i]) - Number(low[i])) / 2e-5,
      );
      expect(difference(Array.from(exact[hessianVectorNameOf(name)].data, Number), numeric)).toBeLessThan(
        1e-6,
      );
    }
    await session.release();
  },
);

/** u(x, y) of a small network; tanh(x·W + b)·v. */
const hidden = 6;
const network: Build = (g, { x }) => {
  const [W, b, v] = [
    realInput([2, hidden], 1).values,
    realInput([hidden], 2).values,
    realInput([hidden, 1], 3).values,
  ];
  const h = g.tanh(g.add(g.matmul(x, g.constant(11, [2, hidden], W)), g.constant(11, [hidden], b)));
  return g.matmul(h, g.constant(11, [hidden, 1], v));
};

/** Mean square of the residual u_xx + u_yy + u: second derivatives inside a loss that is differentiated once more. */
const residual: LossFunction = (g, { outputs: [u], gradient }) => {
  const [du] = gradient(u, ['x']);
  const second = [0, 1].map((axis) =>
    g.slice(gradient(g.slice(du, axis, axis + 1, 1), ['x'])[0], axis, axis + 1, 1),
  );
  return g.meanOfAll(g.square(g.add(second[0], second[1], u)));
};

const points: Input = realInput([7, 2], 4);

test('a loss of second derivatives has the right gradient', async () => {
  const bytes = modelOf({ x: points }, network);
  const made = differentiate(bytes, { loss: residual });
  expect(made.parameters.map(({ role }) => role.kind)).toEqual(['weight', 'bias', 'weight']);
  const session = await InferenceSession.create(made.bytes, quiet);
  const values = Object.fromEntries(
    made.parameters.map(({ name, shape, tensor }): [string, Input] => [
      name,
      { shape, values: numbersOf(tensor) },
    ]),
  );
  const run = (parameters: Readonly<Record<string, Input>>) =>
    session.run(feedsOf({ x: points, ...parameters }, 'float64'));
  const results = await run(values);
  // The residual itself, from the closed form of tanh's second derivative.
  const [W, b, v] = made.parameters.map(({ tensor }) => numbersOf(tensor));
  const squares = Array.from({ length: 7 }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < hidden; k++) {
      const t = Math.tanh(points.values[2 * i] * W[k] + points.values[2 * i + 1] * W[hidden + k] + b[k]);
      sum += v[k] * (t - 2 * t * (1 - t * t) * (W[k] ** 2 + W[hidden + k] ** 2));
    }
    return sum * sum;
  });
  expect(Number(results['loss'].data[0])).toBeCloseTo(squares.reduce((x, y) => x + y, 0) / 7, 10);
  for (const name of Object.keys(values)) {
    const along = direction(values[name].values.length, 2);
    const moved = (h: number) => ({
      ...values,
      [name]: { ...values[name], values: values[name].values.map((w, i) => w + h * along[i]) },
    });
    const [up, down] = [await run(moved(1e-5)), await run(moved(-1e-5))];
    const numeric = (Number(up['loss'].data[0]) - Number(down['loss'].data[0])) / 2e-5;
    const exact = along.reduce((sum, d, i) => sum + d * Number(results[gradientNameOf(name)].data[i]), 0);
    expect(difference([exact], [numeric])).toBeLessThan(1e-7);
  }
  await session.release();
});

test('a result can be differentiated again: by its inputs twice, then by its parameters', async () => {
  const first = differentiate(modelOf({ x: points }, network), {
    loss: (g, { outputs: [u] }) => g.sumOfAll(u),
    wrt: ['x'],
  });
  const du = gradientNameOf('x');
  const second = differentiate(first, {
    loss: (g, { value }) => g.sumOfAll(g.slice(value(du), 0, 1, 1)),
    wrt: ['x'],
  });
  const third = differentiate(second, {
    loss: (g, { value }) => g.meanOfAll(g.square(g.slice(value(du), 0, 1, 1))),
  });
  expect(third.parameters.length).toBe(3);
  const session = await InferenceSession.create(third.bytes, quiet);
  const values = Object.fromEntries(
    third.parameters.map(({ name, shape, tensor }): [string, Input] => [
      name,
      { shape, values: numbersOf(tensor) },
    ]),
  );
  const results = await session.run(feedsOf({ x: points, ...values }, 'float64'));
  const [W, b, v] = third.parameters.map(({ tensor }) => numbersOf(tensor));
  const squares = Array.from({ length: 7 }, (_, i) => {
    let uxx = 0;
    for (let k = 0; k < hidden; k++) {
      const t = Math.tanh(points.values[2 * i] * W[k] + points.values[2 * i + 1] * W[hidden + k] + b[k]);
      uxx -= v[k] * 2 * t * (1 - t * t) * W[k] ** 2;
    }
    return uxx * uxx;
  });
  expect(Number(results['loss'].data[0])).toBeCloseTo(squares.reduce((x, y) => x + y, 0) / 7, 10);
  await session.release();
});

test.each([
  ['a ReLU', (g: Parameters<Build>[0], v: string) => g.relu(v)],
  ['the result itself', (_: unknown, v: string) => v],
])(
  'a convolution with a bias before a pooling of %s has the gradient of differences',
  async (_, activation) => {
    const inputs = {
      x: realInput([2, 3, 6, 8], 5),
      w: realInput([8, 3, 3, 3], 6),
      b: realInput([8], 7),
    };
    const layer: Build = (g, { x, w, b }) => {
      const convolved = g.op('Conv', [x, w, b], { pads: [1, 1, 1, 1] });
      const pooled = g.op('MaxPool', [activation(g, convolved)], { kernel_shape: [2, 2], strides: [2, 2] });
      return g.square(pooled);
    };
    await expect(checkGradients(inputs, layer)).resolves.toBeUndefined();
  },
);

const sideBySide: Build = (g, { x }) => g.op('MaxPool', [x], { kernel_shape: [2, 3], strides: [2, 3] });

test('MaxPool for WebGPU has the gradient of the other rule', async () => {
  const image = realInput([1, 2, 4, 6], 5, { distinct: true, low: -6, high: 6 });
  await expect(checkGradients({ x: image }, sideBySide, { target: 'webgpu' })).resolves.toBeUndefined();
});
