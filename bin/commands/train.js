import { minimizeAsync, terminations } from 'quasi-newton';
import { convergence } from 'quasi-newton/landscape';
import { miniBatches } from 'quasi-newton/onnx';
import { describeCategories } from '../lib/categories.js';
import { interruptible, noticing } from '../lib/interrupt.js';
import { judge } from '../lib/judge.js';
import { checkOutput, writeWhole } from '../lib/output.js';
import { modelAt } from '../lib/modelFile.js';
import {
  divided,
  validationFacts,
  validationOptions,
  validationRows,
  validationWanted,
  watching,
} from '../lib/heldOut.js';
import { completed, recipeIn, withRecipe } from '../lib/recipe.js';
import { dataOptions, load, lossOptions } from '../lib/runtime.js';
import { solverNames, solverOf } from '../lib/solvers.js';
import { duration, statusLine } from '../lib/status.js';
import { seeded } from '../lib/seeded.js';
import { checksumOf, checkState, counted, readState, writeState } from '../lib/stateFile.js';

/** @import { AsyncProblem, SolveResult, TraceEntry } from 'quasi-newton' */
/** @import { Arguments, Command } from '../lib/arguments.js' */
/** @import { Loaded } from '../lib/runtime.js' */
/** @typedef {Awaited<ReturnType<typeof divided>>} Parts */

/** @type {Command} */
export const train = {
  summary: 'trains a model on a table of samples, and writes it with its new weights',
  example: 'model.onnx --data data.csv --target y --loss mse --out trained.onnx',
  options: {
    ...dataOptions,
    ...lossOptions,
    solver: { value: 'NAME', oneOf: solverNames, default: 'auto' },
    'learning-rate': {
      value: 'NUMBER',
      isNumber: true,
      help: 'learning rate of adam and soap',
      default: '0.001 and 0.003',
    },
    'batch-size': {
      value: 'COUNT',
      isNumber: true,
      help: 'samples in each step, for adam, soap and slbfgs',
      default: 'all',
    },
    'max-iterations': { value: 'COUNT', isNumber: true, default: '1000' },
    'max-time': { value: 'SECONDS', isNumber: true, default: 'none' },
    gtol: {
      value: 'NUMBER',
      isNumber: true,
      help: 'converged if no element of the gradient is larger',
      default: '1e-8',
    },
    ftol: {
      value: 'NUMBER',
      isNumber: true,
      help: 'converged if the loss changes by less, relative to itself, twice in a row',
      default: 'off',
    },
    train: {
      value: 'NAMES',
      help: 'constant tensors to train, as listed by explain',
      default: 'the weights of all layers',
    },
    ...validationOptions,
    test: { value: 'FILE', help: 'held-out samples: reports their loss and accuracy before and after' },
    seed: {
      value: 'NUMBER',
      isNumber: true,
      help: 'seed of the order of mini-batches and of the samples held out by --validation',
      default: '0',
    },
    out: { value: 'FILE', isRequired: true, help: 'file for the trained model' },
    'save-state': { value: 'FILE.json', help: 'save the complete state at the end of the run, for --resume' },
    resume: { value: 'FILE.json', help: 'continue from a state written by --save-state, bit for bit' },
    curve: { value: 'FILE.svg', help: 'draw the loss against the iterations' },
    json: { help: 'write the result as an object to standard output' },
  },
  run: (given) => interruptible((stop) => run(given, stop)),
};

/**
 * @param {Arguments} asked
 * @param {{ readonly asked: boolean }} stop
 */
async function run(asked, stop) {
  const file = await modelAt(asked.model);
  const known = recipeIn(file.bytes, asked.model);
  const given = completed(asked, known);
  const { text, number, on } = given;
  const out = text.out ?? '';
  checkOutput('--out', out, ['.onnx']);
  checkOutput('--curve', text.curve, ['.svg']);
  checkOutput('--save-state', text['save-state'], ['.json']);
  const solver = solverOf(text.solver ?? 'auto', number['learning-rate'], number['batch-size']);
  const wanted = validationWanted(given);
  const saved = await readState(given);
  const loaded = await load(given, file, known, {
    ...(text.train !== undefined && { trainable: text.train.split(',').map((name) => name.trim()) }),
    ...(text.solver === 'newtonCG' && { hessianVector: true }),
  });
  const { model } = loaded;
  try {
    const parts = await divided(wanted, given, loaded);
    const { heldOut } = parts;
    const data = { samples: parts.samples, checksum: checksumOf(parts.feeds, heldOut?.feeds) };
    const earlier = checkState(given, saved, data);
    const held = text.test === undefined ? undefined : await loaded.feedsFrom(text.test, '--test');
    const before = held && (await judge(loaded, held));
    const { result, batches } = await solve(given, { ...parts, model }, solver, stop, earlier);
    const after = held && (await judge(loaded, held));
    const isWritten = Number.isFinite(result.f) && (result.iterations > 0 || isKept(result, earlier));
    if (isWritten) await writeWhole(out, withRecipe(model.toBytes(), loaded.recipe));
    if (isWritten) await writeState(given, result.state, batches, data);
    if (text.curve !== undefined) await writeWhole(text.curve, curveOf(result));
    const facts = await factsOf(given, loaded, parts, result, stop.asked);
    if (on.json)
      console.log(
        JSON.stringify({ ...facts, out: isWritten ? out : null, test: after && { before, after } }, null, 2),
      );
    else console.log(report(facts, result, isWritten ? out : null, before, after));
    if (stop.asked) return 130;
    return terminations[result.termination].outcome === 'failed' ? 1 : 0;
  } finally {
    await model.dispose();
  }
}

/**
 * True if a run without a step has an answer all the same: the start has converged, or is that of an earlier run.
 *
 * @param {SolveResult} result
 * @param {import('../lib/stateFile.js').Earlier | undefined} earlier
 */
const isKept = ({ converged, termination }, earlier) =>
  converged || (earlier !== undefined && terminations[termination].outcome !== 'failed');

/**
 * @param {Arguments} given
 * @param {Parts & Pick<Loaded, 'model'>} parts
 * @param {import('quasi-newton').Solver} solver
 * @param {{ readonly asked: boolean }} stop
 * @param {import('../lib/stateFile.js').Earlier | undefined} earlier - the run to go on from
 * @returns {Promise<{ result: SolveResult, batches: number }>} the result, and the number of mini-batches drawn so far
 */
async function solve(given, { model, feeds, samples, heldOut }, solver, stop, earlier) {
  const { text, number } = given;
  const {
    'max-iterations': maxIterations = 1000,
    'max-time': maxTime = Infinity,
    'batch-size': batchSize,
  } = number;
  const { gtol, ftol, seed = 0 } = number;
  const batches =
    batchSize === undefined ? undefined : counted(miniBatches(feeds, { batchSize, random: seeded(seed) }));
  const problem = watchful(problemOf());
  if (earlier && batches) {
    // All but the last are passed over; that one is the batch that the earlier run ended on.
    batches.skipTo(earlier.batches - 1);
    if (earlier.batches > 0) await problem.nextBatch?.();
  }
  process.stderr.write(`Training ${model.params.length} parameters on ${samples} samples.\n`);
  const line = statusLine();
  const every = Math.ceil(samples / (batchSize ?? samples));
  const watched = watching(model, heldOut?.feeds, given, every);
  try {
    const result = await minimizeAsync(problem, solver, {
      maxIterations,
      ...(earlier && { resume: earlier.state }),
      ...(Number.isFinite(maxTime) && { maxTime }),
      ...(gtol !== undefined && { gtol }),
      ...(ftol !== undefined && { ftol }),
      ...watched.options,
      callback(progress) {
        const { iteration, elapsed } = progress;
        const share = Math.max(iteration / maxIterations, elapsed / maxTime);
        line.show(`${described(progress)}${watched.seen(progress)}  ${duration(elapsed)}`, share);
        return stop.asked;
      },
    });
    return { result, batches: batches?.drawn() ?? 0 };
  } finally {
    line.done();
  }

  function problemOf() {
    if (text.solver === 'levenbergMarquardt') return model.leastSquares(feeds);
    return model.problem(batches ? batches.next : feeds);
  }
}

/** @param {TraceEntry} entry */
const described = ({ iteration, f, gradientNorm }) =>
  `iteration ${iteration}  loss ${f.toExponential(3)}  gradient ${gradientNorm.toExponential(1)}`;

/**
 * A problem that lets signals through between its evaluations.
 *
 * @template {AsyncProblem} P
 * @param {P} problem
 * @returns {P}
 */
function watchful(problem) {
  const fg = noticing((/** @type {Float64Array} */ x, /** @type {Float64Array | null} */ gradient) =>
    problem.fg(x, gradient),
  );
  return { ...problem, p0: problem.p0, fg };
}

/** @param {SolveResult} result */
function curveOf({ trace, method, validation }) {
  if (validation === undefined)
    return convergence([{ name: method, runs: [trace] }], { legend: false, title: method }).toSVG();
  const watched = {
    x: validation.trace.map(({ iteration }) => iteration),
    y: validation.trace.map(({ f }) => f),
  };
  const curves = [
    { name: 'training', runs: [trace] },
    { name: 'validation', runs: [watched] },
  ];
  return convergence(curves, { title: method }).toSVG();
}

/**
 * @param {Arguments} given
 * @param {Loaded} loaded
 * @param {Parts} parts
 * @param {SolveResult} result
 * @param {boolean} interrupted
 */
async function factsOf(
  { model, number, text },
  { model: trained, choice, recipe, loss, freedBatch },
  { feeds, samples, heldOut },
  result,
  interrupted,
) {
  const validation = validationFacts(result.validation, text.validation, heldOut?.samples);
  const { f, gradientNorm, iterations, evaluations, termination, message, converged, elapsed, method } =
    result;
  // The f of mini-batches is that of the last one.
  const all = number['batch-size'] === undefined ? f : await trained.problem(feeds).fg(result.x, null);
  const categories = describeCategories(Object.values(recipe.inputs).flat());
  return {
    model,
    loss: all,
    lossName: loss,
    l2: number.l2 ?? 0,
    samples,
    parameters: result.x.length,
    ...(choice.classes && { classes: choice.classes }),
    ...(categories !== undefined && { categories }),
    ...(freedBatch && { freedBatch }),
    startLoss: result.trace[0]?.f,
    ...(validation && { validation }),
    gradientNorm,
    iterations,
    evaluations: evaluations.f,
    seconds: elapsed,
    method,
    termination,
    message: interrupted
      ? 'Stopped by Ctrl-C.'
      : message.replace('maxIterations', '--max-iterations').replace('maxTime', '--max-time'),
    converged,
    interrupted,
  };
}

/**
 * @param {Awaited<ReturnType<typeof factsOf>>} facts
 * @param {SolveResult} result
 * @param {string | null} out
 * @param {Awaited<ReturnType<typeof judge>> | undefined} before
 * @param {Awaited<ReturnType<typeof judge>> | undefined} after
 */
function report(facts, result, out, before, after) {
  const rows = [
    [
      `${facts.lossName}${facts.l2 > 0 ? ' + l2' : ''}`,
      `${facts.startLoss?.toExponential(4)} → ${facts.loss.toExponential(4)}`,
    ],
    ['', facts.message],
    ['samples', String(facts.samples)],
    ['parameters', String(facts.parameters)],
    ['method', result.method],
    ['work', `${facts.iterations} iterations, ${facts.evaluations} evaluations, ${duration(facts.seconds)}`],
  ];
  if (facts.classes) rows.push(['classes', facts.classes.map((name, i) => `${i} ${name}`).join(', ')]);
  if (facts.categories !== undefined) rows.push(['encoded', facts.categories]);
  if (facts.freedBatch)
    rows.push(['batch', 'the model takes one sample at a time; it was trained on all at once']);
  if (facts.validation) rows.push(...validationRows(facts.validation, facts.iterations));
  if (before && after) {
    rows.push(['held out', `loss ${before.loss.toExponential(4)} → ${after.loss.toExponential(4)}`]);
    if (after.accuracy !== undefined && before.accuracy !== undefined)
      rows.push(['', `accuracy ${percent(before.accuracy)} → ${percent(after.accuracy)}`]);
  }
  rows.push(['written', out ?? 'nothing: no step was made']);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(1)} %`;
