import type { NodeProto } from 'onnx-buf';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { onlyFirst } from '../ir/samples.ts';
import { DType } from '../ir/tensor.ts';
import type { VjpRule } from '../ir/vjp.ts';

/**
 * Divides the cotangent of the kept elements by their probability. Inside a subgraph there is no rule: the backward pass
 * runs the subgraph again, which would draw another mask.
 */
const dropout: VjpRule = ({ g, node, inputs: [x, ratio, training], dy }) => {
  const mode = training ? g.integersOf(training)?.[0] : 0;
  if (mode === 0) return [dy, undefined, undefined];
  if (g.inside) refuse('in training mode inside a subgraph, it has no rule.');
  const kept = g.extraOutput(node, 1);
  const part = ratio ? g.sub(1, g.cast(ratio, g.floatTypeOf(x))) : g.scalar(0.5, g.floatTypeOf(x));
  const share = mode === undefined ? g.where(training, part, g.scalar(1, g.floatTypeOf(x))) : part;
  return [g.where(kept, g.div(dy, share), 0)];
};

/**
 * Removes a Dropout in inference mode or with a ratio of 0, which does nothing. One that may be in training mode reads its
 * mask from an input if noise is fed; otherwise it stays.
 */
const lowered: Lowering = (g, node) => {
  const [x, ratio, training] = node.input;
  const mask = node.output[1];
  const drops = training && g.integersOf(training)?.[0] !== 0 && !(ratio && g.scalarOf(ratio) === 0);
  if (drops) return g.feedsNoise ? fed(g, node) : undefined;
  return [x, mask ? g.cast(g.filled(g.shape(x), 1), DType.BOOL) : undefined];
};

/** A Dropout whose mask is fed: as factors, or as uniform numbers if ratio or mode are known only at run time. */
function fed(g: Builder, node: NodeProto): (Value | undefined)[] {
  const [x, ratio, training] = node.input;
  const dtype = g.floatTypeOf(x);
  const known = ratio ? g.scalarOf(ratio) : 0.5;
  if (known !== undefined && g.integersOf(training) !== undefined) {
    const factors = g.addNoise(node, x, dtype, { kind: 'dropout', ratio: known });
    return [g.mul(x, factors), node.output[1] ? g.greater(factors, 0) : undefined];
  }
  const uniform = g.addNoise(node, x, dtype, { kind: 'uniform', low: 0, high: 1 });
  const part = ratio ? g.cast(ratio, dtype) : g.scalar(0.5, dtype);
  const kept = g.or(g.not(training), g.greaterOrEqual(uniform, part));
  const share = g.where(training, g.sub(1, part), g.scalar(1, dtype));
  return [g.where(kept, g.div(x, share), 0), kept];
}

/** Dropout. */
export const dropoutOps: OpTable = {
  Dropout: {
    infer: (c) => [
      { dtype: c.dtype(0), shape: c.shape(0) },
      { dtype: DType.BOOL, shape: c.shape(0) },
    ],
    samples: onlyFirst,
    as: { lower: lowered },
    vjp: dropout,
    draws: 'training',
    upgrade: ({ from, drop }) => from < 12 && drop('ratio'),
  },
};
