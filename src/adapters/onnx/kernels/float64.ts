import type { GraphProto } from 'onnx-buf';
import { OnnxError } from '../ir/errors.ts';
import { lower } from '../passes/lower.ts';
import type { Lowering } from '../passes/rewrite.ts';
import { DType } from '../ir/tensor.ts';
import { activationKernels } from './activations.ts';
import { normalisationKernels } from './normalisation.ts';
import { quantizationKernels } from './quantization.ts';
import { recurrentKernels } from './recurrent.ts';
import { windowKernels } from './windows.ts';

const hasFloat64 = ({ input, initializer }: GraphProto): boolean =>
  initializer.some(({ dataType }) => dataType === DType.DOUBLE) ||
  input.some(({ type }) => type?.value.case === 'tensorType' && type.value.value.elemType === DType.DOUBLE);

/** Writes a node anew if it computes in float64, for which its op has no kernel. */
const inFloat64 =
  (lowering: Lowering): Lowering =>
  (g, node, attributes) =>
    node.input.some((input) => g.dtypeOf(input) === DType.DOUBLE) ? lowering(g, node, attributes) : undefined;

/**
 * Writes anew, in place, the nodes of a float64 graph that ONNX Runtime has no kernels for.
 *
 * @throws OnnxError naming every node that has no float64 form
 */
export function useFloat64Kernels(graph: GraphProto): void {
  if (!hasFloat64(graph)) return;
  const { faults } = lower(graph, DType.DOUBLE, float64Kernels);
  if (faults.length > 0) throw new OnnxError(faults);
}

/** The ops that ONNX Runtime's CPU provider has for float32 only, in terms of those it has for float64 too. */
export const float64Kernels: ReadonlyMap<string, Lowering> = new Map(
  [
    ...activationKernels,
    ...windowKernels,
    ...normalisationKernels,
    ...recurrentKernels,
    ...quantizationKernels,
  ].map(([op, lowering]): [string, Lowering] => [op, inFloat64(lowering)]),
);
