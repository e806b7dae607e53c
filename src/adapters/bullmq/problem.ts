import { checkOptions, abortSignal, integerIn, positive, type Rules } from '../../core/options.ts';
import { connectionRules, requireOptions } from './connection.ts';
import { Dispatcher, type DispatchOptions } from './dispatcher.ts';
import { decode, encode, reused, type Numbers } from './message.ts';
import { shardJob, startMessage } from './serveProblem.ts';
import type { AsyncProblem, Precision } from '../../core/problem.ts';
import type { Request, ShardAnswer, ShardData, ShardFacts } from './shard.ts';

/** Options of {@link bullmqProblem}. */
export interface BullmqProblemOptions extends DispatchOptions {
  /** Number of shards. */
  shards: number;
  /** The start, `[n]`. @defaultValue `p0` of the first shard */
  p0?: Float64Array | undefined;
  /** When aborted, running and later evaluations fail with its reason. */
  signal?: AbortSignal | undefined;
}

/** A problem evaluated by workers. */
export interface BullmqProblem extends AsyncProblem {
  /** Removes the remaining keys from Redis and disconnects. */
  close(): Promise<void>;
}

const rules: Rules<BullmqProblemOptions> = {
  ...connectionRules,
  reconnectTime: positive,
  attempts: integerIn(1, 1_000_000),
  shards: integerIn(1, 1_000_000),
  p0: { allowed: 'a Float64Array', accepts: (v) => v instanceof Float64Array },
  signal: abortSignal,
};

/**
 * Returns a problem whose data are divided into shards on any number of machines, through BullMQ over Redis.
 *
 * f(x) = Σ wₛ fₛ(x) over the shards s in order, where wₛ is the `weight` of the shard's problem (default 1). ∇f and Hessian
 * products are summed likewise; residuals of all shards are concatenated, each multiplied by √wₛ. Workers started by
 * {@link serveProblem} compute the terms. If a worker dies, its shard goes to another; each shard counts once, and the sum
 * does not depend on the order of the answers.
 *
 * @returns a problem for `minimizeAsync`, once a worker has opened each shard; close it at the end
 * @throws RangeError, TypeError for wrong options
 * @throws Error if there is no connection within `reconnectTime`, or if a worker throws
 * @example
 * ```ts
 * const problem = await bullmqProblem({ connection: 'redis://10.0.0.1:6379', queue: 'digits', shards: 4 });
 * try {
 *   console.log(String(await minimizeAsync(problem, lbfgs())));
 * } finally {
 *   await problem.close();
 * }
 * ```
 */
export async function bullmqProblem(options: BullmqProblemOptions): Promise<BullmqProblem> {
  const where = 'bullmqProblem';
  requireOptions(where, options, 'connection', 'queue', 'shards');
  checkOptions(where, options, rules);
  const { shards, signal, p0, ...dispatch } = options;
  const dispatcher = await Dispatcher.open(where, dispatch, signal);
  try {
    return await openProblem(where, dispatcher, shards, p0);
  } catch (error) {
    await dispatcher.close();
    throw error;
  }
}

/** Receives the arrays of a shard's answer, which depend on the request. */
type Use = (shard: number, arrays: readonly Numbers[], header: ShardAnswer) => void;

/** Asks shards about the current batch. */
interface Shards {
  /** Asks all shards, or the first `count`, and uses the answers in shard order, so that sums are reproducible. */
  readonly ask: (request: Request, vectors: readonly Numbers[], use: Use, count?: number) => Promise<void>;
  readonly nextBatch: () => void;
}

function shardsOf(dispatcher: Dispatcher, shards: number): Shards {
  const scratch = reused();
  let questions = 0;
  let batch = 0;
  return {
    async ask(request, vectors, use, count = shards) {
      const parts = Array.from({ length: count }, (_, shard): ShardData => ({
        request,
        batch,
        shard,
        shards,
      }));
      const { answers, withdraw } = dispatcher.ask(shardJob, `${++questions}`, encode({}, vectors), parts);
      try {
        for (const [shard, answer] of answers.entries()) {
          const { header, arrays } = decode<ShardAnswer>(await answer, scratch);
          use(shard, arrays, header);
        }
      } finally {
        withdraw();
      }
    },
    nextBatch: () => void batch++,
  };
}

async function openProblem(
  where: string,
  dispatcher: Dispatcher,
  shards: number,
  given: Float64Array | undefined,
): Promise<BullmqProblem> {
  const agree = agreement(where);
  const { ask, nextBatch } = shardsOf(dispatcher, shards);
  let p0 = given?.slice();
  if (p0 === undefined) {
    await ask('start', [], (_shard, [theirs]) => (p0 = new Float64Array(theirs)), 1);
  }
  const start = p0 ?? new Float64Array(0);
  dispatcher.keep(startMessage, encode({}, [start]));
  const facts: ShardFacts[] = [];
  await ask('facts', [], (shard, [marks], { worker, facts: fact }) => {
    if (fact === undefined) return;
    facts.push(fact);
    agree(shard, worker, marks, fact.precision);
  });
  checkFacts(where, facts);
  const { precision } = facts[0];
  const n = start.length;
  const weights = facts.map(({ weight }) => weight);
  const counts = facts.map(({ residualCount }) => residualCount ?? 0);
  const offsets = counts.map((_, shard) => counts.slice(0, shard).reduce((sum, count) => sum + count, 0));
  const all = (feature: 'overlap' | 'residuals' | 'hessianVector') => facts.every((fact) => fact[feature]);

  /** Like {@link ask}, but refuses workers that disagree with the first. */
  const evaluate = (request: Request, vectors: readonly Float64Array[], use: Use) =>
    ask(request, sent(vectors), (shard, [marks, ...arrays], header) => {
      agree(shard, header.worker, marks, precision);
      use(shard, arrays, header);
    });
  // A float32 problem only sees the float32 values of a point.
  const sent = ([x, ...others]: readonly Float64Array[]): Numbers[] => [
    precision === 'float32' ? new Float32Array(x) : x,
    ...others,
  ];
  const sum = async (request: Request, x: Float64Array, gradient: Float64Array | null) => {
    let f = 0;
    gradient?.fill(0);
    await evaluate(request, [x], (shard, [[value], term]) => {
      f += weights[shard] * value;
      if (gradient !== null) addWeighted(gradient, weights[shard], term);
    });
    return f;
  };

  return {
    p0: start,
    precision,
    fg: (x, gradient) => sum(gradient === null ? 'value' : 'gradient', x, gradient),
    ...(facts.some((fact) => fact.nextBatch) && { nextBatch }),
    ...(all('overlap') && { overlap: (x, gradient) => sum('overlap', x, gradient) }),
    ...(all('hessianVector') && {
      async hessianVector(x, v, product) {
        product.fill(0);
        await evaluate('product', [x, v], (shard, [term]) => addWeighted(product, weights[shard], term));
      },
    }),
    ...(all('residuals') && {
      residualCount: counts.reduce((sum, count) => sum + count, 0),
      residuals: (x, residuals, jacobian) =>
        evaluate(jacobian === null ? 'residuals' : 'jacobian', [x], (shard, [r, J]) => {
          if (r.length !== counts[shard]) {
            throw new Error(
              `${where}: shard ${shard} has ${r.length} residuals and had ${counts[shard]}; their number must not change.`,
            );
          }
          const root = Math.sqrt(weights[shard]);
          setScaled(residuals, offsets[shard], root, r);
          if (jacobian !== null) setScaled(jacobian, offsets[shard] * n, root, J);
        }),
    }),
    close: () => dispatcher.close(),
  } satisfies BullmqProblem;
}

/** Checks that shards agree. @throws TypeError if they differ in precision */
function checkFacts(where: string, facts: readonly ShardFacts[]): void {
  const [{ precision }] = facts;
  const other = facts.findIndex((fact) => fact.precision !== precision);
  if (other < 0) return;
  throw new TypeError(
    `${where}: shard ${other} computes in ${facts[other].precision}, shard 0 in ${precision}; they must agree.`,
  );
}

/** Returns a function that refuses workers whose marks differ from those of the first worker of the shard. */
function agreement(where: string) {
  const firsts: { readonly worker: string; readonly marks: number[] }[] = [];
  return (shard: number, worker: string, marks: Numbers, precision: Precision): void => {
    const first = (firsts[shard] ??= { worker, marks: [] });
    marks.forEach((mark, k) => {
      const expected = (first.marks[k] ??= mark);
      if (sameValue(mark, expected, precision)) return;
      throw new Error(
        k < 2
          ? `${where}: for shard ${shard}, f ${k === 0 ? 'at' : 'beside'} the start is ${mark} on ${worker} and ${expected} on ${first.worker}; their data or their models differ.`
          : `${where}: for shard ${shard}, f beside the start on the second batch is ${mark} on ${worker} and ${expected} on ${first.worker}; batches must be the same on all workers, such as drawn with the same seed.`,
      );
    });
  };
}

/** True if two values can be those of one function, computed on different machines. */
function sameValue(a: number, b: number, precision: Precision): boolean {
  const tolerance = precision === 'float32' ? 1e-5 : 1e-9;
  return Object.is(a, b) || Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b));
}

/** `sum ← sum + weight · term`. */
function addWeighted(sum: Float64Array, weight: number, term: Numbers): void {
  for (let i = 0; i < sum.length; i++) sum[i] += weight * term[i];
}

/** `out[offset + i] ← factor · values[i]`. */
function setScaled(out: Float64Array, offset: number, factor: number, values: Numbers): void {
  for (let i = 0; i < values.length; i++) out[offset + i] = factor * values[i];
}
