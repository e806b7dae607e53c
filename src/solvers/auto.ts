import { bfgs } from './bfgs.ts';
import { lbfgs } from './lbfgs.ts';
import type { Iterate, Solver } from '../core/solver.ts';

/**
 * Above this many unknowns the n² numbers of a dense inverse Hessian no longer pay: on small nets BFGS breaks
 * even in time at n ≈ 400 where f is the mean over 50 points, at n ≈ 1000 where it is over 500
 * (`npm run bench -- scaling`).
 */
const DENSE_LIMIT = 500;

/** Chooses for you: {@link bfgs} for n ≤ 500, {@link lbfgs} above, each with its defaults. */
export function auto(): Solver {
  const small: Solver = bfgs();
  const large: Solver = lbfgs();
  const choose = (n: number): Solver => (n <= DENSE_LIMIT ? small : large);
  const chosen = (state: Iterate): Solver => choose(state.x.length);
  return {
    name: 'auto',
    descends: true,
    leavesPoint: true,
    anyScale: true,
    describe: (n) => `${choose(n).describe(n)}, chosen for n = ${n}`,
    init: (setting) => choose(setting.n).init(setting),
    step: (state) => chosen(state).step(state),
    direction: (state, out) => chosen(state).direction?.(state, out),
  };
}
