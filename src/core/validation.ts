import { numberFrom } from './userAnswers.ts';
import { boolean, faultsOf, integerFrom, nonNegative, objectWith, type Rule } from './options.ts';
import { freshImprovement, observeValue, type Improvement } from './patience.ts';
import type { Iterate, Measured } from './solver.ts';
import type { ProblemFacts } from './problem.ts';
import type { Asks } from './question.ts';

/** A loss to watch while another is minimized, and the rule by which it ends the run. */
export interface Validation<Answer = number> {
  /**
   * Loss to watch, such as that of held-out data. Only its `fg(x, null)` is called. Any measure that falls as
   * the model improves will do: `{ fg: (x) => 1 - accuracyAt(x) }`.
   */
  readonly problem: {
    /** The loss at x, `[n]`; x is a copy. */
    fg(x: Float64Array, gradient: null): Answer;
  };
  /**
   * Number of iterations between evaluations; the start and the end are always evaluated.
   *
   * @defaultValue `1`
   */
  readonly every?: number | undefined;
  /**
   * Number of evaluations without improvement after which to stop; Infinity never stops.
   *
   * @defaultValue `10`
   */
  readonly patience?: number | undefined;
  /** Changes up to this size do not count as an improvement. @defaultValue `0` */
  readonly minDelta?: number | undefined;
  /**
   * Return the point with the lowest validation loss, even if the run does not stop early.
   *
   * @defaultValue `true`
   */
  readonly restoreBest?: boolean | undefined;
}

/** Validation losses of a run, in `result.validation`. */
export interface ValidationResult {
  /**
   * The lowest validation loss and its iteration, of an earlier run after `resume`, whose additional evaluation at its end does
   * not count; null if no value was a number.
   */
  readonly best: { readonly iteration: number; readonly f: number } | null;
  /** Every validation loss, in order. */
  readonly trace: readonly { readonly iteration: number; readonly f: number }[];
}

/** The point with the lowest validation loss so far. */
export interface ValidatedPoint extends Measured {
  /** `[n]` */
  readonly x: Float64Array;
  /** State of the problem in addition to x; see {@link ProblemFacts.statistics}. */
  readonly statistics: Float64Array | null;
  readonly iteration: number;
}

/** Memory of a validation, as plain data. */
export interface ValidationMemory extends Improvement {
  /** Null before there is a best point. */
  point: ValidatedPoint | null;
  /** Number of iterations so far, with those of earlier runs that this one continues: `every` counts them. */
  iterations?: number;
}

const rules = {
  problem: objectWith('a problem, { fg }', 'fg'),
  every: integerFrom(1),
  patience: integerFrom(1),
  minDelta: nonNegative,
  restoreBest: boolean,
};

/** Rule of the option `validation`. */
export const validationRule: Rule = {
  allowed:
    '{ problem: { fg }, every, patience, minDelta, restoreBest }, every and patience being whole numbers ≥ 1',
  accepts: (value) =>
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<Validation>).problem?.fg === 'function' &&
    faultsOf(value, rules as never).length === 0,
};

/** Watches a validation loss in a run. */
export interface Watch {
  readonly memory: ValidationMemory;
  /** Returns the value at an iteration, if it was evaluated there. */
  valueAt(iteration: number): number | undefined;
  /**
   * Evaluates the loss if it is due, and always at the end of a run; returns true if it has not improved for
   * too long. The start of a run that continues another is the end of that.
   *
   * @param measured - f and ‖∇f‖∞ without transform and scaling
   */
  observe(iteration: number, at: Pick<Iterate, 'x'>, measured: Measured, isEnd: boolean): Asks<boolean>;
  /** Returns the best point if the run is to end there. */
  chosen(): ValidatedPoint | null;
  result(): ValidationResult;
  /** Returns the message that says why the run stopped. */
  reason(): string;
}

/**
 * Starts to watch a validation loss.
 *
 * @param task - the problem that is minimized: its statistics are brought up to date before each evaluation
 * @param earlier - memory of the run being resumed, if that had one; written to
 */
export function watch(
  options: Validation<number | Promise<number>>,
  task: ProblemFacts,
  earlier: ValidationMemory | undefined,
): Watch {
  const { problem, every = 1, patience = 10, minDelta = 0, restoreBest = true } = options;
  const memory: ValidationMemory = earlier ?? { ...freshImprovement(), point: null };
  const iterationsBefore = memory.iterations ?? 0;
  const trace: { iteration: number; f: number }[] = [];
  return {
    memory,
    *observe(iteration, { x }, { f, gradientNorm }, isEnd) {
      memory.iterations = iterationsBefore + iteration;
      const isKnown = iteration === 0 && earlier !== undefined;
      const isDue = !isKnown && memory.iterations % every === 0;
      if (!(isDue || isEnd) || trace.at(-1)?.iteration === iteration) return false;
      const statistics = task.statistics?.read(x) ?? null;
      // A copy, because user code may write into it.
      const value = yield* numberFrom(problem.fg(x.slice(), null), 'validation.problem.fg');
      trace.push({ iteration, f: value });
      const { isBest, isOver } = observeValue(memory, value, { patience, minDelta, mode: 'min' });
      if (isBest) memory.point = { x: x.slice(), f, gradientNorm, statistics, iteration };
      return isOver;
    },
    valueAt: (iteration) => (trace.at(-1)?.iteration === iteration ? trace.at(-1)?.f : undefined),
    chosen: () => (restoreBest ? memory.point : null),
    result: () => ({
      best: memory.point && { iteration: memory.point.iteration, f: memory.best ?? NaN },
      trace,
    }),
    reason() {
      const reached =
        memory.best === null
          ? 'has not been a number'
          : `has not fallen below ${Number(memory.best.toPrecision(6))}`;
      const point = restoreBest && memory.point ? ' The best point is returned.' : '';
      return `The validation loss ${reached} for ${patience} evaluations.${point}`;
    },
  };
}
