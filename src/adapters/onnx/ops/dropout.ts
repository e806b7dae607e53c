import { refuse } from '../ir/errors.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { onlyFirst } from '../ir/samples.ts';
import { DType } from '../ir/tensor.ts';
import type { VjpRule } from '../ir/vjp.ts';

/**
 * Divides the cotangent of the elements kept by their probability. A graph that is run again for its states would make
 * another choice.
 */
const dropout: VjpRule = ({ g, node, inputs: [x, ratio, training], dy }) => {
  const mode = training ? g.integersOf(training)?.[0] : 0;
  if (mode === 0) return [dy];
  if (g.inside) refuse('in training mode, inside the graph of another node, it has no rule.');
  const kept = g.extraOutput(node, 1);
  const part = ratio ? g.sub(1, g.cast(ratio, g.floatTypeOf(x))) : g.scalar(0.5, g.floatTypeOf(x));
  const share = mode === undefined ? g.where(training, part, g.scalar(1, g.floatTypeOf(x))) : part;
  return [g.where(kept, g.div(dy, share), 0)];
};

/** A Dropout in inference, or with a ratio of 0, does nothing; one that may be in training mode is left as it is. */
const idle: Lowering = (g, node) => {
  const [, ratio, training] = node.input;
  const drops = training && g.integersOf(training)?.[0] !== 0 && !(ratio && g.scalarOf(ratio) === 0);
  if (drops) return undefined;
  const [x, mask] = [node.input[0], node.output[1]];
  return [x, mask ? g.cast(g.filled(g.shape(x), 1), DType.BOOL) : undefined];
};

/** Dropout. */
export const dropoutOps: OpTable = {
  Dropout: {
    infer: (c) => [
      { dtype: c.dtype(0), shape: c.shape(0) },
      { dtype: DType.BOOL, shape: c.shape(0) },
    ],
    samples: onlyFirst,
    as: { lower: idle },
    vjp: dropout,
    upgrade: ({ from, drop }) => from < 12 && drop('ratio'),
  },
};
