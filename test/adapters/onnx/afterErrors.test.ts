import { adam, checkGradientAsync, lbfgs, levenbergMarquardt, minimizeAsync, newtonCG } from 'quasi-newton';
import { graph, miniBatches, OnnxError, trainable, type OnnxModel } from 'quasi-newton/onnx';
import { landscapeAsync, topEigenpairsAsync } from 'quasi-newton/landscape';
import { describe, expect, test } from 'vitest';
import { faultyRuntime } from '../faultyRuntime.ts';

/** A network with a batch normalization in training mode, if wanted. */
function network(normalized: boolean): Uint8Array {
  const g = graph({ seed: 1 });
  const h = g.dense(g.input('x', ['N', 2]), 5, { name: 'first' });
  g.output('y', g.dense(g.tanh(normalized ? g.batchNorm(h, { name: 'norm' }) : h), 1, { name: 'last' }));
  return g.toBytes();
}

const data = () => {
  const x = Float32Array.from({ length: 40 }, (_, i) => Math.sin(3 * i) + (i % 3) / 4);
  return { x: { data: x, dims: [20, 2] }, target: { data: Float32Array.from({ length: 20 }, (_, i) => x[2 * i] * x[2 * i + 1]), dims: [20, 1] } }; // prettier-ignore
};

const opened = async (normalized: boolean) => {
  const faulty = faultyRuntime();
  const model = await trainable(faulty.runtime, network(normalized), { loss: 'mse', hessianVector: true });
  return { ...faulty, model };
};

const valuesOf = ({ params }: OnnxModel) => Array.from(params.copyInto(params.zeros()));
const batches = () => {
  let seed = 1;
  return miniBatches(data(), {
    batchSize: 5,
    random: () => (seed = (seed * 16807) % 2147483647) / 2147483647,
  });
};

describe('after a failure of ONNX Runtime', () => {
  test.each([
    ['lbfgs', () => lbfgs(), 'problem'],
    ['newtonCG', () => newtonCG(), 'problem'],
    ['levenbergMarquardt', () => levenbergMarquardt(), 'leastSquares'],
    ['adam on mini-batches', () => adam({ learningRate: 0.05 }), 'batches'],
    ['lbfgs with batch normalization', () => lbfgs(), 'normalized'],
  ] as const)('%s leaves the point accepted, and goes on', async (_, make, kind) => {
    for (let at = 1; at <= 22; at += 3) {
      const failure = new Error(`run ${at}`);
      const { model, counts, failRun } = await opened(kind === 'normalized');
      const problem =
        kind === 'leastSquares'
          ? model.leastSquares(data())
          : model.problem(kind === 'batches' ? batches() : data());
      const seen = { x: valuesOf(model), f: Infinity };
      failRun(at, failure);
      const outcome = await minimizeAsync(problem, make(), {
        maxIterations: 100,
        callback({ x, f }) {
          if (kind === 'batches' || f < seen.f) Object.assign(seen, { x: Array.from(x), f });
        },
      }).catch((error: unknown) => error);
      expect(outcome).toBeInstanceOf(OnnxError);
      expect((outcome as OnnxError).cause).toBe(failure);
      expect(valuesOf(model), `run ${at}`).toEqual(Array.from(seen.x, Math.fround));
      const left = model.toBytes();
      // Writes the statistics of the data at the weights.
      await minimizeAsync(model.problem(data()), lbfgs(), { maxIterations: 0 });
      const isSettled = at === 1 || kind === 'batches' || Buffer.compare(left, model.toBytes()) === 0;
      expect(isSettled, `run ${at}`).toBe(true);
      const { f } = await minimizeAsync(problem, make(), { maxIterations: 2 });
      expect(f).toBeLessThanOrEqual(kind === 'batches' ? Infinity : seen.f);
      await model.dispose();
      expect(counts.open).toBe(0);
    }
  });

  test('recipes and checks leave parameters and running statistics as they were', async () => {
    for (const at of [1, 2, Infinity]) {
      for (const recipe of [
        (model: OnnxModel) => landscapeAsync(model.problem(data()), { npoints: 3 }),
        (model: OnnxModel) => topEigenpairsAsync(model.problem(data())),
        (model: OnnxModel) => checkGradientAsync(model.problem(data()), { maxElements: 3 }),
      ]) {
        const failure = new Error(`run ${at}`);
        const { model, counts, failRun } = await opened(true);
        const before = model.toBytes();
        failRun(at, failure);
        const outcome = await recipe(model).catch((error: unknown) => error);
        expect(outcome instanceof OnnxError).toBe(at !== Infinity);
        expect(Buffer.compare(model.toBytes(), before)).toBe(0);
        await model.dispose();
        expect(counts.open).toBe(0);
      }
    }
  });

  test('to open a session leaves none open', async () => {
    const { runtime, counts, failCreate } = faultyRuntime();
    failCreate(1, new Error('no memory'));
    const failing = () => trainable(runtime, network(false), { loss: 'mse', sessionOptions: { graphOptimizationLevel: 'disabled' } }); // prettier-ignore
    await expect(failing()).rejects.toThrow('no memory');
    expect(counts.open).toBe(0);
  });
});
