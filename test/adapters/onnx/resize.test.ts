import { InferenceSession } from 'onnxruntime-node';
import { differentiate, gradientNameOf } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
import { checkGradients, feedsOf, modelOf, quiet, weighted, type Build, type Input } from './harness.ts';

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

test.each(modes)(
  'keep_aspect_ratio_policy that leaves one axis at its size, $mode $nearest_mode',
  async (mode) => {
    expect.hasAssertions();
    await check(image([1, 1, 2, 4]), (g, { x }) =>
      g.op(
        'Resize',
        [x, undefined, undefined, g.integers([1, 3])],
        Object.assign({ keep_aspect_ratio_policy: 'not_smaller', axes: [2, 3] }, mode),
      ),
    );
  },
);

test('keep_aspect_ratio_policy over all axes, or some in another order', async () => {
  expect.hasAssertions();
  const build =
    (axes?: number[]): Build =>
    (g, { x }) =>
      g.op('Resize', [x, undefined, undefined, g.integers(axes ? [8, 8] : [1, 2, 8, 8])], {
        keep_aspect_ratio_policy: 'not_smaller',
        mode: 'nearest',
        ...(axes && { axes }),
      });
  await check(image([1, 2, 5, 6]), build([3, 2]));
  await check(image([1, 2, 5, 6]), build());
});

const transformations = [
  'half_pixel',
  'half_pixel_symmetric',
  'pytorch_half_pixel',
  'align_corners',
  'asymmetric',
] as const;

/**
 * Compares what a graph computes, in both precisions, with ONNX Runtime's own op in float32, and gradients by all float
 * inputs with differences; those by scales and regions of nearest neighbors are 0.
 */
async function compareFed(
  inputs: Readonly<Record<string, Input>>,
  build: Build,
  isNearest: boolean,
): Promise<void> {
  const bytes = modelOf(inputs, build, { precision: 'float32' });
  const native = await InferenceSession.create(bytes, quiet);
  const { y } = await native.run(feedsOf(inputs, 'float32'));
  const must = y.data as Float32Array;
  const wrt = Object.keys(inputs).filter((name) => !inputs[name].integral);
  for (const [precision, dynamic] of [
    ['float32', false],
    ['float64', true],
  ] as const) {
    const graph = differentiate(modelOf(inputs, build, { precision: 'float32', dynamic }), {
      loss: weighted,
      wrt,
      precision,
      keep: ['y'],
    });
    const session = await InferenceSession.create(graph, quiet);
    const results = await session.run(feedsOf(inputs, precision));
    const own = results['y'];
    expect(own.dims).toEqual(y.dims);
    const got = own.data as Float64Array;
    must.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 4));
    const byPlaces = isNearest ? wrt.filter((name) => name !== 'x') : [];
    for (const name of byPlaces) {
      const gradient = Array.from(results[gradientNameOf(name)].data, Number);
      expect(gradient).toEqual(inputs[name].values.map(() => 0));
    }
    await session.release();
  }
  const { x, ...others } = inputs;
  if (!isNearest) return checkGradients(inputs, build, { precision: 'float64', tolerance: 1e-6 });
  const fixed: Build = (g, { x }) =>
    build(
      g,
      Object.assign(
        { x },
        ...Object.entries(others).map(([name, { shape, values, integral }]) => ({
          [name]: g.constant(integral ? DType.INT64 : DType.DOUBLE, shape, values),
        })),
      ) as Record<string, string>,
    );
  return checkGradients({ x }, fixed, { precision: 'float64' });
}

describe.each(transformations)('sizes, scales and gradients by scales, %s', (coordinates) => {
  test.each(modes)('$mode $nearest_mode $cubic_coeff_a', async (mode) => {
    expect.hasAssertions();
    const attributes = Object.assign({}, mode, { coordinate_transformation_mode: coordinates });
    const isNearest = mode.mode === 'nearest';
    // Not near a scale at which the size of the result, or a nearest neighbor, changes.
    for (const factors of [
      [1.7313, 0.7717],
      [0.6131, 2.3171],
      [1.1517, 1.1031],
      [1.1517, 1.6173],
    ])
      await compareFed(
        { x: image([1, 2, 5, 6]), scales: { shape: [2], values: factors } },
        (g, { x, scales }) =>
          g.op('Resize', [x, undefined, scales], Object.assign({ axes: [2, 3] }, attributes)),
        isNearest,
      );
    // With half_pixel_symmetric the middle is a tie between two neighbors, which the last digit decides.
    if (isNearest && coordinates === 'half_pixel_symmetric') return;
    for (const [keep_aspect_ratio_policy, to] of [
      ['not_larger', [7, 8]],
      ['not_smaller', [3, 9]],
      ['not_larger', [5, 7]],
    ] as const)
      await compareFed(
        { x: image([1, 2, 5, 6]), to: { shape: [2], values: to, integral: true } },
        (g, inputs) =>
          g.op(
            'Resize',
            [inputs.x, undefined, undefined, inputs.to],
            Object.assign({}, attributes, { keep_aspect_ratio_policy, axes: [2, 3] }),
          ),
        isNearest,
      );
  });
});

describe.each([
  ['within the image', [0, 0, 0.2131, 0.1317, 1, 1, 0.8313, 0.7537]],
  ['beyond the image', [0, 0, -0.3131, 0.5217, 1, 1, 0.6331, 1.4173]],
  ['mirrored', [0, 0, 0.9317, 0.0413, 1, 1, 0.1231, 0.9517]],
])('a region that is fed, and gradients by it, %s', (_, roi) => {
  test.each(modes)('$mode $nearest_mode $cubic_coeff_a', async (mode) => {
    expect.hasAssertions();
    for (const to of [
      [7, 4],
      [1, 9],
    ])
      await compareFed(
        { x: image([1, 2, 5, 6]), roi: { shape: [8], values: roi } },
        (g, inputs) =>
          g.op(
            'Resize',
            [inputs.x, inputs.roi, undefined, g.integers([1, 2, ...to])],
            Object.assign({}, mode, {
              coordinate_transformation_mode: 'tf_crop_and_resize',
              extrapolation_value: 2.5,
            }),
          ),
        mode.mode === 'nearest',
      );
  });
});

test('with antialias, gradients by scales and fed sizes under a policy are refused', () => {
  const x = image([1, 1, 4, 4]);
  const refused = (inputs: Readonly<Record<string, Input>>, build: Build, wrt: readonly string[]) => () =>
    differentiate(modelOf(inputs, build, { precision: 'float32' }), { loss: weighted, wrt });
  const aliasing = { antialias: 1, mode: 'linear' };
  expect(
    refused(
      { x, scales: { shape: [4], values: [1, 1, 0.6, 0.6] } },
      (g, inputs) => g.op('Resize', [inputs.x, undefined, inputs.scales], aliasing),
      ['x', 'scales'],
    ),
  ).toThrow(/with antialias, it has no rule by its scales and region/);
  expect(
    refused(
      { x, to: { shape: [4], values: [1, 1, 2, 3], integral: true } },
      (g, inputs) =>
        g.op(
          'Resize',
          [inputs.x, undefined, undefined, inputs.to],
          Object.assign({ keep_aspect_ratio_policy: 'not_larger' }, aliasing),
        ),
      ['x'],
    ),
  ).toThrow(/keep_aspect_ratio_policy with antialias has a rule for sizes that are known beforehand only/);
});

test('sizes after scaling are known as ONNX Runtime rounds them', async () => {
  for (const scale of [0.7, 0.3, 1.1, 2.3]) {
    let known: unknown;
    const build: Build = (g, { x }) => {
      const y = g.op('Resize', [x, undefined, g.constant(DType.FLOAT, [4], [1, 1, 1, scale])]);
      known = g.shapeOf(y)?.[3];
      return y;
    };
    const open = { precision: 'float32', dynamic: true } as const;
    const session = await InferenceSession.create(modelOf({ x: image([1, 1, 1, 4]) }, build, open), quiet);
    for (let length = 4; length < 64; length++) {
      const x = image([1, 1, 1, length]);
      modelOf({ x }, build, { precision: 'float32' });
      const { y } = await session.run(feedsOf({ x }, 'float32'));
      expect([scale, length, known]).toEqual([scale, length, y.dims[3]]);
    }
    await session.release();
  }
});
