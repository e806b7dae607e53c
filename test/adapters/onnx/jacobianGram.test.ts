import * as ort from 'onnxruntime-node';
import { levenbergMarquardt, minimizeAsync } from 'quasi-newton';
import {
  graph as network,
  trainable,
  type LeastSquaresOptions,
  type OnnxLeastSquares,
  type ResidualFunction,
} from 'quasi-newton/onnx';
import { describe, expect, it } from 'vitest';
import { mlp, randomNumbers } from '../../../examples/lib/mlp.js';
import { floats, model as graph, node } from './rawModel.js';
import { scaledLayers } from './scaledLayers.ts';

const random = randomNumbers(3);
const points = Array.from({ length: 4000 }, () => 2 * random() - 1);
const filled = (...dims: number[]) => {
  const size = dims.reduce((a, b) => a * b, 1);
  return { data: points.slice(dims.length, dims.length + size), dims };
};
const indices = (count: number, ...dims: number[]) => {
  const size = dims.reduce((a, b) => a * b, 1);
  return { data: BigInt64Array.from({ length: size }, (_, i) => BigInt((i * i + 1) % count)), dims };
};

/** Compares JJᵀ with that of the explicit Jacobian, row by row; returns their largest relative distance. */
async function distance(problem: OnnxLeastSquares): Promise<number> {
  const [m, n] = [problem.residualCount, problem.p0.length];
  const [r, J, K] = [new Float64Array(m), new Float64Array(m * n), new Float64Array(m * m)];
  await problem.residuals(problem.p0, r, J);
  await problem.jacobianGram?.(problem.p0, K);
  let [worst, size] = [0, 0];
  for (let i = 0; i < m; i++) {
    for (let k = 0; k < m; k++) {
      let product = 0;
      for (let j = 0; j < n; j++) product += J[i * n + j] * J[k * n + j];
      worst = Math.max(worst, Math.abs(K[i * m + k] - product));
      size = Math.max(size, Math.abs(product));
    }
  }
  return worst / size;
}

/** A model, its data, and the residuals if they are not those of the mean square. */
interface Case {
  readonly bytes: Uint8Array;
  readonly feeds: Parameters<Awaited<ReturnType<typeof trainable>>['leastSquares']>[0];
  readonly trainable?: readonly string[];
  readonly residuals?: ResidualFunction;
  readonly precision?: 'float32' | 'float64';
}

async function withProblem<T>(
  { bytes, feeds, residuals, precision = 'float64', ...rest }: Case,
  use: (problem: OnnxLeastSquares) => T | Promise<T>,
  options: LeastSquaresOptions = {},
): Promise<T> {
  const model = await trainable(ort, bytes, {
    loss: residuals === undefined ? 'mse' : (g, context) => sumOf(g, residuals(g, context)),
    precision,
    ...(rest.trainable && { trainable: rest.trainable }),
  });
  try {
    return await use(
      model.leastSquares(feeds, residuals === undefined ? options : { ...options, residuals }),
    );
  } finally {
    await model.dispose();
  }
}

function sumOf(g: Parameters<ResidualFunction>[0], values: string | readonly string[]): string {
  const [first, ...others] = [values].flat().map((value) => g.sumOfAll(g.square(value)));
  return g.add(first, ...others);
}

/** Images, or signals if there is one size, to three outputs. */
function convolutional(...sizes: number[]): Uint8Array {
  const g = network({ seed: 4 });
  const x = g.input('x', ['N', 2, ...sizes]);
  const hidden = g.op('Tanh', [g.conv(x, 3, 3, { name: 'first', padding: 'same' })]);
  const pooled = sizes.length === 2 ? g.maxPool(hidden, 2) : hidden;
  const wide = g.op('Tanh', [g.dense(g.flatten(pooled), 20, { name: 'wide' })]);
  g.output('y', g.dense(wide, 3, { name: 'last' }));
  return g.toBytes();
}

/** A convolution with strides and gaps, one of two groups, and a wide layer. */
function strided(): Uint8Array {
  const g = network({ seed: 6 });
  const x = g.input('x', ['N', 2, 9, 8]);
  const first = g.conv(x, 4, [3, 2], { name: 'first', stride: 2, dilation: 2, padding: 1 });
  const grouped = g.conv(g.op('Tanh', [first]), 4, 2, { name: 'grouped', groups: 2 });
  const wide = g.op('Tanh', [g.dense(g.flatten(g.op('Tanh', [grouped])), 30, { name: 'wide' })]);
  g.output('y', g.dense(wide, 2, { name: 'last' }));
  return g.toBytes();
}

/** Words to two outputs: an embedding, a layer on each of some words, a layer normalization. */
function words(count: number, length = 2): Uint8Array {
  const g = network({ seed: 5 });
  const x = g.input('x', ['N', length], 'int64');
  const table = g.embedding(x, count, 12, { name: 'table' });
  const hidden = g.op('Tanh', [g.dense(g.layerNorm(table, { name: 'norm' }), 30, { name: 'each' })]);
  g.output('y', g.dense(g.flatten(hidden), 2, { name: 'last' }));
  return g.toBytes();
}

/** A layer whose weight also multiplies its result, transposed, as in a tied autoencoder; its biases come one by one. */
const tied = graph({
  input: { x: ['N', 6] },
  output: { y: ['N', 6] },
  initializer: [
    floats('w', [6, 5], (i) => Math.sin(i)),
    floats('b', [5], (i) => 0.1 * i),
    floats('c', [5], (i) => -0.05 * i),
    floats('v', [6, 9], (i) => Math.cos(i)),
  ],
  nodes: [
    node('MatMul', ['x', 'w'], 'xw'),
    node('Add', ['xw', 'b'], 'xwb'),
    node('Add', ['c', 'xwb'], 'a'),
    node('Tanh', ['a'], 'h'),
    node('Transpose', ['w'], 'back', { perm: [1, 0] }),
    node('MatMul', ['h', 'back'], 'z'),
    node('MatMul', ['z', 'v'], 'y'),
  ],
});

const last: ResidualFunction = (g, { outputs: [y] }) => g.slice(y, 0, 1, 1);
/** u″ + u′ + u, of which each weight has several places, some of them transposed. */
const equation: ResidualFunction = (g, { outputs: [u], gradient }) => {
  const [first] = gradient(u, ['x']);
  const [second] = gradient(first, ['x']);
  return g.add(second, first, u);
};

describe('JJᵀ is that of the Jacobian', () => {
  it.each(['Tanh', 'Relu', 'Softplus'])(
    'JJᵀ of a network of Gemm and %s is that of the Jacobian',
    async (activation) => {
      const bytes = mlp([3, 5, 4, 1], { activation });
      for (const precision of ['float64', 'float32'] as const) {
        const feeds = { x: filled(30, 3), target: filled(30, 1) };
        await withProblem({ bytes, feeds, precision }, async (problem) => {
          expect(problem.jacobianGram).toBeDefined();
          expect(await distance(problem)).toBeLessThan(precision === 'float64' ? 1e-14 : 1e-5);
        });
      }
    },
  );

  it.each([
    [['w', 'b', 'v', 'c'], 10],
    [['w', 'b', 's', 'v', 'c'], 10],
    [['w', 'v'], 5],
    [['w', 'b'], 5],
    [['w', 'c'], 5],
  ])('JJᵀ is that of the Jacobian with MatMul, Add and two outputs, of %s', async (chosen, count) => {
    const feeds = { x: filled(count, 3), target: filled(count, 2) };
    await withProblem({ bytes: scaledLayers, feeds, trainable: chosen }, async (problem) => {
      expect(problem.jacobianGram).toBeDefined();
      expect(await distance(problem)).toBeLessThan(1e-14);
    });
  });

  const square: ResidualFunction = (g, { outputs: [y], target }) => [
    g.slice(y, 1, 2, 1),
    g.mul(2, g.sub(y, target('target', y))),
  ];
  const cases: [string, Case][] = [
    [
      'convolutions of images, by rows, beside dense layers',
      { bytes: convolutional(6, 6), feeds: { x: filled(12, 2, 6, 6), target: filled(12, 3) } },
    ],
    [
      'convolutions of signals',
      { bytes: convolutional(8), feeds: { x: filled(20, 2, 8), target: filled(20, 3) } },
    ],
    [
      'embeddings, layers with two rows per sample and a layer normalization',
      { bytes: words(50), feeds: { x: indices(50, 15, 2), target: filled(15, 2) } },
    ],
    [
      'strides, dilations and groups',
      { bytes: strided(), feeds: { x: filled(10, 2, 9, 8), target: filled(10, 2) } },
    ],
    [
      'embeddings and layers with many rows per sample, by rows',
      { bytes: words(6, 9), feeds: { x: indices(6, 8, 9), target: filled(8, 2) } },
    ],
    [
      'several residual values, one of several columns',
      {
        bytes: mlp([6, 12, 9, 3]),
        feeds: { x: filled(20, 6), target: filled(20, 3) },
        residuals: square,
      },
    ],
    [
      'a weight that enters twice, as it is and transposed, and two biases in a place',
      { bytes: tied, feeds: { x: filled(14, 6) }, trainable: ['w', 'b', 'c', 'v'], residuals: last },
    ],
    [
      'derivatives of the network',
      { bytes: mlp([1, 40, 40, 1]), feeds: { x: filled(50, 1) }, residuals: equation },
    ],
  ];
  it.each(cases)('JJᵀ is that of the Jacobian with %s', async (_, given) => {
    await withProblem(given, async (problem) => {
      expect(problem.jacobianGram).toBeDefined();
      expect(await distance(problem)).toBeLessThan(1e-13);
    });
  });

  it('JJᵀ is that of the Jacobian in float32, where convolutions may be in blocks', async () => {
    const feeds = { x: filled(12, 2, 6, 6), target: filled(12, 3) };
    await withProblem({ bytes: convolutional(6, 6), feeds, precision: 'float32' }, async (problem) => {
      expect(await distance(problem)).toBeLessThan(1e-5);
    });
  });

  it('JJᵀ is that of the Jacobian if negative indices count from the end', async () => {
    const feeds = { x: indices(50, 15, 2), target: filled(15, 2) };
    const negative = {
      data: feeds.x.data.map((index) => (index % 2n === 0n ? index : index - 50n)),
      dims: [15, 2],
    };
    await withProblem({ bytes: words(50), feeds: { ...feeds, x: negative } }, async (problem) => {
      expect(await distance(problem)).toBeLessThan(1e-13);
    });
  });
});

it.each([
  ['layers of Gemm', mlp([3, 5, 4, 1]), { x: filled(30, 3), target: filled(30, 1) }],
  ['convolutions', strided(), { x: filled(6, 2, 9, 8), target: filled(6, 2) }],
  ['embeddings', words(30), { x: indices(30, 9, 2), target: filled(9, 2) }],
])('JJᵀ with %s is made of factors, not of rows of J alone', async (_, bytes, feeds) => {
  const outputs: string[] = [];
  const create: typeof ort.InferenceSession.create = async (...given: [never]) => {
    const session = await ort.InferenceSession.create(...given);
    outputs.push(...session.outputNames);
    return session;
  };
  const model = await trainable({ ...ort, InferenceSession: { create } }, bytes, { loss: 'mse' });
  const problem = model.leastSquares(feeds);
  await problem.jacobianGram?.(problem.p0, new Float64Array(problem.residualCount ** 2));
  expect(outputs.filter((name) => name.startsWith('gram/operand/'))).not.toEqual([]);
  await model.dispose();
});

describe('jacobianGram is not offered', () => {
  const offered = (given: Case) => withProblem(given, ({ jacobianGram }) => jacobianGram !== undefined);

  it('jacobianGram is not offered for more residuals than parameters', async () => {
    const bytes = mlp([3, 5, 1]);
    const feeds = (count: number) => ({ x: filled(count, 3), target: filled(count, 1) });
    expect(await offered({ bytes, feeds: feeds(26) })).toBe(true);
    expect(await offered({ bytes, feeds: feeds(27) })).toBe(false);
  });

  it('jacobianGram is not offered where J is as cheap', async () => {
    const feeds = { x: filled(2, 3), target: filled(2, 2) };
    expect(await offered({ bytes: scaledLayers, feeds, trainable: ['s'] })).toBe(false);
  });

  it('jacobianGram is not offered where samples interact', async () => {
    const bytes = (op: 'Tanh' | 'Softmax') =>
      graph({
        input: { x: ['N', 3] },
        output: { y: ['N', 1] },
        initializer: [floats('w', [3, 12], (i) => Math.sin(i)), floats('v', [12, 1], (i) => Math.cos(i))],
        nodes: [
          node('MatMul', ['x', 'w'], 'xw'),
          node(op, ['xw'], 'mean', op === 'Tanh' ? {} : { axis: 0 }),
          node('Sub', ['xw', 'mean'], 'a'),
          node('Tanh', ['a'], 'h'),
          node('MatMul', ['h', 'v'], 'y'),
        ],
      });
    const rest = { feeds: { x: filled(10, 3), target: filled(10, 1) }, trainable: ['w', 'v'] };
    expect(await offered({ bytes: bytes('Tanh'), ...rest })).toBe(true);
    expect(await offered({ bytes: bytes('Softmax'), ...rest })).toBe(false);
  });
});

describe('levenbergMarquardt by JJᵀ', () => {
  it('trains a network in the iterations that the Jacobian takes', async () => {
    const results = [];
    for (const method of ['dual', 'dense'] as const) {
      const solver = levenbergMarquardt({ method, scaling: 'identity' });
      const x = filled(40, 3);
      const values = Array.from({ length: 40 }, (_, i) => Math.sin(2 * x.data[3 * i]) + x.data[3 * i + 1]);
      const given = { bytes: mlp([3, 12, 12, 1]), feeds: { x, target: { data: values, dims: [40, 1] } } };
      results.push(
        await withProblem(given, (problem) => minimizeAsync(problem, solver, { maxIterations: 12, gtol: 0 })),
      );
    }
    const [dual, dense] = results;
    expect(dual.evaluations.vectorJacobian).toBeGreaterThan(12);
    // The first damping of one comes from an estimate.
    expect(dual.f).toBeLessThan(10 * dense.f);
    expect(dual.f).toBeLessThan(dual.trace[0].f / 100);
  });
});
