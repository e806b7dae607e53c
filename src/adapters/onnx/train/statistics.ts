import type { ParamSet } from '../../../core/paramSet.ts';
import type { Precision, Statistics } from '../../../core/problem.ts';
import type { Differentiated, RunningStatistic } from '../differentiate.ts';
import { numbersOf } from '../ir/tensor.ts';
import type { DifferentiateOptions } from '../options.ts';
import { read } from '../passes/read.ts';
import type { OrtTensors } from './ort.ts';
import { zeros, type Reals } from './weights.ts';

/** Reads the running statistics of a model's BatchNormalization nodes in training mode, by name. */
export function runningStatistics(
  bytes: Uint8Array,
  { statistics, precision }: Differentiated,
  options: Pick<DifferentiateOptions, 'externalData'>,
): ReadonlyMap<string, Reals> {
  if (statistics.length === 0) return new Map();
  const { graph } = read(bytes, options).model;
  const tensors = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  return new Map(
    statistics.map(({ name }) => {
      const tensor = tensors.get(name);
      const numbers = tensor === undefined ? [] : numbersOf(tensor);
      const values = zeros(precision, numbers.length);
      values.set(numbers);
      return [name, values];
    }),
  );
}

/** Wraps a parameter set to tell an observer when a solver writes its best point there. */
export function settling(params: ParamSet, observer: Observer): ParamSet {
  if (observer === blind) return params;
  return {
    ...params,
    copyFrom(vector) {
      params.copyFrom(vector);
      observer.settles(vector);
    },
  };
}

/** Running statistics as the state of a run holds them: one after the other. */
export const statisticsOf = (observer: Observer, running: readonly Reals[]): Statistics => ({
  read(x) {
    observer.settles(x);
    return Float64Array.from(running.flatMap((values) => Array.from(values)));
  },
  write(values) {
    let offset = 0;
    for (const each of running) {
      each.set(values.subarray(offset, offset + each.length));
      offset += each.length;
    }
  },
});

/** Follows the running statistics of BatchNormalization nodes through the evaluations of one problem. */
export interface Observer {
  /** Records the results of an evaluation at x with loss f. */
  evaluated(x: Float64Array, f: number, results: OrtTensors): void;
  /** With mini-batches: running ← momentum·running + (1 − momentum)·batch, for the batch that ends here. */
  batchEnds(): void;
  /** With all data at once: sets the statistics to those at x, if x is the best or the last point evaluated. */
  settles(x: ArrayLike<number>): void;
}

/** Observer of a model without running statistics. */
const blind: Observer = {
  evaluated: () => undefined,
  batchEnds: () => undefined,
  settles: () => undefined,
};

/** A point where the loss was evaluated, and the batch statistics there. */
interface Observation {
  readonly x: Float64Array;
  f: number;
  readonly batch: readonly Reals[];
}

/**
 * Creates the observer of one problem.
 *
 * @param statistics - the model's running statistics
 * @param running - their values, kept up to date
 * @param params - n parameters
 * @param batches - true for a problem with mini-batches
 */
export function observe(
  statistics: readonly RunningStatistic[],
  running: readonly Reals[],
  { length }: ParamSet,
  precision: Precision,
  batches: boolean,
): Observer {
  if (statistics.length === 0) return blind;
  const observation = (): Observation => ({
    x: new Float64Array(length).fill(NaN),
    f: Infinity,
    batch: running.map(({ length }) => zeros(precision, length)),
  });
  const last = observation();
  const best = observation();
  const note = (into: Observation, x: Float64Array, f: number, results: OrtTensors) => {
    into.x.set(x);
    into.f = f;
    statistics.forEach(({ output }, k) => into.batch[k].set(results[output].data as Reals));
  };
  const blend = ({ batch }: Observation, keep: (k: number) => number) => {
    for (const [k, values] of running.entries()) {
      const momentum = keep(k);
      for (let i = 0; i < values.length; i++) values[i] = momentum * values[i] + (1 - momentum) * batch[k][i];
    }
  };
  return {
    evaluated(x, f, results) {
      note(last, x, f, results);
      if (f < best.f) note(best, x, f, results);
    },
    batchEnds() {
      if (last.f < Infinity) blend(last, (k) => statistics[k].momentum);
    },
    settles(x) {
      if (batches) return;
      const at = [last, best].find((seen) => seen.x.every((value, i) => value === x[i]));
      if (at !== undefined) blend(at, () => 0);
    },
  };
}
