import * as ort from 'onnxruntime-node';
import { differentiate, trainable, type Feeds } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { nodeAttributes, type AttributeValues } from '../../../src/adapters/onnx/ir/attributes.ts';
import { check, real, whole } from './againstKernels.ts';
import { checkGradients, feedsOf, modelOf, quiet, type Build, type Input } from './harness.ts';
import { body, floats, modelFrom, node } from './written.ts';

const both = (inputs: Readonly<Record<string, Input>>, build: Build, opset?: number) =>
  expect(
    check(inputs, build, opset).then(() =>
      checkGradients(inputs, build, { dynamic: true, opset: opset ?? 23 }),
    ),
  ).resolves.toBeUndefined();

describe('arguments that are fed', () => {
  test.each([0, 1, -2, -3])('DFT along axis %i', async (axis) => {
    expect.hasAssertions();
    const build: Build = (g, { x, axis }) => g.op('DFT', [x, undefined, axis], { onesided: 0 });
    await both({ x: real(1, 3, 4, 5, 1), axis: whole([], [axis]) }, build);
  });

  test.each([
    [0, {}],
    [1, { exclusive: 1 }],
    [-1, { reverse: 1 }],
    [-3, { exclusive: 1, reverse: 1 }],
  ])('CumProd along axis %i, %o', async (axis, attributes) => {
    expect.hasAssertions();
    const x: Input = { shape: [2, 3, 2], values: [1, -2, 0, 3, 0.5, 2, 1.5, -1, 2, 0, 3, 0] };
    await both(
      { x, axis: whole([], [axis]) },
      (g, inputs) => g.op('CumProd', [inputs.x, inputs.axis], attributes),
      26,
    );
  });

  test.each([
    ['no zeros', [2, 1, 3, -1, 2, 1.5]],
    ['one zero', [2, 0, 3, -1, 2, 1.5]],
    ['two zeros', [0, 0, 3, -1, 2, 0]],
    ['three zeros', [0, 2, 0, -1, 0, 1.5]],
  ])('ReduceProd over axes, %s', async (_, values) => {
    expect.hasAssertions();
    for (const [axes, keepdims] of [
      [[0], 1],
      [[-1, 0], 0],
    ] as const)
      await both({ x: { shape: [3, 2], values }, axes: whole([axes.length], axes) }, (g, { x, axes }) =>
        g.op('ReduceProd', [x, axes], { keepdims }),
      );
    // More factors than are multiplied out.
    const x = real(3, 1100);
    await both({ x: { shape: x.shape, values: x.values.map((v) => v / 0.55) } }, (g, { x }) =>
      g.op('ReduceProd', [x], { keepdims: 0 }),
    );
  });

  test.each([{}, { dilations: [1, 2] }, { strides: [2, 1], pads: [1, 0, 1, 2] }])(
    'Col2Im by shapes, with %o',
    async (attributes: Readonly<Record<string, number[]>>) => {
      expect.hasAssertions();
      const { dilations = [1, 1], strides = [1, 1], pads = [0, 0, 0, 0] } = attributes;
      const positions = [5, 6].map(
        (size, i) => Math.floor((size + pads[i] + pads[i + 2] - dilations[i] - 1) / strides[i]) + 1,
      );
      const inputs = {
        x: real(1, 2, 12, positions[0] * positions[1]),
        image: whole([2], [5, 6]),
        block: whole([2], [2, 2]),
      };
      const build: Build = (g, { x, image, block }) => g.op('Col2Im', [x, image, block], attributes);
      await expect(check(inputs, build)).resolves.toBeUndefined();
    },
  );

  test('Range from numbers, and from vectors of one', async () => {
    expect.hasAssertions();
    const numbers = (shape: number[]) => ({
      start: { shape, values: [1.2] },
      limit: { shape, values: [4.9] },
      delta: { shape, values: [0.7] },
    });
    const build: Build = (g, { start, limit, delta }) => g.op('Range', [start, limit, delta]);
    await both(numbers([]), build);
    await expect(checkGradients(numbers([1]), build)).resolves.toBeUndefined();
  });

  test('BatchNormalization by statistics that are fed, and its new statistics', async () => {
    expect.hasAssertions();
    const inputs = {
      x: real(1, 2, 3, 4),
      scale: real(2, 3),
      bias: real(3, 3),
      mean: real(4, 3),
      variance: { shape: [3], values: [0.5, 1.2, 2] },
    };
    const attributes = (training: number) => ({ training_mode: training, momentum: 0.8 });
    await both(inputs, (g, { x, scale, bias, mean, variance }) =>
      g.op('BatchNormalization', [x, scale, bias, mean, variance], attributes(0)),
    );
    const trained: Build = (g, { x, scale, bias, mean, variance }) => {
      const given = [x, scale, bias, mean, variance];
      const [y, ...statistics] = g.ops('BatchNormalization', given, attributes(1), 3);
      return statistics.reduce((sum, each) => g.add(sum, g.sumOfAll(g.mul(each, each))), y);
    };
    for (const dynamic of [false, true]) await checkGradients(inputs, trained, { dynamic });
    const run = async (bytes: Uint8Array) => {
      const session = await ort.InferenceSession.create(bytes, quiet);
      // ONNX Runtime's kernel overwrites the statistics that it is fed with.
      const { y } = await session.run(feedsOf(inputs, 'float32'));
      return Array.from(y.data as Float32Array);
    };
    const bytes = modelOf(inputs, trained, { precision: 'float32' });
    const graph = differentiate(bytes, {
      loss: (g, { outputs: [y] }) => g.sumOfAll(y),
      wrt: ['x'],
      keep: ['y'],
    });
    const [wanted, got] = [await run(bytes), await run(graph)];
    wanted.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 4));
  });

  test.each([false, true])('GatherND and ScatterND by lists of unknown length: %s', async (dynamic) => {
    expect.hasAssertions();
    const inputs = { x: real(1, 3, 4, 2), at: whole([3, 2], [0, 1, -1, 3, 0, 1]), z: real(2, 3, 2) };
    await checkGradients(inputs, (g, { x, at, z }) => g.mul(z, g.op('GatherND', [x, at])), { dynamic });
    for (const reduction of ['add', 'mul', 'max'])
      await checkGradients(inputs, (g, { x, at, z }) => g.op('ScatterND', [x, at, z], { reduction }), {
        dynamic,
      });
  });

  test.each([false, true])('layers of unknown size, %s', async (dynamic) => {
    expect.hasAssertions();
    const heads = { x: real(1, 1, 2, 3, 8), cos: real(2, 1, 3, 4), sin: real(3, 1, 3, 4) };
    for (const interleaved of [0, 1])
      await checkGradients(
        heads,
        (g, { x, cos, sin }) => g.op('RotaryEmbedding', [x, cos, sin], { interleaved }),
        { dynamic, opset: 23 },
      );
    await checkGradients(
      { x: real(1, 2, 3, 6), w: real(2, 3, 1, 3), bias: real(3, 3), past: real(4, 2, 3, 2) },
      (g, { x, w, bias, past }) => {
        const [y, state] = g.ops('CausalConvWithState', [x, w, bias, past], { activation: 'silu' }, 2);
        return g.add(y, g.sumOfAll(g.mul(state, state)));
      },
      { dynamic, opset: 26 },
    );
  });
});

describe('ops without a rule until now', () => {
  test.each([{}, { pads: [0, 0, 1, 1] }, { strides: [3, 2] }])('MaxUnpool, %o', async (attributes) => {
    expect.hasAssertions();
    const options: AttributeValues = Object.assign({ kernel_shape: [2, 2], strides: [2, 2] }, attributes);
    await both({ x: real(1, 1, 1, 2, 2), at: whole([1, 1, 2, 2], [0, 3, 5, 8]) }, (g, { x, at }) =>
      g.op('MaxUnpool', [x, at], options),
    );
  });

  test('MaxUnpool into a given shape', async () => {
    expect.hasAssertions();
    const inputs = {
      x: real(1, 1, 1, 2, 2),
      at: whole([1, 1, 2, 2], [0, 7, 12, 24]),
      to: whole([4], [1, 1, 5, 5]),
    };
    await both(inputs, (g, { x, at, to }) =>
      g.op('MaxUnpool', [x, at, to], { kernel_shape: [2, 2], strides: [2, 2] }),
    );
  });

  test('MaxPool that counts its indices column by column', async () => {
    expect.hasAssertions();
    await both({ x: real(1, 1, 2, 5, 6) }, (g, { x }) => {
      const [y] = g.ops('MaxPool', [x], { kernel_shape: [3, 2], strides: [1, 2], storage_order: 1 }, 2);
      return y;
    });
  });

  test.each([undefined, [0, 2], [-1]])('MeanVarianceNormalization over axes %o', async (axes) => {
    expect.hasAssertions();
    await both({ x: real(1, 2, 3, 4, 2) }, (g, { x }) => g.op('MeanVarianceNormalization', [x], { axes }));
  });

  test('an optional tensor', async () => {
    expect.hasAssertions();
    await both({ x: real(1, 2, 3) }, (g, { x }) =>
      g.op('Mul', [g.op('OptionalGetElement', [g.op('Optional', [x])]), g.op('OptionalGetElement', [x])]),
    );
  });

  test('Hardmax passes nothing on', () => {
    const bytes = modelOf({ x: real(1, 2, 3) }, (g, { x }) => g.mul(x, g.op('Hardmax', [x])));
    expect(differentiate(bytes, { loss: (g, { outputs: [y] }) => g.sumOfAll(y), wrt: ['x'] }).unused).toEqual(
      [],
    );
  });
});

test.each([0, 17])('CumProd along a fed axis of a tensor with %d axes is refused', (rank) => {
  const bytes = modelOf(
    { x: { shape: Array<number>(rank).fill(1), values: [0.5] }, axis: whole([], [0]) },
    (g, { x, axis }) => g.op('CumProd', [x, axis]),
  );
  expect(() => differentiate(bytes, { loss: 'mse', wrt: ['x'] })).toThrow(
    rank === 0 ? /CumProd .*a scalar has none of/ : /CumProd .*there are 17 to choose from; make it constant/,
  );
});

test('a Split may leave outputs out, on which ONNX Runtime itself would end the process', async () => {
  const bytes = modelFrom({
    inputs: { x: ['N', 2] },
    outputs: { y: ['N', 2] },
    initializers: [floats('w', [2, 4], [1, 2, 3, 4, 5, 6, 7, 8])],
    nodes: [node('MatMul', ['x', 'w'], 'h'), node('Split', ['h'], ['', 'y'], { axis: 1 })],
  });
  const model = await trainable(ort, bytes, { loss: (g, { outputs: [y] }) => g.meanOfAll(y) });
  const x = { data: [1, 10], dims: [1, 2] };
  const { y } = await model.predict({ x });
  expect(Array.from(y.data, Number)).toEqual([73, 84]);
  const problem = model.problem({ x });
  const gradient = new Float64Array(8);
  expect(await problem.fg(problem.p0, gradient)).toBe(78.5);
  expect([...gradient]).toEqual([0, 0, 0.5, 0.5, 0, 0, 5, 5]);
  await model.dispose();
});

describe('random numbers', () => {
  const loss = { loss: 'mse' } as const;
  const feeds: Feeds = { x: { data: [1, 2], dims: [1, 2] }, target: { data: [0, 0], dims: [1, 2] } };
  const layer = { inputs: { x: ['N', 2] }, initializers: [floats('w', [2, 2], [1, 2, 3, 4])] } as const;

  test.each([
    ['RandomNormalLike', ['h'], {}],
    ['RandomUniformLike', ['h'], {}],
    ['RandomNormal', [], { shape: [1, 2] }],
    ['RandomUniform', [], { shape: [1, 2] }],
    ['Bernoulli', ['p'], {}],
  ] as const)('%s inside another node is refused by name', async (op, inputs, attributes) => {
    const draws = body('then_branch', {
      outputs: { t: ['N', 2] },
      nodes: [
        node('Sigmoid', ['h'], 'p'),
        Object.assign(node(op, [...inputs], 'r', {}, 'draw'), { attribute: nodeAttributes(attributes) }),
        node('Add', ['h', 'r'], 't'),
      ],
    });
    const bytes = modelFrom({
      ...layer,
      inputs: { x: ['N', 2], c: { dtype: 9, shape: [] } },
      outputs: { y: ['N', 2] },
      nodes: [
        node('MatMul', ['x', 'w'], 'h'),
        Object.assign(node('If', ['c'], 'y', {}, 'choice'), {
          attribute: [
            draws,
            body('else_branch', { outputs: { e: ['N', 2] }, nodes: [node('Tanh', ['h'], 'e')] }),
          ],
        }),
      ],
    });
    await expect(trainable(ort, bytes, loss)).rejects.toThrow(
      new RegExp(`${op} "draw": inside a subgraph, it cannot be fed random numbers`),
    );
  });

  test('Multinomial draws once a batch, each class as often as its probability says', async () => {
    expect.hasAssertions();
    const samples = 4000;
    const bytes = modelFrom({
      ...layer,
      inputs: { x: [1, 2], scores: [1, 3] },
      outputs: { y: [1, samples] },
      nodes: [
        Object.assign(node('Multinomial', ['scores'], 'k'), {
          attribute: nodeAttributes({ sample_size: samples, dtype: 7 }),
        }),
        node('Cast', ['k'], 'f', { to: 1 }),
        node('MatMul', ['x', 'w'], 'h'),
        node('ReduceSum', ['h'], 's'),
        node('Mul', ['f', 's'], 'y'),
      ],
    });
    const model = await trainable(ort, bytes, {
      loss: { output: 'y', loss: 'mse' },
      keep: ['k'],
      trainable: ['w'],
    });
    const scores = { data: [Math.log(0.2), Math.log(0.5), Math.log(0.3)].map((v) => v + 3), dims: [1, 3] };
    const target = { data: Array<number>(samples).fill(0), dims: [1, samples] };
    const problem = model.problem({ ...feeds, scores, target });
    const first = await problem.evaluate();
    expect((await problem.evaluate()).f).toBe(first.f);
    expect(await problem.fg(problem.p0, null)).toBeCloseTo(first.f, 3);
    const drawn = Array.from(first.outputs['k'].data, Number);
    for (const [k, share] of [0.2, 0.5, 0.3].entries()) {
      const found = drawn.filter((each) => each === k).length / samples;
      expect(Math.abs(found - share)).toBeLessThan(4 * Math.sqrt((share * (1 - share)) / samples));
    }
    await model.dispose();
  });
});
