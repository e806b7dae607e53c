import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import {
  adam,
  checkGradientAsync,
  hessianVectorProductAsync,
  lbfgs,
  levenbergMarquardt,
  minimizeAsync,
} from 'quasi-newton';
import {
  differentiate,
  graph,
  miniBatches,
  OnnxError,
  trainable,
  type Feeds,
  type Network,
  type Ort,
} from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { randomNumbers } from '../../../examples/lib/mlp.js';
import { fixture } from './fixtures.ts';
import { splitFrozen } from '../../../src/adapters/onnx/train/frozen.ts';

/** Images `[samples, 1, 8, 8]` and classes that can be told from them. */
function images(samples: number, seed = 5): Feeds {
  const random = randomNumbers(seed);
  const data = Float32Array.from({ length: 64 * samples }, () => random() - 0.5);
  const target = Array.from({ length: samples }, (_, i) => i % 3);
  target.forEach((label, i) => (data[64 * i + 9 * label] += 1.5));
  return { image: { data, dims: [samples, 1, 8, 8] }, target: { data: target, dims: [samples] } };
}

/** Two convolutions and a head. */
function classifier(change: (g: Network, x: string) => string = (_, x) => x): Uint8Array {
  const g = graph({ seed: 2 });
  const x = g.input('image', ['N', 1, 8, 8]);
  const h = g.relu(g.conv(x, 4, 3, { name: 'first', padding: 'same' }));
  const deep = g.maxPool(g.tanh(g.conv(change(g, h), 6, 3, { name: 'second', padding: 'same' })), 2);
  const features = g.op('Identity', [g.flatten(deep)]);
  g.output('features', features);
  g.output('logits', g.dense(features, 3, { name: 'head' }));
  return g.toBytes();
}
const loss = { loss: 'softmaxCrossEntropy', output: 'logits' } as const;
const head = ({ name }: { readonly name: string }) => name.startsWith('head.');

const runtimes: readonly (readonly [string, Ort])[] = [
  ['onnxruntime-node', ort],
  ['onnxruntime-web', web],
];

describe.each(runtimes)('layers that are not trained, in %s', (_, runtime) => {
  test('are computed once, with the same losses and gradients', async () => {
    const data = images(12);
    const [once, every] = await Promise.all(
      (['once', 'every'] as const).map((frozen) =>
        trainable(runtime, classifier(), { loss, trainable: head, frozen, hessianVector: true }),
      ),
    );
    const [a, b] = [once.problem(data), every.problem(data)];
    const point = a.p0.map((value, i) => value + 0.01 * Math.sin(i));
    const [ga, gb] = [new Float64Array(point.length), new Float64Array(point.length)];
    expect(await a.fg(point, ga)).toBeCloseTo(await b.fg(point, gb), 6);
    ga.forEach((value, i) => expect(value).toBeCloseTo(gb[i], 6));
    expect(await a.fg(point, null)).toBeCloseTo(await b.fg(point, null), 6);
    const [va, vb] = [new Float64Array(2), new Float64Array(2)];
    const points = Float64Array.of(...point, ...a.p0);
    await a.valuesAt!(points, va);
    await b.valuesAt!(points, vb);
    va.forEach((value, i) => expect(value).toBeCloseTo(vb[i], 6));
    const [pa, pb] = await Promise.all([a, b].map((p) => hessianVectorProductAsync(p, point, ga)));
    pa.product.forEach((value, i) => expect(value).toBeCloseTo(pb.product[i], 6));
    expect((await checkGradientAsync(a)).wrong).toEqual([]);

    const result = await minimizeAsync(a, lbfgs(), { maxIterations: 20 });
    const [ya, yb] = [await once.predict({ image: data.image }), await every.predict({ image: data.image })];
    expect(ya.features.data).toEqual(yb.features.data);
    expect(result.f).toBeLessThan(0.1);
    await Promise.all([once.dispose(), every.dispose()]);
  });

  test('are computed once for each mini-batch', async () => {
    const source = () => miniBatches(images(30), { batchSize: 5, overlap: 2, random: randomNumbers(1) });
    const run = async (frozen: 'once' | 'every') => {
      const model = await trainable(runtime, classifier(), { loss, trainable: head, frozen });
      const solver = lbfgs({ pairs: 'overlap' });
      const { x } = await minimizeAsync(model.problem(source()), solver, { maxIterations: 6 });
      await model.dispose();
      return x;
    };
    const [once, every] = [await run('once'), await run('every')];
    once.forEach((value, i) => expect(value).toBeCloseTo(every[i], 4));
  });
});

describe('the frozen part of a graph', () => {
  const split = (bytes: Uint8Array, wrt?: string[]) => {
    const { bytes: all, parameters } = differentiate(bytes, { loss, ...(wrt && { wrt }) });
    return splitFrozen(
      all,
      parameters.map(({ input }) => input),
    );
  };

  test('the frozen part holds every node that depends on no parameter', () => {
    const found = split(classifier(), ['head.weight', 'head.bias']);
    expect(found?.inputs.frozen).toEqual(['image', 'target']);
    const ops = (bytes: Uint8Array) =>
      fromBinary(ModelProtoSchema, bytes).graph!.node.map(({ opType }) => opType);
    expect(ops(found!.frozen).filter((op) => op === 'Conv')).toHaveLength(2);
    expect(ops(found!.rest)).not.toContain('Conv');
    expect(found?.inputs.rest).not.toContain('image');
    const half = split(classifier(), ['second.weight', 'head.weight']);
    expect(half?.inputs.frozen).toContain('image');
  });

  test('is left in place if it computes nothing, or draws random numbers', () => {
    expect(split(classifier())).toBeNull();
    const noisy = classifier((g, x) => g.add(x, g.op('RandomNormalLike', [x])));
    const found = split(noisy, ['head.weight']);
    expect(found?.features.some((name) => name.startsWith('Random'))).toBe(false);
  });
});

describe('the frozen layers of networks of torch', () => {
  const names = ['mlp_ce', 'cnn', 'transformer', 'lstm', 'misc'];
  test.each(names)('leave the gradients of what is trained behind them: %s', async (name) => {
    const { bytes, inputs, target, parameters } = fixture(name);
    const feeds = Object.fromEntries(
      [...inputs, target].map(({ name, shape, values }) => [name, { data: values, dims: shape }]),
    );
    const named = { loss: target.integral ? 'softmaxCrossEntropy' : 'mse' } as const;
    let splits = 0;
    // The last parameters, down to all but the first two.
    for (const count of [1, 2, 4, parameters.length - 2]) {
      const chosen = parameters.slice(-count).map((parameter) => parameter.name);
      const evaluate = async (frozen: 'once' | 'every') => {
        const model = await trainable(ort, bytes, {
          ...named,
          trainable: chosen,
          frozen,
          precision: 'float64',
        });
        const { p0, fg } = model.problem(feeds);
        const gradient = new Float64Array(p0.length);
        const f = await fg(p0, gradient);
        const again = await fg(p0, null);
        const order = model.params.layout.tensors;
        await model.dispose();
        return { f, again, gradient, order };
      };
      const [a, b] = [await evaluate('once'), await evaluate('every')];
      expect(Math.abs(a.f - b.f)).toBeLessThan(1e-12 * Math.max(1, Math.abs(b.f)));
      expect(Math.abs(a.again - a.f)).toBeLessThan(1e-12 * Math.max(1, Math.abs(b.f)));
      const largest = Math.max(...b.gradient.map(Math.abs));
      a.gradient.forEach((value, i) =>
        expect(Math.abs(value - b.gradient[i])).toBeLessThan(1e-11 * Math.max(1e-3, largest)),
      );
      const { bytes: all, parameters: trained } = differentiate(bytes, { ...named, wrt: chosen });
      if (
        splitFrozen(
          all,
          trained.map(({ input }) => input),
        ) !== null
      )
        splits++;
    }
    expect(splits).toBeGreaterThan(0);
  });
});

describe('a loss of one’s own', () => {
  test('takes masks and indices of any shape as targets', async () => {
    const g = graph({ seed: 5, precision: 'float64' });
    const words = g.input('words', ['N', 'T'], 'int64');
    g.output('scores', g.dense(g.embedding(words, 6, 4), 3));
    const model = await trainable(ort, g.toBytes(), {
      // Cross-entropy of the words that a mask leaves.
      loss(b, { outputs: [scores], target }) {
        const label = target('label', { dtype: 'int32', shape: ['N', 'T'] });
        const mask = target('mask', { dtype: 'bool', shape: ['N', 'T'] });
        const logs = b.op('LogSoftmax', [scores], { axis: -1 });
        const chosen = b.op('GatherElements', [logs, b.unsqueeze(label, [2])], { axis: 2 });
        const kept = b.where(b.unsqueeze(mask, [2]), chosen, 0);
        return b.neg(b.div(b.sumOfAll(kept), b.sumOfAll(b.mask(mask, scores))));
      },
    });
    expect(model.inputs.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ['words', 'int64', ['N', 'T']],
      ['label', 'int32', ['N', 'T']],
      ['mask', 'bool', ['N', 'T']],
    ]);
    const feeds = {
      words: { data: [0, 1, 2, 3, 4, 5], dims: [2, 3] },
      label: { data: [0, 2, 1, 1, 0, 2], dims: [2, 3] },
      mask: { data: [1, 1, 0, 1, 0, 0], dims: [2, 3] },
    };
    const problem = model.problem(feeds);
    expect((await checkGradientAsync(problem)).wrong).toEqual([]);
    const { scores } = await model.predict({ words: feeds.words });
    let expected = 0;
    for (const [i, label] of feeds.label.data.entries()) {
      const row = Array.from(scores.data as Float64Array).slice(3 * i, 3 * i + 3);
      const log = row[label] - Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0));
      if (feeds.mask.data[i] === 1) expected -= log / 3;
    }
    expect((await problem.evaluate()).f).toBeCloseTo(expected, 12);
    expect(() => model.problem({ ...feeds, mask: { data: [1, 1], dims: [2, 1] } })).toThrow(/"mask"/);
    await model.dispose();
    const bad = (spec: object) =>
      trainable(ort, classifier(), {
        loss: (b, { outputs, target }) => b.sumOfAll(b.sub(outputs[1], target('t', spec as never))),
      });
    await expect(bad({ dtype: 'float16', shape: [1] })).rejects.toThrow(/target "t": must be like a value/);
    await expect(bad({ dtype: 'int64', shape: 3 })).rejects.toThrow(/a list of sizes and names of sizes/);
    await expect(bad({ dtype: 'toString', shape: [] })).rejects.toThrow(/target "t"/);
  });
});

describe('evaluate', () => {
  test('gives the loss and what is kept in one run, at the parameters or another point', async () => {
    const data = images(7);
    const { graph: parts } = fromBinary(ModelProtoSchema, classifier());
    const tanh = parts!.node.find(({ opType }) => opType === 'Tanh')!.output[0];
    const model = await trainable(ort, classifier(), { loss, keep: ['logits', 'features', tanh] });
    const problem = model.problem(data);
    const { f, outputs } = await problem.evaluate();
    expect(Object.keys(outputs)).toEqual(['logits', 'features', tanh]);
    expect(f).toBe(await problem.fg(problem.p0, null));
    expect(outputs.logits.data).toEqual((await model.predict({ image: data.image })).logits.data);
    expect(outputs[tanh].dims).toEqual([7, 6, 8, 8]);
    const away = problem.p0.map((value) => value + 0.1);
    expect((await problem.evaluate(away)).f).toBe(await problem.fg(away, null));
    await minimizeAsync(problem, lbfgs(), { maxIterations: 3 });
    expect((await problem.evaluate()).f).toBe(await problem.fg(problem.p0, null));
    await model.dispose();
    const plain = await trainable(ort, classifier(), { loss, trainable: head });
    expect((await plain.problem(data).evaluate()).outputs).toEqual({});
    await plain.dispose();
  });

  test('names what the model does not compute, when it is loaded', async () => {
    await expect(trainable(ort, classifier(), { loss, keep: ['accuracy', 'recall'] })).rejects.toThrow(
      /2 faults:\s+keep: the model computes no value "accuracy"; its outputs are features, logits.\s+keep: .* "recall"/,
    );
  });
});

describe('the gradients of samples', () => {
  test('are those of batches of one, and their mean is that of the batch', async () => {
    const model = await trainable(ort, classifier(), { loss });
    const data = images(6);
    const problem = model.problem(data);
    const { losses, gradients } = await problem.sampleGradients();
    const whole = new Float64Array(problem.p0.length);
    const f = await problem.fg(problem.p0, whole);
    const n = whole.length;
    expect(losses.reduce((a, b) => a + b) / 6).toBeCloseTo(f, 5);
    for (let j = 0; j < n; j++) {
      let mean = 0;
      for (let i = 0; i < 6; i++) mean += gradients[i * n + j] / 6;
      expect(Math.abs(mean - whole[j])).toBeLessThan(2e-6);
    }
    const third = model.problem({
      image: { data: (data.image.data as Float32Array).slice(128, 192), dims: [1, 1, 8, 8] },
      target: { data: [2], dims: [1] },
    });
    const own = new Float64Array(n);
    expect(await third.fg(third.p0, own)).toBe(losses[2]);
    expect(gradients.slice(2 * n, 3 * n)).toEqual(own);
    await model.dispose();
  });

  test('need an axis of samples', async () => {
    const g = graph();
    const x = g.input('x', ['N', 2]);
    const scale = g.input('scale', [1]);
    g.output('y', g.mul(g.dense(x, 1), scale));
    const model = await trainable(ort, g.toBytes(), { loss: 'mse' });
    const problem = model.problem({
      x: { data: [1, 2, 3, 4], dims: [2, 2] },
      scale: { data: [2], dims: [1] },
      target: { data: [0, 1], dims: [2, 1] },
    });
    await expect(problem.sampleGradients()).rejects.toThrow(
      /feed "scale" has shape \[1\]; the first axis of every feed must hold the 2 samples/,
    );
    await expect(problem.sampleGradients()).rejects.toThrow(OnnxError);
    await model.dispose();
  });
});

describe('gradients by values inside a model', () => {
  test('are those of differences', async () => {
    const g = graph({ seed: 3, precision: 'float64' });
    const x = g.input('x', ['N', 3]);
    const inner = g.tanh(g.dense(x, 4));
    const scores = g.softmax(g.dense(inner, 3));
    g.output('scores', scores);
    const bytes = g.toBytes();
    const trainer = differentiate(bytes, {
      loss: (b, { outputs: [y] }) => b.sumOfAll(b.slice(y, 1, 2, 1)),
      wrt: [inner],
      keep: [inner],
    });
    const session = await ort.InferenceSession.create(trainer, { logSeverityLevel: 3 });
    expect(session.outputNames).toEqual(['loss', `grad_of/${inner}`, inner]);
    const at = { x: new ort.Tensor('float64', Float64Array.of(1, -0.5, 0.3, 0.2, 0.9, -1), [2, 3]) };
    const results = await session.run(at);
    await session.release();

    // The rest of the network by itself, fed with the inner value.
    const rest = graph({ seed: 3, precision: 'float64' });
    rest.dense(rest.input('unused', ['N', 3]), 4);
    rest.output('scores', rest.softmax(rest.dense(rest.input('h', ['N', 4]), 3)));
    const tail = await ort.InferenceSession.create(rest.toBytes(), { logSeverityLevel: 3 });
    const score = async (h: Float64Array) => {
      const feeds = {
        h: new ort.Tensor('float64', h, [2, 4]),
        unused: new ort.Tensor('float64', new Float64Array(6), [2, 3]),
      };
      const { data } = (await tail.run(feeds)).scores;
      return Number(data[1]) + Number(data[4]);
    };
    const h = results[inner].data as Float64Array;
    const gradient = results[`grad_of/${inner}`].data as Float64Array;
    for (let i = 0; i < h.length; i++) {
      const [above, below] = [h.slice(), h.slice()];
      above[i] += 1e-6;
      below[i] -= 1e-6;
      expect(gradient[i]).toBeCloseTo(((await score(above)) - (await score(below))) / 2e-6, 8);
    }
    await tail.release();
  });

  test('gradients by values inside a model and by earlier values at once obey the chain rule', async () => {
    const bytes = classifier();
    const wrt = ['Relu_3', 'image', 'first.bias'];
    const names = differentiate(bytes, { loss, wrt: ['first.bias', 'image'] });
    expect(names.wrtInner).toEqual([]);
    const inner = differentiate(bytes, { loss, wrt: ['features', 'image', 'first.bias'] });
    expect(inner.wrtInner).toEqual(['features']);
    const run = async (model: Uint8Array) => {
      const session = await ort.InferenceSession.create(model, { logSeverityLevel: 3 });
      const { image, target } = images(2);
      const out = await session.run({
        image: new ort.Tensor('float32', image.data as Float32Array, image.dims),
        target: new ort.Tensor('int64', BigInt64Array.from(target.data as number[], BigInt), [2]),
        'first.bias': new ort.Tensor('float32', new Float32Array(4), [4]),
      });
      await session.release();
      return out;
    };
    const [a, b] = [await run(names.bytes), await run(inner.bytes)];
    for (const name of ['grad_of/image', 'grad_of/first.bias']) {
      const [p, q] = [a[name].data as Float32Array, b[name].data as Float32Array];
      p.forEach((value, i) => expect(Math.abs(value - q[i])).toBeLessThan(1e-6));
    }
    expect(b['grad_of/features'].dims).toEqual([2, 96]);
    expect(() => differentiate(bytes, { loss, wrt })).toThrow(
      /no initializer, input or inner value "Relu_3"/,
    );
  });

  test('are refused where they are integers, and cannot be trained', async () => {
    const g = graph();
    const x = g.input('x', ['N', 3]);
    const sizes = g.op('Shape', [x]);
    g.output('y', g.dense(x, 2));
    g.output('sizes', sizes);
    const bytes = g.toBytes();
    expect(() => differentiate(bytes, { loss: { loss: 'mse', output: 'y' }, wrt: [sizes] })).toThrow(
      /wrt: the value "Shape_\d+" is int64; only float32 and float64 values have gradients/,
    );
    await expect(
      trainable(ort, classifier(), { loss, trainable: ['head.weight', 'features'] }),
    ).rejects.toThrow(/trainable: "features" is computed by the model; only constant tensors can be trained/);
  });
});

/** A classifier with batch normalization in training mode. */
function normalized(): Uint8Array {
  const g = graph({ seed: 6 });
  const x = g.input('image', ['N', 1, 8, 8]);
  const h = g.relu(g.batchNorm(g.conv(x, 4, 3, { padding: 'same' }), { name: 'norm' }));
  g.output('logits', g.dense(g.flatten(h), 3));
  return g.toBytes();
}

describe('training', () => {
  test('goes on from the parameters as they are, epoch by epoch on one problem', async () => {
    const model = await trainable(ort, classifier(), { loss });
    const problem = model.problem(images(12));
    const losses: number[] = [];
    for (let epoch = 0; epoch < 4; epoch++) {
      const before = await problem.fg(problem.p0, null);
      const { f, trace } = await minimizeAsync(problem, lbfgs(), { maxIterations: 3 });
      expect(trace[0].f).toBeCloseTo(before, 6);
      losses.push(f);
    }
    expect(losses).toEqual([...losses].sort((a, b) => b - a));
    expect(losses[3]).toBeLessThan(losses[0] / 2);
    await model.dispose();
  });

  test('goes on from the parameters as they are, with least squares too', async () => {
    const g = graph({ seed: 4, precision: 'float64' });
    g.output('y', g.dense(g.tanh(g.dense(g.input('x', ['N', 1]), 5)), 1));
    const model = await trainable(ort, g.toBytes(), { loss: 'mse' });
    const x = Array.from({ length: 12 }, (_, i) => i / 6 - 1);
    const problem = model.leastSquares({
      x: { data: x, dims: [12, 1] },
      target: { data: x.map((t) => Math.sin(3 * t)), dims: [12, 1] },
    });
    const first = await minimizeAsync(problem, levenbergMarquardt(), { maxIterations: 3 });
    const second = await minimizeAsync(problem, levenbergMarquardt(), { maxIterations: 3 });
    expect(second.trace[0].f).toBe(first.f);
    expect(second.f).toBeLessThan(first.f);
    await model.dispose();
  });

  test('epoch by epoch with the state of each in the next is one run, bit for bit', async () => {
    const run = async (epochs: number, iterations: number) => {
      const model = await trainable(ort, classifier(), { loss });
      const batches = miniBatches(images(20), { batchSize: 5, random: randomNumbers(4) });
      const problem = model.problem(batches);
      let result = await minimizeAsync(problem, adam(), { maxIterations: iterations });
      for (let epoch = 1; epoch < epochs; epoch++) {
        result = await minimizeAsync(problem, adam(), { maxIterations: iterations, resume: result.state });
      }
      await model.dispose();
      return result.x;
    };
    expect(await run(3, 4)).toEqual(await run(1, 12));
  });

  test.each(['all data', 'mini-batches'])(
    'training on %s stops by data held out, with running statistics of the point it returns',
    async (kind) => {
      const model = await trainable(ort, normalized(), { loss: 'softmaxCrossEntropy' });
      const data = images(9);
      const held = images(30, 77);
      const validation = model.problem(held, { inference: true });
      const source =
        kind === 'all data' ? data : miniBatches(data, { batchSize: 4, random: randomNumbers(2) });
      const solver = kind === 'all data' ? lbfgs() : adam({ learningRate: 0.02 });
      const result = await minimizeAsync(model.problem(source), solver, {
        maxIterations: 60,
        validation: { problem: validation, patience: 8 },
      });
      const { best, trace } = result.validation!;
      expect(best!.f).toBe(Math.min(...trace.map(({ f }) => f)));
      expect(best!.f).toBeLessThan(trace[0].f);
      // The model as it is now has that loss, with its running statistics, also in the file that is written.
      expect(await validation.fg(model.params.copyInto(model.params.zeros()), null)).toBe(best!.f);
      const { logits } = await model.predict({ image: held.image });
      const written = await ort.InferenceSession.create(model.toBytes({ inference: true }), {
        logSeverityLevel: 3,
      });
      const image = new ort.Tensor('float32', held.image.data as Float32Array, held.image.dims);
      const again = (await written.run({ image })).logits.data as Float32Array;
      again.forEach((value, i) => expect(value).toBeCloseTo(Number(logits.data[i]), 4));
      await written.release();
      await model.dispose();
    },
  );

  test('training with mini-batches and batch normalization resumes with its running statistics', async () => {
    const start = async () => {
      const model = await trainable(ort, normalized(), { loss: 'softmaxCrossEntropy' });
      return {
        model,
        problem: model.problem(miniBatches(images(12), { batchSize: 4, random: randomNumbers(3) })),
      };
    };
    const whole = await start();
    await minimizeAsync(whole.problem, adam(), { maxIterations: 10 });
    const halves = await start();
    const first = await minimizeAsync(halves.problem, adam(), { maxIterations: 4 });
    // Another process would begin with the statistics of the file.
    halves.problem.statistics!.write(new Float64Array(8));
    await minimizeAsync(halves.problem, adam(), { maxIterations: 6, resume: first.state });
    expect(halves.model.toBytes()).toEqual(whole.model.toBytes());
    await Promise.all([whole.model.dispose(), halves.model.dispose()]);
  });
});
