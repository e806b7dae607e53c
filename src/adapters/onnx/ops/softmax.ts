import { nodeAttributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { isCopy } from '../ir/node.ts';
import type { Op, OpTable, UpgradeContext } from '../ir/op.ts';
import { flat, type VjpRule } from '../ir/vjp.ts';
import { sameType, samplesOffAxis } from './common.ts';
import { mapAlong } from './vmap/broadcasting.ts';

const softmax: VjpRule = ({ g, outputs: [made], dy, attributes }) => {
  // The softmax of a row of −∞ is NaN. If a Where replaces it, its cotangent must be 0.
  const y = isReplaced(g, made) ? g.where(g.isNaN(made), 0, made) : made;
  const weighted = g.mul(dy, y);
  return [g.sub(weighted, g.mul(y, g.sum(weighted, [attributes.int('axis', -1)])))];
};

/** True if a Where reads a value, directly or through a cast. */
const isReplaced = (g: Builder, value: Value): boolean =>
  g.proto.node.some(
    (node) =>
      node.input.includes(value) &&
      (g.knowledge.traitsOf(node)?.chooses === 'elements' || (isCopy(node) && isReplaced(g, node.output[0]))),
  );

const logSoftmax: VjpRule = ({ g, outputs: [y], dy, attributes }) => [
  g.sub(dy, g.mul(g.exp(y), g.sum(dy, [attributes.int('axis', -1)]))),
];

/** Before opset 13, Softmax flattened all axes from its own on. */
function upgrade({ node, attributes, from, rankOf, before, after, drop }: UpgradeContext): void {
  if (from >= 13) return;
  const axis = attributes.int('axis', 1);
  drop('axis');
  node.attribute.push(...nodeAttributes({ axis: -1 }));
  const [x] = node.input;
  const rank = rankOf(x) ?? rankOf(node.output[0]);
  if (axis === -1 || axis + 1 === rank) return;
  const shape = before.shape(x);
  node.input[0] = before.flatten(x, axis);
  after((g, y) => g.reshapeTo(y, shape));
}

const alongAxis = (vjp: VjpRule, probability?: Op['probability']): Op => ({
  infer: sameType,
  samples: samplesOffAxis(-1, 'it normalizes over the batch'),
  vmap: mapAlong(-1),
  upgrade,
  vjp,
  ...(probability && { probability }),
});

/** Softmax and its relatives. */
export const softmaxOps: OpTable = {
  Softmax: alongAxis(softmax, 'classes'),
  LogSoftmax: alongAxis(logSoftmax, 'logClasses'),
  Hardmax: alongAxis(flat),
};
