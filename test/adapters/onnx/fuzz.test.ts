import { InferenceSession } from 'onnxruntime-node';
import { differentiate, gradientNameOf } from 'quasi-newton/onnx';
import { expect, test } from 'vitest';
import { Builder } from '../../../src/adapters/onnx/ir/builder.ts';
import { opKnowledge } from '../../../src/adapters/onnx/ops/infer.ts';
import { valueInfo } from '../../../src/adapters/onnx/ir/graph.ts';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
import { decodeModel, encodeModel } from '../../../src/adapters/onnx/ir/model.ts';
import { direction, feedsOf, modelOf, quiet, type Input } from './harness.ts';
import { randomGraph } from './randomGraph.ts';

const count = Number(process.env['ONNX_FUZZ_GRAPHS'] ?? 2000);
const firstSeed = Number(process.env['ONNX_FUZZ_SEED'] ?? 1);
const seeds = Array.from({ length: count }, (_, i) => firstSeed + i);

async function checkGraph(seed: number): Promise<void> {
  const { inputs, build } = randomGraph(seed);
  const names = Object.keys(inputs);
  const bytes = modelOf(inputs, build, { dynamic: seed % 8 === 0 });
  const session = await InferenceSession.create(
    differentiate(bytes, { loss: { output: 'y' }, wrt: names }),
    quiet,
  );
  const along = new Map(names.map((name, k) => [name, direction(inputs[name].values.length, seed + k)]));
  const lossAt = async (h: number) => {
    const moved = names.map((name): [string, Input] => {
      const step = along.get(name) ?? [];
      return [name, { ...inputs[name], values: inputs[name].values.map((x, i) => x + h * step[i]) }];
    });
    const { loss } = await session.run(feedsOf(Object.fromEntries(moved), 'float64'), ['loss']);
    return Number(loss.data[0]);
  };
  const gradients = await session.run(feedsOf(inputs, 'float64'));
  const terms = names.flatMap((name) => {
    const { data } = gradients[gradientNameOf(name)];
    return (along.get(name) ?? []).map((v, i) => v * Number(data[i]));
  });
  const exact = terms.reduce((a, b) => a + b, 0);
  const scale = Math.max(1, ...terms.map(Math.abs));
  const errorWith = async (h: number) =>
    Math.abs(((await lossAt(h)) - (await lossAt(-h))) / (2 * h) - exact) / scale;
  // A kink within one step is passed over by a smaller one.
  const error = Math.min(await errorWith(1e-5), await errorWith(1e-6));
  expect(error, `graph of seed ${seed}`).toBeLessThan(1e-6);
  await session.release();
}

test(
  `the gradients of ${count} random graphs are those of central differences`,
  { timeout: 600_000 },
  async () => {
    expect(count).toBeGreaterThan(0);
    for (const seed of seeds) await checkGraph(seed);
  },
);

test('inferred shapes are those ONNX Runtime computes', async () => {
  for (const seed of seeds.slice(0, Math.ceil(count / 10))) {
    const { inputs, build } = randomGraph(seed);
    const dynamic = seed % 2 === 0;
    const model = decodeModel(modelOf(inputs, build, { dynamic, precision: 'float32' }));
    const g = new Builder(model.graph, opKnowledge);
    const values = g.proto.node.map(({ output }) => output[0]);
    g.proto.output = values.map((value) => valueInfo(value, g.dtypeOf(value) ?? DType.FLOAT, undefined));
    const session = await InferenceSession.create(encodeModel(model), quiet);
    const results = await session.run(feedsOf(inputs, 'float32'));
    await session.release();
    const sizes = new Map<string, number>();
    for (const [name, { shape }] of Object.entries(inputs))
      shape.forEach((size, i) => sizes.set(`${name}_${i}`, size));
    for (const value of values) {
      const inferred = g.shapeOf(value);
      const { dims } = results[value];
      if (inferred === undefined) continue;
      const known = inferred.map((size, i) => {
        if (typeof size === 'number') return size;
        if (!sizes.has(size)) sizes.set(size, dims[i]);
        return sizes.get(size);
      });
      expect(known, `shape of ${value}, seed ${seed}`).toEqual(dims);
    }
  }
});
