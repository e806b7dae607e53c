import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { differentiate, explain, OnnxError, trainable } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { DType, elementsOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { body, external, floats, modelFrom, node } from './written.ts';

const weights = [1, 2, 3, 4];
const entries = { location: 'w.bin', offset: '4', length: '16' };
const linear = (entriesOfW: Readonly<Record<string, string>>) =>
  modelFrom({
    inputs: { x: ['n', 2] },
    outputs: { y: ['n', 2] },
    initializers: [external('w', [2, 2], entriesOfW)],
    nodes: [node('MatMul', ['x', 'w'], 'y')],
  });
const file = new Float32Array([9, ...weights, 9]);

/** The same bytes at an odd place in a larger buffer. */
function unaligned(): Buffer {
  const pool = Buffer.alloc(64, 7);
  Buffer.from(file.buffer).copy(pool, 13);
  return pool.subarray(13, 13 + file.byteLength);
}

test.each([
  ['a Uint8Array', new Uint8Array(file.buffer)],
  ['a Buffer', Buffer.from(file.buffer)],
  ['a Buffer at an odd place of its pool', unaligned()],
  ['a Float32Array', file],
  ['a DataView', new DataView(unaligned().buffer, unaligned().byteOffset, file.byteLength)],
  ['an ArrayBuffer', file.buffer],
])('external data are read from %s', (_, bytes) => {
  const { parameters } = differentiate(linear(entries), {
    loss: 'mse',
    externalData: { 'w.bin': bytes },
  });
  expect([...elementsOf(parameters[0].tensor)]).toEqual(weights);
  expect(parameters[0].tensor.rawData.byteLength).toBe(16);
});

test.each([
  [
    { location: 'w.bin', offset: '12', length: '16' },
    'is stored in bytes 12 to 28 of the file "w.bin", which has 24',
  ],
  [
    { location: 'w.bin', offset: '-4', length: '16' },
    'is stored in bytes -4 to 16 of the file "w.bin", which has 24',
  ],
  [{ location: 'w.bin', offset: 'four', length: '16' }, 'is stored in bytes four to 16 of the file "w.bin"'],
  [{ location: 'w.bin', offset: '4', length: '8' }, 'holds 2 values instead of 4: the file is damaged'],
])('external data at %o are refused', (wrong, message) => {
  const read = () => differentiate(linear(wrong), { loss: 'mse', externalData: { 'w.bin': file } });
  expect(read).toThrow(message);
});

test.each(['__proto__', 'constructor', 'toString'])(
  'a location of %s reads only files that were given',
  (location) => {
    const bytes = linear({ location });
    const reason = `tensor "w" is stored in the file "${location}": pass its bytes as externalData: { "${location}": bytes }.`;
    expect(explain(bytes).faults.map((fault) => fault.reason)).toEqual([reason]);
    expect(() => differentiate(bytes, { loss: 'mse', externalData: {} })).toThrow(reason);
    const given = Object.defineProperty({}, location, { value: file.slice(1, 5), enumerable: true });
    expect(differentiate(bytes, { loss: 'mse', externalData: given }).parameters).toHaveLength(1);
  },
);

test('external data that are not bytes are refused', () => {
  const given = { 'w.bin': [1, 2, 3] } as never;
  expect(() => differentiate(linear(entries), { loss: 'mse', externalData: given })).toThrow(
    /externalData: must be an object of Uint8Arrays or other views of bytes/,
  );
});

/** An If whose first branch adds a tensor of another file. */
const inBranch = modelFrom({
  inputs: { x: ['n', 4], c: { dtype: DType.BOOL, shape: [] } },
  outputs: { y: ['n', 4] },
  initializers: [floats('w', [4, 4], Array<number>(16).fill(0.1))],
  nodes: [
    node('MatMul', ['x', 'w'], 'h'),
    Object.assign(node('If', ['c'], 'y'), {
      attribute: [
        body('then_branch', {
          outputs: { o: ['n', 4] },
          initializers: [external('e', [4], { location: 'secret.bin' })],
          nodes: [node('Add', ['h', 'e'], 'o')],
        }),
        body('else_branch', { outputs: { o: ['n', 4] }, nodes: [node('Tanh', ['h'], 'o')] }),
      ],
    }),
  ],
});

test('external data of a branch are those given, never a file of the working folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'external-'));
  const before = process.cwd();
  writeFileSync(join(folder, 'secret.bin'), new Uint8Array(new Float32Array([42, 43, 44, 45]).buffer));
  try {
    process.chdir(folder);
    await expect(trainable(ort, inBranch, { loss: 'mse' })).rejects.toThrow(OnnxError);
    const externalData = { 'secret.bin': Float32Array.of(1, 2, 3, 4) };
    const model = await trainable(ort, inBranch, { loss: 'mse', externalData });
    const { y } = await model.predict({
      x: { data: [1, 1, 1, 1], dims: [1, 4] },
      c: { data: [1], dims: [] },
    });
    expect(Array.from(y.data as Float32Array)).toEqual([1.4, 2.4, 3.4, 4.4].map(Math.fround));
    await model.dispose();
  } finally {
    process.chdir(before);
    rmSync(folder, { recursive: true });
  }
});
