import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProto_DataType as DType } from 'onnx-buf';
import { afterAll, describe, expect, it } from 'vitest';
import { callerIn } from './callIn.ts';
import { bitsOf, numberOf } from '../../bin/lib/halfFloats.js';
import { fromFloat16, toFloat16 } from '../../src/adapters/onnx/ir/halfFloats.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
mkdirSync(join(root, '.cache'), { recursive: true });
const folder = mkdtempSync(join(root, '.cache', 'half-'));
const at = (name: string) => join(folder, name);
const { json, refusal } = callerIn(folder);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** y = x·[2, −0.5]ᵀ, all of it in one type of numbers. */
function write(file: string, elemType: DType, weights: Uint16Array): void {
  const tensor = (name: string, sizes: (number | string)[]) => ({
    name,
    type: {
      value: {
        case: 'tensorType' as const,
        value: {
          elemType,
          shape: {
            dim: sizes.map((size) =>
              typeof size === 'number'
                ? { value: { case: 'dimValue' as const, value: BigInt(size) } }
                : { value: { case: 'dimParam' as const, value: size } },
            ),
          },
        },
      },
    },
  });
  const model: MessageInitShape<typeof ModelProtoSchema> = {
    irVersion: 8n,
    opsetImport: [{ domain: '', version: 17n }],
    graph: {
      name: 'half',
      node: [{ opType: 'MatMul', input: ['x', 'w'], output: ['y'] }],
      initializer: [
        {
          name: 'w',
          dims: [2n, 1n],
          dataType: elemType,
          rawData: new Uint8Array(new Uint8Array(weights.buffer)),
        },
      ],
      input: [tensor('x', ['N', 2])],
      output: [tensor('y', ['N', 1])],
    },
  };
  writeFileSync(at(file), toBinary(ModelProtoSchema, create(ModelProtoSchema, model)));
}

describe('half precision', () => {
  it('is encoded and decoded as by the adapter, whatever the bits', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = numberOf(bits);
      expect(Object.is(value, fromFloat16(bits))).toBe(true);
      // Next to the number, and halfway to the one above it.
      for (const near of [value, value * (1 + 2 ** -12), value * (1 + 2 ** -11), value + 2 ** -25])
        if (bitsOf(near) !== toFloat16(near))
          throw new Error(`${near}: ${bitsOf(near)} ≠ ${toFloat16(near)}`);
    }
  });

  it('is predicted with, in and out', async () => {
    write('half.onnx', DType.FLOAT16, Uint16Array.of(0x4000, 0xb800));
    writeFileSync(at('rows.csv'), 'a,b\n1,4\n0.1,-3\n1000,2\n');
    const { predictions } = await json('predict half.onnx --data rows.csv');
    // 0.1 is 1638.4/16384; the nearest float16 is 1638/16384.
    const expected = [0, (2 * 1638) / 16384 + 1.5, 1999].map((value) => numberOf(bitsOf(value)));
    expect(predictions.predicted_y).toEqual(expected.map((value) => Number(value.toPrecision(8))));
  });

  it('half precision of the other kind is refused, with what to do', async () => {
    write('brain.onnx', DType.BFLOAT16, Uint16Array.of(0x4000, 0xbf00));
    expect(await refusal('predict brain.onnx --data rows.csv')).toMatch(
      /brain\.onnx|input "x" is of type bfloat16; predict feeds .*float16.*followed by a Cast/,
    );
  });
});
