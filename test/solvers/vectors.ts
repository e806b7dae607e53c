/** Plain vectors and the oracle of the inverse Hessian, for tests of solvers. */

export type Vector = number[];

/** A step and the change of the gradient along it. */
export interface Pair {
  readonly s: Vector;
  readonly y: Vector;
}

/** aᵀb. */
export const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, i) => sum + value * b[i], 0);

/** a + c·b. */
export const plus = (a: Vector, c: number, b: Vector): Vector => a.map((value, i) => value + c * b[i]);

/** H·v for H = VᵀH′V + ρssᵀ, V = I − ρysᵀ, H′ that of the pairs before, down to γI. */
export function timesH(pairs: readonly Pair[], gamma: number, v: Vector): Vector {
  if (pairs.length === 0) return v.map((value) => gamma * value);
  const { s, y } = pairs[pairs.length - 1];
  const rho = 1 / dot(s, y);
  const inner = timesH(pairs.slice(0, -1), gamma, plus(v, -rho * dot(s, v), y));
  return plus(inner, rho * dot(s, v) - rho * dot(y, inner), s);
}

/** Runs a computation that asks nothing. */
export function resultOf<Result>(asks: Generator<unknown, Result, number>): Result {
  const turn = asks.next();
  if (!turn.done) throw new Error('it asked a question');
  return turn.value;
}
