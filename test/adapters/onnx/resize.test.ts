import { InferenceSession } from 'onnxruntime-node';
import { differentiate } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
import { checkGradients, feedsOf, modelOf, quiet, type Build, type Input } from './harness.ts';

const image = (shape: readonly number[]): Input => ({
  shape,
  values: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(2.3 * i) + 0.01 * i),
});

const modes = [
  { mode: 'nearest', nearest_mode: 'floor' },
  { mode: 'nearest', nearest_mode: 'ceil' },
  { mode: 'nearest', nearest_mode: 'round_prefer_floor' },
  { mode: 'nearest', nearest_mode: 'round_prefer_ceil' },
  { mode: 'linear' },
  { mode: 'cubic' },
  { mode: 'cubic', cubic_coeff_a: -0.5, exclude_outside: 1 },
] as const;

/** Compares what the graph of float64 computes with ONNX Runtime's own op in float32, and the gradient with differences. */
async function compare(x: Input, build: Build, dynamic: boolean): Promise<void> {
  const native = await InferenceSession.create(modelOf({ x }, build, { precision: 'float32' }), quiet);
  const { y } = await native.run(feedsOf({ x }, 'float32'));
  const graph = differentiate(modelOf({ x }, build, { precision: 'float32' }), {
    loss: (g, { outputs: [out] }) => g.meanOfAll(out),
    wrt: ['x'],
    precision: 'float64',
    keep: ['y'],
  });
  const session = await InferenceSession.create(graph, quiet);
  const { y: own } = await session.run(feedsOf({ x }, 'float64'));
  expect(own.dims).toEqual(y.dims);
  const [got, must] = [own.data as Float64Array, y.data as Float32Array];
  must.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 4));
  await checkGradients({ x }, build, { precision: 'float64' });
  await checkGradients({ x }, build, { precision: 'float32', step: 0.5, tolerance: 1e-4 });
  if (dynamic) await checkGradients({ x }, build, { precision: 'float64', dynamic });
}

const check = (x: Input, build: Build, dynamic = true) =>
  expect(compare(x, build, dynamic)).resolves.toBeUndefined();

const regions: readonly (readonly [string, number[]])[] = [
  ['within the image', [0, 0, 0.2, 0.1, 1, 1, 0.8, 0.75]],
  ['beyond the image', [0, 0, -0.3, 0.5, 1, 1, 0.6, 1.4]],
  ['mirrored', [0, 0, 0.9, 0, 1, 1, 0.1, 1]],
  ['all of it', [0, 0, 0, 0, 1, 1, 1, 1]],
];

describe.each(modes)('tf_crop_and_resize, $mode $nearest_mode $cubic_coeff_a', (mode) => {
  test.each(regions)('by sizes, of a region %s', async (_, roi) => {
    expect.hasAssertions();
    for (const to of [
      [7, 4],
      [5, 9],
    ])
      await check(image([1, 2, 5, 6]), (g, { x }) =>
        g.op(
          'Resize',
          [x, g.constant(DType.FLOAT, [8], roi), undefined, g.integers([1, 2, ...to])],
          Object.assign({}, mode, {
            coordinate_transformation_mode: 'tf_crop_and_resize',
            extrapolation_value: 2.5,
          }),
        ),
      );
  });

  test.each(regions.filter(([name]) => name !== 'mirrored'))('by scales, of a region %s', async (_, roi) => {
    expect.hasAssertions();
    await check(image([1, 2, 5, 6]), (g, { x }) =>
      g.op(
        'Resize',
        [x, g.constant(DType.FLOAT, [8], roi), g.constant(DType.FLOAT, [4], [1, 1, 1.7, 0.9])],
        Object.assign({}, mode, { coordinate_transformation_mode: 'tf_crop_and_resize' }),
      ),
    );
  });
});

describe.each([
  'half_pixel',
  'align_corners',
  'asymmetric',
  'pytorch_half_pixel',
  'half_pixel_symmetric',
] as const)('keep_aspect_ratio_policy, %s', (coordinates) => {
  test.each(modes)('$mode $nearest_mode $cubic_coeff_a', async (mode) => {
    expect.hasAssertions();
    for (const [keep_aspect_ratio_policy, to] of [
      ['not_larger', [7, 8]],
      ['not_smaller', [3, 9]],
    ] as const)
      await check(
        image([1, 2, 5, 6]),
        (g, { x }) =>
          g.op(
            'Resize',
            [x, undefined, undefined, g.integers(to)],
            Object.assign({}, mode, {
              coordinate_transformation_mode: coordinates,
              keep_aspect_ratio_policy,
              axes: [2, 3],
            }),
          ),
        false,
      );
  });
});

test.each([
  [
    [3, 4, 5],
    [0.1, 0.2, 0, 0.9, 0.7, 1],
    [3, 6, 7],
  ],
  [
    [1, 2, 3, 4, 5],
    [0, 0, 0.1, 0.2, 0, 1, 1, 0.9, 0.7, 1],
    [1, 2, 3, 6, 7],
  ],
  [
    [4, 5],
    [0.1, -0.2, 0.9, 0.7],
    [4, 7],
  ],
] as const)('tf_crop_and_resize of %j in a region %j, linear and nearest', async (shape, roi, to) => {
  expect.hasAssertions();
  for (const mode of ['linear', 'nearest'])
    await check(image(shape), (g, { x }) =>
      g.op('Resize', [x, g.constant(DType.FLOAT, [roi.length], roi), undefined, g.integers(to)], {
        coordinate_transformation_mode: 'tf_crop_and_resize',
        mode,
        extrapolation_value: -1.5,
      }),
    );
});

test('keep_aspect_ratio_policy over all axes, and over sizes that only a run tells', async () => {
  const build =
    (axes?: number[]): Build =>
    (g, { x }) =>
      g.op('Resize', [x, undefined, undefined, g.integers(axes ? [8, 8] : [1, 2, 8, 8])], {
        keep_aspect_ratio_policy: 'not_smaller',
        mode: 'nearest',
        ...(axes && { axes }),
      });
  await check(image([1, 2, 5, 6]), build([3, 2]), false);
  await check(image([1, 2, 5, 6]), build(), false);
  await expect(checkGradients({ x: image([1, 2, 5, 6]) }, build([2, 3]), { dynamic: true })).rejects.toThrow(
    /keep_aspect_ratio_policy has a rule only if sizes are known before the model runs/,
  );
});

test('the gradient by the region is refused', () => {
  const [x, roi] = [image([1, 1, 4, 4]), { shape: [8], values: [0, 0, 0.1, 0.1, 1, 1, 0.9, 0.9] }];
  const bytes = modelOf(
    { x, roi },
    (g, inputs) =>
      g.op('Resize', [inputs.x, inputs.roi, undefined, g.integers([1, 1, 3, 3])], {
        coordinate_transformation_mode: 'tf_crop_and_resize',
        mode: 'linear',
      }),
    { precision: 'float32' },
  );
  expect(() =>
    differentiate(bytes, { loss: (g, { outputs: [y] }) => g.meanOfAll(y), wrt: ['x', 'roi'] }),
  ).toThrow(/the gradient by its region \(roi\) has no rule/);
});
