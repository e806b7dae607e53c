import * as fc from 'fast-check';
import { InferenceSession } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { useFloat64Kernels } from '../../../src/adapters/onnx/passes/lower.ts';
import { decodeModel, encodeModel } from '../../../src/adapters/onnx/ir/model.ts';
import type { Case } from './cases/arbitrary.ts';
import { elementwiseCases } from './cases/elementwise.ts';
import { layerCases } from './cases/layers.ts';
import { keptCases } from './cases/regions.ts';
import { feedsOf, modelOf, quiet, type Build } from './harness.ts';

const silu: Build = (g, { x }) => g.mul(x, g.sigmoid(x));
const gelu: Build = (g, { x }) => g.mul(0.5, x, g.add(g.op('Erf', [g.div(x, Math.SQRT2)]), 1));
const fused = fc.constantFrom(silu, gelu).map((build): Case => ({
  inputs: { x: { shape: [5], values: [-3, -1, 0, 0.5, 2] } },
  build,
}));

const cases = new Map([
  ...elementwiseCases,
  ...layerCases,
  ...keptCases,
  ['patterns that ONNX Runtime fuses', fused] as const,
]);
const exempt = new Set(['Cast', 'CastLike', 'BatchNormalization']);

// The float32 kernels are the oracle, and all of ONNX Runtime's optimizations are on.
test.each([...cases].filter(([op]) => !exempt.has(op)))(
  '%s in float64 agrees with float32',
  async (_op, drawn) => {
    const property = fc.asyncProperty(drawn, async ({ inputs, build, options }) => {
      const single = modelOf(inputs, build, { ...options, precision: 'float32' });
      const model = decodeModel(modelOf(inputs, build, { ...options, precision: 'float64' }));
      useFloat64Kernels(model.graph);
      const run = async (bytes: Uint8Array, precision: 'float32' | 'float64', level: 'all' | 'disabled') => {
        const session = await InferenceSession.create(bytes, { ...quiet, graphOptimizationLevel: level });
        const { y } = await session.run(feedsOf(inputs, precision));
        await session.release();
        return { dims: y.dims, values: Array.from({ length: y.data.length }, (_, i) => Number(y.data[i])) };
      };
      const wanted = await run(single, 'float32', 'disabled');
      const got = await run(encodeModel(model), 'float64', 'all');
      expect(got.dims).toEqual(wanted.dims);
      const size = Math.max(1, ...wanted.values.map(Math.abs));
      const errors = wanted.values.map((value, i) => Math.abs(value - got.values[i]) / size);
      expect(Math.max(0, ...errors)).toBeLessThan(2e-5);
    });
    await expect(fc.assert(property, { numRuns: 5, seed: 1 })).resolves.toBeUndefined();
  },
);
