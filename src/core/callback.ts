import { wroteInto } from './userAnswers.ts';
import type { AsyncSolveOptions, Progress } from './solveOptions.ts';

/**
 * Number of first calls after which x is always compared; later only at powers of 2, since a comparison costs
 * more than the copy.
 */
const FIRST_CALLS = 4;

type Callback = NonNullable<AsyncSolveOptions['callback']>;

/**
 * Longest x that is copied for each call. A longer one, for which V8 allocates memory outside of its heap, is copied only if
 * the callback reads it.
 */
const SHORT = 8;

/**
 * Wraps a callback so that it sees a copy of x, which is its own: the solver goes on writing into its own array. Refuses a
 * callback that writes into x, which would have no effect.
 *
 * @throws TypeError if it writes into x
 */
export function readOnly(where: string, callback: Callback): Callback {
  let calls = 0;
  return (progress) => {
    const seen = new SeenProgress(where, progress);
    const answer = callback(seen);
    const copy = SeenProgress.end(seen, answer);
    calls++;
    if (copy && (calls <= FIRST_CALLS || (calls & (calls - 1)) === 0))
      checkUntouched(where, copy, progress.x);
    return answer;
  };
}

/**
 * A progress whose `x` is a copy, made when it is first read, and refused if that is after the callback, since the solver
 * has then moved on.
 */
class SeenProgress implements Progress {
  declare readonly x: Float64Array;
  declare readonly validation?: number;
  readonly iteration: number;
  readonly f: number;
  readonly gradientNorm: number;
  readonly alpha: number;
  readonly evaluations: number;
  readonly elapsed: number;
  readonly state: Progress['state'];
  readonly #where: string;
  readonly #source: Float64Array;
  #copy: Float64Array | undefined;
  #isOver = false;

  constructor(where: string, progress: Progress) {
    this.iteration = progress.iteration;
    this.f = progress.f;
    this.gradientNorm = progress.gradientNorm;
    this.alpha = progress.alpha;
    this.evaluations = progress.evaluations;
    this.elapsed = progress.elapsed;
    this.state = progress.state;
    if (progress.validation !== undefined) this.validation = progress.validation;
    this.#where = where;
    this.#source = progress.x;
    if (progress.x.length <= SHORT) this.#copy = progress.x.slice();
    Object.defineProperty(this, 'x', SeenProgress.#x);
  }

  /** An own property, so that spreads have x. One getter for all objects: defining a new one takes four times as long. */
  static readonly #x: PropertyDescriptor & ThisType<SeenProgress> = {
    enumerable: true,
    get() {
      if (this.#copy === undefined && this.#isOver) {
        throw new RangeError(
          `${this.#where}: x of iteration ${this.iteration} was read after its callback had returned; the solver has since written other points there. Read x inside the callback, where it is a copy.`,
        );
      }
      return (this.#copy ??= this.#source.slice());
    },
  };

  /**
   * Ends the callback's access to x: at once, or when the promise that it returned is settled.
   *
   * @returns the copy, if there is one
   */
  static end(seen: SeenProgress, answer: unknown): Float64Array | undefined {
    const end = (): void => void (seen.#isOver = true);
    if (answer instanceof Promise) answer.then(end, end);
    else end();
    return seen.#copy;
  }
}

function checkUntouched(where: string, copy: Float64Array, x: Float64Array): void {
  let i = 0;
  while (i < x.length && (copy[i] === x[i] || Number.isNaN(x[i]))) i++;
  if (i === x.length) return;
  throw wroteInto(`${where}: callback`, 'x', i, x[i], copy[i]);
}
