import type { Precision } from '../../../core/problem.ts';
import { fault, OnnxError } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import { namesIn } from '../ir/names.ts';
import type { Model } from '../ir/model.ts';
import { renameValues } from '../ir/rename.ts';
import { read } from './read.ts';

/**
 * Appends the graph of the user's own loss to a model, in place. Inputs that have the name of a value of the model,
 * including weights, read that value; the others become inputs of the model.
 *
 * @returns the loss, its first output
 */
export function mergeLossGraph(
  { graph, opsetImport }: Model,
  loss: Uint8Array,
  precision: Precision | undefined,
): Value | undefined {
  const own = read(loss, { ...(precision && { precision }) }).model;
  const made = new Set([...graph.input, ...graph.initializer].map(({ name }) => name));
  for (const { output } of graph.node) for (const name of output) made.add(name);
  const inputs = new Set(own.graph.input.map(({ name }) => name));
  const taken = namesIn(graph);
  renameValues(
    own.graph,
    new Map(
      [...namesIn(own.graph)]
        .filter((name) => name !== '' && !inputs.has(name))
        .map((name) => [name, free(name, taken)]),
    ),
  );
  if (![...inputs].some((name) => made.has(name))) {
    const names = graph.output.map(({ name }) => JSON.stringify(name)).join(', ');
    throw new OnnxError([
      fault(
        `the loss graph reads none of the model's values; give one of its inputs the name of one, such as ${names}.`,
      ),
    ]);
  }
  graph.input.push(...own.graph.input.filter(({ name }) => !made.has(name)));
  graph.initializer.push(...own.graph.initializer);
  graph.node.push(...own.graph.node);
  graph.valueInfo.push(...own.graph.valueInfo);
  for (const { domain, version } of own.opsetImport) {
    const mine = opsetImport.find((candidate) => candidate.domain === domain);
    if (mine === undefined)
      opsetImport.push(...own.opsetImport.filter((candidate) => candidate.domain === domain));
    else if (version > mine.version) mine.version = version;
  }
  return own.graph.output[0]?.name;
}

function free(name: string, taken: ReadonlySet<string>): string {
  let prefixed = `own/${name}`;
  while (taken.has(prefixed)) prefixed = `own/${prefixed}`;
  return prefixed;
}
