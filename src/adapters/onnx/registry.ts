import { show } from '../../core/options.ts';
import { expansionRules } from './expansions/expansions.ts';
import { arithmetic } from './rules/arithmetic.ts';
import { ifRule } from './rules/branch.ts';
import { convolutionRules } from './rules/convolution.ts';
import { elementwise } from './rules/elementwise.ts';
import { indexingRules } from './rules/indexing.ts';
import { linear } from './rules/linear.ts';
import { loopRule } from './rules/loop.ts';
import { normalisationRules } from './rules/normalisation.ts';
import { maxPoolOnWebGpu, poolingRules } from './rules/pooling.ts';
import { quantization } from './rules/quantization.ts';
import { recurrentRules } from './rules/recurrent.ts';
import { reductions } from './rules/reduction.ts';
import { scanRule } from './rules/scan.ts';
import { shapeRules } from './rules/shapes.ts';
import type { VjpRule, VjpRules } from './ir/vjp.ts';

/** The rules that are there from the start, by the kind of op. */
export const ruleFamilies: Readonly<Record<string, VjpRules>> = {
  'of one value': elementwise,
  'of several values, broadcast': arithmetic,
  reductions,
  'shape and movement': shapeRules,
  'products of matrices': linear,
  convolutions: convolutionRules,
  'pooling and resizing': poolingRules,
  normalisations: normalisationRules,
  indexing: indexingRules,
  recurrent: recurrentRules,
  quantization,
  'control flow': new Map([
    ['Scan', scanRule],
    ['If', ifRule],
    ['Loop', loopRule],
  ]),
  'written in other ops': expansionRules,
};

const registry = new Map<string, VjpRule>();
for (const rules of Object.values(ruleFamilies)) for (const [op, rule] of rules) registry.set(op, rule);

const builtIn: VjpRules = new Map(registry);

/** Whether the rule of an op is one of those that are there from the start. */
export const isBuiltIn = (op: string): boolean => registry.get(op) === builtIn.get(op);

/** The rules in force. */
export const vjpRules: VjpRules = registry;

/** The rules in force for a target: WebGPU has no MaxPool that tells which elements it took. */
export const rulesFor = (target: 'cpu' | 'wasm' | 'webgpu' = 'cpu'): VjpRules =>
  target === 'webgpu' ? new Map([...registry, ['MaxPool', maxPoolOnWebGpu]]) : registry;

/**
 * Sets the rule of an op's gradient, in place of the one there may be.
 *
 * @param opType - the op's name; for another domain than ONNX's own, `domain::op`
 * @param rule - from the cotangents of a node's outputs to those of its inputs
 * @throws TypeError if either is not what it must be
 *
 * @example
 * ```ts
 * // y = x + sin²(αx)/α, of a domain of one's own
 * registerVjp('com.example::Snake', ({ g, inputs: [x], dy, attributes }) => {
 *   const alpha = attributes.float('alpha', 1);
 *   return [g.mul(dy, g.add(1, g.op('Sin', [g.mul(2 * alpha, x)])))];
 * });
 * ```
 */
export function registerVjp(opType: string, rule: VjpRule): void {
  if (typeof opType !== 'string' || opType === '') {
    throw new TypeError(`registerVjp: opType must be an op's name, got ${show(opType)}.`);
  }
  if (typeof rule !== 'function')
    throw new TypeError(`registerVjp: the rule of ${opType} must be a function.`);
  registry.set(opType.replace(/^ai\.onnx::/, ''), rule);
}
