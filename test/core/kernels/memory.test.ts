/** SIMD is used where it should be, and gives way to plain loops where it cannot be had. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { uniform } from '../../../bench/problems/random.js';
import { PAGE, unwatch, watch, type Watched } from './watch.ts';

let watched: Watched;

beforeEach(() => {
  watched = watch();
});
afterEach(unwatch);

const random = uniform(4);
const numbers = (n: number) => Float64Array.from({ length: n }, random);

describe('products of all pairs', () => {
  const load = () => import('../../../src/core/kernels/gram.ts');

  /** The products of vectors in a matrix, by definition; element i of vector v lies at v·vectorStride + i·stride. */
  function expected(values: Float64Array, [count, length, vectorStride, stride]: number[]) {
    const out = new Float64Array(count * count);
    for (let u = 0; u < count; u++) {
      for (let v = 0; v <= u; v++) {
        for (let i = 0; i < length; i++) {
          out[u * count + v] += values[u * vectorStride + i * stride] * values[v * vectorStride + i * stride];
        }
      }
    }
    return out;
  }
  const largest = (a: Float64Array, b: Float64Array) =>
    Math.max(...a.map((value, i) => Math.abs(value - b[i])));

  /** Computes the products, and returns their largest error. */
  async function errorOf(count: number, length: number, vectorStride = length, stride = 1): Promise<number> {
    const { gram, subtractGram } = await load();
    const values = numbers(count * Math.max(vectorStride, 1) + length * stride);
    const vectors = { values, count, length, vectorStride, stride };
    const wanted = expected(values, [count, length, vectorStride, stride]);
    const out = new Float64Array(count * count);
    gram(vectors, out);
    for (let u = 0; u < count; u++) out.fill(0, u * count + u + 1, (u + 1) * count);
    const less = new Float64Array(count * count);
    subtractGram(vectors, less, count);
    return Math.max(
      largest(out, wanted),
      largest(
        less.map((value) => -value),
        wanted,
      ),
    );
  }

  it.each([
    [15, 20, 0],
    // Panels of four vectors, parts of 256 elements; gram and subtractGram.
    [16, 20, 2 * 4],
    [17, 256, 2 * 5],
    [20, 257, 2 * 2 * 5],
    [33, 600, 2 * 3 * 9],
  ])(
    'products of all pairs of %i vectors of length %i take %i calls of the kernel',
    async (count, length, calls) => {
      expect(await errorOf(count, length)).toBeLessThan(1e-12 * length);
      expect(watched.calls['gram'] ?? 0).toBe(calls);
    },
  );

  it('products of all pairs of vectors that are neither rows nor columns are right, by SIMD and without', async () => {
    for (const count of [5, 18]) expect(await errorOf(count, 7, 3, 20)).toBeLessThan(1e-12);
  });

  it('share one memory, which grows to what is needed and no more', async () => {
    const pagesOf = () => watched.memories.map(({ memory }) => memory.buffer.byteLength / PAGE);
    await errorOf(16, 8);
    expect(pagesOf()).toEqual([1]);
    // Panels of 8 numbers by 4 vectors, and the products: 8·64·8 + 8·64² bytes fit into a page.
    await errorOf(64, 8);
    expect(pagesOf()).toEqual([1]);
    // 8·100·256 + 8·100² = 284,800 bytes.
    await errorOf(100, 300);
    expect(pagesOf()).toEqual([5]);
    await errorOf(50, 300);
    expect(pagesOf()).toEqual([5]);
    expect(watched.growth).toEqual([4]);
    expect(watched.modules).toBe(1);
  });

  it.each(['modules', 'memories', 'growth', 'instances'] as const)('are right without %s', async (what) => {
    watched.refuses = what;
    for (let k = 0; k < 2; k++) expect(await errorOf(100, 300)).toBeLessThan(1e-10);
    expect(watched.calls).toEqual({});
    // A module that cannot be compiled is not tried again.
    expect(watched.modules).toBe(1);
  });

  it('products of all pairs of more than 2 GB are not tried by SIMD', async () => {
    watched.refuses = 'growth';
    const { gram } = await load();
    // Vectors without elements have products, too, of which nobody keeps all.
    const vectors = (count: number) => ({ values: numbers(0), count, length: 0, vectorStride: 0, stride: 1 });
    gram(vectors(2 ** 14), new Float64Array(1));
    expect(watched.growth).toEqual([2 ** 15 - 1]);
    gram(vectors(2 ** 14 + 4), new Float64Array(1));
    expect(watched.growth.length).toBe(1);
  });

  it('that are not finite belong to their vectors, also without SIMD', async () => {
    const { plainGram } = await load();
    const out = new Float64Array(4);
    // Columns (0, 1) and (NaN, 2).
    plainGram(
      { values: Float64Array.of(0, NaN, 1, 2), count: 2, length: 2, vectorStride: 1, stride: 2 },
      out,
    );
    expect([out[0], out[2], out[3]]).toEqual([1, NaN, NaN]);
  });
});

describe('a Cholesky factorization', () => {
  /** A product of m rows takes m / 4 calls. Columns are factored in blocks of 32, then 64, then 256; a short rest joins the last. */
  it.each([
    [63, []],
    // [0, 32) → [32, 64)
    [64, [32]],
    [95, [63]],
    // [0, 32) → [32, 127), [32, 64) → [64, 127)
    [127, [95, 63]],
    // [0, 32) → [32, 64), [0, 64) → [64, 128), [64, 96) → [96, 128)
    [128, [96, 64, 32]],
  ])('a Cholesky factorization of %i columns takes products of blocks with %j rows', async (k, rows) => {
    const { factor } = await import('../../../src/core/kernels/cholesky.ts');
    const matrix = new Float64Array(k * k);
    for (let i = 0; i < k; i++) matrix[i * k + i] = 4;
    expect(factor(matrix, k, k)).toBe(true);
    for (let i = 0; i < k; i++) expect(matrix[i * k + i]).toBe(2);
    expect(watched.calls['gram'] ?? 0).toBe(rows.reduce((sum, m) => sum + Math.ceil(m / 4), 0));
  });
});

describe('kernels on a memory of their own', () => {
  const load = () => import('../../../src/core/kernels/compileKernels.ts');
  const bytes = async () => (await import('../../../src/core/kernels/symmetricBytes.ts')).symmetricBytes;

  it('have as many pages as their bytes need, and no room to grow', async () => {
    const { kernelsOnMemory } = await load();
    for (const [size, pages] of [
      [1, 1],
      [PAGE, 1],
      [PAGE + 1, 2],
    ]) {
      expect(kernelsOnMemory(await bytes(), size)?.buffer.byteLength).toBe(pages * PAGE);
      expect(watched.memories.at(-1)?.descriptor).toEqual({ initial: pages, maximum: pages });
    }
    expect(watched.modules).toBe(1);
  });

  it.each(['modules', 'memories', 'instances'] as const)('do not exist without %s', async (what) => {
    watched.refuses = what;
    const { kernelsOnMemory } = await load();
    expect(kernelsOnMemory(await bytes(), 8)).toBeNull();
    expect(watched.calls).toEqual({});
    // Without the module, no memory is asked for.
    expect(watched.memories.length).toBe(what === 'instances' ? 1 : 0);
  });

  it('are not asked for more than WebAssembly can address', async () => {
    watched.refuses = 'memories';
    const { kernelsOnMemory, compileKernels } = await load();
    const instances = vi.spyOn(WebAssembly, 'Memory');
    expect(kernelsOnMemory(await bytes(), 2 ** 32 - PAGE)).toBeNull();
    expect(instances).toHaveBeenCalledTimes(1);
    expect(kernelsOnMemory(await bytes(), 2 ** 32 - PAGE + 1)).toBeNull();
    expect(instances).toHaveBeenCalledTimes(1);
    expect(compileKernels('0061')).toBeNull();
    expect(compileKernels('')).toBeNull();
  });

  it('kernels of another module work on the same memory, or do not exist', async () => {
    const { kernelsIn } = await load();
    const memory = new WebAssembly.Memory({ initial: 1 });
    expect(Object.keys(kernelsIn(await bytes(), memory) ?? {})).toEqual(
      expect.arrayContaining(['update', 'multiply']),
    );
    expect(kernelsIn('00', memory)).toBeNull();
    watched.refuses = 'instances';
    expect(kernelsIn(await bytes(), memory)).toBeNull();
  });
});

describe('matrices beside long vectors', () => {
  it.each(['modules', 'memories', 'instances'] as const)('lie in plain arrays without %s', async (what) => {
    watched.refuses = what;
    const { newMatrices } = await import('../../../src/core/kernels/newMatrices.ts');
    const { matrices, vectors } = newMatrices('float32', 10, 1000, 2);
    expect(matrices.heap).toEqual(new Float32Array(10));
    expect(vectors).toEqual([new Float64Array(1000), new Float64Array(1000)]);
    expect(vectors[0].buffer).not.toBe(matrices.heap.buffer);
    expect(watched.calls).toEqual({});
  });
});

describe('a dense symmetric matrix', () => {
  const load = () => import('../../../src/core/kernels/symmetric.ts');

  it.each([
    [31, 0],
    [32, 3],
  ])(
    'a dense symmetric matrix of %i unknowns is updated and multiplied by %i calls of kernels',
    async (n, calls) => {
      const { diagonalMatrix, multiply, update } = await load();
      const matrix = diagonalMatrix(n, 2);
      const out = new Float64Array(n);
      multiply(matrix, numbers(n), out);
      update(matrix, 0.5, { factors: [1, 2, 3], u: numbers(n), v: numbers(n) });
      multiply(matrix, numbers(n), out);
      multiply(matrix, numbers(n), out);
      expect((watched.calls['multiply'] ?? 0) + (watched.calls['update'] ?? 0)).toBe(calls);
      expect(watched.calls['update'] ?? 0).toBe(calls / 3);
      expect(watched.memories.length).toBe(calls / 3);
    },
  );

  it('has a memory of its elements and sixteen numbers for each pair of rows', async () => {
    const { diagonalMatrix, multiply } = await load();
    const x = numbers(180);
    const out = new Float64Array(180);
    multiply(diagonalMatrix(180, 3), x, out);
    expect(out).toEqual(x.map((value) => 3 * value));
    // 8·(2·90·91 + 16·90) bytes
    expect(watched.memories.map(({ descriptor }) => descriptor.initial)).toEqual([3]);
  });

  it('writes two terms of a sum at a time to as many rows as 1 MB holds', async () => {
    const { diagonalMatrix, update } = await load();
    const n = 700;
    const matrix = diagonalMatrix(n, 1);
    const terms = Math.floor(n / 3);
    for (let k = 0; k <= terms; k++) update(matrix, 1, { factors: [1, 2, 3], u: numbers(n), v: numbers(n) });
    // Blocks of two rows: block b has 4(b + 1) elements.
    let [ranges, elements] = [1, 0];
    for (let block = 0; block < n / 2; block++) {
      elements += 4 * (block + 1);
      if (elements > 2 ** 17) [ranges, elements] = [ranges + 1, 4 * (block + 1)];
    }
    expect(ranges).toBe(2);
    expect(watched.calls['add']).toBe(ranges * Math.ceil(terms / 2));
  });

  it.each([
    ['modules', 40],
    ['memories', 40],
    ['instances', 40],
    ['modules', 512],
    ['memories', 513],
    ['instances', 514],
  ] as const)('is the same without %s, n = %i', async (what, n) => {
    const results = [];
    for (const refuses of ['nothing', what] as const) {
      watched.refuses = refuses;
      vi.resetModules();
      const { diagonalMatrix, multiply, update } = await load();
      const matrix = diagonalMatrix(n, 3);
      const x = Float64Array.from({ length: n }, (_, i) => i % 7);
      multiply(matrix, x, x);
      // More than n/3, after which it is a triangle.
      for (let k = 0; k < (n < 512 ? 3 : 173); k++) {
        const [u, v] = [1.3, 0.7].map((wave) => Float64Array.from(x, (_, i) => Math.sin(wave * i * (k + 1))));
        update(matrix, 0.9, { factors: [1e-3, -2e-3, 1e-3], u, v });
        if (k % 8 === 0) multiply(matrix, x, x);
      }
      expect(matrix.isSum).toBe(false);
      const out = new Float64Array(n);
      multiply(matrix, x, out);
      results.push([...x, ...out, ...matrix.triangle.data]);
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[0].every(Number.isFinite)).toBe(true);
  });
});
