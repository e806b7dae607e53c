import { fault, type Fault } from '../errors.ts';
import { numbersOf } from '../graph/tensor.ts';
import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import type { Model } from '../proto.ts';

const symbol = 'batch';

/**
 * Lets the first axis vary of every input where it is fixed at 1, in place; it is one symbol for all.
 *
 * @returns every Reshape that takes it to be 1 all the same
 */
export function freeBatchAxis({ graph }: Model): Fault[] {
  const free = new Set<string>();
  for (const { name, type } of graph.input) {
    const first = type?.value.case === 'tensorType' ? type.value.value.shape?.dim[0] : undefined;
    if (first?.value.case !== 'dimValue' || first.value.value !== 1n) continue;
    first.value = { case: 'dimParam', value: symbol };
    free.add(name);
  }
  if (free.size === 0) {
    const names = graph.input.map(({ name }) => JSON.stringify(name)).join(', ');
    return [fault(`freeBatch: none of the inputs ${names} has a first axis fixed at 1.`)];
  }
  // What was said of sizes further on held for a batch of 1; they are worked out anew.
  graph.valueInfo = [];
  for (const { type } of graph.output) {
    if (type?.value.case === 'tensorType') delete type.value.value.shape;
  }
  const shapes = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const faults: Fault[] = [];
  for (const node of graph.node) {
    if (!node.input.some((input) => free.has(input))) continue;
    for (const output of node.output) free.add(output);
    const shape = node.opType === 'Reshape' ? shapes.get(node.input[1]) : undefined;
    if (shape === undefined || numbersOf(shape)[0] !== 1) continue;
    const reason = `its shape [${numbersOf(shape).join(', ')}] holds a batch of 1; freeBatch is for models that do not.`;
    faults.push({ node: node.name || node.output[0], op: node.opType, reason });
  }
  return faults;
}

/** Which outputs have a first axis of fixed size all the same: something in the graph has lost the batch. */
export const fixedBatchFaults = (g: Builder, outputs: readonly Value[]): Fault[] =>
  outputs
    .filter((output) => typeof g.shapeOf(output)?.[0] === 'number')
    .map((output) =>
      fault(
        `freeBatch: the output ${JSON.stringify(output)} does not follow the batch; export the model with a dynamic first axis.`,
      ),
    );
