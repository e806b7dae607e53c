import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import * as figures from 'quasi-newton/landscape';
import { BadInput } from '../lib/badInput.js';
import { interruptible, noticing } from '../lib/interrupt.js';
import { checkOutput, writeWhole } from '../lib/output.js';
import { staticPage } from '../lib/page.js';
import { modelAt } from '../lib/modelFile.js';
import { completed, recipeIn } from '../lib/recipe.js';
import { dataOptions, load, lossOptions } from '../lib/runtime.js';
import { duration, statusLine } from '../lib/status.js';

/** @import { AdaptiveReport, LandscapeData, Plot } from 'quasi-newton/landscape' */
/** @import { Arguments, Command } from '../lib/arguments.js' */
/** @import { Loaded } from '../lib/runtime.js' */

const { contour, contourf, heatmap, surface } = figures;
/** @type {Record<'contourf' | 'contour' | 'heatmap' | 'surface', (data: LandscapeData, attributes: object) => Plot>} */
const drawings = { contourf, contour, heatmap, surface };
const endings = ['.html', '.svg', '.png', '.csv', '.json', '.obj'];

/** @type {Command} */
export const landscape = {
  summary: 'draws the loss around the weights of a model',
  example: 'trained.onnx --data data.csv --target y --out landscape.html',
  options: {
    ...dataOptions,
    ...lossOptions,
    out: {
      value: 'FILE',
      isRequired: true,
      multiple: true,
      help: `file for the figure or its values, ending in ${endings.join(', ')}; may be given several times`,
    },
    plot: {
      value: 'KIND',
      oneOf: Object.keys(drawings),
      default: 'surface in .html, contourf elsewhere',
    },
    npoints: { value: 'COUNT', isNumber: true, help: 'points along each axis', default: '41' },
    adaptive: { help: 'evaluate coarse points first, and finer ones only where needed' },
    directions: {
      value: 'KIND',
      oneOf: ['random', 'eigen'],
      help: 'axes of the plane: two random directions, or the two of largest curvature',
      default: 'random',
    },
    normalize: {
      value: 'KIND',
      oneOf: ['global', 'filter', 'layer', 'weight', 'dfilter', 'dlayer', 'none'],
      help: 'length of random directions',
      default: 'filter',
    },
    lnorm: {
      value: 'NUMBER',
      isNumber: true,
      help: 'length of each axis, as a fraction of the norm of the weights; with eigen, in units of the axes',
      default: '1',
    },
    seed: { value: 'NUMBER', isNumber: true, help: 'seed of the random directions', default: '0' },
    zscale: { value: 'KIND', oneOf: ['auto', 'linear', 'log', 'log1p', 'symlog'], default: 'auto' },
    color: {
      value: 'NAME',
      oneOf: ['turbo', 'viridis', 'magma', 'inferno', 'plasma', 'cividis'],
      default: 'viridis',
    },
    title: { value: 'TEXT', default: 'none' },
    plotly: {
      value: 'ADDRESS',
      help: 'address from which the page loads plotly.js; by default it is embedded',
    },
    checkpoint: {
      value: 'FILE',
      help: 'saves the points evaluated so far; the same command continues from there',
    },
    json: { help: 'write the result as an object to standard output' },
  },
  run: (given) => interruptible((stop) => run(given, stop.signal)),
};

/**
 * @param {Arguments} asked
 * @param {AbortSignal} signal
 */
async function run(asked, signal) {
  const file = await modelAt(asked.model);
  const known = recipeIn(file.bytes, asked.model);
  const given = completed(asked, known);
  const { model: path, text, on } = given;
  const outs = given.list.out ?? [];
  const kept = { '--data': text.data, '--checkpoint': text.checkpoint };
  for (const out of outs) checkOutput('--out', out, endings, kept);
  const picture = outs.find((out) => endingOf(out) === '.png');
  if (picture !== undefined) await checkRenderer(picture);
  const loaded = await load(given, file, known, text.directions === 'eigen' ? { hessianVector: true } : {});
  try {
    const data = await evaluate(given, loaded, signal);
    for (const out of outs) await writeWhole(out, await contentOf(out, data, given));
    const finite = data.z.filter(Number.isFinite);
    // What an adaptive grid predicts may lie below the lowest loss there is.
    const known = data.z.filter((z, cell) => data.done[cell] === 1 && Number.isFinite(z));
    const facts = {
      model: path,
      loss: data.loss,
      lowest: known.reduce((a, b) => Math.min(a, b), Infinity),
      highest: known.reduce((a, b) => Math.max(a, b), -Infinity),
      points: data.z.length,
      notFinite: data.z.length - finite.length,
      ...(data.adaptive && { adaptive: data.adaptive }),
      out: outs,
    };
    console.log(on.json ? JSON.stringify(facts, null, 2) : report(facts));
    return 0;
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw ofCheckpoint(error);
    console.error(`Stopped before the picture was whole: ${whatIsKept(text.checkpoint)}.`);
    return 130;
  } finally {
    await loaded.model.dispose();
  }
}

/** @param {string | undefined} checkpoint */
function whatIsKept(checkpoint) {
  if (checkpoint === undefined) return 'nothing is kept without --checkpoint';
  return existsSync(checkpoint)
    ? `${checkpoint} keeps it; run the command again to go on`
    : 'no point had been evaluated';
}

/**
 * An error as the command shows it: a checkpoint of another landscape, or one that cannot be written, is bad input.
 *
 * @param {unknown} error
 */
const ofCheckpoint = (error) =>
  error instanceof Error && error.message.startsWith('checkpoint: ')
    ? new BadInput(`--${error.message}`, { cause: error })
    : error;

/**
 * @param {Arguments} given
 * @param {Loaded} loaded
 * @param {AbortSignal} signal
 */
async function evaluate({ text, number, on }, { model, feeds }, signal) {
  const own = model.problem(feeds);
  const problem = {
    ...own,
    p0: own.p0,
    fg: noticing(own.fg),
    valuesAt: noticing((/** @type {Float64Array} */ points, /** @type {Float64Array} */ losses) =>
      own.valuesAt?.(points, losses),
    ),
  };
  const line = statusLine();
  try {
    if (text.directions === 'eigen') line.show('computing the directions of largest curvature');
    const plane =
      text.directions === 'eigen'
        ? figures.eigenPlane(await figures.topEigenpairsAsync(own, { count: 2, signal }))
        : undefined;
    return await figures.landscapeAsync(problem, {
      npoints: number.npoints ?? 41,
      seed: number.seed ?? 0,
      ...(on.adaptive && { adaptive: /** @type {'auto'} */ (text.zscale ?? 'auto') }),
      ...(plane
        ? { directions: plane }
        : { normalize: /** @type {'filter'} */ (text.normalize ?? 'filter') }),
      ...(number.lnorm !== undefined && { lnorm: number.lnorm }),
      ...(text.checkpoint !== undefined && { checkpoint: text.checkpoint }),
      signal,
      onProgress: ({ done, total, remaining }) =>
        line.show(`${done} of ${total} points, ${duration(remaining)} left`, done / total),
    });
  } finally {
    line.done();
  }
}

const endingOf = (/** @type {string} */ path) => extname(path).toLowerCase();

/**
 * Refuses to write a .png without the package that renders it, before any work is done.
 *
 * @param {string} out
 */
async function checkRenderer(out) {
  try {
    await import('@resvg/resvg-js');
  } catch (cause) {
    throw new BadInput(
      `--out: ${out} needs @resvg/resvg-js, which could not be loaded: npm install @resvg/resvg-js, or write a .svg.`,
      { cause },
    );
  }
}

/**
 * What a file of this name holds.
 *
 * @param {string} out
 * @param {LandscapeData} data
 * @param {Arguments} given
 */
async function contentOf(out, data, { text }) {
  const ending = endingOf(out);
  if (ending === '.csv') return figures.landscapeToCSV(data);
  if (ending === '.json') return JSON.stringify(figures.landscapeToJSON(data));
  const attributes = {
    zscale: /** @type {'auto'} */ (text.zscale ?? 'auto'),
    color: /** @type {'viridis'} */ (text.color ?? 'viridis'),
    title: text.title ?? '',
  };
  if (ending === '.obj') return figures.toOBJ(data, { zscale: attributes.zscale });
  const kind = /** @type {keyof typeof drawings} */ (
    text.plot ?? (ending === '.html' ? 'surface' : 'contourf')
  );
  /** @type {Plot} */ const plot = drawings[kind](data, attributes);
  if (ending === '.svg') return plot.toSVG();
  if (ending === '.png') return plot.toPNG();
  if (text.plotly !== undefined) return plot.toHTML({ plotly: text.plotly });
  if (hasPlotly()) return plot.toHTML();
  console.error('The page shows static figures. For one to rotate and zoom: npm install plotly.js-dist-min');
  const kinds = text.plot === undefined ? [drawings.surface, drawings.contourf] : [drawings[kind]];
  return staticPage(
    text.title ?? 'Loss landscape',
    kinds.map((draw) => draw(data, attributes).toSVG()),
  );
}

/** True if plotly.js can be put into a page: installed beside this package, or where the command runs. */
const hasPlotly = () =>
  [import.meta.url, `${process.cwd()}/`].some((from) => {
    try {
      return createRequire(from).resolve('plotly.js-dist-min') !== '';
    } catch {
      return false;
    }
  });

/** @param {{ loss: number, lowest: number, highest: number, points: number, notFinite: number, adaptive?: AdaptiveReport, out: readonly string[] }} facts */
const report = ({ loss, lowest, highest, points, notFinite, adaptive, out }) =>
  [
    `loss     ${loss.toExponential(4)} at the weights; ${lowest.toExponential(4)} to ${highest.toExponential(4)} around them`,
    `points   ${points}${notFinite > 0 ? `, ${notFinite} of them not finite` : ''}`,
    ...(adaptive === undefined ? [] : [accuracy(adaptive)]),
    `written  ${out.join(', ')}`,
  ].join('\n');

/** @param {AdaptiveReport} report */
const accuracy = ({ evaluations, estimatedError, estimatedErrorZ, tolerance, reached }) => {
  const error = `${estimatedError.toPrecision(2)} color bands, ${estimatedErrorZ.toPrecision(2)} of the loss`;
  const missed = reached ? '' : `; more than the ${tolerance} bands aimed at`;
  return `adaptive ${evaluations} points evaluated, the others off by at most about ${error}${missed}`;
};
