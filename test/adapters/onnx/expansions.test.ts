import * as fc from 'fast-check';
import { InferenceSession } from 'onnxruntime-node';
import { differentiate } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { read } from '../../../src/adapters/onnx/passes/read.ts';
import { encodeModel } from '../../../src/adapters/onnx/ir/model.ts';
import { expansionCases } from './cases/expansions.ts';
import { regionCases } from './cases/regions.ts';
import { feedsOf, modelOf, quiet, type Input } from './harness.ts';

// ONNX Runtime's own kernels are the oracle.
test.each([...expansionCases, ...regionCases])(
  '%s expanded into simpler ops computes the same',
  async (_op, drawn) => {
    const property = fc.asyncProperty(drawn, async ({ inputs, build, options }) => {
      const bytes = modelOf(inputs, build, { ...options, precision: 'float32' });
      const { model, expanded } = read(bytes, {});
      expect([...expanded.values()]).toEqual([1]);
      const run = async (bytes: Uint8Array) => {
        const session = await InferenceSession.create(bytes, quiet);
        const { y } = await session.run(feedsOf(inputs, 'float32'));
        await session.release();
        return { dims: y.dims, values: Array.from({ length: y.data.length }, (_, i) => Number(y.data[i])) };
      };
      const [wanted, got] = [await run(bytes), await run(encodeModel(model))];
      expect(got.dims).toEqual(wanted.dims);
      const size = Math.max(1, ...wanted.values.map(Math.abs));
      const errors = wanted.values.map((value, i) => Math.abs(value - got.values[i]) / size);
      expect(Math.max(0, ...errors)).toBeLessThan(1e-5);
    });
    await expect(fc.assert(property, { numRuns: 25, seed: 3 })).resolves.toBeUndefined();
  },
);

test('an op without an expansion is refused with the reason, if a gradient must pass through it', () => {
  const sequence = (length: number): Input => ({ shape: [1, 2, length, 4], values: [] });
  const inputs = { q: sequence(3), k: sequence(3), v: sequence(3) };
  const attributes = { is_causal: 1, qk_matmul_output_mode: 2 };
  const scores = modelOf(inputs, (g, { q, k, v }) => g.ops('Attention', [q, k, v], attributes, 4)[3], {
    opset: 23,
  });
  expect(() => differentiate(scores, { loss: 'mse', wrt: ['q'] })).toThrow(
    'scores of keys that a mask hides have no rule',
  );
});
