import * as fc from 'fast-check';
import { InferenceSession } from 'onnxruntime-node';
import { differentiate, OnnxError } from 'quasi-newton/onnx';
import { describe, expect, it } from 'vitest';
import { decodeModel, encodeModel } from '../../../src/adapters/onnx/ir/model.ts';
import { finish, vmap } from '../../../src/adapters/onnx/vmap/vmap.ts';
import { elementwiseCases } from './cases/elementwise.ts';
import { layerCases } from './cases/layers.ts';
import { shapeCases } from './cases/shapes.ts';
import type { Case } from './cases/arbitrary.ts';
import { feedsOf, modelOf, quiet, weighted, type Input } from './harness.ts';

const copies = 3;
const numRuns = Number(process.env['ONNX_VMAP_RUNS'] ?? 8);

/** Copies of the data that differ where gradients flow. */
const copyOf = (input: Input, k: number): Input =>
  input.integral
    ? input
    : { ...input, values: input.values.map((v, i) => v * (1 + 0.001 * k * (1 + (i % 3)))) };

/** Runs the gradient of each copy, then all in one run; tells if the latter can be done. */
async function compare({ inputs, build, options, opset }: Case, some: boolean): Promise<boolean> {
  const model = modelOf(inputs, build, {
    ...options,
    ...(opset && { opset }),
    precision: 'float64',
    dynamic: false,
  });
  const wrt = Object.keys(inputs).filter((name) => !inputs[name].integral);
  const bytes = differentiate(model, { loss: weighted, wrt, precision: 'float64' });
  // The last input may be the same in all copies.
  const names = Object.keys(inputs).filter((_, i) => i === 0 || !some);
  const one = decodeModel(bytes);
  const graphInputs = new Map(names.map((name) => [name, [copies, ...inputs[name].shape]]));
  let whole: Uint8Array;
  try {
    const mapped = vmap(one, graphInputs, copies);
    whole = encodeModel(finish(one, mapped, mapped.outputs));
  } catch (error) {
    if (error instanceof OnnxError) return false;
    throw error;
  }
  const at = (k: number) =>
    Object.fromEntries(
      Object.entries(inputs).map(([name, input]) => [name, names.includes(name) ? copyOf(input, k) : input]),
    );
  const session = await InferenceSession.create(bytes, quiet);
  const stacked = Object.fromEntries(
    Object.entries(inputs).map(([name, input]): [string, Input] => {
      if (!names.includes(name)) return [name, input];
      const values = Array.from({ length: copies }, (_, k) => copyOf(input, k).values).flat();
      return [name, { ...input, shape: [copies, ...input.shape], values }];
    }),
  );
  const mappedSession = await InferenceSession.create(whole, quiet);
  const all = await mappedSession.run(feedsOf(stacked, 'float64'));
  for (let k = 0; k < copies; k++) {
    const single = await session.run(feedsOf(at(k), 'float64'));
    for (const [name, { data, dims }] of Object.entries(single)) {
      expect(all[name].dims).toEqual([copies, ...dims]);
      const size = data.length;
      const part = (all[name].data as Float64Array).subarray(k * size, (k + 1) * size);
      for (let i = 0; i < size; i++) {
        const value = (data as Float64Array)[i];
        expect(Math.abs(part[i] - value)).toBeLessThanOrEqual(1e-9 * (1 + Math.abs(value)));
      }
    }
  }
  await session.release();
  await mappedSession.release();
  return true;
}

/** Loops and recurrences, and what draws random numbers. */
const without = new Set(
  [...elementwiseCases, ...shapeCases, ...layerCases]
    .map(([op]) => op)
    .filter((op) => /^(Dropout|If|Loop|Scan|ReverseSequence|(RNN|GRU|LSTM).*)$/.test(op)),
);

describe.each([...elementwiseCases, ...shapeCases, ...layerCases])('%s', (op, drawn: fc.Arbitrary<Case>) => {
  it('and its gradient are the same for many copies at once as for each', async () => {
    let done = 0;
    const property = fc.asyncProperty(drawn, fc.boolean(), async (each, some) => {
      if (await compare(each, some)) done++;
    });
    await fc.assert(property, { numRuns, seed: 7 });
    expect(done > 0).toBe(!without.has(op));
  });
});
