import fc from 'fast-check';
import { expect, it } from 'vitest';
import { crc32 } from '../../src/core/crc32.ts';

it('has the check value of its standard', () => {
  expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array(0))).toBe(0);
});

it('is the remainder of a division of polynomials over GF(2)', () => {
  /** Bits are divided by x³² + 0x04C11DB7; bytes with their lowest bit first, the first 32 bits and the result inverted. */
  function remainder(bytes: Uint8Array): number {
    const bits = Array.from(bytes, (byte) => Array.from({ length: 8 }, (_, i) => (byte >> i) & 1)).flat();
    const dividend = [...bits, ...new Uint8Array(32)];
    for (let i = 0; i < 32; i++) dividend[i] ^= 1;
    const divisor = Array.from((0x104c11db7).toString(2), Number);
    for (let i = 0; i < bits.length; i++) {
      if (dividend[i] === 1) divisor.forEach((bit, k) => (dividend[i + k] ^= bit));
    }
    const rest = dividend.slice(-32).toReversed();
    return parseInt(rest.map((bit) => 1 - bit).join(''), 2);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      expect(crc32(bytes)).toBe(remainder(bytes));
    }),
  );
});
