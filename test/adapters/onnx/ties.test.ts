import { InferenceSession } from 'onnxruntime-node';
import { differentiate, gradientNameOf } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { feedsOf, modelOf, quiet, type Build, type Input } from './harness.ts';

/** The gradient of the sum of a graph's output by x. */
async function gradient(x: Input, build: Build): Promise<number[]> {
  const bytes = differentiate(modelOf({ x }, build), {
    loss: (g, { outputs: [y] }) => g.sumOfAll(y),
    wrt: ['x'],
  });
  const session = await InferenceSession.create(bytes, quiet);
  const { [gradientNameOf('x')]: found } = await session.run(feedsOf({ x }, 'float64'));
  await session.release();
  return Array.from({ length: found.data.length }, (_, i) => Number(found.data[i]));
}

const vector = (...values: number[]): Input => ({ shape: [values.length], values });

test('elements that tie for an extremum share its cotangent', async () => {
  expect(await gradient(vector(3, 1, 3), (g, { x }) => g.op('ReduceMax', [x]))).toEqual([0.5, 0, 0.5]);
  expect(await gradient(vector(1, 2), (g, { x }) => g.op('Min', [x, g.constant(11, [2], [1, 5])]))).toEqual([
    0.5, 1,
  ]);
});

test.each([
  ['side by side', { kernel_shape: [2], strides: [2] }, [1, 0, 1, 0, 0, 1]],
  ['overlapping', { kernel_shape: [2], strides: [1] }, [1, 1, 1, 1, 0, 1]],
])('pooling of windows %s gives the cotangent to the first', async (_, attributes, expected) => {
  const x: Input = { shape: [1, 1, 6], values: [2, 2, 1, 1, 0, 3] };
  const pool: Build = (g, { x }) => g.op('MaxPool', [x], attributes);
  expect(await gradient(x, pool)).toEqual(expected);
});

test('pooling over two axes does too', async () => {
  const values = Array.from({ length: 24 }, (_, i) => (i === 9 ? 5 : i < 12 ? 0 : 1));
  const x: Input = { shape: [1, 1, 4, 6], values };
  const pool: Build = (g, { x }) => g.op('MaxPool', [x], { kernel_shape: [2, 3], strides: [2, 3] });
  const expected = Array<number>(24).fill(0);
  for (const first of [0, 9, 12, 15]) expected[first] = 1;
  expect(await gradient(x, pool)).toEqual(expected);
});

test.each([8, 9, 16])('pooling of windows of 2 × 2 does, of %i channels', async (channels) => {
  const [samples, height, width] = [3, 4, 6];
  // Small whole numbers, so that most windows hold equal maxima.
  const values = Array.from(
    { length: samples * channels * height * width },
    (_, i) => ((i * i + 3 * i) % 7) % 3,
  );
  const halved = { kernel_shape: [2, 2], strides: [2, 2] };
  const weights = values.slice(0, values.length / 4).map((_, i) => 1 + i);
  const shape = [samples, channels, height / 2, width / 2];
  const pool: Build = (g, { x }) => g.mul(g.op('MaxPool', [x], halved), g.constant(11, shape, weights));
  const expected = values.map(() => 0);
  for (const [window, weight] of weights.entries()) {
    const [image, place] = [Math.floor(window / 6), window % 6];
    const corner = image * 24 + 2 * width * Math.floor(place / 3) + 2 * (place % 3);
    const inside = [0, 1, width, width + 1].map((step) => corner + step);
    const largest = Math.max(...inside.map((at) => values[at]));
    expected[inside.find((at) => values[at] === largest) ?? -1] = weight;
  }
  expect(await gradient({ shape: [samples, channels, height, width], values }, pool)).toEqual(expected);
});

test('at a kink, the slope is 0 where torch has 0', async () => {
  expect(await gradient(vector(0, -1, 1), (g, { x }) => g.op('Relu', [x]))).toEqual([0, 0, 1]);
  expect(await gradient(vector(0, -1, 1), (g, { x }) => g.abs(x))).toEqual([0, -1, 1]);
  expect(await gradient(vector(0, 0), (g, { x }) => g.op('ReduceL2', [x]))).toEqual([0, 0]);
  expect(await gradient(vector(0, 2), (g, { x }) => g.pow(x, 1))).toEqual([1, 1]);
});

test('an empty batch has empty gradients', async () => {
  const x: Input = { shape: [0, 3], values: [] };
  const layer: Build = (g, { x }) => g.tanh(g.matmul(x, g.constant(11, [3, 2], [1, 2, 3, 4, 5, 6])));
  expect(await gradient(x, layer)).toEqual([]);
});

describe.each(['ScatterElements', 'ScatterND'])('%s with a reduction', (op) => {
  /** Two updates of element 1 and one of element 0: their values, then the rest of the data. */
  const scattered =
    (reduction: string): Build =>
    (g, { x }) => {
      const indices = g.constant(7, op === 'ScatterND' ? [3, 1] : [3], [1, 1, 0]);
      return g.op(op, [g.slice(x, 3, 6, 0), indices, g.slice(x, 0, 3, 0)], { reduction });
    };

  test('elements that tie for a maximum or minimum share its cotangent, as in PyTorch', async () => {
    const third = 1 / 3;
    const max = await gradient(vector(5, 5, 1, 2, 5, 7), scattered('max'));
    [third, third, 0, 1, third, 1].forEach((slope, i) => expect(max[i]).toBeCloseTo(slope, 12));
    expect(await gradient(vector(5, 2, 1, 1, 2, 7), scattered('min'))).toEqual([0, 0.5, 0.5, 0.5, 0.5, 1]);
  });

  test('a product has a slope along its only factor of 0, and none along others', async () => {
    expect(await gradient(vector(0, 3, 2, 5, 4, 7), scattered('mul'))).toEqual([12, 0, 5, 2, 0, 1]);
    expect(await gradient(vector(0, 0, 2, 0, 4, 7), scattered('mul'))).toEqual([0, 0, 0, 2, 0, 1]);
  });
});

// torch.onnx.export(dynamo=True) writes scatter_reduce with 'mean' as a ScatterElements without a reduction.
describe.each(['ScatterElements', 'ScatterND'])('%s without a reduction', (op) => {
  /** The gradient of Σ yᵢ², for three updates of four elements, then the data. */
  const squares = (at: readonly number[], isConstant: boolean) => {
    const shape = op === 'ScatterND' ? [3, 1] : [3];
    return gradient(vector(5, 6, 7, 1, 2, 3, 4), (g, { x }) => {
      const zero = g.mul(0, g.cast(g.slice(x, 0, 1, 0), 7));
      const indices = isConstant ? g.constant(7, shape, at) : g.add(zero, g.constant(7, shape, at));
      return g.square(g.op(op, [g.slice(x, 3, 7, 0), indices, g.slice(x, 0, 3, 0)]));
    });
  };

  test.each([true, false])('passes the cotangent to the last update of an element', async (isConstant) => {
    expect(await squares([1, -3, 0], isConstant)).toEqual([0, 12, 14, 0, 0, 6, 8]);
    expect(await squares([1, 3, 0], isConstant)).toEqual([10, 12, 14, 0, 0, 6, 0]);
  });
});
