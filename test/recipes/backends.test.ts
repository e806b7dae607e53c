import * as tf from '@tensorflow/tfjs';
import * as node from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import {
  contourf,
  landscape,
  landscapeAsync,
  topEigenpairs,
  topEigenpairsAsync,
} from 'quasi-newton/landscape';
import { differentiate, trainable, type OnnxModel, type Ort } from 'quasi-newton/onnx';
import { modelProblem, optfuns, tfParams } from 'quasi-newton/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mlp, randomNumbers } from '../../examples/lib/mlp.js';
import { floats, model as onnxModel, node as op } from '../adapters/onnx/rawModel.js';
import { layoutOf, type Layout } from '../../src/core/layout.ts';
import { dot } from '../../src/core/vector.ts';
import { groupNorms, randomDirections } from '../../src/recipes/landscape/directions.ts';
import { filterGroups } from '../../src/recipes/landscape/roles.ts';
import { symmetricEigen } from '../../src/core/symmetricEigen.ts';
import { fixture, fixtureNames, type Fixture } from '../adapters/onnx/fixtures.ts';

beforeAll(() => tf.setBackend('cpu'));

/** Filters of each tensor of a layout, by the grouping that directions use. */
function filtersOf(layout: Layout): Record<string, number> {
  const { of } = filterGroups(layout);
  return Object.fromEntries(
    layout.tensors.map(({ name, offset, size }) => [name, new Set(of.subarray(offset, offset + size)).size]),
  );
}

/** Exact norms filter by filter, and orthogonality. */
function checkDirections(layout: Layout, center: Float64Array): void {
  const groups = filterGroups(layout);
  const wanted = groupNorms(center, groups);
  const [dx, dy] = randomDirections(center, layout, {
    dimensions: 2,
    seed: 5,
    normalize: 'filter',
    ignore: [],
  });
  for (const d of [dx, dy]) {
    groupNorms(d, groups).forEach((norm, g) =>
      expect(Math.abs(norm - wanted[g])).toBeLessThan(1e-12 * (1 + wanted[g])),
    );
  }
  expect(Math.abs(dot(dx, dy))).toBeLessThan(1e-12 * (1 + dot(center, center)));
}

describe('filters of tfjs layers', () => {
  const image = { inputShape: [8, 8, 2] };
  const rows: readonly [string, () => tf.layers.Layer, readonly number[]][] = [
    ['dense', () => tf.layers.dense({ units: 4, inputShape: [3] }), [4, 1]],
    ['conv1d', () => tf.layers.conv1d({ filters: 5, kernelSize: 3, inputShape: [8, 2] }), [5, 1]],
    ['conv2d', () => tf.layers.conv2d({ filters: 5, kernelSize: 3, ...image }), [5, 1]],
    [
      'depthwiseConv2d',
      () => tf.layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 3, ...image }),
      [6, 1],
    ],
    ['separableConv2d', () => tf.layers.separableConv2d({ filters: 5, kernelSize: 3, ...image }), [2, 5, 1]],
    ['conv2dTranspose', () => tf.layers.conv2dTranspose({ filters: 5, kernelSize: 3, ...image }), [5, 1]],
    ['lstm', () => tf.layers.lstm({ units: 3, inputShape: [4, 2] }), [12, 12, 1]],
    ['gru', () => tf.layers.gru({ units: 3, inputShape: [4, 2] }), [9, 9, 1]],
    ['embedding', () => tf.layers.embedding({ inputDim: 7, outputDim: 4, inputLength: 3 }), [7]],
    ['batchNormalization', () => tf.layers.batchNormalization({ inputShape: [6] }), [1, 1]],
    ['prelu', () => tf.layers.prelu({ inputShape: [4], alphaInitializer: 'ones' }), [1]],
  ];

  it.each(rows)('filters of tfjs layers: %s', (_, layer, counts) => {
    const model = tf.sequential({ layers: [layer()] });
    const params = tfParams(model);
    expect(Object.values(filtersOf(params.layout))).toEqual(counts);
    checkDirections(params.layout, params.copyInto(params.zeros()));
    model.dispose();
  });
});

const loss = (name: string) => (/mse|misc/.test(name) ? 'mse' : 'softmaxCrossEntropy');

async function load({ bytes, name }: Fixture, ort: Ort = node): Promise<OnnxModel> {
  return trainable(ort, bytes, { loss: loss(name) });
}

const feedsOf = ({ inputs, target }: Fixture) =>
  Object.fromEntries(
    [...inputs, target].map(({ name, shape, integral, values }) => [
      name,
      { dims: shape, data: integral ? BigInt64Array.from(values, BigInt) : Float32Array.from(values) },
    ]),
  );

describe('filters of ONNX models', () => {
  // Per tensor, from the ops that torch exports: Linear and Conv [out, …], LSTM [directions, 4h, …].
  const known: Readonly<Record<string, Readonly<Record<string, number>>>> = {
    mlp_tanh_mse: { '0.weight': 8, '0.bias': 1, '2.weight': 7, '4.weight': 3 },
    cnn: { 'c1.weight': 6, 'c2.weight': 6, 'c3.weight': 4, 'dw.weight': 4, 'fc.weight': 4, 'c1.bias': 1 },
    lstm: { 'r.weight_ih_l0': 24, 'r.weight_hh_l0': 24, 'r.bias_ih_l0': 1, 'h.weight': 3 },
    // u is a ConvTranspose, [in, out, width].
    misc: { 'c1.weight': 6, 'u.weight': 4, 'f.weight': 3, 'gn.weight': 1, 'inn.bias': 1 },
    mlp_acts_mse: { '17.weight': 1 },
    resnet_train: { 'c0.weight': 8, 'ds.weight': 16, 'b0.weight': 1, 'b0.bias': 1 },
    transformer: { 'emb.weight': 11, 'qkv.weight': 24, 'n1.weight': 1, 'h.weight': 3 },
  };

  it.each(fixtureNames)('filters of ONNX models: %s', async (name) => {
    const model = await load(fixture(name));
    const { layout } = model.params;
    expect(filtersOf(layout)).toMatchObject(known[name] ?? {});
    checkDirections(layout, model.params.copyInto(model.params.zeros()));
    await model.dispose();
  });

  it('MatMul and Gemm store [in, out], LSTM [directions, 4 h, …]', () => {
    const w = (name: string, ...shape: number[]) => floats(name, shape, (i) => Math.sin(i + 1));
    const bytes = onnxModel({
      input: { x: [3, 5, 2] },
      output: { y: [5, 6] },
      initializer: [w('w', 1, 16, 2), w('r', 1, 16, 4), w('b', 1, 32), w('m', 4, 7), w('g', 7, 6), w('c', 6)],
      nodes: [
        { ...op('LSTM', ['x', 'w', 'r', 'b'], '', { hidden_size: 4 }), output: ['', 'h'] },
        op('Squeeze', ['h'], 's'),
        op('MatMul', ['s', 'm'], 'a'),
        op('Gemm', ['a', 'g', 'c'], 'y'),
      ],
    });
    const layout = layoutOf(differentiate(bytes, { loss: 'mse' }).parameters);
    expect(filtersOf(layout)).toEqual({ w: 16, r: 16, b: 1, m: 7, g: 6, c: 1 });
    checkDirections(
      layout,
      Float64Array.from({ length: layout.length }, (_, i) => Math.cos(i)),
    );
  });
});

describe('parameters of a backend that are not wrapped', () => {
  it('are told the one call that wraps them', () => {
    const variable = tf.variable(tf.scalar(1));
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] });
    const loss = () => 1;
    const problem = { p0: Float64Array.of(1), fg: loss };
    for (const [given, call] of [
      [[variable], 'tfParams(variables)'],
      [variable, 'tfParams([variable])'],
      [model, 'tfParams(model)'],
      [{ params: tfParams(model) }, 'its params'],
    ] as const) {
      const message = `must be a ParamSet: give ${call}`;
      for (const source of [loss, problem] as (typeof loss)[]) {
        expect(() => contourf(source, given as never, { npoints: 50 })).toThrow(message);
        expect(() => landscape(source, given as never)).toThrow(message);
      }
    }
    tf.dispose([variable]);
    model.dispose();
  });
});

describe('many points in one run', () => {
  it.each(fixtureNames.filter((name) => name !== 'resnet_train'))(
    'many points in one run of %s have the values they have one by one',
    async (name) => {
      const data = fixture(name);
      const model = await load(data);
      const problem = model.problem(feedsOf(data));
      const { p0, fg } = problem;
      const points = new Float64Array(5 * p0.length);
      for (let k = 0; k < 5; k++)
        points.set(
          p0.map((value) => Math.fround(value * (1 + 0.1 * k))),
          k * p0.length,
        );
      const values = new Float64Array(5);
      await problem.valuesAt?.(points, values);
      for (let k = 0; k < 5; k++) {
        const alone = await fg(points.slice(k * p0.length, (k + 1) * p0.length), null);
        expect(Math.abs(values[k] / alone - 1)).toBeLessThan(1e-6);
      }
      await model.dispose();
    },
  );
});

const sizes = [2, 8, 6, 1];
const samples = 60;
const random = randomNumbers(5);
const x = new Float32Array(2 * samples).map(() => 2 * random() - 1);
const y = new Float32Array(samples).map((_, i) => Math.sin(2 * x[2 * i]) + x[2 * i + 1]);
const feeds = { x: { data: x, dims: [samples, 2] }, target: { data: y, dims: [samples, 1] } };
const bytes = mlp(sizes, { activation: 'Tanh', seed: 3 });

/** The same network of tfjs variables, its parameters in the same order. */
function inTfjs(p0: Float64Array) {
  let at = 0;
  const variable = (...shape: number[]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    at += size;
    return tf.variable(tf.tensor(Float32Array.from(p0.subarray(at - size, at)), shape));
  };
  const layers = sizes.slice(1).map((out, i) => [variable(out, sizes[i]), variable(out)] as const);
  const [inputs, targets] = [tf.tensor(x, [samples, 2]), tf.tensor(y, [samples, 1])];
  const loss = () => {
    const output = layers.reduce<tf.Tensor>((h, [weight, bias], i) => {
      const a = tf.matMul(h, weight, false, true).add(bias);
      return i === layers.length - 1 ? a : a.tanh();
    }, inputs);
    return tf.losses.meanSquaredError(targets, output).asScalar();
  };
  return { loss, ...optfuns(loss, layers.flat()) };
}

describe.each([
  ['onnxruntime-node', node],
  ['onnxruntime-web', web],
] as readonly (readonly [string, Ort])[])('the landscape of a network in tfjs and in %s', (_, ort) => {
  let model: OnnxModel;
  beforeAll(async () => {
    model = await trainable(ort, bytes, { loss: 'mse' });
    await minimizeAsync(model.problem(feeds), lbfgs(), { maxIterations: 8 });
  });
  afterAll(async () => model.dispose());

  it('is one picture, from the call of FluxOptTools and from a problem', async () => {
    const problem = model.problem(feeds);
    const { loss, params, ...tfjs } = inTfjs(problem.p0);
    const attributes = { color: 'turbo', npoints: 20, lnorm: 1, seed: 1234 } as const;
    const tensors = tf.memory().numTensors;
    const number = () => tf.tidy(() => Math.log10(1 + loss().dataSync()[0]));
    const picture = contourf(number, params, attributes);
    expect(tf.memory().numTensors).toBe(tensors);
    expect(picture.toSVG()).toMatch(/^<svg/);

    const options = { npoints: 20, seed: 1234 };
    const here = landscape({ ...tfjs, params }, options);
    const there = await landscapeAsync(problem, options);
    expect(there.x).toEqual(here.x);
    expect(there.plane.directions).toEqual(here.plane.directions);
    for (const [cell, z] of there.z.entries()) expect(Math.abs(z / here.z[cell] - 1)).toBeLessThan(5e-6);
    // Exactly the loss at the parameters, though the points went through in batches.
    expect(there.z[10 * 21 + 10]).toBe(await problem.fg(problem.p0, null));
    expect(params.copyInto(params.zeros())).toEqual(problem.p0);
    expect(model.params.copyInto(model.params.zeros())).toEqual(problem.p0);
    const metrics = { norm: (p: Float64Array) => p[0] };
    const oneByOne = await landscapeAsync(problem, { ...options, metrics });
    for (const [cell, z] of oneByOne.z.entries()) expect(Math.abs(z / there.z[cell] - 1)).toBeLessThan(1e-6);
  });

  it('has a Hessian whose ends both find in float32 with 20 products', async () => {
    const reference = await trainable(node, bytes, { loss: 'mse', precision: 'float64' });
    const { fg } = reference.problem({
      x: { data: Float64Array.from(x), dims: [samples, 2] },
      target: { data: Float64Array.from(y), dims: [samples, 1] },
    });
    const problem = model.problem(feeds);
    const exact = await denseEigenvalues(fg, problem.p0);
    await reference.dispose();
    const n = exact.length;
    const options = { count: 2, maxProducts: 20, tolerance: 1e-6 };
    for (const found of [
      await topEigenpairsAsync(problem, options),
      topEigenpairs(inTfjs(problem.p0), options),
    ]) {
      expect(found.products).toBeLessThanOrEqual(20 + 3);
      expect(found.agreement).toBeLessThan(1e-2);
      expect(Math.abs(found.values[0] / exact[n - 1] - 1)).toBeLessThan(0.005);
      expect(Math.abs(found.values[1] / exact[n - 2] - 1)).toBeLessThan(0.005);
      expect(Math.sign(found.bottom.values[0])).toBe(Math.sign(exact[0]));
    }
  });
});

/** All eigenvalues of the Hessian, ascending, from central differences in float64. */
async function denseEigenvalues(
  fg: (x: Float64Array, gradient: Float64Array) => Promise<number>,
  at: Float64Array,
): Promise<Float64Array> {
  const n = at.length;
  const matrix = new Float64Array(n * n);
  const [ahead, behind] = [new Float64Array(n), new Float64Array(n)];
  for (let i = 0; i < n; i++) {
    await fg(at.with(i, at[i] + 1e-5), ahead);
    await fg(at.with(i, at[i] - 1e-5), behind);
    for (let j = 0; j < n; j++) {
      matrix[i * n + j] += (ahead[j] - behind[j]) / 4e-5;
      matrix[j * n + i] += (ahead[j] - behind[j]) / 4e-5;
    }
  }
  return symmetricEigen(matrix, n).values;
}

describe('a model of tfjs layers', () => {
  it('has its landscape by filters, through its own compiled loss, and leaks nothing', () => {
    const model = tf.sequential({
      layers: [
        tf.layers.dense({
          units: 6,
          activation: 'tanh',
          inputShape: [2],
          kernelInitializer: tf.initializers.glorotUniform({ seed: 1 }),
        }),
        tf.layers.dense({ units: 1, kernelInitializer: tf.initializers.glorotUniform({ seed: 2 }) }),
      ],
    });
    model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
    const problem = modelProblem(model, tf.tensor(x, [samples, 2]), tf.tensor(y, [samples, 1]));
    const before = tf.memory().numTensors;
    const { loss, z, x: xs } = landscape(problem, { npoints: 9, normalize: 'filter', ignore: ['bias'] });
    expect(tf.memory().numTensors).toBe(before);
    expect(z[Math.floor(z.length / 2)]).toBe(loss);
    expect(loss).toBe(problem.fg(problem.p0, null));
    expect([...xs]).toContain(0);
  });
});
