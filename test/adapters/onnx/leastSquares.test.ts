import * as ort from 'onnxruntime-node';
import {
  bfgs,
  checkGradientAsync,
  checkJacobianAsync,
  levenbergMarquardt,
  minimize,
  minimizeAsync,
} from 'quasi-newton';
import { trainable, type OnnxLeastSquares, type ResidualFunction } from 'quasi-newton/onnx';
import { describe, expect, it } from 'vitest';
import { mlp, randomNumbers } from '../../../examples/lib/mlp.js';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
import { fixture } from './fixtures.ts';
import { floats, model as graph, node } from './rawModel.js';
import { scaledLayers } from './scaledLayers.ts';
import { poisson } from '../../../bench/problems/poisson.js';

const samples = 40;
const random = randomNumbers(3);
const points = Array.from({ length: samples * 3 }, () => 2 * random() - 1);
const values = Array.from({ length: samples }, (_, i) => Math.sin(2 * points[3 * i]) + points[3 * i + 1]);
const data = (list: number[], width: number) => ({ data: list, dims: [list.length / width, width] });
const feeds = { x: data(points, 3), target: data(values, 1) };

describe('the residuals of a model', () => {
  it.each(['float64', 'float32'] as const)(
    'have the f of the loss, its gradient and Jacobian: %s',
    async (precision) => {
      const model = await trainable(ort, mlp([3, 5, 4, 1]), { loss: 'mse', precision });
      const problem = model.leastSquares(feeds);
      expect(problem.residualCount).toBe(samples);
      const f = await problem.fg(problem.p0, null);
      expect(f).toBeCloseTo(
        await model.problem(feeds).fg(problem.p0, null),
        precision === 'float64' ? 12 : 5,
      );
      expect(await problem.fg(problem.p0, problem.p0.slice())).toBe(f);
      expect(await checkGradientAsync(problem)).toMatchObject({ wrong: [] });
      expect(await checkJacobianAsync(problem)).toMatchObject({
        wrong: [],
        checked: samples * problem.p0.length,
      });
      expect(problem.jacobian()).toBe('samples');
      await model.dispose();
    },
  );

  it('the residuals of a model of several outputs, MatMul, Add and Mul come in one run too', async () => {
    const target = data(
      Array.from({ length: 2 * samples }, (_, i) => Math.cos(i)),
      2,
    );
    const model = await trainable(ort, scaledLayers, {
      loss: { loss: 'mse', weight: 3 },
      precision: 'float64',
      trainable: ['w', 'b', 's', 'v', 'c'],
    });
    const problem = model.leastSquares({ x: feeds.x, target });
    expect(problem.residualCount).toBe(2 * samples);
    expect(await checkJacobianAsync(problem)).toMatchObject({ wrong: [], checked: 2 * samples * 37 });
    expect(problem.jacobian()).toBe('samples');
    expect(await problem.fg(problem.p0, null)).toBeCloseTo(
      await model.problem({ x: feeds.x, target }).fg(problem.p0, null),
      12,
    );
    await model.dispose();
  });

  it('train it lower than bfgs does, and are left in it', async () => {
    const model = await trainable(ort, mlp([3, 6, 1]), { loss: 'mse', precision: 'float64' });
    const start = model.params.copyInto(model.params.zeros());
    const losses: number[] = [];
    for (const solver of [levenbergMarquardt(), bfgs()]) {
      model.params.copyFrom(start);
      const result = await minimizeAsync(model.leastSquares(feeds), solver, { maxIterations: 60, gtol: 0 });
      expect(model.params.copyInto(model.params.zeros())).toEqual(result.x);
      losses.push(result.f);
    }
    expect(losses[0]).toBeLessThan(0.1 * losses[1]);
    await model.dispose();
  });

  it('come by products where samples see each other, and at once where weights are used in other ways', async () => {
    const centered = graph({
      input: { x: ['N', 3] },
      output: { y: ['N', 1] },
      initializer: [floats('w', [3, 1], (i) => 1 + i), floats('axes', [0], () => 0)],
      nodes: [
        node('MatMul', ['x', 'w'], 'h'),
        node('Tanh', ['h'], 't'),
        node('ReduceSum', ['t'], 'total', { keepdims: 1 }),
        node('Mul', ['t', 'total'], 'y'),
      ],
    });
    const squared = graph({
      input: { x: ['N', 3] },
      output: { y: ['N', 1] },
      initializer: [floats('w', [3, 1], (i) => 1 + i)],
      nodes: [node('Exp', ['w'], 'e'), node('MatMul', ['x', 'e'], 'y')],
    });
    for (const [bytes, way] of [
      [centered, 'columns'],
      [squared, 'samples'],
    ] as const) {
      const model = await trainable(ort, bytes, { loss: 'mse', precision: 'float64', trainable: ['w'] });
      const problem = model.leastSquares(feeds);
      const { f, converged, trace } = await minimizeAsync(problem, levenbergMarquardt(), { gtol: 1e-6 });
      expect(problem.jacobian()).toBe(way);
      expect(converged).toBe(true);
      expect(f).toBeLessThan(trace[0].f);
      await model.dispose();
    }
  });
});

/** Largest error of some columns of a Jacobian, relative to the column, against central differences. */
async function errorOf(problem: OnnxLeastSquares, step: number): Promise<number> {
  const { p0, residualCount: m } = problem;
  const n = p0.length;
  const [r, ahead, behind] = [new Float64Array(m), new Float64Array(m), new Float64Array(m)];
  const jacobian = new Float64Array(m * n);
  await problem.residuals(p0, r, jacobian);
  let worst = 0;
  for (let q = 0; q < 16; q++) {
    const j = Math.floor(((q + 0.5) * n) / 16);
    const at = (move: number) => p0.map((value, k) => (k === j ? value + move : value));
    await problem.residuals(at(step), ahead, null);
    await problem.residuals(at(-step), behind, null);
    const column = r.map((_, i) => (ahead[i] - behind[i]) / (2 * step));
    const size = column.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
    column.forEach((value, i) => (worst = Math.max(worst, Math.abs(value - jacobian[i * n + j]) / size)));
  }
  return worst;
}

/** Products with J, and J itself. */
async function productError(problem: OnnxLeastSquares): Promise<number> {
  const { p0, residualCount: m } = problem;
  const n = p0.length;
  const jacobian = new Float64Array(m * n);
  await problem.residuals(p0, new Float64Array(m), jacobian);
  const [v, u] = [n, m].map((length) => Float64Array.from({ length }, (_, i) => Math.sin(3 * i + 1)));
  const [pushed, pulled] = [new Float64Array(m), new Float64Array(n)];
  await problem.jacobianVector(p0, v, pushed);
  await problem.vectorJacobian(p0, u, pulled);
  let worst = 0;
  for (let i = 0; i < m; i++) {
    const row = jacobian.subarray(i * n, (i + 1) * n);
    worst = Math.max(worst, Math.abs(row.reduce((sum, value, j) => sum + value * v[j], 0) - pushed[i]));
    row.forEach((value, j) => (pulled[j] -= u[i] * value));
  }
  return Math.max(worst, ...pulled.map(Math.abs));
}

describe('Jacobians of networks of all kinds agree with differences', () => {
  const kinds = [
    ['cnn', 'samples'], // convolutions, overlapping pools, Gemm
    ['transformer', 'samples'], // embeddings, layer normalization, attention
    ['mlp_acts_mse', 'samples'],
    ['resnet_train', 'rows'], // batch normalization in training mode: samples see each other
    ['lstm', 'samples'],
  ] as const;
  it.each(kinds)('%s in one of the ways, and in all others', async (name, best) => {
    const { bytes, inputs } = fixture(name);
    const data = Object.fromEntries(
      inputs.map((each) => [each.name, { data: [...each.values], dims: [...each.shape] }]),
    );
    const loss = name === 'mlp_acts_mse' ? 'mse' : 'softmaxCrossEntropy';
    const model = await trainable(ort, bytes, { loss, precision: 'float64' });
    const residuals: ResidualFunction = (g, { outputs: [y] }) => g.mul(g.tanh(y), 0.5);
    for (const jacobian of ['auto', 'rows', 'columns'] as const) {
      const problem = model.leastSquares(data, { residuals, jacobian });
      expect(await errorOf(problem, 1e-6)).toBeLessThan(2e-7);
      expect(problem.jacobian()).toBe(jacobian === 'auto' ? best : jacobian);
      expect(await productError(problem)).toBeLessThan(1e-8);
    }
    await model.dispose();
  });

  it('Jacobians of networks of all kinds agree with differences of values with several numbers of samples', async () => {
    const two = graph({
      input: { inner: ['N', 3], outer: ['M', 3] },
      output: { y: ['N', 2], z: ['M', 2] },
      initializer: [floats('w', [3, 2], (i) => Math.sin(i)), floats('b', [2], (i) => 0.3 * i)],
      nodes: ['inner', 'outer'].flatMap((x, i) => [
        node('MatMul', [x, 'w'], `${x}/product`),
        node('Add', [`${x}/product`, 'b'], `${x}/sum`),
        node(i === 0 ? 'Tanh' : 'Sin', [`${x}/sum`], 'yz'[i]),
      ]),
    });
    const loss = { loss: 'mse', output: 'y' } as const;
    const model = await trainable(ort, two, { loss, precision: 'float64', trainable: ['w', 'b'] });
    const outer = { data: points.slice(0, 21), dims: [7, 3] };
    const problem = model.leastSquares(
      { inner: feeds.x, outer },
      { residuals: (_, { outputs }) => [outputs[1], outputs[0], outputs[1]] },
    );
    expect(problem.residualCount).toBe(14 + 80 + 14);
    expect(await errorOf(problem, 1e-5)).toBeLessThan(1e-8);
    expect(await productError(problem)).toBeLessThan(1e-8);
    expect(problem.jacobian()).toBe('samples');
    await model.dispose();
  });

  it('Jacobians of networks of all kinds agree with differences of values that mix samples, and of many columns', async () => {
    const model = await trainable(ort, mlp([3, 5, 4]), { loss: 'mse', precision: 'float64' });
    const part: ResidualFunction = (g, { outputs: [y], value }) => [
      g.sub(y, 1),
      g.mul(g.slice(y, 0, 7, 0), value('1.bias')),
    ];
    const wide: ResidualFunction = (g, { outputs: [y] }) =>
      g.matmul(
        y,
        g.constant(
          DType.DOUBLE,
          [4, 20],
          Array.from({ length: 80 }, (_, i) => Math.cos(i)),
        ),
      );
    for (const residuals of [part, wide]) {
      const problem = model.leastSquares({ x: feeds.x }, { residuals });
      expect(await errorOf(problem, 1e-5)).toBeLessThan(1e-8);
      expect(await productError(problem)).toBeLessThan(1e-8);
      expect(problem.jacobian()).toBe('columns');
    }
    await model.dispose();
  });
});

describe('a physics-informed network', () => {
  /** −Δu = 2π² sin πx sin πy inside, u = 0 on the boundary, as bench/problems/poisson.js has it. */
  const residuals: ResidualFunction = (g, { outputs: [u], target, gradient }) => {
    const [slope] = gradient(u, ['x']);
    const second = [0, 1].map((axis) => {
      const [again] = gradient(g.slice(slope, axis, axis + 1, 1), ['x']);
      return g.slice(again, axis, axis + 1, 1);
    });
    const inside = g.mul(target('inside', u), g.add(second[0], second[1], target('source', u)));
    return g.add(inside, g.mul(target('edge', u), u));
  };
  const grid = Array.from({ length: 784 }, (_, k) => [((k % 28) + 1) / 29, (Math.floor(k / 28) + 1) / 29]);
  const edge = Array.from({ length: 116 }, (_, k) => {
    const t = (k % 29) / 29;
    return [
      [t, 0],
      [1, t],
      [1 - t, 1],
      [0, 1 - t],
    ][Math.floor(k / 29)];
  });
  const all = [...grid, ...edge];
  const pinnFeeds = {
    x: data(all.flat(), 2),
    source: data(
      all.map(([x, y]) => 2 * Math.PI ** 2 * Math.sin(Math.PI * x) * Math.sin(Math.PI * y)),
      1,
    ),
    inside: data(
      all.map((_, k) => (k < 784 ? 1 / 28 : 0)),
      1,
    ),
    edge: data(
      all.map((_, k) => (k < 784 ? 0 : Math.sqrt(4 / 116))),
      1,
    ),
  };

  it('takes the steps of the one written by hand', async () => {
    const hand = poisson(1);
    const model = await trainable(ort, mlp([2, 32, 1]), {
      loss: (g, context) => g.sumOfAll(g.square(residuals(g, context) as string)),
      precision: 'float64',
    });
    const start = model.params.zeros();
    for (let j = 0; j < 32; j++) {
      start.set(hand.p0.subarray(3 * j, 3 * j + 2), 2 * j);
      start[64 + j] = hand.p0[3 * j + 2];
      start[96 + j] = hand.p0[96 + j];
    }
    start[128] = hand.p0[128];
    model.params.copyFrom(start);
    const problem = model.leastSquares(pinnFeeds, { residuals });
    const options = { maxIterations: 5, gtol: 0 };
    const [graphs, plain] = [
      await minimizeAsync(problem, levenbergMarquardt(), options),
      minimize(hand, levenbergMarquardt(), options),
    ];
    expect(problem.jacobian()).toBe('samples');
    expect(graphs.evaluations).toEqual(plain.evaluations);
    expect(Math.abs(graphs.f / plain.f - 1)).toBeLessThan(1e-8);
    await model.dispose();
  });
});

describe('an inverse problem', () => {
  it('finds the coefficient of an oscillator from its equation and some values', async () => {
    // u″ + μu′ + 4u = 0 with μ = 0.6, of which 12 values are known.
    const mu = 0.6;
    const omega = Math.sqrt(4 - mu ** 2 / 4);
    const exact = (t: number) => Math.exp((-mu * t) / 2) * Math.cos(omega * t);
    const hidden = 12;
    const wave = randomNumbers(5);
    const oscillator = graph({
      input: { t: ['N', 1] },
      output: { u: ['N', 1] },
      initializer: [
        floats('w', [1, hidden], () => 4 * wave() - 2),
        floats('b', [hidden], () => 4 * wave() - 2),
        floats('v', [hidden, 1], () => wave() - 0.5),
        floats('mu', [1], () => 0),
      ],
      nodes: [
        node('MatMul', ['t', 'w'], 'tw'),
        node('Add', ['tw', 'b'], 'a'),
        node('Tanh', ['a'], 'h'),
        node('MatMul', ['h', 'v'], 'u'),
      ],
    });
    const equation: ResidualFunction = (g, { outputs: [u], value, target, gradient }) => {
      const [first] = gradient(u, ['t']);
      const [second] = gradient(first, ['t']);
      const left = g.add(second, g.mul(value('mu'), first), g.mul(4, u));
      return [g.mul(0.1, left), g.mul(target('known', u), g.sub(u, target('values', u)))];
    };
    const times = Array.from({ length: 60 }, (_, i) => i / 20);
    const model = await trainable(ort, oscillator, {
      loss: (g, context) => {
        const [left, misfit] = equation(g, context) as string[];
        return g.add(g.sumOfAll(g.square(left)), g.sumOfAll(g.square(misfit)));
      },
      precision: 'float64',
      trainable: ['w', 'b', 'v', 'mu'],
    });
    const problem = model.leastSquares(
      {
        t: data(times, 1),
        known: data(
          times.map((_, i) => (i % 5 === 0 ? 1 : 0)),
          1,
        ),
        values: data(times.map(exact), 1),
      },
      { residuals: equation },
    );
    const { x, f } = await minimizeAsync(problem, levenbergMarquardt(), { maxIterations: 200, gtol: 0 });
    expect(problem.jacobian()).toBe('samples');
    expect(f).toBeLessThan(1e-6);
    expect(x[x.length - 1]).toBeCloseTo(mu, 2);
    await model.dispose();
  });
});

describe('leastSquares refuses', () => {
  it('a loss that is no mean of squares, wrong feeds, and use after dispose', async () => {
    const model = await trainable(ort, mlp([3, 4, 2]), { loss: 'mae' });
    expect(() => model.leastSquares(feeds)).toThrow(/the loss must be 'mse'.*otherwise give the residuals/);
    await model.dispose();
    const fine = await trainable(ort, mlp([3, 4, 1]), { loss: 'mse' });
    expect(() => fine.leastSquares({ x: feeds.x })).toThrow(/feed "target": it is missing/);
    expect(() => fine.leastSquares({ ...feeds, target: data([1, 2], 1) })).toThrow(/feed "target".*shape/);
    expect(() => fine.leastSquares(feeds, { jacobian: 'forward' as 'auto' })).toThrow(
      /jacobian: must be 'auto' or 'samples' or 'rows' or 'columns' or 'differences'/,
    );
    const problem = fine.leastSquares(feeds);
    await problem.fg(problem.p0, null);
    await fine.dispose();
    await expect(problem.fg(problem.p0, null)).rejects.toThrow(/disposed/);
  });
});

describe('leastSquares of a model names mistakes', () => {
  const call = async (given: unknown, residuals?: unknown) => {
    const model = await trainable(ort, mlp([3, 4, 1]), { loss: 'mse', precision: 'float64' });
    try {
      return model.leastSquares(
        given as never,
        residuals === undefined ? {} : { residuals: residuals as never },
      );
    } finally {
      await model.dispose();
    }
  };
  const { x, target } = feeds;

  it.each([
    ['no feeds', undefined, /feeds must be an object of tensors by input name; got undefined/],
    [
      'no dims',
      { x: { data: x.data }, target },
      /feed "x": must be a tensor, or \{ data, dims \} .* got an object with data/,
    ],
    ['no data', { x: { dims: x.dims }, target }, /feed "x": must be a tensor, or \{ data, dims \}/],
    ['a plain array', { x: [1, 2, 3], target }, /feed "x": must be a tensor.*got Array\(3\)/],
    ['negative sizes', { x: { ...x, dims: [-40, -3] }, target }, /whole numbers ≥ 0; got dims \[-40, -3\]/],
    [
      'sizes that do not fit',
      { x: { ...x, dims: [30, 4] }, target },
      /feed "x": its shape is \[30, 4\]; it must be \[N, 3\]/,
    ],
    ['a feed too few', { target }, /feed "x": it is missing/],
    ['no target', { x }, /feed "target": it is missing/],
    [
      'a feed too many',
      { x, target, z: x },
      /feed "z": there is no such input; the inputs are "x", "target"/,
    ],
  ])('leastSquares of a model names mistakes: %s', async (_, given, message) => {
    await expect(call(given)).rejects.toThrow(message);
  });

  it.each([
    [
      'undefined',
      () => undefined,
      /residuals must return a value of the graph, or a list of values.*got undefined/,
    ],
    ['a number', () => 3, /must return a value of the graph.*got 3/],
    ['a promise', () => Promise.resolve('y'), /must return a value of the graph.*got a Promise/],
    ['an empty list', () => [], /must return a value of the graph.*got an empty list/],
    [
      'a list with a gap',
      (_: never, { outputs: [y] }: { outputs: string[] }) => [y, undefined],
      /got undefined at 1/,
    ],
    ['an unknown name', () => 'nope', /got "nope", which names no value of a known type/],
    [
      'integers',
      (g: { shape(v: string): string }, { outputs: [y] }: { outputs: string[] }) => g.shape(y),
      /which is int64, not a float type/,
    ],
  ])('residuals that return %s', async (_, residuals, message) => {
    await expect(call(feeds, residuals)).rejects.toThrow(message);
  });
});
