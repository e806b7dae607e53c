import { refuse } from '../errors.ts';
import type { Lowering } from '../passes/rewrite.ts';
import type { VjpRule } from '../vjp.ts';
import { attention } from './attention.ts';
import { branch } from './branch.ts';
import { fused } from './fused.ts';

/** Ops that are written in others before anything is differentiated. */
export const expansions: ReadonlyMap<string, Lowering> = new Map([...fused, ...attention, ['If', branch]]);

/** What is left of such an op was refused: its rule says why, once a gradient is to pass there. */
export const expansionRules = new Map<string, VjpRule>(
  [...fused, ...attention].map(([op, expand]) => [
    op,
    ({ g, node, attributes }) => {
      expand(g, node, attributes);
      return refuse('one of its outputs has no rule.');
    },
  ]),
);
