import type { ParamSet } from '../../../core/paramSet.ts';
import type { AsyncProblem, Precision } from '../../../core/problem.ts';
import { lossName } from '../ir/convention.ts';
import type { BatchSource } from './batches.ts';
import type { Engine, Mode } from './engine.ts';
import type { Feeds } from './feeds.ts';
import type { InputSpec } from './inputs.ts';
import type { OrtTensors } from './ort.ts';
import { settling, type Observer } from './statistics.ts';

/** A loss of a model on given data, as a function of the model's parameters. */
export interface OnnxProblem extends AsyncProblem {
  readonly params: ParamSet;
  readonly precision: Precision;
}

/** Data, or a function that gives the next mini-batch of them. */
export type FeedSource = Feeds | BatchSource;

/** What a problem is made of, beside its data. */
export interface ProblemParts {
  readonly engine: Engine;
  readonly inputs: readonly InputSpec[];
  readonly precision: Precision;
  readonly observer: Observer;
  /** Whether to answer `hessianVector`. */
  readonly hessianVector: boolean;
  readonly mode: Mode;
}

/** Options of a problem's loss. */
export interface ProblemOptions {
  /**
   * True if BatchNormalization nodes that the file has in training mode use their running statistics, as in `predict`:
   * the loss on data held out. Evaluations then leave the statistics alone.
   *
   * @defaultValue false
   */
  readonly inference?: boolean;
}

/** The loss of an engine on some data. */
export function problemOf(
  { engine, inputs, precision, observer, hessianVector, mode }: ProblemParts,
  source: FeedSource,
): OnnxProblem {
  const { params } = engine.weights;
  const batches = typeof source === 'function' ? source : undefined;
  let current = typeof source === 'function' ? undefined : engine.checked(inputs, source);
  /** What the present batch shares with the one before it, once that has been asked for. */
  let shared: OrtTensors | 'none' | undefined;
  const draw = async (): Promise<OrtTensors> => {
    current = engine.checked(inputs, (await batches?.()) ?? {});
    shared = undefined;
    return current;
  };
  const checkedShared = () => {
    const feeds = batches?.shared?.();
    return feeds === undefined ? 'none' : engine.checked(inputs, feeds);
  };
  /** Runs a task on the data of the present batch, in turn. */
  const onData = <T>(task: (data: OrtTensors) => Promise<T>) =>
    engine.inTurn(async () => task(current ?? (await draw())));

  const fg: OnnxProblem['fg'] = (x, gradient) =>
    onData(async (data) => {
      const results = await engine.evaluate(data, x, gradient, mode);
      const f = Number(results[lossName].data[0]);
      if (gradient !== null && mode === 'file') observer.evaluated(x, f, results);
      return f;
    });

  return {
    /** The parameters as they are now: another run goes on from where the last one ended. */
    get p0() {
      return params.copyInto(params.zeros());
    },
    params: settling(params, observer),
    precision,
    fg,
    valuesAt(this: Pick<AsyncProblem, 'fg'> | undefined, points, losses) {
      const own = this?.fg;
      // A copy of the problem with another fg: the losses are those of that.
      if (own !== undefined && own !== fg) return oneByOne(own, points, losses);
      return onData((data) => engine.losses(data, points, losses, mode));
    },
    ...(hessianVector && {
      hessianVector: (x, v, product) => onData((data) => engine.hessianVector(data, x, v, product)),
    }),
    ...(batches && {
      nextBatch: () =>
        engine.inTurn(async () => {
          observer.batchEnds();
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
          const results = await engine.evaluate(shared, x, gradient, mode);
          return Number(results[lossName].data[0]);
        }),
    }),
  };
}

/** The losses at k points, `[k, n]`, one after the other. */
async function oneByOne(fg: AsyncProblem['fg'], points: Float64Array, losses: Float64Array): Promise<void> {
  const n = points.length / losses.length;
  for (let k = 0; k < losses.length; k++) losses[k] = await fg(points.slice(k * n, (k + 1) * n), null);
}
