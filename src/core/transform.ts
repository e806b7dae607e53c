import { checkNumber } from './start.ts';
import type { Asks } from './question.ts';
import type { Measured } from './solver.ts';

/** A monotone change of the values of f > 0, and the way back. */
interface Transform {
  /** The transformed value. */
  value(f: number): number;
  /** What its gradient is in units of ∇f. */
  slope(f: number): number;
  /** f and ‖∇f‖∞ from the transformed ones. */
  undo(measured: Measured): Measured;
}

/** What a solve is passed through. */
export interface Filter {
  /** Passes the questions of `asks` on, and changes the answers. */
  pass<Result>(asks: Asks<Result>): Asks<Result>;
  /** f and ‖∇f‖∞ without the change. */
  undo(measured: Measured): Measured;
}

/** log f, where the smallest positive number stands for an f of exactly 0. */
const lowest = Math.log(Number.MIN_VALUE);
const logOf = (f: number): number => (f === 0 ? lowest : Math.log(f));
const expOf = (log: number): number => (log === lowest ? 0 : Math.exp(log));

const transforms: Partial<Record<'none' | 'log' | 'sqrt', Transform>> = {
  log: {
    value: logOf,
    slope: (f) => 1 / f,
    undo: ({ f, gradientNorm }) => ({ f: expOf(f), gradientNorm: gradientNorm * expOf(f) }),
  },
  sqrt: {
    value: Math.sqrt,
    slope: (f) => 1 / (2 * Math.sqrt(f)),
    undo: ({ f, gradientNorm }) => ({ f: f * f, gradientNorm: gradientNorm * 2 * f }),
  },
};

/** The transform of the option of that name. */
export function transformBy(name: 'none' | 'log' | 'sqrt' = 'none'): Filter | null {
  const transform = transforms[name];
  if (!transform) return null;
  return {
    pass: (asks) => transformed(asks, transform),
    undo: (measured) => transform.undo(measured),
  };
}

/**
 * Passes the questions of `asks` on and transforms the answers: values in the return, gradients in their buffers.
 *
 * An f < 0 becomes NaN, which searches step back from. At f = 0, the least that f > 0 can come to, the
 * gradient is 0.
 *
 * @throws RangeError if f is not > 0 at the first question
 * @throws TypeError if `asks` asks for more than f and its gradient
 */
function* transformed<Result>(asks: Asks<Result>, transform: Transform): Asks<Result> {
  let isFirst = true;
  let turn = asks.next();
  while (!turn.done) {
    const question = turn.value;
    let answer: number;
    try {
      answer = yield question;
    } catch (error) {
      turn = asks.throw(error);
      continue;
    }
    if (question.kind === 'evaluate' || question.kind === 'overlap') {
      checkNumber(answer);
      if (isFirst && !(answer > 0)) {
        throw new RangeError(`minimize: a transform needs f > 0; f(p0) is ${answer}.`);
      }
      isFirst = false;
      if (question.gradient !== null) scale(question.gradient, answer === 0 ? 0 : transform.slope(answer));
      answer = answer < 0 ? NaN : transform.value(answer);
    } else if (question.kind !== 'nextBatch') {
      throw new TypeError('minimize: transform is for solvers that need no more than f and its gradient.');
    }
    turn = asks.next(answer);
  }
  return turn.value;
}

function scale(x: Float64Array, by: number): void {
  for (let i = 0; i < x.length; i++) x[i] *= by;
}
