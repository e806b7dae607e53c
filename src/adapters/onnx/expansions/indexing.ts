import { refuse } from '../ir/errors.ts';
import { range } from '../ir/shape.ts';
import type { Lowering } from '../passes/rewrite.ts';

/** The batch of each index becomes a part of the index. */
export const gatherND: Lowering = (g, node, attributes) => {
  const batch = attributes.int('batch_dims', 0);
  if (batch === 0) return undefined;
  const [x, indices] = node.input;
  const rank = g.rank(indices);
  if (batch < 0 || batch >= rank) refuse(`batch_dims ${batch} does not fit indices of rank ${rank}.`);
  const each = g.concat([g.sizes(indices, range(rank - 1)), g.integers([1])], 0);
  const batches = range(batch).map((axis) =>
    g.op('Expand', [g.places(g.sizes(indices, [axis]), axis, rank), each]),
  );
  return [g.op('GatherND', [x, g.concat([...batches, indices], -1)])];
};

/** Takes what the condition says by its place. */
const compress: Lowering = (g, node, attributes) => {
  const [x, condition] = node.input;
  const chosen = g.squeeze(g.op('NonZero', [condition]), [0]);
  if (!attributes.has('axis')) return [g.op('Gather', [g.flat(x), chosen])];
  return [g.op('Gather', [x, chosen], { axis: attributes.int('axis', 0) })];
};

export const indexing = new Map<string, Lowering>([['Compress', compress]]);
