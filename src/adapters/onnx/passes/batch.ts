import { fault, type Fault } from '../ir/errors.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import type { Model } from '../ir/model.ts';

/** The size of the axis that is freed. */
export const batchSymbol = 'batch';

/**
 * Lets the first axis vary of every input where it is fixed at 1, in place; it is one symbol for all.
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
  // What the file says of sizes further on holds for a batch of 1; they are inferred again.
  graph.valueInfo = [];
  for (const { type } of graph.output) {
    if (type?.value.case === 'tensorType') delete type.value.value.shape;
  }
  return { freed, faults: [] };
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
