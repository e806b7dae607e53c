import { opKey } from '../ir/domain.ts';
import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { meet, onlyFirst, rankOfInput, unclear, type SampleRule } from '../ir/samples.ts';
import { scan } from '../ir/scan.ts';
import { axisFrom, range } from '../ir/shape.ts';
import type { VjpRule } from '../ir/vjp.ts';
import { alongGivenAxis } from './axisInput.ts';
import { sameType } from './common.ts';
import { mapCumulative } from './vmap/broadcasting.ts';
import { mapReverseSequence } from './vmap/recurrent.ts';

/** Cumulative product, step by step along the axis, so that its gradient is right at zeros too. */
const cumProd: Lowering = (g, { input: [x, which] }, attributes) => [
  alongGivenAxis(g, which, g.rank(x), [x], (b, axis) => productsAlong(b, x, axis, attributes)),
];

function productsAlong(g: Builder, x: Value, axis: number, attributes: Attributes): Value {
  const rank = g.rank(x);
  // Swaps the axis with the first one.
  const perm = range(rank).map((i) => (i === 0 ? axis : i === axis ? 0 : i));
  const exclusive = attributes.int('exclusive', 0) === 1;
  const sequence = g.transpose(x, perm);
  const one = g.filled(g.sizes(sequence, range(rank - 1, 1)), 1, g.floatTypeOf(x));
  const { results } = scan(
    g,
    {
      states: [one],
      sequences: [sequence],
      captured: [],
      backward: attributes.int('reverse', 0) === 1,
    },
    (s, [before], [factor]) => {
      const next = s.mul(before, factor);
      return { states: [next], results: [exclusive ? s.identity(before) : next] };
    },
  );
  return g.transpose(results[0], perm);
}

const cumulativeSamples: SampleRule = (c) => {
  const samples = onlyFirst(c);
  const axis = c.integers(1)?.[0] ?? unclear();
  if (axisFrom(axis, rankOfInput(c, 0)) === samples.axis) meet('it sums along the batch');
  return samples;
};

/** The gradient of a cumulative sum is the cumulative sum in the other direction. */
const cumSum: VjpRule = ({ g, inputs: [, axis], dy, attributes }) => [
  g.op('CumSum', [dy, axis], {
    exclusive: attributes.int('exclusive', 0),
    reverse: attributes.int('reverse', 0) ? 0 : 1,
  }),
];

/** Reversing is its own inverse. */
const reverseSequence: VjpRule = ({ g, inputs: [, lengths], dy, attributes }) => [
  g.op('ReverseSequence', [dy, lengths], {
    batch_axis: attributes.int('batch_axis', 1),
    time_axis: attributes.int('time_axis', 0),
  }),
];

/** The tensor that an Optional holds, or that is given in its place. */
const element: Lowering = (g, { input: [x] }) => {
  const maker = g.makerOf(x);
  const held = maker && opKey(maker) === 'Optional' ? maker.input[0] : undefined;
  if (held) return [g.identity(held)];
  return g.dtypeOf(x) === undefined ? undefined : [g.identity(x)];
};

/** Ops along a sequence, and of optional values. */
export const sequences: OpTable = {
  OptionalGetElement: { as: { read: element } },
  CumSum: { infer: sameType, samples: cumulativeSamples, vjp: cumSum, vmap: mapCumulative },
  CumProd: { as: { read: cumProd }, since: 26 },
  ReverseSequence: { infer: sameType, vjp: reverseSequence, vmap: mapReverseSequence },
};
