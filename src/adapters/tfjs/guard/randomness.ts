/**
 * Runs `body` with a `Math.random` that repeats `draws`, and adds to them where they end.
 *
 * All ops of tfjs that are given no seed (dropout, noise) take theirs from `Math.random`: with the same
 * draws they do the same. The code between is synchronous, so nobody else sees it.
 */
export function withDraws<Result>(draws: number[], body: () => Result): Result {
  const { random } = Math;
  let next = 0;
  Math.random = () => (draws[next++] ??= random());
  try {
    return body();
  } finally {
    Math.random = random;
  }
}
