import type { GraphProto } from 'onnx-buf';
import {
  batchStatisticNameOf,
  gradientNameOf,
  hessianVectorNameOf,
  lossName,
  manyLosses,
  manyOf,
  vectorNameOf,
} from '../ir/convention.ts';
import { fault, OnnxError } from '../ir/errors.ts';
import { namesIn } from '../ir/names.ts';
import { renameValues } from '../ir/rename.ts';

/**
 * Renames the values of a graph whose names the convention reserves, for the loss or for outputs that belong to one of
 * `names`, in place.
 *
 * @returns a function from the former name of a value to its current one
 * @throws OnnxError if an input has a reserved name, since inputs keep theirs
 */
export function freeNames(graph: GraphProto, names: readonly string[]): (name: string) => string {
  const own = names.flatMap((name) =>
    [gradientNameOf, vectorNameOf, hessianVectorNameOf, batchStatisticNameOf, manyOf].map((of) => of(name)),
  );
  const reserved = [lossName, manyLosses, ...own];
  const taken = namesIn(graph);
  const inputs = new Set(graph.input.map(({ name }) => name));
  const clash = reserved.filter((name) => inputs.has(name));
  if (clash.length > 0) {
    throw new OnnxError(
      clash.map((name) =>
        fault(
          `the model's input ${JSON.stringify(name)} has a name that the result needs for a value of its own; rename the input.`,
        ),
      ),
    );
  }
  const renamed = new Map<string, string>();
  for (const name of reserved) {
    if (!taken.has(name)) continue;
    let inner = `inner/${name}`;
    while (taken.has(inner)) inner = `inner/${inner}`;
    taken.add(inner);
    renamed.set(name, inner);
  }
  renameValues(graph, renamed);
  return (name) => renamed.get(name) ?? name;
}
