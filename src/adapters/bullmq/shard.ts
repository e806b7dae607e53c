/**
 * One shard of the data in a worker: its problem, at the batch that is asked for.
 *
 * @module
 */
import { show } from '../../core/options.ts';
import { reused, type Numbers, type Scratch } from './message.ts';
import { Refusal } from './worker.ts';
import type { ShardPlace, ShardProblem } from './module.ts';

/** Questions that a shard can answer. */
export type Request =
  | 'start'
  | 'facts'
  | 'value'
  | 'gradient'
  | 'overlap'
  | 'residuals'
  | 'jacobian'
  | 'product';

/** Data of a job. */
export interface ShardData extends ShardPlace {
  readonly request: Request;
  /** Number of the mini-batch: the number of times that the next one was drawn. */
  readonly batch: number;
}

/** Description of a shard's problem. */
export interface ShardFacts {
  readonly n: number;
  readonly precision: 'float32' | 'float64';
  readonly weight: number;
  readonly residualCount: number | null;
  readonly nextBatch: boolean;
  readonly overlap: boolean;
  readonly residuals: boolean;
  readonly hessianVector: boolean;
}

/** Head of an answer; its first array are the marks, the others depend on the request. */
export interface ShardAnswer {
  readonly worker: string;
  /** Present if they were asked for. */
  readonly facts?: ShardFacts;
}

/** Runs whose marks a shard remembers. */
const remembered = 4;

/** A shard's problem, which can be put to any batch. */
export class Shard {
  readonly #make: () => Promise<ShardProblem>;
  readonly #marks = new Map<string, number[]>();
  /** Memory for the points of one piece of work, and for its results. */
  readonly points = reused();
  readonly scratch = reused();
  #problem: ShardProblem;
  #batch = 0;
  /** The end of the work that goes on here: one piece at a time, since it moves the same parameters. */
  #free: Promise<unknown> = Promise.resolve();

  /**
   * @throws TypeError if what is made is no problem
   * @throws RangeError if its weight is none
   */
  static async open(
    where: string,
    { shard }: ShardPlace,
    make: () => ShardProblem | Promise<ShardProblem>,
  ): Promise<Shard> {
    const checked = async () => {
      const problem = await make();
      if (typeof problem?.fg !== 'function' || !(problem.p0 instanceof Float64Array)) {
        throw new TypeError(`${where}: shard ${shard} must be a problem { p0, fg }, got ${show(problem)}.`);
      }
      const { weight = 1 } = problem;
      if (Number.isFinite(weight) && weight >= 0) return problem;
      throw new RangeError(
        `${where}: shard ${shard} has the weight ${show(weight)}; it must be a finite number ≥ 0.`,
      );
    };
    return new Shard(checked, await checked());
  }

  private constructor(make: () => Promise<ShardProblem>, problem: ShardProblem) {
    this.#make = make;
    this.#problem = problem;
  }

  /** Does some work with the problem, once nothing else does. */
  use<Result>(work: (problem: ShardProblem) => Result | Promise<Result>): Promise<Result> {
    const result = this.#free.then(() => work(this.#problem));
    this.#free = result.catch(() => {});
    return result;
  }

  /**
   * As {@link use}, on a batch.
   *
   * @param run - for which marks are taken at `start`
   * @param work - is given the marks: f at `start` and beside it on the first batch, and beside it on the second once
   *   that has been drawn; by these other data, or batches of other samples, are found out
   */
  useAt<Result>(
    run: string,
    start: Float64Array,
    batch: number,
    work: (problem: ShardProblem, marks: readonly number[]) => Promise<Result>,
  ): Promise<Result> {
    return this.use(async () => {
      if (this.#problem.p0.length !== start.length) {
        throw new Refusal(
          `its problem has ${this.#problem.p0.length} parameters, and ${start.length} are asked for; its model is another.`,
        );
      }
      return work(this.#problem, await this.#moveTo(run, start, batch));
    });
  }

  async #moveTo(run: string, start: Float64Array, batch: number): Promise<readonly number[]> {
    const marks = this.#marks.get(run) ?? [];
    // Batches are drawn one after the other: there is no way back but from the beginning.
    if (batch < this.#batch || (marks.length < (batch === 0 ? 2 : 3) && this.#batch > 0)) {
      this.#problem = await this.#make();
      this.#batch = 0;
    }
    const mark = async (at: Float64Array) => valueOf(await this.#problem.fg(at, null))[0];
    // Where all parameters are 0, many a loss is the same for any data; beside it, it is not.
    if (marks.length === 0) marks.push(await mark(start.slice()), await mark(beside(start)));
    while (this.#batch < batch) {
      const next = this.#batch + 1;
      // If drawing fails, nobody knows where the problem is: it is then made once more.
      this.#batch = Infinity;
      await this.#problem.nextBatch?.();
      this.#batch = next;
      if (next === 1) marks[2] ??= await mark(beside(start));
    }
    this.#marks.set(run, marks);
    const [oldest] = this.#marks.keys();
    if (this.#marks.size > remembered) this.#marks.delete(oldest);
    return marks;
  }
}

/** A point about one per cent from another, the same on all machines. */
function beside(start: Float64Array): Float64Array {
  return start.map((value, i) => {
    const fraction = (Math.imul(i + 1, 0x9e3779b1) >>> 0) / 2 ** 32;
    return value + 0.02 * (fraction - 0.5) * (1 + Math.abs(value));
  });
}

/** Describes a shard's problem. */
export function factsOf(problem: ShardProblem): ShardFacts {
  return {
    n: problem.p0.length,
    precision: problem.precision ?? 'float64',
    weight: problem.weight ?? 1,
    residualCount: problem.residualCount ?? null,
    nextBatch: problem.nextBatch !== undefined,
    overlap: problem.overlap !== undefined,
    residuals: problem.residuals !== undefined && problem.residualCount !== undefined,
    hessianVector: problem.hessianVector !== undefined,
  };
}

/**
 * Computes what is asked for.
 *
 * @param arrays - the point; of a product, the vector too
 * @param scratch - memory for the longest result
 * @returns nothing for facts; f; f and the gradient; the residuals; the residuals and their Jacobian; or the product
 */
export async function compute(
  problem: ShardProblem,
  request: Request,
  [x, v]: readonly Float64Array[],
  scratch: Scratch,
): Promise<Numbers[]> {
  const zeros = (length: number) => new Float64Array(scratch(8 * length), 0, length).fill(0);
  switch (request) {
    case 'start':
    case 'facts':
      return [];
    case 'value':
      return [valueOf(await problem.fg(x, null))];
    case 'gradient': {
      const gradient = zeros(x.length);
      return [valueOf(await problem.fg(x, gradient)), gradient];
    }
    case 'overlap': {
      if (problem.overlap === undefined) throw lacks('overlap');
      const gradient = zeros(x.length);
      return [valueOf(await problem.overlap(x, gradient)), gradient];
    }
    case 'residuals':
    case 'jacobian': {
      if (problem.residuals === undefined) throw lacks('residuals');
      const residuals = new Float64Array(problem.residualCount ?? 0);
      const jacobian = request === 'jacobian' ? zeros(residuals.length * x.length) : null;
      await problem.residuals(x, residuals, jacobian);
      return jacobian === null ? [residuals] : [residuals, jacobian];
    }
    case 'product': {
      if (problem.hessianVector === undefined) throw lacks('hessianVector');
      const product = zeros(x.length);
      await problem.hessianVector(x, v, product);
      return [product];
    }
  }
}

/** @throws TypeError if what an objective has returned is not a number */
function valueOf(f: unknown): Float64Array {
  if (typeof f === 'number') return Float64Array.of(f);
  throw new TypeError(`fg must return a number, got ${show(f)}.`);
}

const lacks = (method: string) =>
  new Refusal(`its problem has no method ${method}, which that of another worker has; its model is another.`);
