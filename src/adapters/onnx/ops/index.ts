import type { NodeProto } from 'onnx-buf';
import { show } from '../../../core/options.ts';
import { opKey } from '../ir/domain.ts';
import type { Lowering, Op, OpTable, Stage } from '../ir/op.ts';
import type { VjpRule } from '../ir/vjp.ts';
import { activations } from './activations.ts';
import { arithmetic } from './arithmetic.ts';
import { attention } from './attention.ts';
import { blockQuantized } from './blockQuantized.ts';
import { control } from './control.ts';
import { convolution } from './convolution.ts';
import { deformation } from './deform.ts';
import { crops } from './crops.ts';
import { determinants } from './determinant.ts';
import { dropoutOps } from './dropout.ts';
import { einsum } from './einsum.ts';
import { elementwiseOps } from './elementwise.ts';
import { experts } from './experts.ts';
import { fourier } from './fourier.ts';
import { gates } from './gates.ts';
import { generated } from './generated.ts';
import { groupedAttention } from './groupedAttention.ts';
import { indexing } from './indexing.ts';
import { linear } from './linear.ts';
import { lists } from './lists.ts';
import { losses } from './loss.ts';
import { microsoft } from './microsoft.ts';
import { linearModels } from './ml.ts';
import { kernelModels } from './supportVectors.ts';
import { normalization } from './normalization.ts';
import { pooling } from './pooling.ts';
import { quantization } from './quantization.ts';
import { quantizedForms } from './quantizedForms.ts';
import { randomOps } from './random.ts';
import { rearrangement } from './rearrangement.ts';
import { recurrent } from './recurrent.ts';
import { reductions } from './reduction.ts';
import { resizing } from './resize.ts';
import { regions } from './roi.ts';
import { rotary } from './rotary.ts';
import { sampling } from './sampling.ts';
import { sequences } from './sequence.ts';
import { shapes } from './shape.ts';
import { slicing } from './slicing.ts';
import { softmaxOps } from './softmax.ts';
import { stateful } from './state.ts';
import { uniqueness } from './unique.ts';

/** The ops by family, as the documentation lists them. */
export const families: Readonly<Record<string, readonly OpTable[]>> = {
  'of one value': [elementwiseOps, activations, dropoutOps, randomOps],
  'of several values, broadcast': [arithmetic],
  reductions: [reductions],
  'shape and movement': [shapes, slicing, rearrangement],
  'products of matrices': [linear, einsum, determinants],
  convolutions: [convolution],
  'pooling, resizing, sampling': [pooling, resizing, sampling, deformation, regions],
  normalizations: [softmaxOps, normalization],
  'indexing and sequences': [indexing, uniqueness, sequences, lists],
  recurrent: [recurrent],
  'attention and rotary embedding': [attention, groupedAttention, rotary],
  'Fourier transforms': [fourier, generated],
  'with a state': [stateful],
  losses: [losses],
  quantization: [quantization, quantizedForms, blockQuantized],
  'control flow': [control],
  "ONNX Runtime's own": [microsoft, experts, crops, gates],
  'models of ai.onnx.ml': [linearModels, kernelModels],
};

/** Entry of each op, by the name that `opKey` returns. */
export const ops: ReadonlyMap<string, Op> = new Map(
  Object.values(families).flatMap((tables) => tables.flatMap((table) => Object.entries(table))),
);

/** Rules that users have registered. */
const registered = new Map<string, VjpRule>();

/** Returns the entry of a node's op. */
export const opOf = (node: NodeProto): Op | undefined => ops.get(opKey(node));

/** Returns the names of all ops with some trait. */
export const opsWith = (has: (op: Op) => boolean): string[] =>
  Array.from(ops).flatMap(([name, op]) => (has(op) ? [name] : []));

/** Returns the rule of an op's gradient: the user's, or else the op's own. */
export const ruleOf = (op: string): VjpRule | undefined => registered.get(op) ?? ops.get(op)?.vjp;

/** Returns the lowering of an op at a stage; none if the user has registered a rule for the op. */
export const loweringOf = (op: string, stage: Stage): Lowering | undefined =>
  stage !== 'float64' && registered.has(op) ? undefined : ops.get(op)?.as?.[stage];

/** Returns the decomposition that an op's gradient is computed from if it has no rule. */
export function decompositionOf(op: string): Lowering | undefined {
  const { read, lower, float64 } = ops.get(op)?.as ?? {};
  return read ?? lower ?? float64;
}

/** Returns the opset that an op first belongs to, if it is later than that of a graph. */
export const sinceOf = (op: string, opset: number): number | undefined => {
  const since = ops.get(op)?.since;
  return since !== undefined && since > opset ? since : undefined;
};

/** True if an op has a gradient, its own or that of its decomposition. */
export const isDifferentiable = (op: string): boolean =>
  ruleOf(op) !== undefined || decompositionOf(op) !== undefined;

/**
 * Sets the rule of an op's gradient, and replaces an existing one.
 *
 * @param opType - name of the op; `domain::op` for other domains than the standard one
 * @param rule - from the cotangents of a node's outputs to those of its inputs
 * @throws TypeError if `opType` is not a name, or `rule` not a function
 *
 * @example
 * ```ts
 * // y = x + sin²(αx)/α, in a domain of your own
 * registerVjp('com.example::Snake', ({ g, inputs: [x], dy, attributes }) => {
 *   const alpha = attributes.float('alpha', 1);
 *   return [g.mul(dy, g.add(1, g.sin(g.mul(2 * alpha, x))))];
 * });
 * ```
 */
export function registerVjp(opType: string, rule: VjpRule): void {
  if (typeof opType !== 'string' || opType === '') {
    throw new TypeError(`registerVjp: opType must be an op's name, got ${show(opType)}.`);
  }
  if (typeof rule !== 'function')
    throw new TypeError(`registerVjp: the rule of ${opType} must be a function, got ${show(rule)}.`);
  registered.set(opType.replace(/^ai\.onnx::/, ''), rule);
}
