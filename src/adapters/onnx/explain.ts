import { sizeOf } from '../../core/layout.ts';
import { checkOptions, type Rules } from '../../core/options.ts';
import type { NodeProto } from 'onnx-buf';
import { copiesOf } from './choose.ts';
import { opKey } from './ir/domain.ts';
import { fault, OnnxError, sentence, type Fault } from './ir/errors.ts';
import { dtypeName, isHalf, isNarrow, shapeOf } from './ir/tensor.ts';
import { isDifferentiable } from './ops/index.ts';
import { noOutput } from './objective.ts';
import { differentiateRules, type DifferentiateOptions } from './options.ts';
import { candidatesOf, type Candidate } from './parameters.ts';
import { fixedBatchFaults } from './passes/batch.ts';
import { read } from './passes/read.ts';
import { nodesBetween, sweep } from './passes/sweep.ts';
import { prepare } from './prepare.ts';

/** One kind of op in a model. */
export interface OpReport {
  readonly op: string;
  readonly count: number;
  /** Number of nodes between the parameters and the outputs, which must have a gradient. */
  readonly onPath: number;
  /** True if it has a gradient, either its own or that of the simpler ops that replace it. */
  readonly covered: boolean;
  /** Number of nodes that are first replaced by simpler ops, which are also listed. */
  readonly rewritten: number;
  /** Reasons why nodes of this op would be refused; empty if none would. */
  readonly reasons: readonly string[];
}

/** An integer tensor of quantized weights, which has no gradient. */
export interface QuantizedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** A report on how `differentiate` would treat a model. `String(report)` is a table. */
export interface Explanation {
  /** True if the outputs can be differentiated with respect to the default parameters. */
  readonly differentiable: boolean;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Every constant float tensor, with the reason why it is or is not trained by default. */
  readonly parameters: readonly Candidate[];
  /** Integer tensors of quantized weights, which are never trained. */
  readonly quantized: readonly QuantizedTensor[];
  readonly ops: readonly OpReport[];
  /** Everything that would be refused. */
  readonly faults: readonly Fault[];
  /** Returns the report as text. */
  toString(): string;
}

/** Options of {@link explain}, as in `differentiate`; `output` limits the report to the path to one output. */
export type ExplainOptions = Pick<
  DifferentiateOptions,
  'dropout' | 'externalData' | 'fix' | 'freeBatch' | 'output' | 'precision' | 'shapes' | 'target'
>;

const { dropout, externalData, fix, freeBatch, output, precision, shapes, target } = differentiateRules;
const rules: Rules<ExplainOptions> = {
  dropout,
  externalData,
  fix,
  freeBatch,
  output,
  precision,
  shapes,
  target,
};

/**
 * Reports how `differentiate` would treat a model: which tensors are trained, which ops lie on the path of
 * the gradient, and everything that would be refused, with node, op and reason. It does not throw, whatever the file
 * contains.
 *
 * @param bytes - an .onnx file
 * @param options - those that `differentiate` or `trainable` will be given
 * @throws RangeError, TypeError if an option is wrong
 *
 * @example
 * ```ts
 * console.log(String(explain(await readFile('digits.onnx'))));
 * console.log(String(explain(await readFile('silero_vad.onnx'), { output: 'output', fix: { sr: 16000 } })));
 * ```
 */
export function explain(bytes: Uint8Array, options: ExplainOptions = {}): Explanation {
  checkOptions('explain', options, rules);
  try {
    return examine(bytes, options);
  } catch (error) {
    const faults =
      error instanceof OnnxError
        ? error.faults
        : [fault(error instanceof Error ? error.message : String(error))];
    return explanation({ inputs: [], outputs: [], parameters: [], quantized: [], ops: [], faults });
  }
}

function examine(bytes: Uint8Array, options: ExplainOptions): Explanation {
  const file = read(bytes, options);
  const { graph } = file.model;
  const candidates = candidatesOf(file.model, file.origins).filter(({ name }) => file.origins.has(name));
  const trained = candidates.filter(({ byDefault }) => byDefault);
  const names = trained.map(({ name }) => name);
  const quantized = graph.initializer
    .filter((tensor) => isNarrow(tensor.dataType) && tensor.dims.length > 1)
    .map((tensor) => ({ name: tensor.name, shape: shapeOf(tensor), dtype: dtypeName(tensor.dataType) }));
  const inputs = graph.input.map(({ name }) => name);
  const outputNames = graph.output.map(({ name }) => name);
  const tensors = graph.output.map(({ type }) => type?.value.case === 'tensorType' || !type);
  const counts = countOps(graph.node);
  for (const [op, count] of file.expanded) counts.set(op, (counts.get(op) ?? 0) + count);

  const parameters = trained.map(({ name, shape, tensor }) => ({ name, shape, dtype: tensor.dataType }));
  const chosen = { parameters, names, copies: copiesOf(candidates, names, false) };
  const { g, wrt, outputs, replaced, faults } = prepare(file, chosen, options);
  if (options.freeBatch) faults.push(...fixedBatchFaults(g, outputs));
  const asked = (k: number) => options.output === undefined || outputNames[k] === options.output;
  const real = outputs.filter((value, k) => asked(k) && tensors[k] && g.isFloat(value));
  let onPath = new Map<string, number>();
  if (options.output !== undefined && !outputNames.includes(options.output))
    faults.push(fault(noOutput(options.output, outputNames)));
  else if (names.length === 0) faults.push(fault('the model has no trainable parameter.'));
  else if (real.length === 0) faults.push(fault('the model has no float output for a loss.'));
  else {
    const [first, ...others] = real.map((value) => g.sumOfAll(value));
    const loss = g.add(first, ...others);
    onPath = countOps(nodesBetween(g, wrt, loss));
    faults.push(...sweep(g, loss, wrt, options.target).faults);
  }
  const ops = [...counts]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([op, count]): OpReport => {
      const reasons = new Set(faults.filter((found) => found.op === op).map(({ reason }) => reason));
      return {
        op,
        count,
        onPath: Math.min(count, onPath.get(op) ?? 0),
        covered: isDifferentiable(op),
        rewritten: (file.expanded.get(op) ?? 0) + (replaced.get(op) ?? 0),
        reasons: [...reasons],
      };
    });
  return explanation({ inputs, outputs: outputNames, parameters: candidates, quantized, ops, faults });
}

/** Counts nodes by op. */
function countOps(nodes: readonly NodeProto[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const node of nodes) counts.set(opKey(node), (counts.get(opKey(node)) ?? 0) + 1);
  return counts;
}

const explanation = (found: Omit<Explanation, 'differentiable' | 'toString'>): Explanation => ({
  ...found,
  differentiable: found.faults.length === 0,
  toString: () => printed(found),
});

/** Prints rows of words in aligned columns. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i].length))) ?? [];
  return rows
    .map(
      (row) =>
        `  ${row
          .map((word, i) => word.padEnd(widths[i]))
          .join('  ')
          .trimEnd()}`,
    )
    .join('\n');
}

function printed({
  inputs,
  outputs,
  parameters,
  quantized,
  ops,
  faults,
}: Omit<Explanation, 'differentiable' | 'toString'>): string {
  const trained = parameters.filter(({ byDefault }) => byDefault);
  const scalars = trained.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const parts = [
    faults.length === 0
      ? `differentiable: ${trained.length} parameters, ${scalars} numbers`
      : `not differentiable: ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}`,
    `inputs: ${inputs.join(', ') || 'none'}; outputs: ${outputs.join(', ') || 'none'}`,
  ];
  if (faults.length > 0) parts.push('refused', faults.map((found) => `  ${sentence(found)}`).join('\n'));
  if (parameters.length + quantized.length > 0) {
    const rows = parameters.map(({ name, shape, tensor, origin, role, byDefault, why }) => [
      byDefault ? 'trained' : '-',
      name,
      `${dtypeName(origin.dtype ?? tensor.dataType)}[${shape.join(', ')}]`,
      byDefault ? role.kind : '',
      isHalf(origin.dtype) ? `${why}; trained in float32` : why,
    ]);
    const integers = quantized.map(({ name, shape, dtype }) => [
      '-',
      name,
      `${dtype}[${shape.join(', ')}]`,
      '',
      'quantized weights: integers have no gradient',
    ]);
    parts.push('constant tensors', table([...rows, ...integers]));
  }
  if (ops.length > 0) {
    const state = ({ onPath, rewritten, covered, reasons }: OpReport) => {
      if (reasons.length > 0) return 'refused';
      if (rewritten > 0) return 'replaced by other ops';
      if (onPath === 0) return 'not on the path of the gradient';
      return covered ? 'differentiable' : 'not differentiable';
    };
    parts.push('ops', table(ops.map((op) => [op.op, `×${op.count}`, state(op)])));
  }
  return parts.join('\n');
}
