/**
 * Constant float tensors outside the top graph of a file: in the subgraphs of If, Loop and Scan, in the model's own
 * functions, and in attributes of linear models.
 *
 * @module
 */
import type { FunctionProto, GraphProto, ModelProto, NodeProto } from 'onnx-buf';
import { attributesOf, subgraphsOf } from '../ir/attributes.ts';
import { constantTensor } from '../ir/constant.ts';
import { opKey } from '../ir/domain.ts';
import { renameValues } from '../ir/rename.ts';
import { DType, isFloat, isHalf, renamedTensor, tensorOf, type TensorProto } from '../ir/tensor.ts';

/** A constant tensor, and its location in the file. */
export interface Nested {
  /** Its own name, if that is unique; otherwise a name that includes its location. The same file gives the same names. */
  readonly name: string;
  readonly tensor: TensorProto;
  /** The Constant node, or the node with the attribute; absent for an initializer. */
  readonly node?: NodeProto;
  /** The attribute of a linear model that holds it. */
  readonly attribute?: string;
}

/** A scope that contains constants. */
interface Scope {
  readonly at: string;
  readonly nodes: NodeProto[];
  readonly graph?: GraphProto;
  readonly outputs: ReadonlySet<string>;
}

interface Found extends Nested {
  readonly scope: Scope;
  readonly inner: string;
}

const linearModels = new Set(['ai.onnx.ml::LinearRegressor', 'ai.onnx.ml::LinearClassifier']);

/** Returns the nested constants of a model, in the order of the file. */
export const nestedConstants = (model: ModelProto): readonly Nested[] => findAll(model);

function findAll({ graph, functions }: ModelProto): Found[] {
  if (graph === undefined) return [];
  const definitions = definitionsIn(graph, functions);
  const used = new Set<string>();
  const found: Found[] = [];
  const add = (scope: Scope, inner: string, place: Omit<Nested, 'name'>) => {
    const { dataType } = place.tensor;
    if ((!isFloat(dataType) && !isHalf(dataType)) || scope.outputs.has(inner)) return;
    let name = inner;
    const free = (k: number) => !used.has(name) && (definitions.get(name) ?? 0) <= (k === 0 ? 1 : 0);
    for (let k = 0; !free(k); k++) name = k === 0 ? `${scope.at}/${inner}` : `${scope.at}/${inner}/${k}`;
    used.add(name);
    found.push({ name, inner, scope, ...place });
  };
  const walk = (scope: Scope): void => {
    for (const tensor of scope.graph?.initializer ?? []) add(scope, tensor.name, { tensor });
    for (const node of scope.nodes) {
      const tensor = constantTensor(node);
      if (tensor && node.attribute.every(({ refAttrName }) => refAttrName === ''))
        add(scope, node.output[0], { tensor, node });
      walkInside(node, scope.at);
    }
  };
  const walkInside = (node: NodeProto, at: string) => {
    for (const [k, subgraph] of subgraphsOf(node).entries()) {
      walk({
        at: `${at}${at && '/'}${node.name || node.output[0]}/${node.attribute.filter(({ g }) => g)[k]?.name ?? k}`,
        nodes: subgraph.node,
        graph: subgraph,
        outputs: new Set(subgraph.output.map(({ name }) => name)),
      });
    }
  };
  for (const node of graph.node) {
    walkInside(node, '');
    if (linearModels.has(opKey(node))) addLinear(node, add);
  }
  for (const each of functions) walk({ at: each.name, nodes: each.node, outputs: new Set(each.output) });
  return found;
}

/** Counts the scopes of a model that define each name. */
function definitionsIn(graph: GraphProto, functions: readonly FunctionProto[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const define = (name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);
  const visit = (nodes: readonly NodeProto[]): void => {
    for (const node of nodes) {
      node.output.forEach(define);
      for (const { input, initializer, node: inner } of subgraphsOf(node)) {
        for (const { name } of [...input, ...initializer]) define(name);
        visit(inner);
      }
    }
  };
  for (const { name } of [...graph.input, ...graph.initializer]) define(name);
  visit(graph.node);
  for (const { input, node } of functions) {
    input.forEach(define);
    visit(node);
  }
  return counts;
}

/** Adds the coefficients `[targets, features]` and intercepts of a linear model, which are attributes of its node. */
function addLinear(node: NodeProto, add: (scope: Scope, inner: string, place: Omit<Nested, 'name'>) => void) {
  const attributes = attributesOf(node);
  const coefficients = attributes.floats('coefficients') ?? [];
  const intercepts = attributes.floats('intercepts') ?? [];
  const labels = attributes.ints('classlabels_ints') ?? attributes.strings('classlabels_strings') ?? [];
  const rows = labels.length || attributes.int('targets', 1);
  const at = node.name || node.output[0];
  const scope: Scope = { at, nodes: [], outputs: new Set() };
  const put = (attribute: string, shape: readonly number[], values: readonly number[]) =>
    add(scope, `${at}/${attribute}`, { tensor: tensorOf('', DType.FLOAT, shape, values), node, attribute });
  if (coefficients.length === 0 || coefficients.length % rows !== 0) return;
  put('coefficients', [rows, coefficients.length / rows], coefficients);
  if (intercepts.length === rows) put('intercepts', [rows], intercepts);
}

/**
 * Moves every nested constant to the initializers of the top graph, in place. Its readers read it from there; a linear
 * model gets additional inputs.
 *
 * @returns the names of all, and of those that functions read
 */
export function hoistConstants(model: ModelProto): {
  readonly names: string[];
  readonly inFunctions: ReadonlySet<string>;
} {
  const { graph } = model;
  const found = findAll(model);
  const inFunctions = new Set<string>();
  for (const { name, inner, tensor, node, attribute, scope } of found) {
    graph?.initializer.push(renamedTensor(tensor, name));
    if (node !== undefined && attribute !== undefined) {
      node.input.push(name);
      continue;
    }
    if (node !== undefined) scope.nodes.splice(scope.nodes.indexOf(node), 1);
    else if (scope.graph) scope.graph.initializer = scope.graph.initializer.filter((each) => each !== tensor);
    if (scope.graph === undefined) inFunctions.add(name);
    if (name === inner) continue;
    const names = new Map([[inner, name]]);
    if (scope.graph) renameValues(scope.graph, names);
    else renameIn(scope.nodes, names);
  }
  return { names: found.map(({ name }) => name), inFunctions };
}

function renameIn(nodes: readonly NodeProto[], names: ReadonlyMap<string, string>): void {
  for (const node of nodes) {
    node.input = node.input.map((name) => names.get(name) ?? name);
    for (const subgraph of subgraphsOf(node)) renameValues(subgraph, names);
  }
}
