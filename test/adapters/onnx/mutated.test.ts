import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { readFileSync } from 'node:fs';
import { ModelProtoSchema } from 'onnx-buf';
import { differentiate, explain, OnnxError } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { mlp, randomNumbers } from '../../../examples/lib/mlp.js';
import { DType, tensorOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { fixturePath } from './fixtures.ts';
import { body, external, floats, integers, modelFrom, node, typed } from './written.ts';

const count = Number(process.env['ONNX_MUTATIONS'] ?? 150);
const firstSeed = Number(process.env['ONNX_MUTATION_SEED'] ?? 1);

const read = (name: string) => new Uint8Array(readFileSync(fixturePath(`${name}.onnx`)));

/** Files that hold much of what a file can hold, in little. */
const originals: readonly Uint8Array[] = [
  mlp([2, 3, 1]),
  read('lstm'),
  read('misc'),
  modelFrom({
    inputs: { x: ['n', 2], c: { dtype: DType.BOOL, shape: [] } },
    outputs: { y: ['n', 2] },
    initializers: [floats('W', [2, 2], [1, 2, 3, 4]), integers('count', [2], [])],
    nodes: [
      node('Identity', ['W'], 'V'),
      node('Constant', [], 'k', { value: typed({ dims: [1n], dataType: DType.FLOAT, floatData: [2] }) }),
      node('MatMul', ['x', 'V'], 'h'),
      node('Mul', ['h', 'k'], 'm'),
      Object.assign(node('If', ['c'], 'i'), {
        attribute: [
          body('then_branch', {
            outputs: { t: ['n', 2] },
            initializers: [floats('B', [2], [1, 2])],
            nodes: [node('Add', ['m', 'B'], 't')],
          }),
          body('else_branch', { outputs: { e: ['n', 2] }, nodes: [node('Tanh', ['m'], 'e')] }),
        ],
      }),
      node('Reshape', ['i', 'shape'], 'r'),
      node('Softmax', ['r'], 's', { axis: -1 }),
      node('Einsum', ['s', 'W'], 'y', { equation: 'ni,ij->nj' }),
    ].filter(({ opType }) => opType !== 'Reshape'),
  }),
  modelFrom({
    inputs: { x: ['n', 1, 8, 8] },
    outputs: { y: ['n', 2, 7, 7] },
    initializers: [
      floats('w', [2, 1, 3, 3], Array<number>(18).fill(0.1)),
      external('loss', [2], { location: 'constructor', offset: '0', length: '8' }),
      floats('scales', [4], [1, 1, 1.75, 1.75]),
    ],
    nodes: [
      node('Conv', ['x', 'w'], 'c', { pads: [1, 1, 1, 1] }),
      node('MaxPool', ['c'], 'p', { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 }),
      node('Resize', ['p', '', 'scales'], 'y', { mode: 'linear' }),
    ],
  }),
  modelFrom({
    inputs: { x: ['n', 1, 4, 6] },
    outputs: { y: ['n', 1, 3, 5] },
    initializers: [
      floats('w', [6, 6], Array<number>(36).fill(0.1)),
      floats('roi', [8], [0, 0, 0.1, 0.2, 1, 1, 0.9, 0.8]),
      integers('to', [1, 1, 3, 5]),
      floats('ratio', [], [0.3]),
      tensorOf('on', DType.BOOL, [], [1]),
    ],
    nodes: [
      node('MatMul', ['x', 'w'], 'h'),
      node('Dropout', ['h', 'ratio', 'on'], ['d', 'mask']),
      node('RandomNormalLike', ['d'], 'e', { mean: 0.5 }),
      node('Add', ['d', 'e'], 's'),
      node('Bernoulli', ['s'], 'b'),
      node('Mul', ['s', 'b'], 'm'),
      node('Resize', ['m', 'roi', '', 'to'], 'y', {
        coordinate_transformation_mode: 'tf_crop_and_resize',
        mode: 'cubic',
      }),
    ],
  }),
];

const names = [
  '',
  '__proto__',
  'constructor',
  'toString',
  'loss',
  'grad_of/W',
  'x',
  'W',
  'target',
  'é\u0000',
];
const ops =
  'Identity Add MatMul Gemm Conv MaxPool Reshape Slice Concat Split Transpose Gather Expand Pad Tile If Loop Scan LSTM Softmax ReduceSum Resize Einsum Cast OneHot Attention ZipMap CumProd Constant Dropout Bernoulli RandomUniform RandomNormalLike'.split(
    ' ',
  );

type Draw = () => number;
const pick = <T>(draw: Draw, list: readonly T[]): T => list[Math.floor(draw() * list.length)];

/** Another value in the place of one. */
function other(draw: Draw, value: unknown, key: string): unknown {
  if (typeof value === 'string') return key === 'opType' ? pick(draw, ops) : pick(draw, names);
  if (typeof value === 'number') return pick(draw, [0, 1, -1, 2, 7, 11, 64, 2 ** 31 - 1, NaN, value + 1]);
  if (typeof value === 'bigint') return pick(draw, [0n, 1n, -1n, 3n, 2n ** 31n, 2n ** 62n, value + 1n]);
  if (value instanceof Uint8Array) return value.subarray(0, Math.floor(draw() * value.length));
  return value;
}

/** Changes one field somewhere in a message, in place. */
function mutate(draw: Draw, message: object): void {
  const places: [object, string][] = [];
  const walk = (at: unknown): void => {
    if (typeof at !== 'object' || at === null || at instanceof Uint8Array) return;
    for (const [key, value] of Object.entries(at)) {
      if (key.startsWith('$') || key === 'case') continue;
      places.push([at, key]);
      walk(value);
    }
  };
  walk(message);
  const [holder, key] = pick(draw, places);
  const held: unknown = Reflect.get(holder, key);
  if (!Array.isArray(held)) {
    Reflect.set(holder, key, other(draw, held, key));
    return;
  }
  const way = draw();
  const at = Math.floor(draw() * held.length);
  if (way < 0.4) held.splice(at, 1);
  else if (way < 0.6 && held.length > 0) held.push(held[at]);
  else if (way < 0.8) held.reverse();
  else if (held.length > 0 && typeof held[at] !== 'object') held[at] = other(draw, held[at], key);
}

function mutant(seed: number): Uint8Array {
  const draw = randomNumbers(seed);
  const bytes = pick(draw, originals).slice();
  if (draw() < 0.25) {
    for (let k = 0; k < 3; k++) bytes[Math.floor(draw() * bytes.length)] = Math.floor(draw() * 256);
    return bytes;
  }
  const model = fromBinary(ModelProtoSchema, bytes);
  for (let k = 0; k < 1 + 3 * draw(); k++) mutate(draw, model);
  try {
    return toBinary(ModelProtoSchema, model);
  } catch {
    return bytes;
  }
}

const externalData = { constructor: new Uint8Array(8) };

/** Has a file explained and differentiated: what went wrong, if an error is no OnnxError, or if it took long. */
function complaint(bytes: Uint8Array): string | undefined {
  const begin = performance.now();
  try {
    const report = explain(bytes, { externalData });
    String(report);
    const [output] = report.outputs;
    const loss = { loss: 'mse', output: output || 'y' } as const;
    differentiate(bytes, { loss, externalData });
    differentiate(bytes, { loss, externalData, noise: 'fed' });
  } catch (error) {
    if (!(error instanceof OnnxError)) return error instanceof Error ? (error.stack ?? '') : String(error);
  }
  const took = performance.now() - begin;
  return took < 5000 ? undefined : `took ${took} ms`;
}

test(`${count} mutated files are differentiated or refused in words`, { timeout: 3_600_000 }, () => {
  for (let seed = firstSeed; seed < firstSeed + count; seed++)
    expect([seed, complaint(mutant(seed))]).toEqual([seed, undefined]);
});

const chain = (n: number) =>
  Array.from({ length: n }, (_, i) => node('Tanh', [i === 0 ? 'h' : `h${i - 1}`], `h${i}`));
const layer = { inputs: { x: ['n', 2] }, initializers: [floats('W', [2, 2], [1, 2, 3, 4])] } as const;

test.each([
  [
    'a Concat of 50,000 inputs',
    modelFrom({
      ...layer,
      outputs: { y: ['n', 100_000] },
      nodes: [
        node('MatMul', ['x', 'W'], 'h'),
        node('Concat', Array<string>(50_000).fill('h'), 'y', { axis: 1 }),
      ],
    }),
  ],
  [
    'an Einsum of 100,000 characters',
    modelFrom({
      ...layer,
      outputs: { y: ['n', 2] },
      nodes: [node('Einsum', ['x', 'W'], 'y', { equation: `${'ni,ij'.repeat(20_000)}->nj` })],
    }),
  ],
  [
    '3,000 layers',
    modelFrom({
      ...layer,
      outputs: { h2999: ['n', 2] },
      nodes: [node('MatMul', ['x', 'W'], 'h'), ...chain(3000)],
    }),
  ],
  [
    '3,000 copies of a copy',
    modelFrom({
      ...layer,
      outputs: { y: ['n', 2] },
      nodes: [
        ...Array.from({ length: 3000 }, (_, i) => node('Identity', [i === 0 ? 'W' : `V${i - 1}`], `V${i}`)),
        node('MatMul', ['x', 'V2999'], 'y'),
      ],
    }),
  ],
])('%s are handled quickly', (_, bytes) => {
  expect(complaint(bytes)).toBeUndefined();
});
