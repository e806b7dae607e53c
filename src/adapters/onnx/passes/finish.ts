import type { GraphProto, NodeProto } from 'onnx-buf';
import { subgraphsOf } from '../ir/attributes.ts';
import { isStandard, opKey } from '../ir/domain.ts';
import { capturedBy } from '../ir/graph.ts';
import { unusedNames } from '../ir/names.ts';
import type { Model } from '../ir/model.ts';
import { isIdentity } from '../ir/node.ts';
import { nodeNamed } from '../ir/nodeWriter.ts';
import { opOf } from '../ops/index.ts';
import { useFloat64Kernels, useOpset } from './lower.ts';
import { prune } from './prune.ts';

/**
 * Makes a finished graph ready for ONNX Runtime, in place: drops nodes that no output depends on, that repeat an earlier one
 * or that only name an output, and replaces those without a float64 kernel, or of a later opset, by simpler ones.
 *
 * @throws OnnxError naming every node that has no float64 form
 */
export function finish(model: Model): void {
  prune(model.graph);
  shareResults(model.graph);
  nameOutputs(model.graph);
  useOpset(model.graph, Number(model.opsetImport.find(isStandard)?.version ?? 0));
  useFloat64Kernels(model.graph);
  dropIdentities(model.graph);
  keepEpsilon(model.graph);
  model.functions = [];
  model.trainingInfo = [];
}

/**
 * Gives values the names of the outputs that Identity nodes make of them, and drops these nodes, in place: each costs
 * ONNX Runtime time to optimize away when a session is opened.
 */
function nameOutputs(graph: GraphProto): void {
  const outputs = new Set(graph.output.map(({ name }) => name));
  const names = new Map<string, string>();
  const made = new Set<string>();
  const fixed = new Set(outputs);
  for (const node of graph.node) {
    for (const output of node.output) made.add(output);
    for (const captured of capturedBy(node)) fixed.add(captured);
  }
  graph.node = graph.node.filter((node) => {
    const [value, output] = [node.input[0], node.output[0]];
    if (!isIdentity(node) || !outputs.has(output)) return true;
    if (!made.has(value) || fixed.has(value) || names.has(value)) return true;
    names.set(value, output);
    return false;
  });
  if (names.size === 0) return;
  for (const { input, output } of graph.node) {
    replaceIn(input, names);
    replaceIn(output, names);
  }
}

/** Replaces names in a list, in place. */
function replaceIn(list: string[], names: ReadonlyMap<string, string>): void {
  for (let i = 0; i < list.length; i++) list[i] = names.get(list[i]) ?? list[i];
}

/**
 * Drops the nodes that only give a value another name, in place, except those that make outputs. ONNX Runtime would drop
 * them too, but loses the name of some values on the way and then does not load the graph (1.30).
 */
function dropIdentities(graph: GraphProto): void {
  const outputs = new Set(graph.output.map(({ name }) => name));
  const sources = new Map<string, string>();
  graph.node = graph.node.filter((node) => {
    const [output] = node.output;
    if (!isIdentity(node) || outputs.has(output)) return true;
    sources.set(output, sources.get(node.input[0]) ?? node.input[0]);
    return false;
  });
  if (sources.size > 0) readInstead(graph, sources);
}

/**
 * Drops nodes that compute what an earlier one has computed, in place; gradients compute factors once per derivative. Nodes with
 * attributes are not compared.
 */
function shareResults(graph: GraphProto): void {
  const outputs = new Set(graph.output.map(({ name }) => name));
  const first = new Map<string, string>();
  const sources = new Map<string, string>();
  graph.node = graph.node.filter((node) => {
    const [output, ...more] = node.output;
    if (node.attribute.length > 0 || more.length > 0 || opOf(node)?.draws !== undefined) return true;
    let key = opKey(node);
    for (const name of node.input) key += `\n${sources.get(name) ?? name}`;
    const known = first.get(key);
    if (known === undefined) first.set(key, output);
    if (known === undefined || outputs.has(output)) return true;
    sources.set(output, known);
    return false;
  });
  if (sources.size > 0) readInstead(graph, sources);
}

/** Makes the nodes of a graph and its subgraphs read other values, in place. */
function readInstead(graph: GraphProto, sources: ReadonlyMap<string, string>): void {
  for (const node of graph.node) {
    replaceIn(node.input, sources);
    for (const subgraph of subgraphsOf(node)) {
      readInstead(subgraph, sources);
      for (const output of subgraph.output) output.name = sources.get(output.name) ?? output.name;
    }
  }
}

/**
 * Keeps ONNX Runtime from fusing a layer normalization whose epsilon is fed, in place: it would use 1e-5 instead (1.30).
 * A maximum of the sum with itself goes between the sum and its root, where no fusion expects it.
 */
function keepEpsilon(graph: GraphProto): void {
  const constant = new Set(graph.initializer.map(({ name }) => name));
  const sums = new Set(
    graph.node.flatMap((node) =>
      opOf(node)?.operand === 'added' && !node.input.some((name) => constant.has(name)) ? node.output : [],
    ),
  );
  const isRoot = (node: NodeProto) => opOf(node)?.takesRoot === true && sums.has(node.input[0]);
  if (!graph.node.some(isRoot)) return;
  const unused = unusedNames(graph);
  graph.node = graph.node.flatMap((node) => {
    if (!isRoot(node)) return [node];
    const [x] = node.input;
    const output = unused((serial) => `${node.output[0]}/unfused_${serial}`);
    node.input = [output];
    return [nodeNamed(output, (g) => g.max(x, x)), node];
  });
}
