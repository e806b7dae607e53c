/**
 * Frees the batch axis of a model, and follows its samples through the graph to find where they interact.
 *
 * @module
 */
import type { NodeProto } from 'onnx-buf';
import { attributesOf } from '../ir/attributes.ts';
import { Builder } from '../ir/builder.ts';
import { fault, faultOf, Refusal, refuse, type Fault } from '../ir/errors.ts';
import { readBy, type Value } from '../ir/graph.ts';
import type { Model } from '../ir/model.ts';
import { batchSymbol, samplesBy, type Samples } from '../ir/samples.ts';
import { opOf } from '../ops/index.ts';
import { inferNode, opKnowledge } from '../ops/infer.ts';
import { floatTypeIn } from './precision.ts';

/**
 * Lets the first axis of every input vary where it is fixed at 1, in place; it becomes the same symbol for all.
 *
 * @returns the names of these inputs
 */
export function freeBatchAxis({ graph }: Model): {
  readonly freed: readonly string[];
  readonly faults: Fault[];
} {
  const freed: string[] = [];
  for (const { name, type } of graph.input) {
    const first = type?.value.case === 'tensorType' ? type.value.value.shape?.dim[0] : undefined;
    if (first?.value.case !== 'dimValue' || first.value.value !== 1n) continue;
    first.value = { case: 'dimParam', value: batchSymbol };
    freed.push(name);
  }
  if (freed.length === 0) {
    const names = graph.input.map(({ name }) => JSON.stringify(name)).join(', ');
    return { freed, faults: [fault(`freeBatch: none of the inputs ${names} has a first axis fixed at 1.`)] };
  }
  // The sizes in the file are those for a batch of 1; they are inferred again.
  graph.valueInfo = [];
  for (const { type } of graph.output) {
    if (type?.value.case === 'tensorType') delete type.value.value.shape;
  }
  return { freed, faults: [] };
}

/**
 * Lets Reshapes to a batch of 1 keep the batch, in place: their first size becomes that of the input, or is computed from
 * the others. With one sample, the result is the same.
 */
export function freeReshapes({ graph }: Model): void {
  const nodes = graph.node;
  graph.node = [];
  const g = new Builder(graph, opKnowledge, floatTypeIn(graph), nodes);
  for (const node of nodes) {
    const [first] = (opOf(node)?.reshapes && g.shapeOf(node.input[0])) || [];
    const [one, ...rest] = g.contents.get(node.input[1]) ?? [];
    if (typeof first === 'string' && one === 1 && !attributesOf(node).int('allowzero', 0)) {
      const numbers = rest.filter((size) => typeof size === 'number');
      const batch = first === batchSymbol ? 0 : -1;
      const fits = batch === 0 || numbers.every((size) => size > 0);
      if (fits && numbers.length === rest.length) node.input[1] = g.integers([batch, ...numbers]);
    }
    inferNode(g, node);
    g.append(node);
  }
}

/**
 * Finds the nodes in which samples interact, or may interact: with a free batch, these would compute another function
 * than the model does for one sample.
 *
 * @param freed - inputs whose first axis is the batch
 */
export function meetingSamples({ graph }: Model, freed: readonly string[]): Fault[] {
  const g = new Builder(graph, opKnowledge, floatTypeIn(graph));
  const samples = new Map<Value, Samples>(freed.map((name) => [name, { axis: 0, inner: 1 }]));
  // Values that depend on the number of samples, but not on the samples.
  const counts = new Set<Value>();
  const faults: Fault[] = [];
  for (const node of graph.node) {
    const read = readBy(node);
    const [varies, counted] = [read.some((name) => samples.has(name)), read.some((name) => counts.has(name))];
    if (!varies && !counted) continue;
    try {
      const found = follow(g, node, samples, counts, varies);
      if (found === 'count')
        node.output.filter((output) => mayHoldCount(g, output)).forEach((v) => counts.add(v));
      else node.output.forEach((output, k) => output && samples.set(output, found[k] ?? found[0]));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      faults.push(faultOf(node, new Error(`freeBatch: ${error.message}`)));
      // Continue, to report the faults of later nodes too.
      const rank = g.shapeOf(node.output[0])?.length;
      if (rank !== 0) for (const output of node.output) samples.set(output, { axis: 0, inner: 1 });
    }
  }
  return faults;
}

function follow(
  g: Builder,
  node: NodeProto,
  samples: ReadonlyMap<Value, Samples>,
  counts: ReadonlySet<Value>,
  varies: boolean,
): readonly Samples[] | 'count' {
  const op = opOf(node) ?? {};
  if (op.sizesOf === 'count') return 'count';
  const shape = (i: number) => g.shapeOf(node.input[i] ?? '');
  const out = g.shapeOf(node.output[0]);
  if (!varies) {
    if (op.sizesOf !== 'fill') return 'count';
    // Each sample has the same values.
    const axis = out?.indexOf(batchSymbol) ?? -1;
    if (axis < 0) refuse('its shape depends on the number of samples, but none of its axes is the batch.');
    return [{ axis, inner: 1 }];
  }
  const { samples: rule = refuse('it has no rule for samples, so they may interact here.'), sizes = [] } = op;
  node.input.forEach((name, i) => {
    if (counts.has(name) && !sizes.includes(i)) refuse('it computes with the number of samples.');
    if (samples.has(name) && sizes.includes(i)) refuse('its sizes depend on a sample.');
  });
  return samplesBy(rule, g, node, {
    of: (i) => samples.get(node.input[i] ?? ''),
    shape,
    out,
    contents: (i) => g.contents.get(node.input[i] ?? ''),
  });
}

/** False if all elements of a value are known, and none is the number of samples. */
function mayHoldCount(g: Builder, value: Value): boolean {
  const elements = g.contents.get(value);
  return (
    elements === undefined ||
    elements.some(
      (element) => element === batchSymbol || (typeof element === 'string' && element.startsWith('?')),
    )
  );
}

/** Faults of outputs whose first axis still has a fixed size: some node has lost the batch. */
export const fixedBatchFaults = (g: Builder, outputs: readonly Value[]): Fault[] =>
  outputs
    .filter((output) => typeof g.shapeOf(output)?.[0] === 'number')
    .map((output) =>
      fault(
        `freeBatch: the output ${JSON.stringify(output)} does not follow the batch; export the model with a dynamic first axis.`,
      ),
    );
