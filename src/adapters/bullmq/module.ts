/**
 * Problems of workers, built by a user's module that every machine has.
 *
 * @module
 */
import { show } from '../../core/options.ts';
import type { ParamSet } from '../../core/paramSet.ts';
import type { AsyncProblem, Problem } from '../../core/problem.ts';

/** Position of a shard in the data. */
export interface ShardPlace {
  /** Index of the shard, from 0. */
  readonly shard: number;
  /** Number of shards. */
  readonly shards: number;
}

/** A problem on one shard of the data. */
export type ShardProblem = (AsyncProblem | Problem) & {
  /** Weight of this shard's f in the sum, such as its fraction of the samples. @defaultValue `1` */
  readonly weight?: number;
};

/** A loss without arguments, and the parameters it reads. */
export interface LossOfParams {
  /** Returns the loss at the current parameters; may be asynchronous. */
  readonly loss: () => number | Promise<number>;
  /** The parameters. */
  readonly params: ParamSet;
}

/** Additional values to record at each point. */
export interface WithMetrics {
  /** Functions by name. Each receives the point, which the parameters hold; may be asynchronous. */
  readonly metrics?: Readonly<Record<string, (x: Float64Array) => number | Promise<number>>>;
}

/** The subject of a landscape: a problem, or a loss with its parameters. */
export type LandscapeSource = (AsyncProblem | Problem | LossOfParams) & WithMetrics;

/** Builds a worker's problem from its `data`; may be asynchronous. */
export type Maker<Made, Data> = (data: Data, place: ShardPlace) => Made | Promise<Made>;

/** Address of a module whose default export is a {@link Maker}, or a maker, or the result of one. */
export type Served<Made extends object, Data> = URL | string | Maker<Made, Data> | Made;

/**
 * Returns the maker of a served source, loading its module.
 *
 * @throws TypeError for a relative path, a module without a default function, or anything that is not a source
 */
export async function makerOf<Made extends object, Data>(
  where: string,
  served: Served<Made, Data>,
): Promise<Maker<Made, Data>> {
  if (typeof served === 'function') return served;
  if (served instanceof URL || typeof served === 'string') {
    const address = String(served);
    if (address.startsWith('.')) {
      throw new TypeError(
        `${where}: module ${show(served)} is relative; give an absolute one: new URL(${show(served)}, import.meta.url).`,
      );
    }
    const { default: make }: { readonly default?: unknown } = await import(address);
    if (typeof make !== 'function') {
      throw new TypeError(`${where}: ${address} must export a function by default, got ${show(make)}.`);
    }
    return make as Maker<Made, Data>;
  }
  if (typeof served !== 'object' || served === null) {
    throw new TypeError(
      `${where}: needs the address of a module, a function or a problem, got ${show(served)}.`,
    );
  }
  return (_data, { shards }) => {
    if (shards === 1) return served;
    throw new TypeError(
      `${where}: a client asks for one of ${shards} shards, but this worker serves one problem. Serve a module or a function (data, { shard, shards }) => problem.`,
    );
  };
}
