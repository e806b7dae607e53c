import { newtonCG, type NewtonCGOptions, type Problem } from 'quasi-newton';
import { runSync } from '../../src/core/drive.ts';
import { inside } from './internals.ts';
import type { NewtonCGState } from '../../src/solvers/newtonModel.ts';

/** Parts of a problem that need not agree. */
export interface Given {
  /** f as it is computed, with its rounding. */
  readonly f: (x: Float64Array) => number;
  readonly gradient: (x: Float64Array) => ArrayLike<number>;
  /** Diagonal of the Hessian. @defaultValue ones */
  readonly curvature?: readonly number[];
}

/** A problem whose parts need not agree, with a count of its evaluations. */
export function told({ f, gradient, curvature }: Given): Problem & { evaluations: number } {
  const problem: Problem & { evaluations: number } = {
    p0: Float64Array.of(),
    evaluations: 0,
    fg(x, g) {
      problem.evaluations++;
      g?.set(gradient(x));
      return f(x);
    },
    hessianVector(_x, v, product) {
      product.set(v.map((value, i) => value * (curvature?.[i] ?? 1)));
    },
  };
  return problem;
}

/** Options of a start. */
export interface Start extends NewtonCGOptions {
  readonly x: readonly number[];
  readonly precision?: 'float32' | 'float64';
  readonly stochastic?: boolean;
  readonly exact?: boolean;
}

/** A state at a point of a problem, with the products taken as checked. */
export function stateAt(
  problem: Problem,
  { x, precision = 'float64', stochastic = false, exact = true, ...options }: Start,
) {
  const solver = newtonCG(options);
  const setting = { n: x.length, precision, stochastic, hessianVector: exact };
  const state = inside<NewtonCGState>(solver.init(setting));
  state.x.set(x);
  state.f = problem.fg(state.x, state.gradient);
  state.checked = true;
  const step = () => runSync(solver.step(state), problem);
  return { state, step };
}
