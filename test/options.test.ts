/**
 * Bad options of every public function: each is refused, before anything is computed, by the function that was called,
 * with the name of the option and the value got.
 */
import { readdirSync, readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import * as ort from 'onnxruntime-node';
import { isLeft } from 'fp-ts/lib/Either.js';
import { describe, expect, it } from 'vitest';
import * as core from 'quasi-newton';
import * as bullmq from 'quasi-newton/bullmq';
import * as plots from 'quasi-newton/landscape';
import * as onnx from 'quasi-newton/onnx';
import * as tfjs from 'quasi-newton/tfjs';
import { mlp } from '../examples/lib/mlp.js';

/** A call with the options that a test gives; they are wrong by their types. */
type Call = (options: never) => unknown;

const bowl: core.Problem = {
  p0: Float64Array.of(1, 2),
  fg(x, gradient) {
    gradient?.set(x.map((value) => 2 * value));
    return x[0] ** 2 + x[1] ** 2;
  },
};
const axis = Float64Array.of(1, 0);
const squares = core.leastSquares({
  p0: Float64Array.of(1, 2),
  residualCount: 2,
  residuals(x, residuals, jacobian) {
    residuals.set(x);
    jacobian?.set([1, 0, 0, 1]);
  },
});
const flat = plots.landscape(bowl, { npoints: 5 });
const line = plots.landscape(bowl, { npoints: 5, dimensions: 1 });
const fit = core.curveFit(
  (t: number, [a, b]: Float64Array) => a + b * t,
  [0, 1, 2, 3],
  [1, 2, 3.1, 4],
  [0, 1],
);
const { trace } = core.minimize(bowl, core.lbfgs());
const grid = {
  x: [0, 1],
  y: [0, 1],
  z: [
    [1, 2],
    [3, 4],
  ],
};
const samples = [{ name: 'a', values: [1, 2, 3] }];

const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [2] })] });
model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
const own = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [2] })] });
own.compile({ optimizer: new tfjs.LBFGSOptimizer(), loss: 'meanSquaredError' });
const [x, y] = [tf.ones([4, 2]), tf.ones([4, 2])];
const variable = tf.variable(tf.scalar(1));
const file = mlp([2, 3, 1]);

/** Settings that a function needs, with those that a test gives. */
const and = (needed: object, given: object) => {
  const told = Object.entries(given).filter(([name, value]) => value !== undefined || !(name in needed));
  return { ...needed, ...Object.fromEntries(told) } as never;
};
const named = (names: string, call: (name: string) => Call) =>
  names.split(' ').map((name): [string, Call] => [name, call(name)]);
const of = (functions: object, name: string) =>
  functions[name as keyof typeof functions] as (...given: unknown[]) => unknown;

const calls: [string, Call][] = [
  ['minimize', (o) => core.minimize(bowl, core.lbfgs(), o)],
  ['minimizeAsync', (o) => core.minimizeAsync(bowl, core.lbfgs(), o)],
  ['leastSquares', (o) => core.leastSquares(and({ p0: axis, residualCount: 1, residuals() {} }, o))],
  ['flatten', (o) => core.flatten({ a: 1 }, o)],
  ['curveFit', (o) => core.curveFit((t: number, [a]: Float64Array) => a * t, [1, 2], [1, 2], [1], o)],
  ['predict', (o) => fit.predict([1], o)],
  ['hessianVectorProduct', (o) => core.hessianVectorProduct(bowl, axis, axis, o)],
  ['hessianVectorProductAsync', (o) => core.hessianVectorProductAsync(bowl, axis, axis, o)],
  ...named('checkGradient checkGradientAsync', (name) => (o) => of(core, name)(bowl, o)),
  ...named('checkJacobian checkJacobianAsync', (name) => (o) => of(core, name)(squares, o)),
  ...named(
    'adam bfgs conjugateGradient gradientDescent lbfgs levenbergMarquardt newtonCG owlqn slbfgs soap ssbfgs ssbroyden backtracking fixedStep hagerZhang strongWolfe',
    (name) => (o) => of(core, name)(o),
  ),
  ['cosineDecay', (o) => core.cosineDecay(and({ from: 0.1, steps: 10 }, o))],
  ['exponentialDecay', (o) => core.exponentialDecay(and({ from: 0.1, steps: 10, rate: 0.5 }, o))],
  ['warmup', (o) => core.warmup(and({ steps: 5, after: 0.1 }, o))],
  ['warmupCosine', (o) => core.warmupCosine(and({ peak: 0.1, warmup: 2, steps: 10 }, o))],
  ['warmupStableDecay', (o) => core.warmupStableDecay(and({ peak: 0.1, warmup: 2, steps: 10, decay: 3 }, o))],
  ['sequence', (o) => core.sequence(and({ solver: core.adam() }, o), core.lbfgs())],

  ...named('landscape landscapeAsync', (name) => (o) => of(plots, name)(bowl, o)),
  ...named(
    'liveLandscape liveLandscapeAsync',
    (name) => (o) => of(plots, name)(bowl, and({ to: () => {} }, o)),
  ),
  ...named('connect connectAsync', (name) => (o) => of(plots, name)(bowl, bowl.p0, axis, o)),
  ['alignUnits', (o) => plots.alignUnits(bowl, bowl.p0, axis, o)],
  ['alignUnitsAsync', (o) => plots.alignUnitsAsync(bowl, bowl.p0, axis, o)],
  ['workerPool', (o) => plots.workerPool(new URL('file:///none.mjs'), o)],
  ['fromGrid', (o) => plots.fromGrid(and(grid, o))],
  ...named('contour contourf heatmap surface toOBJ toVTP', (name) => (o) => of(plots, name)(flat, o)),
  ['line', (o) => plots.line(line, o)],
  ['boxplot', (o) => plots.boxplot(samples, o)],
  ['density', (o) => plots.density(samples, o)],
  ['convergence', (o) => plots.convergence([{ name: 'a', runs: [trace] }], o)],
  ['fitPlot', (o) => plots.fitPlot(fit, o)],
  ['toPNG', (o) => plots.toPNG(plots.contourf(flat), o)],
  ['toHTML', (o) => plots.contourf(flat).toHTML(o)],
  ['eigenPlane', (o) => plots.eigenPlane(plots.topEigenpairs(bowl, { count: 2 }), o)],
  ...named(
    'boxSharpness boxSharpnessAsync spectralDensity spectralDensityAsync topEigenpairs topEigenpairsAsync curvatureMap curvatureMapAsync sharpness sharpnessAsync hessianDiagonal hessianDiagonalAsync hessianTrace hessianTraceAsync',
    (name) => (o) => of(plots, name)(bowl, o),
  ),

  ...named(
    'fitFullBatch fitFullBatchAsync modelProblem modelProblemAsync',
    (name) => (o) => of(tfjs, name)(model, x, y, o),
  ),
  ['leastSquaresProblem', (o) => tfjs.leastSquaresProblem(() => variable, [variable], o)],
  ['optfunsAsync', (o) => tfjs.optfunsAsync(() => variable, [variable], o)],
  ['accelerate', (o) => tfjs.accelerate(ort, model, o)],
  ['attach', (o) => tfjs.attach(own, o)],
  ['register', (o) => tfjs.register(tf, o)],
  ['SolverOptimizer', (o) => new tfjs.SolverOptimizer(core.adam(), o)],
  ...named(
    'BFGSOptimizer ConjugateGradientOptimizer GradientDescentOptimizer LBFGSOptimizer SLBFGSOptimizer SOAPOptimizer SSBFGSOptimizer SSBroydenOptimizer',
    (name) => (o) => new (of(tfjs, name) as unknown as new (given: unknown) => unknown)(o),
  ),

  ['differentiate', (o) => onnx.differentiate(file, and({ loss: 'mse' }, o))],
  ['differentiateModel', (o) => onnx.differentiateModel(file, and({ loss: 'mse' }, o))],
  ['explain', (o) => onnx.explain(file, o)],
  ['trainable', (o) => onnx.trainable(ort, file, and({ loss: 'mse' }, o))],
  [
    'loadTrainable',
    async (o) => {
      const loaded = await onnx.loadTrainable(ort, file, and({ loss: 'mse' }, o))();
      if (isLeft(loaded)) throw loaded.left;
    },
  ],
  ['miniBatches', (o) => onnx.miniBatches({ x: { data: new Float32Array(4), dims: [4, 1] } }, and({ batchSize: 2 }, o))], // prettier-ignore
  ['lora', (o) => onnx.lora(file, o)],
  ['mergeLora', (o) => onnx.mergeLora(file, file, o)],
  ['freeze', (o) => onnx.freeze(file, '0', o)],
  ['addHead', (o) => onnx.addHead(file, and({ from: 'y', head: 3 }, o))],
  ['graph', (o) => onnx.graph(o)],

  ['bullmqExecutor', (o) => bullmq.bullmqExecutor(and({ connection: {}, queue: 'a' }, o))],
  ['bullmqProblem', (o) => bullmq.bullmqProblem(and({ connection: {}, queue: 'a', shards: 1 }, o))],
  ['serveProblem', (o) => bullmq.serveProblem(bowl, and({ connection: {}, queue: 'a' }, o))],
  ['serveLandscape', (o) => bullmq.serveLandscape(bowl, and({ connection: {}, queue: 'a' }, o))],
];

/** The error that a call ends with, now or later. */
async function refusalOf(call: Call, options: unknown): Promise<Error> {
  try {
    await call(options as never);
  } catch (error) {
    return error as Error;
  }
  throw new Error('It was accepted.');
}

/** Names of the options, from the error about one that there is not. */
const optionsIn = (message: string): string[] =>
  (/there are ([^\n]*?)\./.exec(message)?.[1] ?? '').split(', ');

/** Texts that any text may be, where NaN and the others may not. */
const TEXTS =
  /^(title|[xyz]label|rightlabel|fontFamily|defaultFontFamily|background|reference|name|queue|checkpoint|plotly|relativeTo|output|layers|from)$/;
/** Options that a number of any sign may be. */
const SIGNED = /^(seed|lower|upper|azimuth|fMin|target)$/;
/** Options that take anything, or null, which stands for what is absent. */
const ANYTHING = /^(data|lower|upper|connection|y)$/;

describe.each(calls)('%s', (name, call) => {
  it('refuses an option that there is not, by its name', async () => {
    const error = await refusalOf(call, { batchsize: 4 });
    expect(error).toBeInstanceOf(RangeError);
    expect(error.message).toMatch(new RegExp(`^${name}: (stage 1: )?batchsize: no such option; there are .`));
  });

  it('refuses NaN, texts, negative numbers and null, with the value got', async () => {
    const options = optionsIn((await refusalOf(call, { batchsize: 4 })).message);
    expect(options.length).toBeGreaterThan(0);
    const wrong: string[] = [];
    for (const option of options) {
      const bad: [unknown, string][] = [];
      if (!ANYTHING.test(option)) bad.push([NaN, 'NaN'], [null, 'null'], [Symbol('s'), 'Symbol(s)']);
      if (!ANYTHING.test(option) && !SIGNED.test(option)) bad.push([-7.5, '-7.5']);
      if (!ANYTHING.test(option) && !TEXTS.test(option)) bad.push(['no such', 'no such']);
      for (const [value, shown] of bad) {
        const { message } = await refusalOf(call, { [option]: value }).catch((error: Error) => error);
        const isNamed =
          message.startsWith(`${name}: `) && message.includes(option) && message.includes(shown);
        if (!isNamed) wrong.push(`${option} = ${shown}: ${message.slice(0, 150)}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

/** Calls that connect to a server, draw into a folder or begin a training. */
const LASTING = /bullmq|serve|live|accelerate|workerPool|fitFullBatch/;

describe.each(calls.filter(([name]) => !LASTING.test(name)))('%s', (_, call) => {
  it('takes options that are undefined as if they were absent', async () => {
    const names = optionsIn((await refusalOf(call, { batchsize: 4 })).message);
    const outcome = async (options: object) => {
      try {
        await call(options as never);
        return 'accepted';
      } catch (error) {
        return (error as Error).message;
      }
    };
    const undefinedOptions = Object.fromEntries(names.map((name) => [name, undefined]));
    expect(await outcome(undefinedOptions)).toBe(await outcome({}));
  });
});

describe('the types of options', () => {
  it('allow undefined wherever an option may be absent, also with exactOptionalPropertyTypes', () => {
    const strict: string[] = [];
    const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    );
    for (const path of files) {
      const source = readFileSync(`src/${path}`, 'utf8');
      for (const [, name, body] of source.matchAll(
        /export interface (\w+(?:Options|Attributes|Settings))\b(.*?)\n\}/gs,
      )) {
        for (const [option] of body.matchAll(/^ {2}(?:readonly )?\w+\?[:(<][^;]*;/gm)) {
          if (!/\| undefined;$|\?: unknown;$/.test(option)) strict.push(`${path}: ${name}: ${option.trim()}`);
        }
      }
    }
    expect(strict).toEqual([]);
  });
});

describe.each(calls.filter(([, call]) => !/and\(/.test(call.toString())))('%s', (name, call) => {
  it.each([5, 'text', [[1]]])('refuses options that are no object: %j', async (options) => {
    const { message } = await refusalOf(call, options);
    expect(message).toMatch(new RegExp(`^${name}: .*must be an object, got`));
  });
});

describe.each([
  ['minimize', (p: never) => core.minimize(p, core.lbfgs())],
  ['minimizeAsync', (p: never) => core.minimizeAsync(p, core.lbfgs())],
  ['hessianVectorProduct', (p: never) => core.hessianVectorProduct(p, axis, axis)],
  ['hessianVectorProductAsync', (p: never) => core.hessianVectorProductAsync(p, axis, axis)],
  ...named('checkGradient checkGradientAsync', (name) => (p) => of(core, name)(p)),
  ...named(
    'checkJacobian checkJacobianAsync',
    (name) => (p) => of(core, name)(and({ residuals: squares.residuals, residualCount: 2 }, p)),
  ),
  ...named(
    'landscape landscapeAsync contourf contour heatmap surface topEigenpairs topEigenpairsAsync curvatureMap hessianTrace hessianDiagonal spectralDensity sharpness boxSharpness',
    (name) => (p) => of(plots, name)(p),
  ),
] as [string, Call][])('%s', (name, call) => {
  const { fg, p0 } = bowl;
  it.each([
    ['without fg', { p0 }],
    ['without p0', { fg }],
    ['whose p0 is a plain array', { p0: [1, 2], fg }],
    ['without unknowns', { p0: new Float64Array(0), fg }],
  ])('refuses a problem %s', async (_, problem) => {
    const { message } = await refusalOf(call, problem);
    expect(message).toMatch(new RegExp(`^${name}: .`));
  });
});
