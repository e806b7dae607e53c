// Trains in a worker, so that the page stays responsive, and sends pictures to it.
import { classMap, guessedDigits, planeOfInputs, CELLS } from './bitmaps.js';
import { networkOf } from './backends.js';
import { digits, sine, spirals, table } from './data.js';
import { bestOf, fits, lossCurves, pathsOnLandscape } from './pictures.js';
import { race, racersOf } from './race.js';

/** @import { Network } from './backends.js' */
/** @import { Data } from './data.js' */
/** @import { View } from './pictures.js' */
/** @import { Racer } from './race.js' */
/** @import { Settings } from './settings.js' */

/** @typedef {{ settings: Settings, table: string, target: string | undefined, view: View, run: number }} Order - `run` counts them */
/**
 * Messages to the page: rows of the table with each report of progress; pictures as they are drawn; the end.
 *
 * @typedef {{ name: string, color: string, loss: number, evaluations: number, seconds: number, accuracy: number | undefined,
 *   ending: string }} Row
 * @typedef {{ kind: 'progress', rows: Row[], parameters: number, done: boolean }
 *   | { kind: 'picture', place: 'losses' | 'landscape' | 'learned', picture: string | Blob }
 *   | { kind: 'error', message: string }} News
 * @typedef {News & { run: number }} Message
 */

/** @typedef {{ data: Data, network: Network, racers: readonly Racer[], view: View }} Stage - all that is told of */
/** @typedef {(news: News) => void} Post */

/** Milliseconds between turns of the event loop, between pictures of the losses, and between those of the landscape. */
const PAUSE = 12;
const REDRAW = 200;
const SURVEY = 1500;

let current = new AbortController();
/** The current run; the next one waits for it to end. */
let running = Promise.resolve();

/** @param {MessageEvent<Order | 'stop'>} event */
onmessage = ({ data: order }) => {
  current.abort();
  if (order === 'stop') return;
  current = new AbortController();
  const { signal } = current;
  running = running
    .then(() => run(order, signal))
    .catch((error) => {
      if (signal.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      postMessage({ kind: 'error', message, run: order.run });
    });
};

/**
 * @param {Order} order
 * @param {AbortSignal} signal
 */
async function run(order, signal) {
  if (signal.aborted) return;
  const { settings, view } = order;
  const data = await dataOf(order);
  const network = await networkOf(settings, data);
  try {
    const racers = racersOf(settings);
    const breathe = breather();
    /** @type {Post} */
    const post = (news) => postMessage({ ...news, run: order.run });
    const tell = teller({ data, network, racers, view }, post, breathe);
    const watching = watch(tell, signal);
    try {
      await race(network.problem, racers, { evaluations: Number(settings.evaluations), signal, breathe });
    } finally {
      watching.stop();
      await watching.ended;
    }
    await tell.progress(true);
    await tell.landscape(37, signal);
  } finally {
    await network.dispose();
  }
}

/** @param {Order} order @returns {Promise<Data> | Data} */
function dataOf({ settings, table: text, target }) {
  if (settings.data === 'table') return table(text, target);
  return { sine, spirals, digits }[/** @type {'sine' | 'spirals' | 'digits'} */ (settings.data)]();
}

/** Gives the event loop a turn, for messages and timers, if the last one was some time ago. */
function breather() {
  const { port1, port2 } = new MessageChannel();
  port1.start();
  let last = performance.now();
  return async () => {
    if (performance.now() - last < PAUSE) return;
    await new Promise((resolve) => {
      port1.addEventListener('message', resolve, { once: true });
      port2.postMessage(null);
    });
    last = performance.now();
  };
}

/**
 * Redraws the pictures while a race is running.
 *
 * @param {ReturnType<typeof teller>} tell
 * @param {AbortSignal} signal
 */
function watch(tell, signal) {
  const controller = new AbortController();
  const over = AbortSignal.any([signal, controller.signal]);
  const ended = (async () => {
    let surveyed = performance.now() - SURVEY / 2;
    await wait(REDRAW / 2);
    while (!over.aborted) {
      await tell.progress(false);
      if (performance.now() - surveyed > SURVEY) {
        await tell.landscape(17, over);
        surveyed = performance.now();
      }
      await wait(REDRAW);
    }
  })().catch(() => {}); // A picture that cannot be drawn yet is no error.
  return { ended, stop: () => controller.abort() };
}

const wait = (/** @type {number} */ milliseconds) =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });

/**
 * @param {Stage} stage
 * @param {Post} post
 * @param {() => Promise<void>} breathe
 */
function teller(stage, post, breathe) {
  const { network, racers, view } = stage;
  const { problem } = network;
  return {
    /** @param {boolean} done */
    async progress(done) {
      const outputs = await outputsOf(stage);
      post({ kind: 'progress', rows: rowsOf(stage, outputs), parameters: problem.p0.length, done });
      if (racers.some(({ losses }) => losses.length > 1))
        post({ kind: 'picture', place: 'losses', picture: lossCurves(racers, view) });
      const learned = await learnedPicture(stage, outputs);
      if (learned) post({ kind: 'picture', place: 'learned', picture: learned });
    },
    /**
     * @param {number} npoints
     * @param {AbortSignal} signal
     */
    async landscape(npoints, signal) {
      const picture = await pathsOnLandscape(problem, racers, npoints, view, signal, breathe);
      if (picture) post({ kind: 'picture', place: 'landscape', picture });
    },
  };
}

/** Returns the current predictions of each racer for the samples that it is judged by. @param {Stage} stage */
async function outputsOf({ data, network, racers }) {
  const { x, samples } = data.held ?? data;
  /** @type {Float32Array[]} */
  const outputs = [];
  for (const racer of racers) outputs.push(await network.predict(placeOf(racer, network), x, samples));
  return outputs;
}

/** @type {(racer: Racer, network: Network) => Float64Array} */
const placeOf = ({ points }, { problem }) => points[points.length - 1] ?? problem.p0;

/** @type {(stage: Stage, outputs: readonly Float32Array[]) => Row[]} */
function rowsOf({ data, racers }, outputs) {
  const { y } = data.held ?? data;
  return racers.map(({ name, color, losses, evaluations, seconds, ending }, i) => ({
    name,
    color,
    loss: losses[losses.length - 1] ?? NaN,
    evaluations: evaluations[evaluations.length - 1] ?? 0,
    seconds,
    accuracy: data.kind === 'classes' ? accuracy(outputs[i], y, data.outputs) : undefined,
    ending,
  }));
}

/** @type {(stage: Stage, outputs: readonly Float32Array[]) => Promise<string | Blob | undefined>} */
async function learnedPicture({ data, network, racers, view }, outputs) {
  if (data.kind === 'numbers') {
    const predictions = racers.map(({ name, color }, i) => ({ name, color, values: outputs[i] }));
    return fits(data, predictions, view);
  }
  const best = bestOf(racers);
  if (!best) return undefined;
  if (data.inputs === 2 && data.outputs === 2) {
    const scores = await network.predict(placeOf(best, network), planeOfInputs(), CELLS * CELLS);
    return classMap(scores, data, view.width);
  }
  return data.held
    ? guessedDigits(classesOf(outputs[racers.indexOf(best)], data.outputs), data.held, view.width)
    : undefined;
}

/** @type {(scores: Float32Array, classes: number) => number[]} */
const classesOf = (scores, classes) =>
  Array.from({ length: scores.length / classes }, (_, i) => {
    const row = scores.subarray(i * classes, (i + 1) * classes);
    return row.indexOf(Math.max(...row));
  });

/** @type {(scores: Float32Array, truth: Float32Array, classes: number) => number} */
function accuracy(scores, truth, classes) {
  const guesses = classesOf(scores, classes);
  return guesses.filter((guess, i) => guess === truth[i]).length / guesses.length;
}
