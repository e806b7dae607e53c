import type { Lowering } from '../passes/lower.ts';
import { DType } from '../graph/tensor.ts';
import { activationKernels } from './activations.ts';
import { normalisationKernels } from './normalisation.ts';
import { recurrentKernels } from './recurrent.ts';
import { windowKernels } from './windows.ts';

/** Writes a node anew if it computes in float64, for which its op has no kernel. */
const inFloat64 =
  (lowering: Lowering): Lowering =>
  (g, node, attributes) =>
    node.input.some((input) => g.dtypeOf(input) === DType.DOUBLE) ? lowering(g, node, attributes) : undefined;

/** The ops that ONNX Runtime's CPU provider has for float32 only, in terms of those it has for float64 too. */
export const float64Kernels: ReadonlyMap<string, Lowering> = new Map(
  [...activationKernels, ...windowKernels, ...normalisationKernels, ...recurrentKernels].map(
    ([op, lowering]): [string, Lowering] => [op, inFloat64(lowering)],
  ),
);
