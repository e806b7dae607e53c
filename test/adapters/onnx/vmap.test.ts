import * as fc from 'fast-check';
import * as ort from 'onnxruntime-node';
import { InferenceSession } from 'onnxruntime-node';
import { differentiate, graph, OnnxError, trainable } from 'quasi-newton/onnx';
import { describe, expect, it } from 'vitest';
import { randomNumbers } from '../../../examples/lib/mlp.js';
import { bodyIn } from '../../../src/adapters/onnx/ir/body.ts';
import { scan } from '../../../src/adapters/onnx/ir/scan.ts';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
import { decodeModel, encodeModel } from '../../../src/adapters/onnx/ir/model.ts';
import { finish, vmap } from '../../../src/adapters/onnx/passes/vmap.ts';
import { elementwiseCases } from './cases/elementwise.ts';
import { layerCases } from './cases/layers.ts';
import { shapeCases } from './cases/shapes.ts';
import type { Case } from './cases/arbitrary.ts';
import { feedsOf, modelOf, quiet, weighted, type Input } from './harness.ts';

const copies = 3;
const numRuns = Number(process.env['ONNX_VMAP_RUNS'] ?? 8);

/** Copies of the data that differ where gradients flow. */
const copyOf = (input: Input, k: number): Input =>
  input.integral
    ? input
    : { ...input, values: input.values.map((v, i) => v * (1 + 0.001 * k * (1 + (i % 3)))) };

/** Runs the gradient of each copy, then all in one run; tells if the latter can be done. */
async function compare({ inputs, build, options, opset }: Case, some: boolean): Promise<boolean> {
  const model = modelOf(inputs, build, {
    ...options,
    ...(opset && { opset }),
    precision: 'float64',
    dynamic: false,
  });
  const wrt = Object.keys(inputs).filter((name) => !inputs[name].integral);
  const bytes = differentiate(model, { loss: weighted, wrt, precision: 'float64' });
  // The last input may be the same in all copies.
  const names = Object.keys(inputs).filter((_, i) => i === 0 || !some);
  const one = decodeModel(bytes);
  const graphInputs = new Map(names.map((name) => [name, [copies, ...inputs[name].shape]]));
  let whole: Uint8Array;
  try {
    const mapped = vmap(one, graphInputs, copies);
    whole = encodeModel(finish(one, mapped, mapped.outputs));
  } catch (error) {
    if (error instanceof OnnxError) return false;
    throw error;
  }
  const at = (k: number) =>
    Object.fromEntries(
      Object.entries(inputs).map(([name, input]) => [name, names.includes(name) ? copyOf(input, k) : input]),
    );
  const session = await InferenceSession.create(bytes, quiet);
  const stacked = Object.fromEntries(
    Object.entries(inputs).map(([name, input]): [string, Input] => {
      if (!names.includes(name)) return [name, input];
      const values = Array.from({ length: copies }, (_, k) => copyOf(input, k).values).flat();
      return [name, { ...input, shape: [copies, ...input.shape], values }];
    }),
  );
  const mappedSession = await InferenceSession.create(whole, quiet);
  const all = await mappedSession.run(feedsOf(stacked, 'float64'));
  for (let k = 0; k < copies; k++) {
    const single = await session.run(feedsOf(at(k), 'float64'));
    for (const [name, { data, dims }] of Object.entries(single)) {
      expect(all[name].dims).toEqual([copies, ...dims]);
      const size = data.length;
      const part = (all[name].data as Float64Array).subarray(k * size, (k + 1) * size);
      for (let i = 0; i < size; i++) {
        const value = (data as Float64Array)[i];
        expect(Math.abs(part[i] - value)).toBeLessThanOrEqual(1e-9 * (1 + Math.abs(value)));
      }
    }
  }
  await session.release();
  await mappedSession.release();
  return true;
}

/** Draws random numbers; is decided by the data; stacks results of a number of steps that is not known beforehand. */
const without = new Set(['Dropout', 'If', 'Loop']);

describe.each([...elementwiseCases, ...shapeCases, ...layerCases])('%s', (op, drawn: fc.Arbitrary<Case>) => {
  it('and its gradient are the same for many copies at once as for each', async () => {
    let done = 0;
    const property = fc.asyncProperty(drawn, fc.boolean(), async (each, some) => {
      if (await compare(each, some)) done++;
    });
    await fc.assert(property, { numRuns, seed: 7 });
    expect(done > 0).toBe(!without.has(op));
  });
});

/** Control flow that all copies go through alike, with what they capture; a size of each is known. */
const together: readonly (readonly [string, Case['build']])[] = [
  [
    'a Loop of as many steps for each',
    (g, { x, w }) => {
      const body = bodyIn(g, [x, w]);
      const [step, , now] = [
        body.addInput('step', DType.INT64, []),
        body.addInput('going', DType.BOOL, []),
        body.addInput('now', g.float, [2, 3]),
      ];
      const next = body.tanh(
        body.add(body.matmul(now, w), body.mul(x, body.add(body.cast(step, g.float), 1))),
      );
      body.addOutput('on', body.constant(DType.BOOL, [], [1]));
      body.addOutput('next', next);
      const inputs = [g.scalar(4, DType.INT64), g.constant(DType.BOOL, [], [1]), x];
      return g.ops('Loop', inputs, { body: body.proto }, 1)[0];
    },
  ],
  [
    'a Scan backward over a captured weight',
    (g, { x, w }) => {
      const { states, results } = scan(
        g,
        { states: [g.matmul(x, w)], sequences: [w, g.sigmoid(w)], captured: [x], backward: [true, false] },
        (s, [now], [a, b]) => {
          const next = s.tanh(s.add(s.mul(now, a), s.mul(x, b)));
          return { states: [next], results: [s.square(next)] };
        },
      );
      return g.add(states[0], g.op('ReduceSum', [results[0], g.integers([0])], { keepdims: 0 }));
    },
  ],
];

describe.each(together)('%s', (_, build) => {
  it.each([true, false])('is the same for many copies at once, weights shared: %s', async (some) => {
    const inputs = {
      x: { shape: [2, 3], values: [0.3, -0.2, 0.5, 0.1, 0.4, -0.6] },
      w: { shape: [3, 3], values: [0.2, 0.5, -0.3, 0.7, 0.1, 0.4, -0.6, 0.3, 0.2] },
    };
    expect(await compare({ inputs, build }, some)).toBe(true);
  });
});

describe.each([true, false])('an If whose branches capture, taken: %s', (taken) => {
  const build: Case['build'] = (g, { x, w, c }) => {
    const [then, otherwise] = [bodyIn(g, [x, w]), bodyIn(g, [x])];
    then.addOutput('then', then.tanh(then.matmul(x, w)));
    otherwise.addOutput('else', otherwise.square(x));
    const branches = { then_branch: then.proto, else_branch: otherwise.proto };
    return g.op('If', [g.greater(g.op('ReduceMax', [c], { keepdims: 0 }), 0)], branches);
  };
  const inputs = {
    x: { shape: [2, 3], values: [0.3, -0.2, 0.5, 0.1, 0.4, -0.6] },
    w: { shape: [3, 3], values: [0.2, 0.5, -0.3, 0.7, 0.1, 0.4, -0.6, 0.3, 0.2] },
    c: { shape: [1], values: [Number(taken)], integral: true },
  };

  it('is the same for many copies at once, where the condition is the same for all', async () => {
    expect(await compare({ inputs, build }, true)).toBe(true);
  });

  it('is refused in words where the condition differs', () => {
    const model = differentiate(modelOf(inputs, build), { loss: weighted, wrt: ['x', 'w'] });
    expect(() => vmap(decodeModel(model), new Map([['c', [3, 1]]]), 3)).toThrow(
      /its condition differs from sample to sample/,
    );
  });
});

describe('least squares of a recurrent network', () => {
  it.each(['LSTM', 'GRU', 'RNN'])('%s: rows of all samples at once are those one by one', async (op) => {
    const g = graph({ seed: 3, precision: 'float64' });
    const gates = { LSTM: 4, GRU: 3, RNN: 1 }[op] ?? 1;
    const x = g.transpose(g.input('x', ['N', 5, 2]), [1, 0, 2]);
    const weights = [
      g.weight('W', [1, 3 * gates, 2], 0.6),
      g.weight('R', [1, 3 * gates, 3], 0.6),
      g.weight('B', [1, 6 * gates], 0.3),
    ];
    const [, last] = g.ops(op, [x, ...weights], { hidden_size: 3 }, 2);
    g.output('y', g.dense(g.reshape(last, [-1, 3]), 1));
    const model = await trainable(ort, g.toBytes(), { loss: 'mse' });
    const random = randomNumbers(5);
    const feeds = {
      x: { data: Array.from({ length: 60 }, () => 2 * random() - 1), dims: [6, 5, 2] },
      target: { data: Array.from({ length: 6 }, random), dims: [6, 1] },
    };
    const rowsBy = async (jacobian: 'auto' | 'rows') => {
      const problem = model.leastSquares(feeds, { jacobian });
      const [r, J] = [new Float64Array(6), new Float64Array(6 * problem.p0.length)];
      await problem.residuals(problem.p0, r, J);
      return { problem, way: problem.jacobian(), r, J };
    };
    const { problem, way, r, J } = await rowsBy('auto');
    expect(way).toBe('samples');
    const { J: other } = await rowsBy('rows');
    J.forEach((value, i) => expect(value).toBeCloseTo(other[i], 10));
    const { p0 } = problem;
    const [ahead, behind] = [new Float64Array(6), new Float64Array(6)];
    for (let j = 0; j < p0.length; j += 3) {
      const moved = (h: number) => p0.map((value, i) => (i === j ? value + h : value));
      await problem.residuals(moved(1e-5), ahead, null);
      await problem.residuals(moved(-1e-5), behind, null);
      for (let i = 0; i < 6; i++) expect(J[i * p0.length + j]).toBeCloseTo((ahead[i] - behind[i]) / 2e-5, 7);
    }
    // The loss of a sample is its residual squared, times the number of samples.
    const { gradients } = await model.problem(feeds).sampleGradients();
    gradients.forEach((value, k) => expect(value).toBeCloseTo(12 * r[Math.floor(k / p0.length)] * J[k], 9));
    await model.dispose();
  });
});
