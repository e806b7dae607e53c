import { objectWith, type Rule } from '../core/options.ts';

/** Rule of an option that takes a line search. */
export const lineSearchRule: Rule = objectWith('a line search such as strongWolfe()', 'search');
