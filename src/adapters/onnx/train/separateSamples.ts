import type { NodeProto } from 'onnx-buf';
import type { Builder } from '../ir/builder.ts';
import { Refusal, refuse } from '../ir/errors.ts';
import { readBy, type Value } from '../ir/graph.ts';
import { batchSymbol, samplesBy, type Samples } from '../ir/samples.ts';
import { isStatic, type Shape } from '../ir/shape.ts';
import { opOf } from '../ops/index.ts';

/**
 * Follows the samples from the inputs of a graph of known sizes: each input whose first axis has `count` elements is
 * assumed to hold one for each sample.
 *
 * @param nodes - nodes of the graph to follow
 * @param parameters - nodes that depend on none of these may do anything with the samples: they are constant
 * @returns where each value holds the samples; null if they interact, or may interact
 */
export function separateSamples(
  g: Builder,
  nodes: readonly NodeProto[],
  parameters: readonly Value[],
  count: number,
): ReadonlyMap<Value, Samples> | null {
  const own = new Set(parameters);
  const first: Samples = { axis: 0, inner: 1 };
  const isWhole = (value: Value): boolean => g.shapeOf(value)?.[0] === count;
  const samples = new Map<Value, Samples>();
  for (const { name } of g.proto.input) if (!own.has(name) && isWhole(name)) samples.set(name, first);
  const reached = new Set(own);
  for (const node of nodes) {
    const read = readBy(node);
    const depends = read.some((name) => reached.has(name));
    if (depends) for (const output of node.output) reached.add(output);
    const varies = read.some((name) => samples.has(name));
    if (!varies && !(opOf(node)?.sizesOf === 'fill' && isWhole(node.output[0]))) continue;
    const found = varies ? samplesAfter(g, node, samples, count) : [first];
    if (found === null && depends) return null;
    node.output.forEach((output, k) => {
      if (output === '') return;
      if (found !== null) samples.set(output, found[k] ?? found[0]);
      else if (isWhole(output)) samples.set(output, first);
    });
  }
  return samples;
}

/** Returns the nodes that some values are computed by, in order. */
export function nodesBehind(g: Builder, values: readonly Value[]): NodeProto[] {
  const needed = new Set(values);
  const found: NodeProto[] = [];
  for (const node of g.proto.node.toReversed()) {
    if (!node.output.some((name) => needed.has(name))) continue;
    for (const name of readBy(node)) needed.add(name);
    found.push(node);
  }
  return found.toReversed();
}

/** Applies the rule of a node; returns null if it has none or refuses. */
function samplesAfter(
  g: Builder,
  node: NodeProto,
  samples: ReadonlyMap<Value, Samples>,
  count: number,
): readonly Samples[] | null {
  const of = (i: number): Samples | undefined => samples.get(node.input[i] ?? '');
  const shape = (i: number): Shape | undefined => marked(g.shapeOf(node.input[i] ?? ''), of(i));
  try {
    const rule = opOf(node)?.samples ?? refuse('it has no rule for samples.');
    const out = markedResult(g.shapeOf(node.output[0]), count);
    return samplesBy(rule, g, node, { of, shape, out, contents: () => undefined });
  } catch (error) {
    if (error instanceof Refusal) return null;
    throw error;
  }
}

/** Returns a shape with a symbol in the place of the number of samples, as the rules expect. */
function marked(shape: Shape | undefined, samples: Samples | undefined): Shape | undefined {
  if (shape === undefined || samples === undefined) return shape;
  return shape.map((size, axis) => (axis === samples.axis ? symbolOf(samples.inner) : size));
}

/** The symbol of an axis with `inner` places for each sample. */
const symbolOf = (inner: number): string => (inner === 1 ? batchSymbol : `${batchSymbol}·${inner}`);

/** Marks the first axis of a result if it is a multiple of the number of samples. */
function markedResult(shape: Shape | undefined, count: number): Shape | undefined {
  if (!isStatic(shape) || shape.length === 0 || shape[0] === 0 || shape[0] % count !== 0) return shape;
  return [symbolOf(shape[0] / count), ...shape.slice(1)];
}
