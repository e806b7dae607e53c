import * as fc from 'fast-check';
import type { AttributeValues } from '../../../../src/adapters/onnx/ir/attributes.ts';
import { narrowed, oneOf, realInput, seed, shapeOf, type Case, type Cases, type Range } from './arbitrary.ts';

const none = fc.constant<AttributeValues>({});
const positive = (low: number, high: number) => fc.double({ min: low, max: high, noNaN: true });

const unary = (
  op: string,
  range: Range = {},
  attributes: fc.Arbitrary<AttributeValues> = none,
  opset = 21,
): [string, fc.Arbitrary<Case>] => [
  op,
  fc
    .record({ shape: shapeOf(0, 3, 0), seed, attributes, dynamic: fc.boolean() })
    .map(({ shape, seed, attributes, dynamic }) => ({
      inputs: { x: realInput(shape, seed, range) },
      build: (g, { x }) => g.op(op, [x], attributes),
      options: { dynamic, opset },
    })),
];

const away: Range = { avoid: [0] };
const alpha = (low: number, high: number) =>
  positive(low, high).map((alpha) => ({ alpha: Math.fround(alpha) }));

/** Ops of several inputs that broadcast. */
const broadcasting = (
  op: string,
  ranges: readonly Range[],
  attributes: AttributeValues = {},
): [string, fc.Arbitrary<Case>] => [
  op,
  shapeOf(0, 3, 0).chain((full) =>
    fc
      .record({ shapes: fc.tuple(...ranges.map(() => narrowed(full))), seed, dynamic: fc.boolean() })
      .map(({ shapes, seed, dynamic }) => {
        const names = ranges.map((_, i) => `x${i}`);
        return {
          inputs: Object.fromEntries(
            names.map((name, i) => [name, realInput(shapes[i], seed + i, ranges[i])]),
          ),
          build: (g, inputs) =>
            g.op(
              op,
              names.map((name) => inputs[name]),
              attributes,
            ),
          options: { dynamic },
        };
      }),
  ),
];

const grid = (shape: readonly number[], s: number, odd: number) => {
  const { values } = realInput(shape, s);
  return { shape, values: values.map((v) => Math.round(v * 10) * 0.2 + odd) };
};

/** Values of two inputs that are never near each other: one holds even multiples of 0.1, the other odd ones. */
const extremum = (op: string): [string, fc.Arbitrary<Case>] => [
  op,
  shapeOf(0, 3).chain((full) =>
    fc.record({ a: narrowed(full), b: narrowed(full), seed }).map(({ a, b, seed }) => {
      return {
        inputs: { a: grid(a, seed, 0), b: grid(b, seed + 1, 0.1) },
        build: (g, { a, b }) => g.op(op, [a, b]),
      };
    }),
  ),
];

const pow: [string, fc.Arbitrary<Case>] = [
  'Pow',
  fc.oneof(
    fc
      .record({ shape: shapeOf(0, 3), seed, exponent: oneOf(0, 1, 2, 3, 4, -1, -2) })
      .map(({ shape, seed, exponent }): Case => ({
        inputs: { x: realInput(shape, seed, away) },
        build: (g, { x }) => g.pow(x, exponent),
      })),
    fc.record({ shape: shapeOf(0, 3), seed }).map(({ shape, seed }): Case => ({
      inputs: { x: realInput(shape, seed, { low: 0.3, high: 2 }), e: realInput(shape.slice(1), seed + 1) },
      build: (g, { x, e }) => g.pow(x, e),
    })),
  ),
];

const clip: [string, fc.Arbitrary<Case>] = [
  'Clip',
  fc
    .record({ shape: shapeOf(0, 3), seed, low: oneOf(undefined, -1, 1.5), high: oneOf(undefined, 1) })
    .map(({ shape, seed, low, high }): Case => ({
      inputs: {
        x: realInput(shape, seed, { avoid: [-1, 1, 1.5] }),
        ...(low !== undefined && { low: { shape: [], values: [low] } }),
        ...(high !== undefined && { high: { shape: [], values: [high] } }),
      },
      build: (g, { x, low, high }) => g.op('Clip', [x, low, high]),
    })),
];

const where: [string, fc.Arbitrary<Case>] = [
  'Where',
  shapeOf(0, 3).chain((full) =>
    fc
      .record({ a: narrowed(full), b: narrowed(full), c: narrowed(full), seed, dynamic: fc.boolean() })
      .map(({ a, b, c, seed, dynamic }) => ({
        inputs: { a: realInput(a, seed), b: realInput(b, seed + 1), c: realInput(c, seed + 2, away) },
        build: (g, { a, b, c }) => g.add(g.where(g.greater(c, 0), a, b), c),
        options: { dynamic },
      })),
  ),
];

const prelu: [string, fc.Arbitrary<Case>] = [
  'PRelu',
  shapeOf(1, 3).chain((full) =>
    fc.record({ slope: narrowed(full), seed }).map(({ slope, seed }) => ({
      inputs: { x: realInput(full, seed, away), slope: realInput(slope, seed + 1) },
      build: (g, { x, slope }) => g.op('PRelu', [x, slope]),
    })),
  ),
];

const stepwise = (op: string): [string, fc.Arbitrary<Case>] => [
  op,
  fc.record({ shape: shapeOf(0, 2), seed }).map(({ shape, seed }) => ({
    inputs: { x: realInput(shape, seed, { avoid: [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2] }) },
    build: (g, { x }) => g.add(g.op(op, [x]), g.square(x)),
  })),
];

const casts = (op: string): [string, fc.Arbitrary<Case>] => [
  op,
  fc.record({ shape: shapeOf(0, 2), seed }).map(({ shape, seed }) => ({
    inputs: { x: realInput(shape, seed) },
    build: (g, { x }) =>
      g.square(op === 'Cast' ? g.op('Cast', [x], { to: 11 }) : g.op('CastLike', [x, g.scalar(1, 11)])),
  })),
];

export const elementwiseCases: Cases = new Map([
  ...[
    'Identity',
    'Neg',
    'Exp',
    'Sin',
    'Cos',
    'Tanh',
    'Sigmoid',
    'Erf',
    'Atan',
    'Sinh',
    'Cosh',
    'Asinh',
    'Softplus',
    'Mish',
  ].map((op) => unary(op)),
  unary('Abs', away),
  unary('Reciprocal', away),
  unary('Sqrt', { low: 0.1 }),
  unary('Log', { low: 0.1 }),
  unary('Tan', { low: -1.2, high: 1.2 }),
  unary('Asin', { low: -0.9, high: 0.9 }),
  unary('Acos', { low: -0.9, high: 0.9 }),
  unary('Acosh', { low: 1.1, high: 3 }),
  unary('Atanh', { low: -0.9, high: 0.9 }),
  unary('Relu', away),
  unary('LeakyRelu', away, fc.oneof(none, alpha(0.01, 0.5))),
  unary('ThresholdedRelu', { avoid: [1, 0.5] }, oneOf<AttributeValues>({}, { alpha: 0.5 })),
  unary('Elu', away, fc.oneof(none, alpha(0.5, 2))),
  unary('Celu', away, fc.oneof(none, alpha(0.5, 2))),
  unary('Selu', away, oneOf<AttributeValues>({}, { alpha: 1.5, gamma: 1.25 })),
  unary('Gelu', {}, oneOf<AttributeValues>({}, { approximate: 'tanh' })),
  unary('Swish', {}, oneOf<AttributeValues>({}, { alpha: 0.75 }), 24),
  unary(
    'HardSigmoid',
    { avoid: [-2.5, 2.5, -1, 1], low: -4, high: 4 },
    oneOf<AttributeValues>({}, { alpha: 0.5, beta: 0.5 }),
  ),
  unary('HardSwish', { avoid: [-3, 3], low: -5, high: 5 }),
  unary('Softsign', away),
  unary(
    'Shrink',
    { avoid: [-0.5, 0.5, -0.75, 0.75] },
    oneOf<AttributeValues>({}, { lambd: 0.75, bias: 0.25 }),
  ),
  clip,
  prelu,
  ...['Sign', 'Floor', 'Ceil', 'Round'].map(stepwise),
  casts('Cast'),
  casts('CastLike'),
  ...['Add', 'Sub', 'Mul'].map((op) => broadcasting(op, [{}, {}])),
  broadcasting('Sum', [{}, {}, {}]),
  broadcasting('Mean', [{}, {}, {}]),
  broadcasting('Div', [{}, { avoid: [0, 0.05, -0.05, 0.1, -0.1] }]),
  broadcasting(
    'Mod',
    [
      { low: 2.1, high: 2.9 },
      { low: 1.1, high: 1.4 },
    ],
    { fmod: 1 },
  ),
  pow,
  extremum('Min'),
  extremum('Max'),
  where,
]);
