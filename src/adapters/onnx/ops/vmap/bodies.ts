/**
 * Rules for nodes with subgraphs (If, Scan, Loop): all copies take the same branch, or the same steps together.
 *
 * @module
 */
import { subgraphsOf } from '../../ir/attributes.ts';
import type { Builder } from '../../ir/builder.ts';
import { refuse } from '../../ir/errors.ts';
import type { Value } from '../../ir/graph.ts';
import { SCAN } from '../../ir/scan.ts';
import { isStatic, range } from '../../ir/shape.ts';
import { DType } from '../../ir/tensor.ts';
import { mapped, type BodyInput, type MapContext, type MapRule } from '../../ir/vmap.ts';

/** Swaps the first two axes. */
const swapFirst = (g: Builder, x: Value, rank: number): Value =>
  g.transpose(x, [1, 0, ...range(rank - 2, 2)]);

const state = (c: MapContext, i: number): BodyInput => ({
  shape: c.shape(i),
  dtype: c.dtypeOf(c.node.input[i]),
  isMapped: true,
});

/** If: all copies take the same branch. */
export const mapIf: MapRule = (c) => {
  const { g, node } = c;
  if (c.isMapped(0)) refuse('its condition differs from sample to sample.');
  const branch = (name: string) => {
    const graph = node.attribute.find((attribute) => attribute.name === name)?.g;
    return c.mapBody(graph ?? refuse(`it has no ${name}.`), []).graph;
  };
  const [yes, no] = [branch('then_branch'), branch('else_branch')];
  return withTypes(c, g.either(c.value(0), yes, no, node.output.length));
};

/** Returns the sizes of one slice of a sequence, whose length may be unknown. */
function sliceOf(c: MapContext, name: Value): readonly number[] {
  const slice = c.shapeOf(name)?.slice(1);
  return isStatic(slice)
    ? slice
    : refuse(`the shape of ${JSON.stringify(name)} is not known before the model runs.`);
}

/** Moves the extra axis of stacked results to the front, `[T, count, …] → [count, T, …]`; those before `from` are states. */
const stacked = (c: MapContext, outputs: readonly Value[], from: number): readonly Value[] =>
  outputs.map((output, k) =>
    k < from ? output : swapFirst(c.g, output, sliceOf(c, c.node.output[k]).length + 2),
  );

/** Scan along first axes: all copies step together. */
export const mapScan: MapRule = (c) => {
  const { g, node, attributes } = c;
  const axes = ['scan_input_axes', 'scan_output_axes'].flatMap((name) => attributes.ints(name) ?? []);
  if (axes.some((axis) => axis !== 0)) refuse('a Scan along other axes than the first has no rule.');
  const [body] = subgraphsOf(node);
  const count = attributes.int('num_scan_inputs', 0);
  const states = node.input.length - count;
  const inputs = node.input.map((name, i): BodyInput =>
    i < states ? state(c, i) : { shape: sliceOf(c, name), dtype: c.dtypeOf(name), isMapped: c.isMapped(i) },
  );
  const values = node.input.map((name, i) => {
    if (i < states) return mapped(c, i);
    return c.isMapped(i) ? swapFirst(g, c.value(i), sliceOf(c, name).length + 2) : c.value(i);
  });
  const { graph } = c.mapBody(body, inputs);
  const outputs = g
    .inheriting(node.attribute.filter(({ name }) => name.endsWith('_directions')))
    .ops(SCAN, values, { body: graph, num_scan_inputs: count }, node.output.length);
  return withTypes(c, stacked(c, outputs, states));
};

/** Loop: all copies take the same number of steps. */
export const mapLoop: MapRule = (c) => {
  const { g, node } = c;
  if (c.isMapped(0) || c.isMapped(1)) refuse('its number of steps differs from sample to sample.');
  const [body] = subgraphsOf(node);
  const states = node.input.length - 2;
  const counters = [DType.INT64, DType.BOOL].map((dtype) => ({ shape: [], dtype, isMapped: false }));
  const inputs = [...counters, ...range(states, 2).map((i) => state(c, i))];
  const { graph, differs } = c.mapBody(body, inputs, (output) => output === 0);
  if (differs[0]) refuse('its number of steps differs from sample to sample.');
  const values = node.input.map((name, i) => (i < 2 ? (name === '' ? undefined : c.value(i)) : mapped(c, i)));
  const outputs = g.ops('Loop', values, { body: graph }, node.output.length);
  return withTypes(c, stacked(c, outputs, states));
};

/** Records the types of outputs: those of one copy, with the extra axis, if known. */
function withTypes(c: MapContext, outputs: readonly Value[]): readonly Value[] {
  outputs.forEach((output, k) => {
    const shape = c.shapeOf(c.node.output[k]);
    if (shape) c.g.types.set(output, { dtype: c.g.dtypeOf(output), shape: [c.count, ...shape] });
  });
  return outputs;
}
