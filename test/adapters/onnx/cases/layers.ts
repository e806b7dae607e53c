import * as fc from 'fast-check';
import type { AttributeValues } from '../../../../src/adapters/onnx/ir/attributes.ts';
import { bodyIn } from '../../../../src/adapters/onnx/ir/body.ts';
import { scan } from '../../../../src/adapters/onnx/ir/scan.ts';
import { DType } from '../../../../src/adapters/onnx/ir/tensor.ts';
import {
  axisOf,
  narrowed,
  oneOf,
  realInput,
  seed,
  shapeOf,
  type Case,
  type Cases,
  type Range,
} from './arbitrary.ts';

const small = fc.integer({ min: 1, max: 3 });

const matmul: fc.Arbitrary<Case> = shapeOf(0, 2).chain((batch) =>
  fc
    .record({
      left: narrowed(batch),
      right: narrowed(batch),
      m: small,
      k: small,
      n: small,
      vector: oneOf('', '', 'left', 'right'),
      seed,
      dynamic: fc.boolean(),
    })
    .map(({ left, right, m, k, n, vector, seed, dynamic }) => ({
      inputs: {
        a: realInput(vector === 'left' ? [k] : [...left, m, k], seed),
        b: realInput(vector === 'right' ? [k] : [...right, k, n], seed + 1),
      },
      build: (g, { a, b }) => g.matmul(a, b),
      options: { dynamic },
    })),
);

/** Matrices with any axes before. */
const square = (op: string, low: number): [string, fc.Arbitrary<Case>] => [
  op,
  fc
    .record({ batch: shapeOf(0, 2, 0), n: fc.integer({ min: 1, max: 4 }), seed, dynamic: fc.boolean() })
    .map(({ batch, n, seed, dynamic }) => ({
      inputs: { x: realInput([...batch, n, n], seed, { low }) },
      build: (g, { x }) => g.op(op, [x]),
      options: { dynamic },
    })),
];

const gemm: fc.Arbitrary<Case> = fc
  .record({
    m: small,
    k: small,
    n: small,
    transA: fc.nat(1),
    transB: fc.nat(1),
    alpha: oneOf(1, 0.5),
    beta: oneOf(1, 2),
    bias: fc.option(oneOf('', 'n', '1n', 'm1', 'mn')),
    seed,
    dynamic: fc.boolean(),
  })
  .map(({ m, k, n, transA, transB, alpha, beta, bias, seed, dynamic }) => {
    const shapes: Record<string, number[]> = { '': [], n: [n], '1n': [1, n], m1: [m, 1], mn: [m, n] };
    return {
      inputs: {
        a: realInput(transA ? [k, m] : [m, k], seed),
        b: realInput(transB ? [n, k] : [k, n], seed + 1),
        ...(bias !== null && { c: realInput(shapes[bias], seed + 2) }),
      },
      build: (g, { a, b, c }) => g.op('Gemm', [a, b, c], { transA, transB, alpha, beta }),
      options: { dynamic },
    };
  });

const sizes: Readonly<Record<string, number>> = { a: 2, b: 3, i: 2, j: 3, k: 2 };
const einsum: fc.Arbitrary<Case> = fc
  .record({
    equation: oneOf(
      'ij,jk->ik',
      'bij,bkj->bik',
      'ij->ji',
      'ij->i',
      'ij,j->',
      'i,j->ij',
      'aij,ak,kj->ai',
      'ij,jk',
      'ijk->kj',
    ),
    seed,
    dynamic: fc.boolean(),
  })
  .map(({ equation, seed, dynamic }) => {
    const terms = equation.split('->')[0].split(',');
    const shapes = terms.map((letters) => letters.split('').map((letter) => sizes[letter]));
    const names = terms.map((_, i) => `x${i}`);
    return {
      inputs: Object.fromEntries(names.map((name, i) => [name, realInput(shapes[i], seed + i)])),
      build: (g, inputs) =>
        g.op(
          'Einsum',
          names.map((name) => inputs[name]),
          { equation },
        ),
      options: { dynamic },
    };
  });

/** A window over one or two axes. */
const window = fc.integer({ min: 1, max: 2 }).chain((rank) => {
  const each = <T>(arbitrary: fc.Arbitrary<T>) => fc.array(arbitrary, { minLength: rank, maxLength: rank });
  return fc.record({
    kernel: each(fc.integer({ min: 1, max: 3 })),
    strides: each(fc.integer({ min: 1, max: 3 })),
    dilations: each(fc.integer({ min: 1, max: 2 })),
    begins: each(fc.nat(2)),
    ends: each(fc.nat(2)),
    extra: each(fc.nat(3)),
    auto: oneOf('', '', '', 'SAME_UPPER', 'SAME_LOWER', 'VALID'),
  });
});

type Window = typeof window extends fc.Arbitrary<infer T> ? T : never;

const attributesOf = ({ strides, dilations, begins, ends, auto }: Window): AttributeValues => ({
  strides,
  dilations,
  ...(auto ? { auto_pad: auto } : { pads: [...begins, ...ends] }),
});

/** Spatial sizes that the window fits in. */
const fitting = ({ kernel, dilations, extra }: Window) =>
  kernel.map((k, i) => (k - 1) * dilations[i] + 1 + extra[i]);

const conv: fc.Arbitrary<Case> = fc
  .record({
    window,
    n: fc.integer({ min: 1, max: 2 }),
    c: small,
    m: small,
    group: oneOf(1, 1, 2),
    bias: fc.boolean(),
    seed,
    dynamic: fc.boolean(),
  })
  .map(({ window, n, c, m, group, bias, seed, dynamic }) => ({
    inputs: {
      x: realInput([n, c * group, ...fitting(window)], seed),
      w: realInput([m * group, c, ...window.kernel], seed + 1),
      ...(bias && { b: realInput([m * group], seed + 2) }),
    },
    build: (g, { x, w, b }) => {
      // ONNX Runtime has no dilated convolutions with automatic padding.
      const dilations = window.auto ? window.dilations.map(() => 1) : window.dilations;
      return g.op('Conv', [x, w, b], { ...attributesOf({ ...window, dilations }), group });
    },
    options: { dynamic: dynamic && !window.auto },
  }));

const convTranspose: fc.Arbitrary<Case> = fc
  .record({
    window,
    n: fc.integer({ min: 1, max: 2 }),
    c: small,
    m: small,
    group: oneOf(1, 1, 2),
    bias: fc.boolean(),
    more: oneOf(undefined, -1, 0, 2),
    seed,
    dynamic: fc.boolean(),
  })
  .map(({ window, n, c, m, group, bias, more, seed, dynamic }) => {
    const { kernel, strides, dilations, begins, ends } = window;
    const pads = [begins, ends].flatMap((side) =>
      side.map((pad, i) => Math.min(pad, Math.floor(((kernel[i] - 1) * dilations[i]) / 2))),
    );
    return {
      inputs: {
        x: realInput([n, c * group, ...window.extra.map((d) => d + 1)], seed),
        w: realInput([c * group, m, ...kernel], seed + 1),
        ...(bias && { b: realInput([m * group], seed + 2) }),
      },
      build: (g, { x, w, b }) =>
        g.op('ConvTranspose', [x, w, b], {
          strides,
          dilations,
          pads,
          group,
          // Less than a stride or a dilation.
          output_padding:
            more === undefined
              ? undefined
              : strides.map((s, i) => Math.min(s + more, Math.max(s, dilations[i]) - 1)),
        }),
      options: { dynamic },
    };
  });

const pool = (op: string, range: Range, more: fc.Arbitrary<AttributeValues>): fc.Arbitrary<Case> =>
  fc
    .record({ window, c: fc.integer({ min: 1, max: 2 }), more, seed, dynamic: fc.boolean() })
    .map(({ window, c, more, seed, dynamic }) => {
      // Padding must be less than the kernel.
      const begins = window.begins.map((pad, i) => Math.min(pad, window.kernel[i] - 1));
      const ends = window.ends.map((pad, i) => Math.min(pad, window.kernel[i] - 1));
      const auto = more['ceil_mode'] ? '' : window.auto;
      return {
        inputs: { x: realInput([2, c, ...fitting(window)], seed, range) },
        build: (g, { x }) =>
          g.op(op, [x], {
            ...attributesOf({ ...window, begins, ends, auto }),
            kernel_shape: window.kernel,
            ...more,
          }),
        options: { dynamic: dynamic && !auto && !more['ceil_mode'] },
      };
    });

const whole = (op: string, range: Range = {}): [string, fc.Arbitrary<Case>] => [
  op,
  fc.record({ shape: shapeOf(3, 4), seed, dynamic: fc.boolean() }).map(({ shape, seed, dynamic }) => ({
    inputs: { x: realInput(shape, seed, range) },
    build: (g, { x }) => g.op(op, [x]),
    options: { dynamic },
  })),
];

const resize: fc.Arbitrary<Case> = fc
  .record({
    spatial: fc.tuple(fc.integer({ min: 2, max: 5 }), fc.integer({ min: 2, max: 5 })),
    scales: fc.tuple(oneOf(1, 2, 3, 0.5, 1.5, 0.7), oneOf(1, 2, 0.5, 1.6)),
    bySizes: fc.boolean(),
    mode: oneOf('nearest', 'nearest', 'linear', 'cubic'),
    coordinates: oneOf('half_pixel', 'asymmetric', 'align_corners', 'pytorch_half_pixel'),
    nearest: oneOf('round_prefer_floor', 'floor', 'ceil', 'round_prefer_ceil'),
    seed,
  })
  .map(({ spatial, scales, bySizes, mode, coordinates, nearest, seed }) => ({
    inputs: { x: realInput([1, 2, ...spatial], seed) },
    build: (g, { x }) => {
      const to = spatial.map((d, i) => Math.max(1, Math.floor(d * scales[i])));
      const attributes = { mode, coordinate_transformation_mode: coordinates, nearest_mode: nearest };
      return bySizes
        ? g.op('Resize', [x, undefined, undefined, g.integers([1, 2, ...to])], attributes)
        : g.op('Resize', [x, undefined, g.constant(1, [4], [1, 1, ...scales])], attributes);
    },
  }));

const softmax = (op: string): [string, fc.Arbitrary<Case>] => [
  op,
  shapeOf(1, 3).chain((shape) =>
    fc.record({ axis: axisOf(shape.length), seed, dynamic: fc.boolean() }).map(({ axis, seed, dynamic }) => ({
      inputs: { x: realInput(shape, seed) },
      build: (g, { x }) => g.op(op, [x], { axis }),
      options: { dynamic },
    })),
  ),
];

/** Normalisation of the axes from one on. */
const trailing = (op: string, bias: boolean, opset = 21): [string, fc.Arbitrary<Case>] => [
  op,
  shapeOf(1, 3, 2).chain((shape) =>
    fc
      .record({ axis: axisOf(shape.length), biased: fc.boolean(), seed, dynamic: fc.boolean() })
      .map(({ axis, biased, seed, dynamic }) => {
        const scale = shape.slice(axis < 0 ? axis + shape.length : axis);
        return {
          inputs: {
            x: realInput(shape, seed),
            s: realInput(scale, seed + 1),
            ...(bias && biased && { b: realInput(scale, seed + 2) }),
          },
          build: (g, { x, s, b }) => g.op(op, [x, s, b], { axis, epsilon: 0.01 }),
          options: { dynamic, opset },
          tolerance: 1e-6,
        };
      }),
  ),
];

/** Normalisation by channels, scale and bias of one number for each. */
const channelwise = (
  op: string,
  channels: number,
  attributes: AttributeValues,
  opset = 21,
): fc.Arbitrary<Case> =>
  fc
    .record({ n: small, spatial: shapeOf(1, 2, 2), seed, dynamic: fc.boolean() })
    .map(({ n, spatial, seed, dynamic }) => ({
      inputs: {
        x: realInput([n, 4, ...spatial], seed),
        s: realInput([channels], seed + 1),
        b: realInput([channels], seed + 2),
      },
      build: (g, { x, s, b }) => g.op(op, [x, s, b], { epsilon: 0.01, ...attributes }),
      options: { dynamic: dynamic && op !== 'GroupNormalization', opset },
    }));

const batchNormalization: fc.Arbitrary<Case> = fc
  .record({
    n: fc.integer({ min: 2, max: 3 }),
    spatial: shapeOf(0, 2, 2),
    training: fc.boolean(),
    seed,
    dynamic: fc.boolean(),
  })
  .map(({ n, spatial, training, seed, dynamic }) => ({
    inputs: {
      x: realInput([n, 3, ...spatial], seed),
      s: realInput([3], seed + 1),
      b: realInput([3], seed + 2),
    },
    build: (g, { x, s, b }) => {
      const [mean, variance] = [g.constant(11, [3], [0.1, -0.2, 0.3]), g.constant(11, [3], [0.5, 1, 2])];
      return g.ops(
        'BatchNormalization',
        [x, s, b, mean, variance],
        { epsilon: 0.01, training_mode: training ? 1 : 0 },
        training ? 3 : 1,
      )[0];
    },
    options: { dynamic },
  }));

const lrn: fc.Arbitrary<Case> = fc
  .record({ c: fc.integer({ min: 1, max: 5 }), size: oneOf(1, 3, 5), seed, dynamic: fc.boolean() })
  .map(({ c, size, seed, dynamic }) => ({
    inputs: { x: realInput([2, c, 2, 1], seed) },
    build: (g, { x }) => g.op('LRN', [x], { size, alpha: 0.5, beta: 0.75, bias: 1.5 }),
    options: { dynamic },
  }));

const lp: fc.Arbitrary<Case> = shapeOf(1, 3).chain((shape) =>
  fc.record({ axis: axisOf(shape.length), p: oneOf(1, 2), seed }).map(({ axis, p, seed }) => ({
    inputs: { x: realInput(shape, seed, { avoid: [0] }) },
    build: (g, { x }) => g.op('LpNormalization', [x], { axis, p }),
  })),
);

const recurrent = (
  op: string,
  gates: number,
  attributes: fc.Arbitrary<AttributeValues>,
): [string, fc.Arbitrary<Case>] => [
  op,
  fc
    .record({
      way: oneOf('forward', 'reverse', 'bidirectional'),
      time: fc.integer({ min: 1, max: 3 }),
      attributes,
      bias: fc.boolean(),
      initial: fc.boolean(),
      result: oneOf('Y', 'Y_h', 'both'),
      seed,
      dynamic: fc.boolean(),
    })
    .map(({ way, time, attributes, bias, initial, result, seed, dynamic }) => {
      const [directions, hidden] = [way === 'bidirectional' ? 2 : 1, 2];
      const width = gates * hidden;
      const states = initial ? ['h', ...(op === 'LSTM' ? ['c'] : [])] : [];
      return {
        inputs: {
          x: realInput([time, 2, 3], seed),
          w: realInput([directions, width, 3], seed + 1),
          r: realInput([directions, width, hidden], seed + 2),
          ...(bias && { b: realInput([directions, 2 * width], seed + 3) }),
          ...Object.fromEntries(
            states.map((name, i) => [name, realInput([directions, 2, hidden], seed + 4 + i)]),
          ),
        },
        build: (g, { x, w, r, b, h, c }) => {
          const outputs = g.ops(
            op,
            [x, w, r, b, undefined, h, c],
            { ...attributes, direction: way, hidden_size: hidden },
            op === 'LSTM' ? 3 : 2,
          );
          const used = result === 'Y' ? [outputs[0]] : result === 'Y_h' ? outputs.slice(1) : outputs;
          return g.concat(
            used.map((value) => g.flat(value)),
            0,
          );
        },
        options: { dynamic },
      };
    }),
];

/** Two states, of which one counts, and two sequences, each in a direction of its own. */
const scanning: fc.Arbitrary<Case> = fc
  .record({
    time: fc.integer({ min: 1, max: 4 }),
    directions: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()),
    last: fc.boolean(),
    seed,
    dynamic: fc.boolean(),
  })
  .map(({ time, directions: [first, second, third, fourth], last, seed, dynamic }) => ({
    inputs: {
      h: realInput([2, 3], seed),
      x: realInput([time, 2, 3], seed + 1),
      z: realInput([time, 3], seed + 2),
      w: realInput([3, 3], seed + 3),
    },
    build: (g, { h, x, z, w }) => {
      const { states, results } = scan(
        g,
        {
          states: [h, g.scalar(0, DType.INT64)],
          sequences: [x, z],
          captured: [w],
          backward: [first, second],
          resultsBackward: [third, fourth],
        },
        (s, [now, count], [slice, row]) => {
          const factor = s.cast(s.add(count, s.scalar(1, DType.INT64)), g.floatTypeOf(h));
          const next = s.tanh(s.add(s.matmul(now, w), s.mul(slice, factor), row));
          return {
            states: [next, s.add(count, s.scalar(1, DType.INT64))],
            results: [next, s.mul(now, row)],
          };
        },
      );
      return g.concat(
        [...results, ...(last ? [states[0]] : [])].map((value) => g.flat(value)),
        0,
      );
    },
    options: { dynamic },
  }));

/** A loop that ends by its count, or by its condition, and reads a row of x for each step. */
const looping: fc.Arbitrary<Case> = fc
  .record({
    steps: fc.integer({ min: 1, max: 4 }),
    early: fc.boolean(),
    last: fc.boolean(),
    seed,
    dynamic: fc.boolean(),
  })
  .map(({ steps, early, last, seed, dynamic }) => ({
    inputs: {
      h: realInput([2, 3], seed),
      x: realInput([4, 3], seed + 1),
      w: realInput([3, 3], seed + 2),
    },
    build: (g, { h, x, w }) => {
      const body = bodyIn(g, [x, w]);
      const step = body.addInput('step', DType.INT64, []);
      body.addInput('going', DType.BOOL, []);
      const state = body.addInput('state', g.floatTypeOf(h), [2, 3]);
      const row = body.op('Gather', [x, step]);
      const next = body.tanh(body.add(body.matmul(state, w), row));
      body.addOutput('on', body.less(step, body.scalar(1, DType.INT64)));
      body.addOutput('next', next);
      body.addOutput('result', body.mul(state, row));
      const condition = g.constant(DType.BOOL, [], [1]);
      const inputs = [g.scalar(steps, DType.INT64), early ? condition : undefined, h];
      const [end, results] = g.ops('Loop', inputs, { body: body.proto }, 2);
      return g.concat([g.flat(results), ...(last ? [g.flat(end)] : [])], 0);
    },
    options: { dynamic: dynamic && !early },
  }));

/** Branches that give values of their own shapes, one of them without reading w. */
const choosing: fc.Arbitrary<Case> = fc
  .record({ positive: fc.boolean(), twice: fc.boolean(), seed, dynamic: fc.boolean() })
  .map(({ positive, twice, seed, dynamic }) => ({
    inputs: {
      x: realInput([1, 3], seed, positive ? { low: 0.5 } : { high: -0.5 }),
      w: realInput([3, 3], seed + 1),
    },
    build: (g, { x, w }) => {
      const [then, otherwise] = [bodyIn(g, [x, w]), bodyIn(g, [x, w])];
      const product = then.tanh(then.matmul(x, w));
      then.addOutput('then_first', twice ? then.square(product) : product);
      then.addOutput('then_second', x);
      otherwise.addOutput('else_first', otherwise.squeeze(otherwise.square(x), [0]));
      otherwise.addOutput('else_second', otherwise.mul(3, x));
      const condition = g.greater(g.sumOfAll(x), 0);
      const branches = { then_branch: then.proto, else_branch: otherwise.proto };
      const [first, second] = g.ops('If', [condition], branches, 2);
      return g.concat([g.flat(first), g.flat(g.square(second))], 0);
    },
    options: { dynamic },
  }));

/** Inside a branch, where it stays; in inference mode. */
const dropping: fc.Arbitrary<Case> = fc.record({ said: fc.boolean(), seed }).map(({ said, seed }) => ({
  inputs: { x: realInput([2, 3], seed) },
  build: (g, { x }) => {
    const [then, otherwise] = [bodyIn(g, [x]), bodyIn(g, [x])];
    const training = said ? then.constant(DType.BOOL, [], [0]) : undefined;
    then.addOutput('then', then.op('Dropout', [then.square(x), undefined, training]));
    otherwise.addOutput('else', x);
    const branches = { then_branch: then.proto, else_branch: otherwise.proto };
    return g.op('If', [g.greater(g.sumOfAll(g.square(x)), 0)], branches);
  },
}));

/** Of the functions that need them. */
const numbers = (activations: readonly string[]): AttributeValues => {
  const needing = activations.filter((name) => name === 'ScaledTanh' || name === 'Affine');
  return needing.length === 0
    ? {}
    : { activation_alpha: needing.map((_, d) => 0.6 + 0.2 * d), activation_beta: needing.map(() => 0.7) };
};

/** Peepholes, clipping, sequences that end early, coupled gates, the batch first, other functions. */
const unusual = (
  op: string,
  gates: number,
  functions: fc.Arbitrary<readonly string[]>,
): [string, fc.Arbitrary<Case>] => [
  `${op}, of an unusual kind`,
  fc
    .record({
      way: oneOf('forward', 'reverse', 'bidirectional'),
      functions: fc.option(functions, { nil: undefined }),
      clip: fc.option(fc.constant(0.9), { nil: undefined }),
      lengths: fc.boolean(),
      peepholes: fc.boolean(),
      coupled: fc.boolean(),
      linear: fc.nat(1),
      result: oneOf('Y', 'Y_h', 'both'),
      seed,
    })
    .map(({ way, functions, clip, lengths, peepholes, coupled, linear, result, seed }) => {
      const [directions, hidden] = [way === 'bidirectional' ? 2 : 1, 2];
      const width = gates * hidden;
      const lstm = op === 'LSTM';
      return {
        inputs: {
          x: realInput([3, 2, 3], seed),
          w: realInput([directions, width, 3], seed + 1),
          r: realInput([directions, width, hidden], seed + 2),
          b: realInput([directions, 2 * width], seed + 3),
          h: realInput([directions, 2, hidden], seed + 4),
          ...(lstm && peepholes && { p: realInput([directions, 3 * hidden], seed + 5) }),
        },
        build: (g, { x, w, r, b, h, p }) => {
          const lens = lengths ? g.constant(6, [2], [3, 1 + (seed % 2)]) : undefined;
          const activations = functions && Array.from({ length: directions }, () => functions).flat();
          const outputs = g.ops(
            op,
            [x, w, r, b, lens, h, undefined, p],
            {
              direction: way,
              hidden_size: hidden,
              clip,
              ...(activations && { activations, ...numbers(activations) }),
              ...(lstm && coupled && { input_forget: 1 }),
              ...(op === 'GRU' && { linear_before_reset: linear }),
            },
            lstm ? 3 : 2,
          );
          const used = result === 'Y' ? [outputs[0]] : result === 'Y_h' ? outputs.slice(1) : outputs;
          return g.concat(
            used.map((value) => g.flat(value)),
            0,
          );
        },
      };
    }),
];

export const layerCases: Cases = new Map([
  ['MatMul', matmul],
  ['Gemm', gemm],
  square('Det', -2),
  ['Einsum', einsum],
  ['Conv', conv],
  ['ConvTranspose', convTranspose],
  [
    'MaxPool',
    pool('MaxPool', { low: -6, high: 6, distinct: true }, oneOf<AttributeValues>({}, { ceil_mode: 1 })),
  ],
  [
    'AveragePool',
    pool('AveragePool', {}, oneOf<AttributeValues>({}, { count_include_pad: 1 }, { ceil_mode: 1 })),
  ],
  whole('GlobalMaxPool', { low: -6, high: 6, distinct: true }),
  whole('GlobalAveragePool'),
  whole('GlobalLpPool', { avoid: [0] }),
  ['Resize', resize],
  softmax('Softmax'),
  softmax('LogSoftmax'),
  trailing('LayerNormalization', true),
  trailing('RMSNormalization', false, 23),
  trailing('SimplifiedLayerNormalization', false),
  ['BatchNormalization', batchNormalization],
  ['InstanceNormalization', channelwise('InstanceNormalization', 4, {})],
  [
    'GroupNormalization',
    fc.oneof(
      channelwise('GroupNormalization', 4, { num_groups: 2 }),
      channelwise('GroupNormalization', 2, { num_groups: 2 }, 18),
    ),
  ],
  ['LRN', lrn],
  ['LpNormalization', lp],
  recurrent('LSTM', 4, fc.constant({})),
  recurrent('GRU', 3, oneOf<AttributeValues>({}, { linear_before_reset: 1 })),
  recurrent('RNN', 1, fc.constant({})),
  unusual('LSTM', 4, oneOf(['HardSigmoid', 'Softsign', 'Tanh'], ['Sigmoid', 'Elu', 'Softsign'])),
  unusual('GRU', 3, oneOf(['HardSigmoid', 'Softsign'], ['Sigmoid', 'LeakyRelu'])),
  unusual('RNN', 1, oneOf(['ScaledTanh'], ['Affine'], ['Softplus'], ['LeakyRelu'])),
  ['Scan', scanning],
  ['Dropout', dropping],
  ['If', choosing],
  ['Loop', looping],
]);
