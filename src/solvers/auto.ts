import { bfgs } from './bfgs.ts';
import { lbfgs } from './lbfgs.ts';
import { levenbergMarquardt } from './levenbergMarquardt.ts';
import type { Iterate, Setting, Solver } from '../core/solver.ts';

/**
 * Above this many unknowns the n² numbers of a dense inverse Hessian no longer pay off: on small networks BFGS breaks
 * even in time at n ≈ 400 if f is the mean over 50 points, and beyond n = 1000 with 500 points
 * (`npm run bench -- scaling`).
 */
const DENSE_LIMIT = 500;

/**
 * Largest work of a step of {@link levenbergMarquardt}, m·n·min(m, n) multiplications, for which it is chosen: about
 * half a second. A network of 4929 weights and 1000 samples, ten times that, trains faster with {@link lbfgs}
 * (`npm run bench -- onnxLeastSquares`).
 */
const WORK_LIMIT = 5e8;

/**
 * Chooses a solver, with its defaults: {@link levenbergMarquardt} for a sum of squares whose Jacobian is small enough,
 * otherwise {@link bfgs} for n ≤ 500 and {@link lbfgs} above.
 *
 * @throws TypeError if options are given
 */
export function auto(...options: readonly never[]): Solver {
  if (options.length > 0) {
    throw new TypeError('auto: takes no options; give them to bfgs(), lbfgs() or levenbergMarquardt().');
  }
  const squares: Solver = levenbergMarquardt();
  const small: Solver = bfgs();
  const large: Solver = lbfgs();
  const choose = (n: number): Solver => (n <= DENSE_LIMIT ? small : large);
  const chosen = (state: Iterate): Solver => (isSquares(state) ? squares : choose(state.x.length));
  return {
    name: 'auto',
    descends: true,
    leavesPoint: true,
    anyScale: true,
    describe: (n, state) =>
      state !== undefined && isSquares(state)
        ? `${squares.describe(n)}, chosen for a sum of squares`
        : `${choose(n).describe(n)}, chosen for n = ${n}`,
    init: (setting) => (isSmallSumOfSquares(setting) ? squares : choose(setting.n)).init(setting),
    step: (state) => chosen(state).step(state),
    direction: (state, out) => chosen(state).direction?.(state, out),
  };
}

const isSquares = (state: Iterate): boolean => 'jacobian' in state;

const isSmallSumOfSquares = ({ n, residualCount: m = 0, stochastic = false }: Setting): boolean =>
  m > 0 && !stochastic && m * n * Math.min(m, n) <= WORK_LIMIT;
