import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { adam, lbfgs, sequence } from 'quasi-newton';
import {
  BFGSOptimizer,
  ConjugateGradientOptimizer,
  GradientDescentOptimizer,
  LBFGSOptimizer,
  register,
  SLBFGSOptimizer,
  SOAPOptimizer,
  SSBFGSOptimizer,
  SSBroydenOptimizer,
  SolverOptimizer,
} from 'quasi-newton/tfjs';
import { pack, unpack } from '../../../src/core/pack.ts';
import { backends, expectNoLeak, sineData, sineModel, useBackend, variable, weightsOf } from './harness.ts';

const classes = {
  BFGSOptimizer,
  ConjugateGradientOptimizer,
  GradientDescentOptimizer,
  LBFGSOptimizer,
  SLBFGSOptimizer,
  SOAPOptimizer,
  SSBFGSOptimizer,
  SSBroydenOptimizer,
  SolverOptimizer,
};

/** Saves to memory, as `model.save` does, and returns what was saved. */
async function saved(model: tf.LayersModel): Promise<tf.io.ModelArtifacts> {
  let artifacts: tf.io.ModelArtifacts;
  const handler = tf.io.withSaveHandler(async (given) => {
    // What reaches a file is JSON.
    artifacts = { ...(JSON.parse(JSON.stringify(given)) as object), weightData: given.weightData! };
    return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
  });
  await model.save(handler, { includeOptimizer: true });
  return artifacts!;
}

const loaded = (artifacts: tf.io.ModelArtifacts) => tf.loadLayersModel(tf.io.fromMemory(artifacts));

beforeAll(() =>
  register(tf, { solvers: { adamThenLbfgs: () => sequence({ solver: adam(), iterations: 8 }, lbfgs()) } }),
);

describe.each(backends)('on %s, a saved and loaded model goes on bit for bit', (backend) => {
  beforeEach(() => useBackend(backend));

  it.each([
    ['LBFGSOptimizer', { memory: 3, fullBatch: true }, 100],
    ['LBFGSOptimizer', { maxIterations: 3, lineSearch: 'hagerZhang' }, 25],
    ['BFGSOptimizer', { fullBatch: true }, 100],
    ['SSBFGSOptimizer', {}, 100],
    ['SSBroydenOptimizer', {}, 100],
    ['SLBFGSOptimizer', { memory: 4, lambda: 1e-3 }, 50],
    ['ConjugateGradientOptimizer', { beta: 'polakRibiere' }, 100],
    ['SOAPOptimizer', { learningRate: 0.02, frequency: 3 }, 25],
    ['SOAPOptimizer', { weightDecay: 1e-3, oneSided: true }, 100],
    ['SOAPOptimizer', { learningRate: 0.02, scheduleFree: true, joinBias: true }, 25],
    ['GradientDescentOptimizer', { lineSearch: 'backtracking' }, 100],
    ['SolverOptimizer', 'adamThenLbfgs', 100],
  ] as const)('with %s %o in batches of %i', (name, options, batchSize) =>
    expectNoLeak(async () => {
      const { x, y } = sineData();
      const args = { batchSize, epochs: 6, shuffle: false, verbose: 0 };
      const make = classes[name] as new (options: unknown) => SolverOptimizer;
      const optimizer = new make(options);
      const model = sineModel(2);
      model.compile({ optimizer, loss: 'meanSquaredError' });
      await model.fit(x, y, args);
      const artifacts = await saved(model);
      await model.fit(x, y, args);

      const again = await loaded(artifacts);
      const twin = again.optimizer as SolverOptimizer;
      expect(twin).toBeInstanceOf(classes[name]);
      expect(twin.getConfig()).toEqual(optimizer.getConfig());
      await again.fit(x, y, args);
      expect(weightsOf(again)).toEqual(weightsOf(model));
      expect(twin.progress).toEqual(optimizer.progress);
      expect(twin.iterations).toBe(optimizer.iterations);
      twin.dispose();
      optimizer.dispose();
      model.dispose();
      again.dispose();
      tf.dispose([x, y]);
    }),
  );
});

describe('in a fresh process', () => {
  const script = fileURLToPath(new URL('resume.js', import.meta.url));
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const run = (...args: string[]) => promisify(execFile)('node', [script, ...args], { cwd: root });

  it.each(['LBFGSOptimizer', 'BFGSOptimizer', 'SLBFGSOptimizer', 'ConjugateGradientOptimizer'])(
    '%s continues as if it had never stopped',
    async (name) => {
      const folder = mkdtempSync(join(tmpdir(), 'resume-'));
      const file = (part: string) => join(folder, part);
      try {
        await Promise.all([run(name, '8', '-', file('whole')), run(name, '4', '-', file('half'))]);
        await run(name, '4', file('half'), file('continued'));
        const [whole, continued] = ['whole', 'continued'].map(
          (part) => JSON.parse(readFileSync(file(part), 'utf8')) as tf.io.ModelArtifacts,
        );
        // The weights of the model, and the state of its optimizer, after 2k steps.
        expect(continued.weightSpecs!.length).toBe(12);
        expect(continued.weightData).toEqual(whole.weightData);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});

describe('setWeights refuses', () => {
  beforeEach(() => useBackend('cpu'));

  it("another optimizer's state, naming both", () =>
    expectNoLeak(async () => {
      const [bfgs, lbfgs] = [new BFGSOptimizer(), new LBFGSOptimizer()];
      const weights = await bfgs.getWeights();
      await expect(lbfgs.setWeights(weights)).rejects.toThrow(
        /LBFGSOptimizer.*got "BFGSOptimizer\/structure"/,
      );
      await expect(lbfgs.setWeights([])).rejects.toThrow(/got nothing/);
      bfgs.dispose();
    }));

  it('another version of the format', () =>
    expectNoLeak(async () => {
      const optimizer = new BFGSOptimizer();
      const weights = await optimizer.getWeights();
      const { structure, numbers } = pack({
        version: 7,
        className: 'BFGSOptimizer',
        iterations: 0,
        run: null,
      });
      const future = [
        { name: weights[0].name, tensor: tf.tensor1d([structure], 'string') },
        { name: weights[1].name, tensor: tf.tensor2d(new Int32Array(numbers.buffer), [2, 2], 'int32') },
      ];
      await expect(optimizer.setWeights(future)).rejects.toThrow(
        /format 7, this version reads formats 1 and 2/,
      );
      tf.dispose(future.map(({ tensor }) => tensor));
      optimizer.dispose();
    }));

  it('a state of other shapes, once the variables are known', () =>
    expectNoLeak(async () => {
      const [w, v] = [variable(tf.ones([2])), variable(tf.ones([3]))];
      const [first, second] = [new LBFGSOptimizer(), new LBFGSOptimizer()];
      first.minimize(() => w.square().sum(), false, [w]);
      await second.setWeights(await first.getWeights());
      const step = () => second.minimize(() => v.square().sum(), false, [v]);
      expect(step).toThrow(/shapes \[2\]; these have \[3\]/);
      first.dispose();
      second.dispose();
      expect(step).not.toThrow();
      tf.dispose([w, v]);
    }));
});

describe('getWeights', () => {
  it('keeps one state alive, until the next or dispose', () =>
    expectNoLeak(async () => {
      const optimizer = new LBFGSOptimizer();
      const before = tf.memory().numTensors;
      for (let i = 0; i < 3; i++) await optimizer.getWeights();
      expect(tf.memory().numTensors - before).toBe(2);
      optimizer.dispose();
    }));

  it('getWeights before the first step is a state too', () =>
    expectNoLeak(async () => {
      const [first, second] = [new LBFGSOptimizer(), new LBFGSOptimizer()];
      await second.setWeights(await first.getWeights());
      expect(second.iterations).toBe(0);
      first.dispose();
    }));
});

describe('a loss that a loaded model is compiled with', () => {
  it('is unknown without register', async () => {
    // A class of the same name that nobody has registered.
    class Unregistered extends LBFGSOptimizer {
      static override get className() {
        return 'Unregistered';
      }
    }
    await useBackend('cpu');
    const model = sineModel();
    model.compile({ optimizer: new Unregistered(), loss: 'meanSquaredError' });
    await expect(loaded(await saved(model))).rejects.toThrow(/Unregistered/);
    model.dispose();
  });
});

describe('pack', () => {
  it('gives plain data back bit for bit', () => {
    const data = {
      x: Float64Array.of(1, -0, NaN, Infinity, 1e-310),
      memory: { s: [Float64Array.of(1), new Float64Array(0)], gamma: -0, name: 'a', none: null, on: true },
    };
    const again = unpack(pack(data));
    expect(again).toEqual(data);
    const { x } = again as { x: Float64Array };
    expect(Object.is(x[1], -0)).toBe(true);
    expect(unpack(pack({}))).toEqual({});
  });

  it('names what is not plain data', () => {
    expect(() => pack({ a: [1, new Map()] })).toThrow(/data\.a\[1\] is a Map/);
    expect(() => unpack({ structure: '[0,0]', numbers: Float64Array.of(1) })).toThrow(
      /needs 2 numbers, got 1/,
    );
  });
});
