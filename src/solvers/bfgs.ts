import { checkOptions, objectWith } from '../core/options.ts';
import { dot, subtract } from '../core/vector.ts';
import { CURVATURE_EPSILON } from './lbfgs.ts';
import { lineSearchSolver, type Descent, type LineSearchState } from './lineSearchSolver.ts';
import { strongWolfe } from './linesearch/strongWolfe.ts';
import { multiply, setIdentity } from './dense.ts';
import type { Solver } from '../core/solver.ts';
import type { LineSearch } from './linesearch/lineSearch.ts';

/** Options of {@link bfgs}. */
export interface BfgsOptions {
  /** @defaultValue `strongWolfe()` */
  readonly lineSearch?: LineSearch;
}

/** The inverse Hessian estimate and the scratch of its update. */
export interface DenseMemory {
  /** H, symmetric, `[n, n]` row by row. */
  readonly inverse: Float64Array;
  /** `[n]` */
  readonly s: Float64Array;
  /** `[n]` */
  readonly y: Float64Array;
  /** Hy, `[n]` */
  readonly hy: Float64Array;
  /** Number of updates H has seen; at 0 it is the identity. */
  updates: number;
}

/**
 * BFGS with a dense inverse Hessian: n² numbers and O(n²) work an iteration, for up to about a thousand
 * unknowns. There it reaches losses that limited memory does not.
 *
 * H starts as max(1, sᵀy/yᵀy)·I at the first update.
 *
 * @throws RangeError naming every option that is wrong
 * @see Nocedal & Wright (2006), Numerical Optimization, 2nd ed., Algorithm 6.1 and eq. (6.17), (6.20)
 */
export function bfgs(options: BfgsOptions = {}): Solver<LineSearchState<DenseMemory>> {
  checkOptions('bfgs', options, { lineSearch: objectWith('a line search such as strongWolfe()', 'search') });
  const { lineSearch = strongWolfe() } = options;
  return lineSearchSolver({
    name: 'bfgs',
    describe: () => `BFGS (${lineSearch.name})`,
    descent: dense,
    lineSearch,
  });
}

const dense: Descent<DenseMemory> = {
  init: ({ n }) => ({
    inverse: setIdentity(new Float64Array(n * n), n, 1),
    s: new Float64Array(n),
    y: new Float64Array(n),
    hy: new Float64Array(n),
    updates: 0,
  }),
  direction: ({ inverse }, gradient, out) => multiply(inverse, -1, gradient, out),
  update(memory, { x, gradient, trial, trialGradient }) {
    const { inverse, s, y, hy } = memory;
    const n = x.length;
    subtract(trial, x, s);
    subtract(trialGradient, gradient, y);
    const sy = dot(s, y);
    const yy = dot(y, y);
    if (!(sy > CURVATURE_EPSILON * yy)) return;
    if (memory.updates === 0) setIdentity(inverse, n, Math.max(1, sy / yy));
    multiply(inverse, 1, y, hy);
    updateInverse(inverse, s, hy, sy, dot(y, hy));
    memory.updates++;
  },
  forget(memory) {
    setIdentity(memory.inverse, memory.s.length, 1);
    memory.updates = 0;
  },
  isFresh: ({ updates }) => updates === 0,
};

/** `H ← H + (sᵀy + yᵀHy)ssᵀ/(sᵀy)² − (Hysᵀ + s(Hy)ᵀ)/sᵀy`. */
function updateInverse(
  inverse: Float64Array,
  s: Float64Array,
  hy: Float64Array,
  sy: number,
  yHy: number,
): void {
  const n = s.length;
  const outer = (sy + yHy) / (sy * sy);
  for (let i = 0, row = 0; i < n; i++, row += n) {
    const a = outer * s[i] - hy[i] / sy;
    const b = s[i] / sy;
    for (let j = 0; j < n; j++) inverse[row + j] += a * s[j] - b * hy[j];
  }
}
