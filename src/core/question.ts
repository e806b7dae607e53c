/**
 * Reverse communication: a computation asks, a driver answers.
 *
 * Solvers, line searches over vectors and landscapes are generators that yield a question and are resumed with its
 * answer, one number. A driver may answer at once or after an `await`; the generator cannot tell. Every buffer in a
 * question belongs to the generator: the driver reads the points, fills the outputs, and keeps none of them.
 *
 * @module
 */

/** Bounds of the unknowns, by index. */
export interface Bounds {
  lower(j: number): number;
  upper(j: number): number;
}

/**
 * Bounds of the unknowns: one number for all, or one for each, `[n]`. Unbounded is -Infinity below and
 * Infinity above, or null, as both become in JSON.
 */
export type Bound = number | null | ArrayLike<number | null>;

/** Asks for f(x), and for ∇f(x) in `gradient` unless that is null. Answer: f(x). */
export interface Evaluate {
  readonly kind: 'evaluate';
  /** Point, `[n]`. */
  readonly x: Float64Array;
  /** Output, `[n]`, or null if only f is wanted. */
  readonly gradient: Float64Array | null;
  /** Bounds that no evaluation for a gradient by differences leaves, if any. */
  bounds?: Bounds;
}

/** Asks for the next mini-batch: f is another function from here on. Answer: 0. */
export interface NextBatch {
  readonly kind: 'nextBatch';
}

/**
 * Asks for f(x) and ∇f(x) on the samples that this batch shares with the previous one. Requires the problem's
 * `overlap`. Answer: f(x).
 */
export interface EvaluateOverlap {
  readonly kind: 'overlap';
  /** Point, `[n]`. */
  readonly x: Float64Array;
  /** Output, `[n]`, or null if only f is wanted. */
  readonly gradient: Float64Array | null;
}

/** Asks for r(x), and for J, Jᵢⱼ = ∂rᵢ/∂xⱼ, unless that is null. Answer: f(x) = Σ rᵢ². */
export interface EvaluateResiduals {
  readonly kind: 'residuals';
  /** Point, `[n]`. */
  readonly x: Float64Array;
  /** Output, `[m]`. */
  readonly residuals: Float64Array;
  /** Output, `[m, n]` row by row, or null. */
  readonly jacobian: Float64Array | null;
}

/** Asks for J(x)·v in `product`, if the problem has `jacobianVector`. Answer: 0. */
export interface JacobianVector {
  readonly kind: 'jacobianVector';
  /** Point, `[n]`. */
  readonly x: Float64Array;
  /** Direction, `[n]`. */
  readonly v: Float64Array;
  /** Output, `[m]`. */
  readonly product: Float64Array;
}

/** Asks for J(x)ᵀu in `product`, if the problem has `vectorJacobian`. Answer: 0. */
export interface VectorJacobian {
  readonly kind: 'vectorJacobian';
  /** Point, `[n]`. */
  readonly x: Float64Array;
  /** Weights of the residuals, `[m]`. */
  readonly u: Float64Array;
  /** Output, `[n]`. */
  readonly product: Float64Array;
}

/** Asks for J(x)J(x)ᵀ in `product`, if the problem has `jacobianGram`. Answer: 0. */
export interface JacobianGram {
  readonly kind: 'jacobianGram';
  /** Point, `[n]`. */
  readonly x: Float64Array;
  /** Output, `[m, m]`, symmetric. */
  readonly product: Float64Array;
}

/** Asks for ∇²f(x)·v in `product`, if the problem has `hessianVector`. Answer: 0. */
export interface HessianVector {
  readonly kind: 'hessianVector';
  /** Point, `[n]`. */
  readonly x: Float64Array;
  /** Direction, `[n]`. */
  readonly v: Float64Array;
  /** Output, `[n]`. */
  readonly product: Float64Array;
}

/** Asks for f at k points at once, if the problem has `valuesAt`. Answer: 0. */
export interface ValuesAt {
  readonly kind: 'valuesAt';
  /** Points one after the other, `[k, n]`. */
  readonly points: Float64Array;
  /** Output, `[k]`. */
  readonly values: Float64Array;
}

/**
 * Asks for anything else: parameters, a metric, the loss of a model. The driver calls `run` and awaits its
 * promise, if any. Answer: 0.
 */
export interface Compute {
  readonly kind: 'compute';
  /** Name in messages. */
  readonly name: string;
  /** Computes and stores the value; returns a promise if this is asynchronous. */
  run(): void | Promise<void>;
}

/** Any question. A problem answers those that it has methods for. */
export type Question =
  | Evaluate
  | NextBatch
  | EvaluateOverlap
  | EvaluateResiduals
  | JacobianVector
  | VectorJacobian
  | JacobianGram
  | HessianVector
  | ValuesAt
  | Compute;

/** A computation that yields questions, is resumed with numbers, and returns a `Result`. */
export type Asks<Result> = Generator<Question, Result, number>;

/** Asks for f(x) and, unless `gradient` is null, ∇f(x). */
export function evaluate(x: Float64Array, gradient: Float64Array | null): Evaluate {
  return { kind: 'evaluate', x, gradient };
}

/**
 * Asks for a value that `run` computes, directly or as a promise, and returns it. This lets synchronous and
 * asynchronous callers share one implementation.
 *
 * @param name - name in messages, such as `'loss'`
 */
export function* compute<Value>(name: string, run: () => Value | Promise<Value>): Asks<Value> {
  let value: Value | undefined;
  const keep = (answer: Value): void => {
    value = answer;
  };
  yield {
    kind: 'compute',
    name,
    run() {
      const answer = run();
      return answer instanceof Promise ? answer.then(keep) : keep(answer);
    },
  };
  return value as Value;
}

/**
 * Passes on the questions of a computation, and resumes it with adapted answers.
 *
 * @param adapt - returns the answer to give, and may change the outputs of the question
 * @param prepare - may change the question before it is passed on
 */
export function* adaptAnswers<Result>(
  asks: Asks<Result>,
  adapt: (question: Question, answer: number) => number,
  prepare: (question: Question) => void = () => {},
): Asks<Result> {
  let turn = asks.next();
  while (!turn.done) {
    const question: Question = turn.value;
    prepare(question);
    let answer: number;
    try {
      answer = yield question;
    } catch (error) {
      turn = asks.throw(error);
      continue;
    }
    turn = asks.next(adapt(question, answer));
  }
  return turn.value;
}

/** Returns the name of the method that answers a question. */
export function methodOf(question: Question): string {
  if (question.kind === 'compute') return question.name;
  return question.kind === 'evaluate' ? 'fg' : question.kind;
}
