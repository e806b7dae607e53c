import { describe, expect, test } from 'vitest';
import wabt from 'wabt';
import { narrowBytes, narrowText, rounded } from '../../../src/adapters/onnx/train/narrow.ts';

describe('rounding to float32', () => {
  test.each([0, 1, 7, 2047, 2048, 2049, 4096, 4097, 8192, 8193, 40_001])(
    'is that of Math.fround, of %i numbers',
    (n) => {
      const special = [
        NaN,
        -0,
        Infinity,
        -Infinity,
        1e300,
        -1e-300,
        1e-45,
        1.0000000596046448,
        2 ** 128,
        3.4028235e38,
      ];
      const x = Float64Array.from({ length: n }, (_, i) => special[i % 17] ?? 10 * Math.sin(i));
      const { into, round } = rounded(n);
      for (const each of [x.map(() => 7), x]) round(each);
      expect(into).toEqual(Float32Array.from(x));
    },
  );

  test('is done by the kernel whose text is told', async () => {
    const module = (await wabt()).parseWat('narrow.wat', narrowText, { simd: true });
    module.validate();
    expect(narrowBytes).toBe(Buffer.from(module.toBinary({}).buffer).toString('hex'));
    module.destroy();
  });
});
