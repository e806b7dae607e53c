import type { ParamSet } from '../../../core/paramSet.ts';
import type { AsyncProblem, Precision } from '../../../core/problem.ts';
import { lossName } from '../convention.ts';
import type { BatchSource } from './batches.ts';
import type { Engine } from './engine.ts';
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
}

/** The loss of an engine on some data. */
export function problemOf(
  { engine, inputs, precision, observer, hessianVector }: ProblemParts,
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

  return {
    p0: params.copyInto(params.zeros()),
    params: settling(params, observer),
    precision,
    fg: (x, gradient) =>
      onData(async (data) => {
        const results = await engine.evaluate(data, x, gradient);
        const f = Number(results[lossName].data[0]);
        if (gradient !== null) observer.evaluated(x, f, results);
        return f;
      }),
    valuesAt: (points, losses) => onData((data) => engine.losses(data, points, losses)),
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
          const results = await engine.evaluate(shared, x, gradient);
          return Number(results[lossName].data[0]);
        }),
    }),
  };
}
