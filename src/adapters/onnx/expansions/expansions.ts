import { refuse } from '../ir/errors.ts';
import type { Lowering } from '../passes/rewrite.ts';
import type { VjpRule } from '../ir/vjp.ts';
import { attention } from './attention.ts';
import { branch } from './branch.ts';
import { einsum } from './einsum.ts';
import { fused } from './fused.ts';
import { gatherND, indexing } from './indexing.ts';
import { linearModels } from './linearModels.ts';
import { lossOps } from './losses.ts';
import { rotary } from './rotary.ts';
import { sampling } from './sampling.ts';
import { sequenceOps } from './sequence.ts';

const always: readonly (readonly [string, Lowering])[] = [
  ...fused,
  ...attention,
  ...rotary,
  ...indexing,
  ...sampling,
  ...sequenceOps,
  ...lossOps,
  ...linearModels,
];

/** Ops that are written in others before anything is differentiated; some of them only in some of their forms. */
export const expansions: ReadonlyMap<string, Lowering> = new Map([
  ...always,
  ['If', branch],
  ['Einsum', einsum],
  ['GatherND', gatherND],
]);

/** What is left of an op that has no other rule was refused: its rule says why, once a gradient is to pass there. */
export const expansionRules = new Map<string, VjpRule>(
  always.map(([op, expand]) => [
    op,
    ({ g, node, attributes }) => {
      const values = expand(g, node, attributes);
      const all = node.output.every((output, k) => output === '' || values?.[k]);
      return refuse(
        all ? 'inside the graph of another node it has no rule.' : 'one of its outputs has no rule.',
      );
    },
  ]),
);
