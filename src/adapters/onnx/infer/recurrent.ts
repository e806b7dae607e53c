import { unknownDimension, type Dimension } from '../ir/shape.ts';
import type { InferRule } from '../ir/facts.ts';

const recurrentOp: InferRule = (c) => {
  const dtype = c.dtype(0);
  const x = c.shape(0);
  const first = c.attributes.int('layout', 0) === 1;
  const [a, b]: readonly Dimension[] = x ?? [unknownDimension(), unknownDimension()];
  const [time, batch] = first ? [b, a] : [a, b];
  const directions = c.attributes.string('direction', 'forward') === 'bidirectional' ? 2 : 1;
  const hidden = c.attributes.has('hidden_size')
    ? c.attributes.int('hidden_size', 0)
    : (c.shape(2)?.[2] ?? unknownDimension());
  const state = { dtype, shape: first ? [batch, directions, hidden] : [directions, batch, hidden] };
  return [
    { dtype, shape: first ? [batch, time, directions, hidden] : [time, directions, batch, hidden] },
    state,
    state,
  ];
};

export const recurrent = new Map<string, InferRule>([
  ['LSTM', recurrentOp],
  ['GRU', recurrentOp],
  ['RNN', recurrentOp],
]);
