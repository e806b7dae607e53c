import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { adam, lbfgs, minimize, minimizeAsync, vectorParams, type Problem } from 'quasi-newton';
import {
  contourf,
  landscape,
  liveLandscape,
  liveLandscapeAsync,
  surface,
  type LiveOptions,
  type Plot,
} from 'quasi-newton/landscape';
import { trainable } from 'quasi-newton/onnx';
import { modelProblem } from 'quasi-newton/tfjs';
import { mlp } from '../../examples/lib/mlp.js';
import { livePath, planeOfPath } from '../../src/recipes/live/livePath.ts';
import { denseNetwork } from './lib/denseNetwork.ts';

const network = denseNetwork({ sizes: [2, 8, 1], activation: 'tanh', samples: 30, seed: 3, float32: false });
const quick = { interval: 0, share: 0.99, npoints: 9 } as const;

describe('the path of a live landscape', () => {
  it('keeps its first and newest point, and evenly taken ones between them', () => {
    const path = livePath(2);
    for (let t = 0; t < 5000; t++) path.add(Float64Array.of(t, -t), t);
    const kept = path.losses();
    expect(kept.length).toBeLessThanOrEqual(300);
    expect(kept.length).toBeGreaterThan(100);
    expect([kept[0], kept.at(-1)]).toEqual([0, 4999]);
    const steps = kept.slice(1, -1).map((t, k) => t - kept[k]);
    expect(new Set(steps).size).toBe(1);
    expect(path.points().map(([x]) => x)).toEqual(kept);
  });

  it('has a plane once it has two directions', () => {
    const at = (t: number, bend: number) => Float64Array.of(t, bend * t * t, 1);
    expect(planeOfPath([at(0, 1), at(1, 1)])).toBeNull();
    expect(planeOfPath([0, 1, 2, 3].map((t) => at(t, 0)))).toBeNull();
    const plane = planeOfPath([0, 1, 2, 3].map((t) => at(t, 1e-3)));
    expect(plane?.center).toEqual(at(3, 1e-3));
    const [low, high] = plane?.yrange ?? [0, 0];
    const [left, right] = plane?.xrange ?? [0, 0];
    expect(high - low).toBeGreaterThanOrEqual((right - left) / 3 - 1e-12);
  });
});

describe('a live landscape of minimize', () => {
  it('draws while it trains, and changes nothing about the training', async () => {
    const memory = Float64Array.from(network.problem.p0);
    const watched: Problem = {
      ...network.problem,
      params: vectorParams(memory),
      fg: (x, gradient) => (memory.set(x), network.problem.fg(x, gradient)),
    };
    const pictures: string[] = [];
    const live = liveLandscape(watched, { to: (svg) => pictures.push(svg), ...quick });
    const options = { maxIterations: 60 };
    const held: boolean[] = [];
    const seen = minimize(watched, lbfgs(), {
      ...options,
      callback(progress) {
        const before = Float64Array.from(memory);
        live.callback(progress);
        held.push(before.every((value, i) => Object.is(value, memory[i])));
      },
    });
    expect(held.every(Boolean)).toBe(true);
    const unseen = minimize(network.problem, lbfgs(), options);
    expect(seen.x).toEqual(unseen.x);
    expect(live.updates).toBeGreaterThan(5);
    const plot = await live.finish();
    expect(pictures).toHaveLength(live.updates);
    expect(pictures.at(-1)).toBe(plot?.toSVG());
    expect(new Set(pictures).size).toBeGreaterThan(5);
    expect(pictures.every((svg) => svg.startsWith('<svg') && !/NaN|undefined/.test(svg))).toBe(true);
    expect(memory).toEqual(unseen.x);
    // Nothing new, nothing drawn.
    await live.finish();
    expect(pictures).toHaveLength(live.updates);
  });

  it('ends with the surface around the whole path, whose last point is the minimum', async () => {
    const shown: Plot[] = [];
    const draw: LiveOptions['draw'] = (data, attributes) =>
      contourf(data, { ...attributes, zscale: 'linear' });
    const live = liveLandscape(network.problem, { to: (_, plot) => shown.push(plot), ...quick, draw });
    const { x, f, iterations } = minimize(network.problem, lbfgs(), {
      maxIterations: 40,
      callback: live.callback,
    });
    const [main, path] = (await live.finish())?.toPlotly().data ?? [];
    expect(path['x']).toHaveLength(iterations + 1);
    const losses = (path['customdata'] as [number, number][]).map(([loss]) => loss);
    expect(losses.at(-1)).toBe(f);
    expect([(path['x'] as number[]).at(-1), (path['y'] as number[]).at(-1)]).toEqual([0, 0]);
    // The center of the surface is the loss there.
    const [columns, rows] = [main['x'] as number[], main['y'] as number[]];
    const raw = main['customdata'] as number[][];
    expect(raw[rows.indexOf(0)][columns.indexOf(0)]).toBe(network.problem.fg(x, null));
  });

  it('takes no more than its share of the time', () => {
    // A clock of its own, which only evaluations move: 2 ms each.
    let clock = 0;
    const watch = vi.spyOn(performance, 'now').mockImplementation(() => clock);
    try {
      const slow: Problem = {
        ...network.problem,
        fg: (x, gradient) => ((clock += 2), network.problem.fg(x, gradient)),
      };
      const live = liveLandscape(slow, { to: () => {}, share: 0.3, interval: 0 });
      let spent = 0;
      const { evaluations } = minimize(slow, adam({ learningRate: 0.01 }), {
        maxIterations: 1000,
        gtol: 0,
        callback(progress) {
          const from = clock;
          live.callback(progress);
          spent += clock - from;
        },
      });
      expect(evaluations.f).toBeGreaterThan(900);
      // A slice may go beyond its share, by its own length.
      expect(spent).toBeLessThan(0.3 * clock + 20);
      expect(spent).toBeGreaterThan(0.25 * clock);
      expect(live.updates).toBeGreaterThan(20);
    } finally {
      watch.mockRestore();
    }
  });

  it('writes a page that loads itself anew until the end, or a picture', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'live-'));
    try {
      const page = join(folder, 'training.html');
      const live = liveLandscape(network.problem, { to: page, ...quick, draw: surface });
      minimize(network.problem, lbfgs(), { maxIterations: 30, callback: live.callback });
      expect(readFileSync(page, 'utf8')).toMatch(/http-equiv="refresh"[^]*<svg/);
      await live.finish();
      expect(readFileSync(page, 'utf8')).not.toContain('refresh');
      const picture = join(folder, 'training.svg');
      const other = liveLandscape(network.problem, { to: picture, ...quick });
      minimize(network.problem, lbfgs(), { maxIterations: 30, callback: other.callback });
      await other.finish();
      expect(readFileSync(picture, 'utf8')).toMatch(/^<svg/);
      expect(readdirSync(folder).toSorted()).toEqual(['training.html', 'training.svg']);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('stays on the plane that is given, and evaluates it once', async () => {
    let evaluations = 0;
    const counted: Problem = { ...network.problem, fg: (x, g) => (evaluations++, network.problem.fg(x, g)) };
    const { directions } = landscape(network.problem, { npoints: 2, seed: 1 }).plane;
    const live = liveLandscape(counted, { to: () => {}, ...quick, directions });
    const { evaluations: own } = minimize(counted, lbfgs(), { maxIterations: 40, callback: live.callback });
    await live.finish();
    expect(live.updates).toBeGreaterThan(2);
    expect(evaluations - own.f).toBeLessThanOrEqual(9 * 9 + 1);
  });

  it('goes on where the training diverges, and never draws where nothing moves', async () => {
    const live = liveLandscape(network.problem, { to: () => {}, ...quick });
    const { p0 } = network.problem;
    expect(await live.finish()).toBeNull();
    for (let t = 0; t < 5; t++) live.callback({ x: p0, f: 1 });
    live.callback({ x: p0.map(() => NaN), f: NaN });
    expect(await live.finish()).toBeNull();
    expect(live.updates).toBe(0);
  });

  it('names what is wrong', () => {
    const { problem } = network;
    expect(() => liveLandscape(problem, {} as never)).toThrow(/liveLandscape: needs options with `to`/);
    expect(() => liveLandscape(problem, { to: 'a.png', share: 1, every: 3 } as never)).toThrow(
      /3 options are wrong[^]*\.svg or \.html/,
    );
    expect(() => liveLandscape((() => 1) as never, { to: () => {} } as never)).toThrow(/as a ParamSet/);
    const later = { ...problem, fg: async () => 1 };
    const live = liveLandscape(later as never, { to: () => {}, ...quick });
    expect(() => {
      for (let t = 0; t < 5; t++)
        live.callback({ x: problem.p0.map((v, i) => v + t ** ((i % 2) + 1)), f: 1 });
    }).toThrow(/liveLandscape: the loss returned a promise; use liveLandscapeAsync/);
  });
});

describe('a live landscape of model.fit', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  const trained = async (
    callbacksOf: (model: tf.Sequential, x: tf.Tensor, y: tf.Tensor) => object | undefined,
  ) => {
    const dense = (units: number, seed: number, more: object = {}) =>
      tf.layers.dense({ units, kernelInitializer: tf.initializers.glorotUniform({ seed }), ...more });
    const model = tf.sequential({
      layers: [dense(8, 1, { inputShape: [1], activation: 'tanh' }), dense(1, 2)],
    });
    model.compile({ loss: 'meanSquaredError', optimizer: tf.train.adam(0.03) });
    const x = tf.linspace(-2, 2, 32).reshape([32, 1]);
    const y = x.sin();
    const callbacks = callbacksOf(model, x, y);
    await model.fit(x, y, {
      epochs: 40,
      batchSize: 16,
      shuffle: false,
      verbose: 0,
      ...(callbacks && { callbacks }),
    });
    return model.getWeights().map((weight) => Array.from(weight.dataSync()));
  };

  it('goes into callbacks as it is, and changes nothing about the training', async () => {
    const pictures: string[] = [];
    const seen = await trained((model, x, y) =>
      liveLandscape(modelProblem(model, x, y), { to: (svg) => pictures.push(svg), ...quick }),
    );
    expect(pictures.length).toBeGreaterThan(10);
    expect(new Set(pictures).size).toBeGreaterThan(10);
    expect(seen).toEqual(await trained(() => undefined));
  });
});

describe('a live landscape of a problem that answers later', () => {
  it('draws the training of an ONNX model, and changes nothing about it', async () => {
    const x = Float32Array.from({ length: 40 }, (_, i) => Math.sin(3 * i));
    const target = Array.from({ length: 20 }, (_, i) => (x[2 * i] > x[2 * i + 1] ? 0 : 1));
    const feeds = { x: { data: x, dims: [20, 2] }, target: { data: target, dims: [20] } };
    const modelOf = () => trainable(ort, mlp([2, 6, 2]), { loss: 'softmaxCrossEntropy' });
    const [seen, unseen] = [await modelOf(), await modelOf()];
    const pictures: string[] = [];
    const live = liveLandscapeAsync(seen.problem(feeds), { to: (svg) => pictures.push(svg), ...quick });
    const options = { maxIterations: 40 };
    const a = await minimizeAsync(live.problem, lbfgs(), { ...options, callback: live.callback });
    const b = await minimizeAsync(unseen.problem(feeds), lbfgs(), options);
    expect(a.x).toEqual(b.x);
    expect(a.evaluations).toEqual(b.evaluations);
    expect(live.updates).toBeGreaterThan(5);
    await live.finish();
    expect(pictures).toHaveLength(live.updates);
    expect(seen.params.copyInto(seen.params.zeros())).toEqual(unseen.params.copyInto(unseen.params.zeros()));
    await Promise.all([seen.dispose(), unseen.dispose()]);
  });
});
