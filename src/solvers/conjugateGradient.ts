import { callable, checkOptions, finitePositive, nonNegative, oneOf, type Rules } from '../core/options.ts';
import { allocateRows, kernelsForAll, vectorBeside } from '../core/kernels/placement.ts';
import type { Row } from '../core/kernels/rows.ts';
import { dot, scaleInto } from '../core/vector.ts';
import { previousStep, type InitialStep } from './initialStep.ts';
import { lineSearchRule } from './lineSearchOption.ts';
import { lineSearchSolver, type Descent } from './lineSearchSolver.ts';
import { strongWolfe } from './linesearch/strongWolfe.ts';
import type { Solver } from '../core/solver.ts';
import type { LineSearch } from './linesearch/lineSearch.ts';

/** Options of {@link conjugateGradient}. */
export interface ConjugateGradientOptions {
  /**
   * Factor β of the previous direction: Hager and Zhang's, or Polak and Ribière's, bounded below by 0.
   *
   * @defaultValue `'hagerZhang'`
   */
  readonly beta?: 'hagerZhang' | 'polakRibiere' | undefined;
  /** η in the lower bound η·dᵀ∇f/dᵀd on β. @defaultValue `0.4` */
  readonly eta?: number | undefined;
  /** θ in Hager & Zhang's β = (y − θ‖y‖²/(dᵀy)·d)ᵀ∇f/dᵀy; their first paper uses 2. @defaultValue `1` */
  readonly theta?: number | undefined;
  /** Line search. @defaultValue `strongWolfe({ c2: 0.2 })` */
  readonly lineSearch?: LineSearch | undefined;
  /** First step that the line search tries. @defaultValue `previousStep()` */
  readonly initialStep?: InitialStep | undefined;
}

/** Rules of {@link ConjugateGradientOptions}. */
export const conjugateGradientRules: Rules<ConjugateGradientOptions> = {
  beta: oneOf('hagerZhang', 'polakRibiere'),
  eta: nonNegative,
  theta: finitePositive,
  lineSearch: lineSearchRule,
  initialStep: callable,
};

/** Previous direction, and its factor in the next one. */
export interface ConjugateGradientMemory {
  /** One row, `[n]`: the previous direction. */
  readonly rows: Row[];
  /** Factor β; at 0 the next direction is −∇f. */
  beta: number;
}

/**
 * Nonlinear conjugate gradients with the β of CG_DESCENT, in six vectors of memory. It takes more evaluations
 * than {@link lbfgs}, which is the better choice if there is memory for it.
 *
 * Departure from CG_DESCENT: the line search is Moré and Thuente's, starting from the step that would lower f
 * by as much as the previous one did. It takes 0.79 × the evaluations of `hagerZhang()` with
 * `hagerZhangStep()` on 90 problems.
 *
 * @throws RangeError naming every option that is wrong
 * @see Hager & Zhang (2006), Algorithm 851: CG_DESCENT, ACM TOMS 32(1), doi:10.1145/1132973.1132979; Hager &
 *   Zhang (2013), The limited memory conjugate gradient method, SIAM J. Optim. 23(4), for θ = 1 and η·dᵀ∇f/dᵀd
 */
export function conjugateGradient(options: ConjugateGradientOptions = {}): Solver {
  checkOptions('conjugateGradient', options, conjugateGradientRules);
  const { beta = 'hagerZhang', eta = 0.4, theta = 1 } = options;
  const { lineSearch = strongWolfe({ c2: 0.2 }), initialStep = previousStep() } = options;
  const title = beta === 'hagerZhang' ? 'Hager–Zhang' : 'Polak–Ribière+';
  return lineSearchSolver({
    name: 'conjugateGradient',
    describe: () => `Conjugate gradient (${title}, ${lineSearch.name})`,
    descent: beta === 'hagerZhang' ? conjugate(hagerZhangBeta(eta, theta)) : conjugate(polakRibiereBeta),
    lineSearch,
    initialStep,
  });
}

/**
 * Inner products that β is computed from, of the previous direction d and the gradients g and g⁺ before and
 * after its step.
 */
interface Products {
  /** yᵀg⁺. */
  readonly yg: number;
  /** dᵀy. */
  readonly dy: number;
  /** yᵀy. */
  readonly yy: number;
  /** dᵀg. */
  readonly dg: number;
  /** dᵀg⁺. */
  readonly dgNext: number;
  /** dᵀd. */
  readonly dd: number;
  /** gᵀg. */
  readonly gg: number;
}

/** Hager & Zhang (2013), eq. (3.1) and (3.2), with θ instead of 1. */
function hagerZhangBeta(eta: number, theta: number): (products: Products) => number {
  return ({ yg, dy, yy, dg, dgNext, dd }) =>
    Math.max((yg - (theta * yy * dgNext) / dy) / dy, (eta * dg) / dd);
}

/** Nocedal & Wright (2006), eq. (5.44) and (5.45). */
const polakRibiereBeta = ({ yg, gg }: Products): number => Math.max(0, yg / gg);

function conjugate(choose: (products: Products) => number): Descent<ConjugateGradientMemory> {
  return {
    init: ({ n }) => ({ rows: allocateRows(n, 1, 'float64'), beta: 0 }),
    vector: ({ rows }) => vectorBeside(rows[0]),
    apply({ rows, beta }, gradient, out) {
      if (beta === 0) return scaleInto(-1, gradient, out);
      return kernelsForAll(rows).combine({ rows, order: [0] }, Float64Array.of(beta), -1, gradient, out);
    },
    learn(memory, { direction, gradient, trialGradient }) {
      const beta = choose(products(direction, gradient, trialGradient));
      memory.beta = Number.isFinite(beta) ? beta : 0;
      memory.rows[0].set(direction);
    },
    reset: (memory) => Object.assign(memory, { beta: 0 }),
    isFresh: ({ beta }) => beta === 0,
  };
}

function products(d: Float64Array, g: Float64Array, gNext: Float64Array): Products {
  let yg = 0;
  let yy = 0;
  for (let i = 0; i < g.length; i++) {
    const y = gNext[i] - g[i];
    yg += y * gNext[i];
    yy += y * y;
  }
  const dg = dot(d, g);
  const dgNext = dot(d, gNext);
  return { yg, yy, dg, dgNext, dy: dgNext - dg, dd: dot(d, d), gg: dot(g, g) };
}
