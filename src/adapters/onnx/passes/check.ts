import type { GraphProto } from 'onnx-buf';
import { fault, type Fault } from '../ir/errors.ts';
import { isStandard, opKey } from '../ir/domain.ts';
import type { Model } from '../ir/model.ts';

/** Returns the faults of a graph's structure: names that are used before they are computed, or computed twice. */
export function structureFaults({ graph, opsetImport }: Model): Fault[] {
  const faults: Fault[] = [];
  const known = new Set(['', ...graph.input.map(({ name }) => name), ...initializers(graph)]);
  const domains = new Set(opsetImport.map(({ domain }) => domain));
  for (const node of graph.node) {
    const at = (reason: string) =>
      faults.push({ node: node.name || (node.output[0] ?? ''), op: opKey(node), reason });
    if (node.opType === '') at('it has no op type: the file is damaged.');
    if (!isStandard(node) && !domains.has(node.domain))
      at(`the model imports no opset of the domain ${JSON.stringify(node.domain)}.`);
    for (const input of node.input) {
      if (!known.has(input)) at(`its input ${JSON.stringify(input)} is computed by no earlier node.`);
    }
    for (const output of node.output) {
      if (output !== '' && known.has(output))
        at(`its output ${JSON.stringify(output)} already exists; names must be unique.`);
      known.add(output);
    }
  }
  for (const { name } of graph.output) {
    if (!known.has(name))
      faults.push(fault(`the graph's output ${JSON.stringify(name)} is computed by no node.`));
  }
  return faults;
}

const initializers = (graph: GraphProto) => graph.initializer.map(({ name }) => name);
