import { differentiate, explain, miniBatches, OnnxError, type DifferentiateOptions } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { bodyIn } from '../../../src/adapters/onnx/ir/body.ts';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
import { decodeModel, encodeModel, type Model } from '../../../src/adapters/onnx/ir/model.ts';
import { random } from './cases/arbitrary.ts';
import { fixture, fixtureNames } from './fixtures.ts';
import { modelOf, type Build, type Input } from './harness.ts';

const x: Input = { shape: [2, 3], values: [] };
const weights = (rows: number, columns: number) =>
  Array.from({ length: rows * columns }, (_, i) => 0.1 * (i + 1));

/** A model x → x·w with something in between. */
const withLayer = (after: (g: Parameters<Build>[0], h: string) => string, opset = 21) =>
  modelOf({ x }, (g, { x }) => after(g, g.matmul(x, g.constant(1, [3, 4], weights(3, 4)))), {
    precision: 'float32',
    opset,
  });

function faultsOf(bytes: Uint8Array, options: DifferentiateOptions = { loss: 'mse' }) {
  try {
    differentiate(bytes, options);
  } catch (error) {
    if (error instanceof OnnxError) return error.faults;
    throw error;
  }
  return [];
}

const reasons = (bytes: Uint8Array, options?: DifferentiateOptions) =>
  faultsOf(bytes, options)
    .map(({ op, reason }) => `${op}: ${reason}`)
    .join('\n');

function edited(bytes: Uint8Array, edit: (model: Model) => void): Uint8Array {
  const model = decodeModel(bytes);
  edit(model);
  return encodeModel(model);
}

const entry = (key: string, value: string) => ({
  $typeName: 'onnx.StringStringEntryProto' as const,
  key,
  value,
});

describe('refused, with node, op and reason', () => {
  test('an op without a rule, and every other fault of the graph with it', () => {
    const bytes = withLayer((g, h) => g.op('Enigma', [g.op('Mystery', [g.tanh(h)])]));
    const faults = faultsOf(bytes);
    expect(faults.map(({ op }) => op).toSorted()).toEqual(['Enigma', 'Mystery']);
    for (const { node, reason } of faults) {
      expect(node).not.toBe('');
      expect(reason).toContain('registerVjp');
    }
  });

  test('an op of a domain that the model does not import', () => {
    const bytes = edited(
      withLayer((g, h) => g.tanh(h)),
      ({ graph }) => (graph.node[1].domain = 'com.example'),
    );
    expect(reasons(bytes)).toContain('imports no opset of the domain "com.example"');
  });

  test('an op without a rule in a loop', () => {
    const bytes = withLayer((g, h) => {
      const body = bodyIn(g, [h]);
      for (const [name, dtype] of [
        ['i', DType.INT64],
        ['go', DType.BOOL],
      ] as const) {
        body.addInput(name, dtype, []);
      }
      body.addOutput('on', 'go');
      body.addOutput('row', body.op('Mystery', [h]));
      const [trips, go] = [g.scalar(2, DType.INT64), g.constant(DType.BOOL, [], [1])];
      return g.op('Loop', [trips, go], { body: body.proto });
    });
    expect(reasons(bytes)).toMatch(/Loop: in its subgraph, Mystery .*no rule/);
  });

  test('an opset too old to convert', () => {
    expect(reasons(withLayer((g, h) => g.tanh(h), 6))).toContain('opset 6');
  });

  test('attribute values without a rule', () => {
    const lstm = modelOf(
      { x: { shape: [2, 1, 3], values: [] } },
      (g, { x }) => {
        const [w, r] = [g.constant(1, [1, 8, 3], weights(8, 3)), g.constant(1, [1, 8, 2], weights(8, 2))];
        return g.op('LSTM', [x, w, r], { hidden_size: 2, activations: ['Sigmoid', 'Tanh', 'Affine'] });
      },
      { precision: 'float32' },
    );
    expect(reasons(lstm)).toContain('LSTM: the activation Affine needs its alpha and beta');
  });

  test('wrt naming an unknown or an integer tensor', () => {
    const bytes = modelOf(
      { x, i: { shape: [2], values: [], integral: true } },
      (g, { x, i }) => g.op('Gather', [x, i]),
      { precision: 'float32' },
    );
    const text = reasons(bytes, { loss: 'mse', wrt: ['nothing', 'i'] });
    expect(text).toContain('no initializer, input or inner value "nothing"');
    expect(text).toContain('"i" is int64');
  });

  test('a model without parameters', () => {
    expect(reasons(modelOf({ x }, (g, { x }) => g.tanh(x), { precision: 'float32' }))).toContain(
      'no trainable parameter',
    );
  });

  test('a loss that does not depend on the parameters', () => {
    const bytes = modelOf(
      { x },
      (g, { x }) => {
        g.addOutput('other', g.matmul(x, g.constant(1, [3, 4], weights(3, 4))));
        return g.tanh(x);
      },
      { precision: 'float32' },
    );
    expect(reasons(bytes, { loss: 'mse', output: 'y' })).toContain('depends on none of');
  });

  test('a loss that is not a scalar', () => {
    expect(
      reasons(
        withLayer((g, h) => g.tanh(h)),
        { loss: { output: 'y' } },
      ),
    ).toContain('must be a scalar');
  });

  test('several outputs and none chosen', () => {
    const bytes = withLayer((g, h) => {
      g.addOutput('other', g.tanh(h));
      return h;
    });
    expect(reasons(bytes)).toContain('has 2 outputs');
  });

  test('an input named as an output of the result', () => {
    const bytes = modelOf(
      { loss: x },
      (g, { loss }) => g.matmul(loss, g.constant(1, [3, 4], weights(3, 4))),
      { precision: 'float32' },
    );
    expect(reasons(bytes)).toContain('rename the input');
  });

  test('external data without the file, and none with it', () => {
    const plain = withLayer((g, h) => g.tanh(h));
    let data = new Uint8Array();
    const bytes = edited(plain, ({ graph }) => {
      const [tensor] = graph.initializer;
      data = tensor.rawData;
      tensor.rawData = new Uint8Array();
      tensor.dataLocation = 1;
      tensor.externalData = [
        entry('location', 'weights.bin'),
        entry('offset', '4'),
        entry('length', String(data.length)),
      ];
    });
    expect(reasons(bytes)).toContain('weights.bin');
    const file = new Uint8Array([9, 9, 9, 9, ...data]);
    expect(differentiate(bytes, { loss: 'mse', externalData: { 'weights.bin': file } }).slice()).toEqual(
      differentiate(plain, { loss: 'mse' }).slice(),
    );
  });

  test('options, every fault at once', () => {
    const options = { loss: 'mse', l2: -1, precision: 'float16' };
    // What a caller without types may pass.
    const call = () => Reflect.apply(differentiate, undefined, [withLayer((_g, h) => h), options]) as unknown;
    expect(call).toThrow(/l2: .*\n.*precision: /);
  });
});

describe('damaged files', () => {
  const mutations = Number(process.env['ONNX_MUTATIONS'] ?? 10_000);

  test('truncated anywhere', () => {
    expect(fixtureNames.length).toBeGreaterThan(0);
    for (const name of fixtureNames) {
      const { bytes } = fixture(name);
      const step = Math.ceil(bytes.length / 40);
      for (let length = 0; length < bytes.length; length += step) onlyTypedErrors(bytes.slice(0, length));
    }
  });

  test(`${mutations} files with bits flipped`, { timeout: 300_000 }, () => {
    expect(mutations).toBeGreaterThan(0);
    const next = random(7);
    // Small files are tried more often: they take less time, and each of their bytes matters more.
    const files = [
      'mlp_ce',
      'mlp_ce',
      'mlp_ce',
      'mlp_tanh_mse',
      'mlp_tanh_mse',
      'cnn',
      'lstm',
      'transformer',
    ].map((name) => fixture(name).bytes);
    for (let i = 0; i < mutations; i++) {
      const bytes = files[i % 32 < 24 ? i % 5 : 5 + (i % 3)].slice();
      // Structure lies between the weights; half of the flips go where most of it is, to the end and the start.
      const flips = 1 + Math.floor(next() * 4);
      for (let k = 0; k < flips; k++) bytes[Math.floor(next() * bytes.length)] ^= 1 << Math.floor(next() * 8);
      onlyTypedErrors(bytes);
    }
  });
});

/** Succeeds or throws an OnnxError; anything else, or a wait of seconds, is a fault. */
function onlyTypedErrors(bytes: Uint8Array): void {
  const start = performance.now();
  faultsOf(bytes);
  expect(performance.now() - start).toBeLessThan(20_000);
  expect(typeof String(bytes.length % 50 === 0 ? explain(bytes) : '')).toBe('string');
}

test.each([
  ['<!DOCTYPE html><title>404</title>', /like a web page, as a server sends it if the address is wrong\.$/],
  [
    'version https://git-lfs.github.com/spec/v1\noid sha256:ab',
    /a pointer of Git LFS: fetch the file itself/,
  ],
  ['{"format": "layers-model"}', /like JSON, such as the model\.json of TensorFlow\.js\.$/],
  [
    'PK\u0003\u0004archive/data.pkl',
    /a ZIP archive, such as a checkpoint of PyTorch or Keras: export it to ONNX\.$/,
  ],
  ['\u001c\0\0\0TFL3\u0014\0', /a TensorFlow Lite model: convert it with tf2onnx\.$/],
  ['\u0007\u0007\u0007', /or the file is damaged: they do not parse\.$/],
])('the bytes %j are named as what they are', (text, message) => {
  const file = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  expect(() => differentiate(file, { loss: 'mse' })).toThrow(message);
});

test('an ArrayBuffer is refused with what to do', () => {
  const buffer = new ArrayBuffer(8) as unknown as Uint8Array;
  expect(() => differentiate(buffer, { loss: 'mse' })).toThrow(
    'got an ArrayBuffer; wrap it: new Uint8Array(buffer).',
  );
});

test('mini-batches of different numbers of samples name both, and data that do not fill their sizes are counted', () => {
  const x = { data: [1, 2, 3, 4, 5, 6], dims: [3, 2] };
  const target = { data: [0, 1], dims: [2] };
  expect(() => miniBatches({ x, target }, { batchSize: 2 })).toThrow(
    'feed "target": it has 2 samples, "x" has 3; all feeds must have the same number, at least one batch of 2.',
  );
  expect(() => miniBatches({ x: { data: [1, 2], dims: [3, 2] } }, { batchSize: 1 })).toThrow(
    /^miniBatches: feed "x": its shape \[3, 2\] has 6 elements, its data 2\.$/,
  );
});
