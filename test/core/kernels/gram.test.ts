import fc from 'fast-check';
import { expect, it } from 'vitest';
import { gram, plainGram, subtractGram, type Vectors } from '../../../src/core/kernels/gram.ts';
import { uniform } from '../../../bench/problems/random.js';

const shapes = fc.record({
  count: fc.integer({ min: 1, max: 40 }),
  length: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 250, max: 530 })),
  byRows: fc.boolean(),
  weighted: fc.boolean(),
  seed: fc.integer(),
});

/** Products by definition. */
function products({ values, count, length, vectorStride, stride, weights, factors }: Vectors): number[][] {
  const element = (v: number, i: number) => values[v * vectorStride + i * stride] * (factors?.[v] ?? 1);
  return Array.from({ length: count }, (_, u) =>
    Array.from({ length: u + 1 }, (_, v) => {
      let sum = 0;
      for (let i = 0; i < length; i++) sum += (weights?.[i] ?? 1) * element(u, i) * element(v, i);
      return sum;
    }),
  );
}

it('products of all pairs of rows or columns are right, by SIMD and in plain loops', () => {
  fc.assert(
    fc.property(shapes, ({ count, length, byRows, weighted, seed }) => {
      const random = uniform(seed);
      const fill = (n: number) => Float64Array.from({ length: n }, random);
      const vectors = {
        values: fill(count * length),
        count,
        length,
        ...(byRows ? { vectorStride: length, stride: 1 } : { vectorStride: 1, stride: count }),
        ...(weighted && { weights: fill(length), factors: fill(count) }),
      };
      const expected = products(vectors);
      for (const compute of [gram, plainGram]) {
        const out = new Float64Array(count * count).fill(9);
        compute(vectors, out);
        expected.forEach((row, u) =>
          row.forEach((value, v) =>
            expect(Math.abs(out[u * count + v] - value)).toBeLessThan(1e-13 * (length + 1)),
          ),
        );
      }
    }),
    { numRuns: 60 },
  );
});

it('plain loops compute no product beyond the lower triangle, or beyond the columns asked for', () => {
  const [count, length, columns] = [5, 3, 4];
  const values = Float64Array.from({ length: count * length }, (_, i) => i + 1);
  for (const strides of [
    { vectorStride: length, stride: 1 },
    { vectorStride: 1, stride: count },
  ]) {
    const vectors = { values, count, length, ...strides };
    const expected = products(vectors);
    const out = new Float64Array(count * count).fill(9);
    plainGram(vectors, out, columns);
    out.forEach((value, at) => {
      const [u, v] = [Math.floor(at / count), at % count];
      expect(value).toBe(v <= u && v < columns ? expected[u][v] : 0);
    });
  }
});

it('a value that is not finite stays in the products that it belongs to', () => {
  const values = new Float64Array(20 * 3).fill(1);
  values[0] = NaN;
  const out = new Float64Array(400);
  gram({ values, count: 20, length: 3, vectorStride: 3, stride: 1 }, out);
  expect(out[0]).toBeNaN();
  expect(out[20]).toBeNaN();
  for (const count of [20, 18]) {
    gram({ values: values.fill(2), count, length: 3, vectorStride: 3, stride: 1 }, out);
    expect(out[count * count - 1]).toBe(12);
    gram({ values: values.fill(NaN), count: 20, length: 3, vectorStride: 3, stride: 1 }, out);
  }
});

it('products are subtracted from the first columns of the lower triangle of a part of a matrix, and nothing else of it changes', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 70 }),
      fc.integer(),
      fc.integer({ min: 1, max: 40 }),
      (count, length, seed, some) => {
        const columns = Math.min(some, count);
        const random = uniform(seed);
        const values = Float64Array.from({ length: count * length }, random);
        const vectors = { values, count, length, vectorStride: length, stride: 1 };
        const expected = products(vectors);
        const stride = count + 3;
        const matrix = Float64Array.from({ length: count * stride }, random);
        const out = matrix.slice();
        subtractGram(vectors, out, stride, columns);
        out.forEach((value, at) => {
          const [u, v] = [Math.floor(at / stride), at % stride];
          expect(value).toBeCloseTo(matrix[at] - (v <= u && v < columns ? expected[u][v] : 0), 10);
        });
      },
    ),
    { numRuns: 30 },
  );
});
