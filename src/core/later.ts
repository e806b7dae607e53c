/**
 * Answers of the user's functions, given at once or later.
 *
 * @module
 */
import { show } from './options.ts';
import { compute, type Asks } from './question.ts';

/** Returns true if a callback's answer, now or later, asks to stop. */
export function* saysStop(answer: unknown): Asks<boolean> {
  const value: unknown = answer instanceof Promise ? yield* compute('callback', () => answer) : answer;
  return value === true;
}

/**
 * Returns the number that a function of the user's gives, now or later.
 *
 * @param of - its name, for messages
 * @throws TypeError if it is no number
 */
export function* numberFrom(answer: unknown, of: string): Asks<number> {
  const value: unknown = answer instanceof Promise ? yield* compute(of, () => answer) : answer;
  if (typeof value !== 'number') throw new TypeError(`${of} must return a number, got ${show(value)}.`);
  return value;
}
