/**
 * Follows the samples of a batch through a graph, to find where they meet.
 *
 * @module
 */
import type { NodeProto } from 'onnx-buf';
import { Refusal, refuse, type Fault } from '../ir/errors.ts';
import { attributesOf, subgraphsOf } from '../ir/attributes.ts';
import { opKey } from '../ir/domain.ts';
import { capturedBy, Graph, type Value } from '../ir/graph.ts';
import { faultOf } from './sweep.ts';
import type { Model } from '../ir/model.ts';
import { batchSymbol } from './batch.ts';
import { floatTypeIn } from './precision.ts';
import type { Samples } from '../ir/samples.ts';
import { sampleRules } from './sampleRules.ts';

/**
 * Finds the nodes in which samples meet, or in which it cannot be told: with the batch freed they would compute another
 * function than the model has for one sample.
 *
 * @param freed - the inputs whose first axis is that of the batch
 */
export function meetingSamples({ graph }: Model, freed: readonly string[]): Fault[] {
  const g = new Graph(graph, floatTypeIn(graph));
  const samples = new Map<Value, Samples>(freed.map((name) => [name, { axis: 0, inner: 1 }]));
  // Values that depend on how many samples there are, but on none of them.
  const counts = new Set<Value>();
  const faults: Fault[] = [];
  for (const node of graph.node) {
    const read = subgraphsOf(node).length === 0 ? node.input : [...node.input, ...capturedBy(node)];
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
      // So that further nodes are looked at too.
      const rank = g.shapeOf(node.output[0])?.length;
      if (rank !== 0) for (const output of node.output) samples.set(output, { axis: 0, inner: 1 });
    }
  }
  return faults;
}

function follow(
  g: Graph,
  node: NodeProto,
  samples: ReadonlyMap<Value, Samples>,
  counts: ReadonlySet<Value>,
  varies: boolean,
): readonly Samples[] | 'count' {
  const op = opKey(node);
  if (op === 'Shape' || op === 'Size') return 'count';
  const shape = (i: number) => g.shapeOf(node.input[i] ?? '');
  const out = g.shapeOf(node.output[0]);
  if (!varies) {
    if (op !== 'ConstantOfShape' && op !== 'Expand') return 'count';
    // The same values for each sample.
    const axis = out?.indexOf(batchSymbol) ?? -1;
    if (axis < 0) refuse('its shape depends on the number of samples in a way that is not understood.');
    return [{ axis, inner: 1 }];
  }
  const rule = sampleRules.get(op) ?? refuse('it is not known whether samples meet here.');
  const sizes = sizeInputs.get(op) ?? [];
  node.input.forEach((name, i) => {
    if (counts.has(name) && !sizes.includes(i)) refuse('it computes with the number of samples.');
    if (samples.has(name) && sizes.includes(i)) refuse('a sample decides on its sizes.');
  });
  const found = rule({
    node,
    attributes: attributesOf(node),
    of: (i) => samples.get(node.input[i] ?? ''),
    shape,
    out,
    integers: (i) => g.integersOf(node.input[i] ?? ''),
    contents: (i) => g.contents.get(node.input[i] ?? ''),
    constant: (i) => g.constants.get(node.input[i] ?? ''),
  });
  return Array.isArray(found) ? found : [found as Samples];
}

/** Inputs that spell sizes and positions. */
const sizeInputs = new Map([
  ['Reshape', [1]],
  ['Expand', [1]],
  ['Slice', [1, 2, 3, 4]],
  ['Tile', [1]],
  ['Pad', [1]],
  ['Split', [1]],
  ['Resize', [1, 2, 3]],
  ['TopK', [1]],
]);

/** False if all elements of a value are known and none is the size of the batch. */
function mayHoldCount(g: Graph, value: Value): boolean {
  const elements = g.contents.get(value);
  return (
    elements === undefined ||
    elements.some(
      (element) => element === batchSymbol || (typeof element === 'string' && element.startsWith('?')),
    )
  );
}
