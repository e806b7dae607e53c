import { objectWith, type Rule } from '../core/options.ts';
import { strongWolfe } from './linesearch/strongWolfe.ts';
import type { LineSearch } from './linesearch/lineSearch.ts';

/** Rule of an option that takes a line search. */
export const lineSearchRule: Rule = objectWith('a line search such as strongWolfe()', 'search');

/**
 * Returns the default search of L-BFGS and BFGS: the weak Wolfe conditions with c2 = 0.99. They ensure sᵀy > 0,
 * and a better point along the line is worth less than a new direction.
 */
export const quasiNewtonSearch = (): LineSearch =>
  strongWolfe({ c2: 0.99, maxRise: Infinity, extrapolation: 10 });
