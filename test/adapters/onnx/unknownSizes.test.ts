import { describe, expect, test } from 'vitest';
import * as ort from 'onnxruntime-node';
import { trainable, type LossFunction } from 'quasi-newton/onnx';
import type { Builder } from '../../../src/adapters/onnx/ir/builder.ts';
import { DType, tensorOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { check, real, whole } from './againstKernels.ts';
import { direction, feedsOf, modelOf, quiet, type Build, type Input } from './harness.ts';

const atRunTime = (inputs: Readonly<Record<string, Input>>, build: Build, opset = 21) =>
  check(inputs, build, opset, true);

describe('sizes that only run time tells', () => {
  test.each([1, -1])('values of unknown rank are joined along axis %i', async (axis) => {
    await expect(
      atRunTime({ a: real(1, 2, 1, 3), b: real(2, 2, 1, 4) }, (g, { a, b }) =>
        g.concat([g.op('Squeeze', [a]), g.op('Squeeze', [b])], axis),
      ),
    ).resolves.toBeUndefined();
  });

  test.each([
    [18, 2, 'group'],
    [21, 6, 'channel'],
  ])('of opset %i, the scale of GroupNormalization has %i elements, one a %s', async (opset, length) => {
    await expect(
      atRunTime(
        { x: real(1, 2, 6, 3), scale: real(2, length), bias: real(3, length) },
        (g, { x, scale, bias }) => g.op('GroupNormalization', [x, scale, bias], { num_groups: 2 }),
        opset,
      ),
    ).resolves.toBeUndefined();
  });

  const image = (height: number, width: number) => real(1, 2, 2, height, width);
  const filters = { w: real(2, 4, 2, 3, 2), bias: real(3, 4) };

  test.each([
    ['SAME_UPPER', [2, 3], image(5, 4)],
    ['SAME_LOWER', [2, 3], image(6, 7)],
    ['SAME_UPPER', [4, 4], image(5, 9)],
    ['SAME_LOWER', [1, 1], image(4, 3)],
  ])('a convolution with auto_pad %s and strides %j', async (auto_pad, strides, x) => {
    await expect(
      atRunTime({ x, ...filters }, (g, { x, w, bias }) => g.op('Conv', [x, w, bias], { auto_pad, strides })),
    ).resolves.toBeUndefined();
  });

  const back = { x: real(1, 2, 4, 3, 4), w: real(2, 4, 2, 3, 2), bias: real(3, 2) };

  test.each([
    ['SAME_UPPER', [2, 3]],
    ['SAME_LOWER', [2, 1]],
  ])('a transposed convolution with auto_pad %s and strides %j', async (auto_pad, strides) => {
    await expect(
      atRunTime(back, (g, { x, w, bias }) =>
        g.op('ConvTranspose', [x, w, bias], { auto_pad, strides, kernel_shape: [3, 2] }),
      ),
    ).resolves.toBeUndefined();
  });

  test.each([
    [[5, 8], [2, 2], 'SAME_UPPER'],
    [[6, 7], [2, 2], 'NOTSET'],
    [[8, 9], [2, 3], 'NOTSET'],
  ])(
    'a transposed convolution with output_shape %j, strides %j and auto_pad %s',
    async (...[shape, strides, auto_pad]) => {
      await expect(
        atRunTime(back, (g, { x, w, bias }) =>
          g.op('ConvTranspose', [x, w, bias], { auto_pad, strides, output_shape: shape }),
        ),
      ).resolves.toBeUndefined();
    },
  );

  const pools = (['AveragePool', 'LpPool', 'MaxPool'] as const).flatMap((op) =>
    [
      { kernel_shape: [3, 2], strides: [2, 3], auto_pad: 'SAME_UPPER' },
      { kernel_shape: [3, 4], strides: [2, 3], auto_pad: 'SAME_LOWER' },
      { kernel_shape: [2, 2], strides: [3, 3], ceil_mode: 1 },
      { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1, pads: [1, 0, 1, 1] },
      ...(op === 'AveragePool'
        ? [
            { kernel_shape: [3, 3], strides: [2, 3], auto_pad: 'SAME_LOWER', count_include_pad: 1 },
            { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1, pads: [1, 1, 1, 1], count_include_pad: 1 },
            { kernel_shape: [2, 2], strides: [3, 3], ceil_mode: 1, pads: [1, 0, 1, 1], count_include_pad: 1 },
          ]
        : []),
    ].map((attributes) => [op, attributes] as const),
  );
  test.each(pools)('%s with %j', async (op, attributes) => {
    for (const x of [image(5, 8), image(6, 7)])
      await expect(atRunTime({ x }, (g, { x }) => g.op(op, [x], attributes))).resolves.toBeUndefined();
    // Counted over known sizes, too.
    await expect(
      check({ x: image(6, 7) }, (g, { x }) => g.op(op, [x], attributes), 21),
    ).resolves.toBeUndefined();
  });

  const convolutions = [
    ['Conv', { auto_pad: 'SAME_UPPER', strides: [2, 3] }],
    ['ConvTranspose', { auto_pad: 'SAME_LOWER', strides: [2, 3] }],
    ['ConvTranspose', { output_shape: [9, 11], strides: [2, 2] }],
  ] as const;
  test.each([...pools, ...convolutions])('%s with %j is predicted in float64', async (op, attributes) => {
    const inputs = { x: image(6, 7) };
    const weight = (g: Builder) => g.addConstant(tensorOf('w', DType.FLOAT, [2, 2, 3, 2], direction(24, 2)));
    const build: Build = (g, { x }) => {
      const y = g.op('Conv', [x, weight(g)], { pads: [1, 1, 1, 0] });
      return g.op(op, op.startsWith('Conv') ? [y, 'w'] : [y], attributes);
    };
    const bytes = modelOf(inputs, build, { precision: 'float32', opset: 21, dynamic: true });
    const session = await ort.InferenceSession.create(bytes, quiet);
    const { y: wanted } = await session.run(feedsOf(inputs, 'float32'));
    await session.release();
    const loss: LossFunction = (g, { outputs: [y] }) => g.sumOfAll(y);
    const model = await trainable(ort, bytes, { loss, precision: 'float64' });
    const { y } = await model.predict({ x: { data: inputs.x.values, dims: inputs.x.shape } });
    await model.dispose();
    expect(y.dims).toEqual(wanted.dims);
    Array.from(wanted.data as Float32Array).forEach((value, i) =>
      expect(Number(y.data[i])).toBeCloseTo(value, 4),
    );
  });
});

test('the inverse of a one-sided DFT loads although an axis that it might run along has one frequency', async () => {
  const inputs = { x: real(1, 1, 4, 2), axis: whole([], [1]) };
  const inverse: Build = (g, { x, axis }) => g.op('DFT', [x, undefined, axis], { inverse: 1, onesided: 1 });
  await expect(check(inputs, inverse, 20)).resolves.toBeUndefined();
});
