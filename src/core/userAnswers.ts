/**
 * Answers of user functions, synchronous or as promises.
 *
 * @module
 */
import { show } from './options.ts';
import { compute, type Asks } from './question.ts';

/** Makes the error of a user's function that wrote into a vector instead of only reading it. */
export const wroteInto = (name: string, vector: string, index: number, was: number, is: number) =>
  new TypeError(
    `${name} wrote into ${vector} (element ${index} was ${was} and is ${is}); it must only read ${vector}. Work on a copy, ${vector}.slice().`,
  );

/** Returns true if a callback's answer, or the promise of one, asks to stop. */
export function* saysStop(answer: unknown): Asks<boolean> {
  const value: unknown = answer instanceof Promise ? yield* awaited(answer, 'callback') : answer;
  return value === true;
}

/**
 * Returns the number that a user function returned, directly or as a promise.
 *
 * @param of - its name, for messages
 * @throws TypeError if it is not a number
 */
export function* numberFrom(answer: unknown, of: string): Asks<number> {
  const value: unknown = answer instanceof Promise ? yield* awaited(answer, of) : answer;
  if (typeof value !== 'number') throw new TypeError(`${of} must return a number, got ${show(value)}.`);
  return value;
}

/** Asks the driver to await a promise. The driver may pause first, so a rejection counts as handled from here on. */
function awaited(answer: Promise<unknown>, of: string): Asks<unknown> {
  answer.catch(() => {});
  return compute(of, () => answer);
}
