import { doBody } from '../ir/body.ts';
import type { Lowering } from '../passes/rewrite.ts';

/** An If whose condition is known before the graph runs, as where it asks for a rank: the branch that is taken. */
export const branch: Lowering = (g, node) => {
  const condition = g.integersOf(node.input[0]);
  if (condition?.length !== 1) return undefined;
  const taken = condition[0] === 0 ? 'else_branch' : 'then_branch';
  const body = node.attribute.find(({ name }) => name === taken)?.g;
  return body && doBody(g, body, []);
};
