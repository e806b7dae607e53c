/**
 * A landscape drawn while a model trains: the path so far, on the surface around it.
 *
 * The surface is evaluated in slices of a few milliseconds inside the callbacks (for asynchronous problems,
 * between their own evaluations), and the parameters are restored after each.
 *
 * @module
 */
import { runUnguarded } from '../../core/drive.ts';
import { keeping } from '../../core/held.ts';
import { checkOptions, show } from '../../core/options.ts';
import {
  checkParams,
  heldBy,
  heldByAsync,
  isParamSet,
  subjectOf,
  watched,
  watchedAsync,
  type Loss,
} from '../landscape/lossSource.ts';
import { liveView, nextTask, type LiveView } from './liveView.ts';
import { liveRules, type LiveOptions } from './options.ts';
import { sinkOf } from './output.ts';
import type { ParamSet } from '../../core/paramSet.ts';
import type { AsyncProblem, Problem } from '../../core/problem.ts';
import type { Asks, Question } from '../../core/question.ts';
import type { Plot } from '../plots/plot.ts';

/** A point of a training run, as passed to the callback of `minimize`. */
export interface LiveProgress {
  readonly x: Float64Array;
  readonly f: number;
}

/** Shows a training run. Pass it as `callbacks` to `model.fit`. */
export interface LiveLandscape {
  /** For the option `callback` of `minimize` and related functions. */
  readonly callback: (progress: LiveProgress) => void;
  /** For `model.fit`. */
  readonly onBatchEnd: () => void | Promise<void>;
  /** For `model.fit`, and for `fitFullBatch`, which has no batches. */
  readonly onEpochEnd: () => void | Promise<void>;
  /** For `model.fit`: as `finish`. */
  readonly onTrainEnd: () => Promise<void>;
  /**
   * Completes the surface around the whole path and draws it, without blocking the event loop.
   *
   * @returns the last figure, or null if the path never spanned two directions
   */
  readonly finish: () => Promise<Plot | null>;
  /** Number of figures drawn. */
  readonly updates: number;
}

/** As {@link LiveLandscape}, for an asynchronous problem. */
export interface AsyncLiveLandscape extends LiveLandscape {
  /** The problem to train: the given one, with slices of the surface evaluated between its evaluations. */
  readonly problem: AsyncProblem;
}

/**
 * Keeps drawing the path of a training run and the loss around it while the run continues.
 *
 * @param loss - `() => number`, the loss at the current parameters, or a problem, such as
 *   `modelProblem(model, x, y)`
 * @param params - the parameters that the loss reads; for a problem, the default is its own
 * @throws RangeError naming every option that is wrong; whatever the loss throws
 * @example
 * ```ts
 * const live = liveLandscape(modelProblem(model, x, y), { to: document.querySelector('#figure') });
 * await model.fit(x, y, { epochs: 200, callbacks: live });
 *
 * minimize(problem, lbfgs(), { callback: live.callback });
 * const plot = await live.finish();
 * ```
 */
export function liveLandscape(loss: Loss, params: ParamSet, options: LiveOptions): LiveLandscape;
export function liveLandscape(problem: Problem, options: LiveOptions): LiveLandscape;
export function liveLandscape(source: Loss | Problem, ...rest: readonly unknown[]): LiveLandscape {
  const where = 'liveLandscape';
  const { params, options } = argumentsOf(where, source, rest);
  const subject = subjectOf(where, source, heldBy(source, params), undefined);
  const view = liveView(where, source, subject, options, sinkOf(where, options.to));
  const problem: Problem = {
    p0: subject.center,
    fg: watched(where, source, subject.params, {}, new Float64Array(0)),
  };
  /** Works on the surface, then restores the parameters. */
  const working = (work: (held: Float64Array) => Asks<void>) => {
    const held = heldBy(source, params);
    runUnguarded(keeping(held, work(held.values ?? subject.center)), problem);
  };
  return liveOf(view, {
    callback({ x, f }) {
      view.add(x, f);
      const turn = view.turn();
      if (turn === 'work') working(() => view.work());
      if (turn === 'picture') view.picture(false);
    },
    visit: () => working((x) => view.visit(x)),
    lastSlice: () => working(() => view.lastWork()),
  });
}

/**
 * As {@link liveLandscape}, for an asynchronous problem: an ONNX model's, or that of a backend that reads
 * asynchronously.
 *
 * @throws as {@link liveLandscape}
 * @example
 * ```ts
 * const live = liveLandscapeAsync(model.problem(feeds), { to: 'training.html' });
 * await minimizeAsync(live.problem, lbfgs(), { callback: live.callback });
 * await live.finish();
 * ```
 */
export function liveLandscapeAsync(source: AsyncProblem | Problem, options: LiveOptions): AsyncLiveLandscape {
  const where = 'liveLandscapeAsync';
  checkParams(where, source, options);
  checkOptions(where, options, liveRules);
  const start = { params: source.params, values: source.p0 };
  const subject = subjectOf(where, source, start, undefined);
  const view = liveView(where, source, subject, options, sinkOf(where, options.to));
  const answering: AsyncProblem = {
    p0: subject.center,
    fg: watchedAsync(where, source, subject.params, {}, new Float64Array(0)),
  };
  const working = async (work: (held: Float64Array) => Asks<void>) => {
    const held = await heldByAsync(source, undefined);
    await runLater(keeping(held, work(held.values ?? subject.center)), answering);
  };
  const live = liveOf(view, {
    callback: ({ x, f }) => view.add(x, f),
    visit: () => working((x) => view.visit(x)),
    lastSlice: () => working(() => view.lastWork()),
  });
  const fg: AsyncProblem['fg'] = async (x, gradient) => {
    const f = await source.fg(x, gradient);
    await view.breathe();
    const turn = view.turn();
    if (turn === 'work') await working(() => view.work());
    if (turn === 'picture') await pictureBetween(view);
    return f;
  };
  // The given problem, including its getters, with another fg.
  const own = { ...Object.getOwnPropertyDescriptors(source), fg: { value: fg, enumerable: true } };
  const problem: AsyncProblem = Object.defineProperties({ p0: subject.center, fg }, own);
  return Object.defineProperty(live, 'problem', { value: problem, enumerable: true }) as AsyncLiveLandscape;
}

/** The parts that differ between synchronous and asynchronous problems. */
interface Hooks extends Pick<LiveLandscape, 'callback'> {
  /** Adds the point that the parameters hold. */
  readonly visit: () => void | Promise<void>;
  readonly lastSlice: () => void | Promise<void>;
}

function liveOf(view: LiveView, { callback, visit, lastSlice }: Hooks): LiveLandscape {
  let hasBatches = false;
  const finish = async (): Promise<Plot | null> => {
    if (!view.isComplete()) {
      do {
        await nextTask();
        await lastSlice();
      } while (!view.isComplete());
      await nextTask();
      view.picture(true);
    }
    return view.plot();
  };
  return {
    callback,
    async onBatchEnd() {
      hasBatches = true;
      await view.breathe();
      const turn = view.turn();
      if (turn === 'work') await visit();
      if (turn === 'picture') await pictureBetween(view);
    },
    onEpochEnd() {
      const turn = hasBatches ? 'rest' : view.turn();
      if (turn === 'picture') view.picture(false);
      return turn === 'work' ? visit() : undefined;
    },
    onTrainEnd: async () => void (await finish()),
    finish,
    get updates() {
      return view.updates;
    },
  };
}

/** Draws a figure in a separate task, to keep tasks short. */
async function pictureBetween(view: LiveView): Promise<void> {
  await nextTask();
  view.picture(false);
  await nextTask();
}

/** Runs a slice of a surface, which asks only for values. */
async function runLater(asks: Asks<void>, problem: AsyncProblem): Promise<void> {
  const answer = async (question: Question): Promise<number> => {
    if (question.kind === 'evaluate') return problem.fg(question.x, null);
    throw new TypeError(`liveLandscapeAsync: no answer to ${question.kind}.`);
  };
  for (let turn = asks.next(); !turn.done;) {
    try {
      turn = asks.next(await answer(turn.value));
    } catch (error) {
      turn = asks.throw(error);
    }
  }
}

/** `(loss, params, options)` or `(problem, options)`. */
function argumentsOf(where: string, source: unknown, rest: readonly unknown[]) {
  checkParams(where, source, rest[0]);
  const params = rest.find(isParamSet);
  const options = rest.find((value) => !isParamSet(value));
  if (typeof options !== 'object' || options === null || !('to' in options)) {
    throw new TypeError(
      `${where}: needs options with \`to\`, the destination of the figures: an element of a page, a function or a file; got ${show(options)}.`,
    );
  }
  checkOptions<object>(where, options, liveRules);
  return { params, options: options as LiveOptions };
}
