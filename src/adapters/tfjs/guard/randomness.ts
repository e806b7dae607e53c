/**
 * Runs `body` with a `Math.random` that repeats `draws` and appends to them when they run out.
 *
 * All tfjs ops without a seed (dropout, noise) draw one from `Math.random`, so the same draws give the same
 * results. The body is synchronous, so no other code sees the replacement.
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
