import { boolean, checkOptions, integerIn } from '../../../core/options.ts';
import { checkLength, type ParamSet } from '../../../core/paramSet.ts';
import type { AsyncProblem, Precision, Statistics } from '../../../core/problem.ts';
import { lossName } from '../ir/convention.ts';
import type { BatchSource } from './batches.ts';
import type { Engine } from './engine.ts';
import type { Feeds } from './feeds.ts';
import type { InputSpec } from './inputs.ts';
import { noiseState, withNoise, type NoiseKey } from './noise.ts';
import type { OrtTensors } from './ort.ts';
import { once } from './session.ts';
import { eachSample, type SampleGradients } from './samples.ts';
import { settling, type Observer } from './statistics.ts';
import type { Mode } from './variants.ts';

/** The loss of a model on given data, as a function of the model's parameters. */
export interface OnnxProblem extends AsyncProblem {
  readonly params: ParamSet;
  readonly precision: Precision;
  /**
   * Computes the loss and the values named in `trainable`'s option `keep`, in one run, without dropout.
   *
   * @param x - point, `[n]`; default: the parameters as they are
   */
  evaluate(x?: Float64Array): Promise<Evaluation>;
  /**
   * Computes the loss and gradient of each sample as a separate batch.
   *
   * @param x - point, `[n]`; default: the parameters as they are
   * @throws OnnxError if a feed has no axis of samples, or the model does not accept a batch of one
   */
  sampleGradients(x?: Float64Array): Promise<SampleGradients>;
}

/** Result of {@link OnnxProblem.evaluate}. */
export interface Evaluation {
  /** The loss. */
  readonly f: number;
  /** The values named in `keep`, by name. */
  readonly outputs: OrtTensors;
}

/** Data, or a function that returns the next mini-batch. */
export type FeedSource = Feeds | BatchSource;

/** Parts of a problem in addition to its data. */
export interface ProblemParts {
  readonly engine: Engine;
  readonly inputs: readonly InputSpec[];
  readonly precision: Precision;
  readonly observer: Observer;
  /** The running statistics of the model, if the problem updates them. */
  readonly statistics: Statistics | undefined;
  /** Number of elements of the running statistics. */
  readonly statisticsCount: number;
  /** Seed of the random numbers that the model is fed with. */
  readonly seed: number;
  /** True if the problem has `hessianVector`. */
  readonly hessianVector: boolean;
  readonly mode: Mode;
}

/** Options of a problem's loss. */
export interface ProblemOptions {
  /**
   * True to compute the loss as `predict` would, for held-out data: BatchNormalization nodes that the file
   * has in training mode use their running statistics. Evaluations then do not change the statistics.
   *
   * @defaultValue false
   */
  readonly inference?: boolean | undefined;
  /**
   * Seed of dropout and of random nodes of the model, a whole number in [0, 2⁵³). All evaluations of a batch use the same
   * random numbers; each batch has its own.
   *
   * @defaultValue `1`
   */
  readonly seed?: number | undefined;
}

/**
 * Checks the options of a problem.
 *
 * @throws RangeError naming every fault
 */
export const checkProblemOptions = (options: ProblemOptions): void =>
  checkOptions('problem', options, { inference: boolean, seed: integerIn(0, Number.MAX_SAFE_INTEGER) });

/** Returns the loss of an engine on some data as a problem. */
export function problemOf(parts: ProblemParts, source: FeedSource): OnnxProblem {
  const { engine, inputs, precision, observer, hessianVector, mode } = parts;
  const { params } = engine.weights;
  const random = noiseState(parts.seed);
  const dataOf = (checked: OrtTensors, part = 0): Data => {
    const key = random.key(part);
    const fed = once(() => engine.withNoise(checked, key, mode));
    return { checked, key, fed, prepared: once(async () => engine.prepared(await fed(), mode)) };
  };
  const batches = typeof source === 'function' ? source : undefined;
  let current = typeof source === 'function' ? undefined : dataOf(engine.checked(inputs, source));
  /** Samples that this batch shares with the previous one, once requested. */
  let shared: Data | 'none' | undefined;
  const draw = async (): Promise<Data> => {
    current = dataOf(engine.checked(inputs, (await batches?.()) ?? {}));
    shared = undefined;
    return current;
  };
  const checkedShared = () => {
    const feeds = batches?.shared?.();
    return feeds === undefined ? 'none' : dataOf(engine.checked(inputs, feeds), 1);
  };
  /** Runs a task on the data of the current batch, after earlier tasks. */
  const onData = <T>(task: (data: Data) => Promise<T>) =>
    engine.inTurn(async () => task(current ?? (await draw())));

  const fg: OnnxProblem['fg'] = (x, gradient) =>
    onData(async (data) => {
      const results = await engine.evaluate(await data.prepared(), x, gradient, mode);
      const f = lossIn(results);
      if (gradient !== null && mode !== 'inference') observer.evaluated(x, f, results);
      return f;
    });

  const redraw = () => {
    current = current && dataOf(current.checked);
    shared = undefined;
  };
  const statistics =
    engine.fedIn(mode).noise.length > 0
      ? withNoise(parts.statistics, parts.statisticsCount, random, redraw)
      : parts.statistics;

  return {
    /** The current parameters, so that another run continues where the last one ended. */
    get p0() {
      return params.copyInto(params.zeros());
    },
    params: settling(params, observer),
    precision,
    ...(statistics && { statistics }),
    fg,
    evaluate: (x = params.copyInto(params.zeros())) =>
      onData(async ({ checked, key }) => {
        const { [lossName]: loss, ...outputs } = await engine.kept(checked, key, x, mode);
        return { f: lossIn({ [lossName]: loss }), outputs };
      }),
    sampleGradients: (x = params.copyInto(params.zeros())) =>
      onData(async ({ checked, fed }) => {
        checkLength('sampleGradients: x', x, params.length);
        return eachSample({ engine, inputs, mode }, checked, await fed(), async (data, gradient) => {
          const results = await engine.evaluate(await engine.prepared(data, mode), x, gradient, mode);
          return lossIn(results);
        });
      }),
    valuesAt(this: Pick<AsyncProblem, 'fg'> | undefined, points, losses) {
      const own = this?.fg;
      // In a copy of the problem with another fg, the losses must be those of that fg.
      if (own !== undefined && own !== fg) return oneByOne(own, points, losses);
      return onData(async (data) => engine.losses(await data.prepared(), points, losses, mode));
    },
    ...(hessianVector && {
      hessianVector: (x, v, product) =>
        onData(async ({ fed }) => engine.hessianVector(await fed(), x, v, product, mode)),
    }),
    ...(batches && {
      nextBatch: () =>
        engine.inTurn(async () => {
          observer.batchEnds();
          random.next();
          await draw();
        }),
    }),
    ...(batches?.shared && {
      overlap: (x, gradient) =>
        onData(async () => {
          shared ??= checkedShared();
          if (shared === 'none') {
            gradient?.fill(0);
            return 0;
          }
          const results = await engine.evaluate(await shared.prepared(), x, gradient, mode);
          return lossIn(results);
        }),
    }),
  };
}

/** Returns the loss among the results of a run; a cross-entropy of −0 is 0. */
const lossIn = (results: OrtTensors): number => Number(results[lossName].data[0]) + 0;

/** Feeds that have been checked. */
interface Data {
  readonly checked: OrtTensors;
  /** Key of its random numbers. */
  readonly key: NoiseKey;
  /** Returns the feeds with random numbers, drawn once. */
  readonly fed: () => Promise<OrtTensors>;
  /** Returns the feeds of evaluations, computed once. */
  readonly prepared: () => Promise<OrtTensors>;
}

/** Computes the losses at k points, `[k, n]`, one after the other. */
async function oneByOne(fg: AsyncProblem['fg'], points: Float64Array, losses: Float64Array): Promise<void> {
  const n = points.length / losses.length;
  for (let k = 0; k < losses.length; k++) losses[k] = await fg(points.slice(k * n, (k + 1) * n), null);
}
