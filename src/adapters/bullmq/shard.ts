/**
 * One shard of the data in a worker: its problem, moved to the requested batch.
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
  /** Index of the mini-batch: number of `nextBatch` calls. */
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

/** Header of an answer. Its first array holds the marks; the others depend on the request. */
export interface ShardAnswer {
  readonly worker: string;
  /** Present if requested. */
  readonly facts?: ShardFacts;
}

/** Number of runs whose marks a shard keeps. */
const remembered = 4;

/** A shard's problem, which can be moved to any batch. */
export class Shard {
  readonly #make: () => Promise<ShardProblem>;
  readonly #marks = new Map<string, number[]>();
  /** Reused memory for the points of one task, and for its results. */
  readonly points = reused();
  readonly scratch = reused();
  #problem: ShardProblem;
  #batch = 0;
  /** Settles when the current task ends. Tasks share parameters, so they run one at a time. */
  #free: Promise<unknown> = Promise.resolve();

  /**
   * @throws TypeError if `make` does not return a problem
   * @throws RangeError if its weight is not a finite number ≥ 0
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

  /** Runs a task on the problem after all earlier ones. */
  use<Result>(work: (problem: ShardProblem) => Result | Promise<Result>): Promise<Result> {
    const result = this.#free.then(() => work(this.#problem));
    this.#free = result.catch(() => {});
    return result;
  }

  /**
   * Runs a task on a batch, like {@link use}.
   *
   * @param run - the run that the marks belong to
   * @param work - receives the marks: f at `start` and beside it on the first batch, and beside it on the second batch
   *   once that has been drawn. Workers with other data or other batches have other marks
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
          `its problem has ${this.#problem.p0.length} parameters, but ${start.length} are requested; their models differ.`,
        );
      }
      return work(this.#problem, await this.#moveTo(run, start, batch));
    });
  }

  async #moveTo(run: string, start: Float64Array, batch: number): Promise<readonly number[]> {
    const marks = this.#marks.get(run) ?? [];
    // Batches are drawn in sequence: to go back, start over.
    if (batch < this.#batch || (marks.length < (batch === 0 ? 2 : 3) && this.#batch > 0)) {
      this.#problem = await this.#make();
      this.#batch = 0;
    }
    const mark = async (at: Float64Array) => valueOf(await this.#problem.fg(at, null))[0];
    // At all-zero parameters many losses do not depend on the data; beside that point they do.
    if (marks.length === 0) marks.push(await mark(start.slice()), await mark(beside(start)));
    while (this.#batch < batch) {
      const next = this.#batch + 1;
      // If drawing fails, the problem's batch is unknown; Infinity makes the next call rebuild it.
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

/** Returns a point about one percent away, the same on all machines. */
function beside(start: Float64Array): Float64Array {
  return start.map((value, i) => {
    const fraction = (Math.imul(i + 1, 0x9e3779b1) >>> 0) / 2 ** 32;
    return value + 0.02 * (fraction - 0.5) * (1 + Math.abs(value));
  });
}

/** Returns the description of a shard's problem. */
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
 * Computes the answer to a request.
 *
 * @param arrays - the point, and for a Hessian product also the vector
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

/** Returns f as bytes can hold it. @throws TypeError if an objective did not return a number */
function valueOf(f: unknown): Float64Array {
  if (typeof f === 'number') return Float64Array.of(f);
  throw new TypeError(`fg must return a number, got ${show(f)}.`);
}

const lacks = (method: string) =>
  new Refusal(`its problem has no method ${method}, but that of another worker has; their models differ.`);
