import type { Asks } from './question.ts';

/**
 * Runs a computation and then puts back what it has changed, even after an error.
 *
 * @throws the error of the computation; as {@link errorAfter} does if putting back fails as well
 */
export function* thenPutBack<Result>(asks: Asks<Result>, putBack: () => void): Asks<Result> {
  let result: Result;
  try {
    result = yield* asks;
  } catch (error) {
    throw errorAfter(error, putBack);
  }
  putBack();
  return result;
}

/**
 * Puts back what a computation had changed when it failed.
 *
 * @param failing - says what has failed if `putBack` throws
 * @returns the error unchanged; if `putBack` throws, an Error that names both, with the first as its cause
 */
export function errorAfter(
  error: unknown,
  putBack: () => void,
  failing = 'The parameters could not be put back',
): unknown {
  try {
    putBack();
  } catch (second) {
    return new Error(`${String(error)}\n${failing}: ${String(second)}`, {
      cause: error,
    });
  }
  return error;
}
