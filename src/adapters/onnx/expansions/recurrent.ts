import { recurrentKernels } from '../kernels/recurrent.ts';
import type { Lowering } from '../passes/rewrite.ts';
import { isBuiltIn } from '../registry.ts';
import { isUsual, type RecurrentKind } from '../rules/recurrent.ts';

const unusual =
  (kind: RecurrentKind): Lowering =>
  (g, node, attributes) =>
    isUsual(kind, node, attributes) || !isBuiltIn(kind)
      ? undefined
      : recurrentKernels.get(kind)?.(g, node, attributes);

/** Recurrent layers that have no rule of their own: as a Scan, which has one. */
export const unusualRecurrent = new Map<string, Lowering>([
  ['LSTM', unusual('LSTM')],
  ['GRU', unusual('GRU')],
  ['RNN', unusual('RNN')],
]);
