import { clone, create } from '@bufbuild/protobuf';
import { AttributeProtoSchema, GraphProtoSchema, NodeProtoSchema, OperatorSetIdProtoSchema } from 'onnx-buf';
import type { AttributeProto, FunctionProto, GraphProto, NodeProto } from 'onnx-buf';
import { fault, faultOf, refuse, type Fault } from '../ir/errors.ts';
import { subgraphsOf } from '../ir/attributes.ts';
import { isStandard } from '../ir/domain.ts';
import { namesIn, unusedNames } from '../ir/names.ts';
import type { Model } from '../ir/model.ts';
import { renameValues } from '../ir/rename.ts';
import { baseOpset } from './opset.ts';

/** Most nodes after inlining: nested calls in a small file can expand to more than fit in memory. */
const MAX_NODES = 200_000;

/** The result of inlining. */
export interface Inlined {
  /** Every value computed by a node that came from a function. */
  readonly made: ReadonlySet<string>;
  readonly faults: readonly Fault[];
}

/**
 * Replaces each call of a model's own functions by the nodes of the function, in place.
 *
 * @param outside - values of the top graph that functions read
 */
export function inlineFunctions(model: Model, outside: ReadonlySet<string>): Inlined {
  const { functions, graph, opsetImport } = model;
  const made = new Set<string>();
  if (functions.length === 0) return { made, faults: [] };
  const faults = functions.flatMap((each) => opsetFaults(each, model));
  for (const { domain, version } of functions.flatMap((each) => each.opsetImport)) {
    if (!opsetImport.some((known) => known.domain === domain))
      opsetImport.push(create(OperatorSetIdProtoSchema, { domain, version }));
  }
  const used = [...namesIn(graph)];
  const fresh = unusedNames(graph);
  // A prefix that begins no name of the model.
  const unused = (wished: (serial: number) => string): string => {
    let prefix = fresh(wished);
    while (used.some((name) => name.startsWith(prefix))) prefix = fresh(wished);
    return prefix;
  };
  const known = new Map(functions.map((each) => [keyOf(each.domain, each.name, each.overload), each]));
  let count = 0;

  const inlined = (nodes: readonly NodeProto[], calling: readonly FunctionProto[]): NodeProto[] =>
    nodes.flatMap((node) => {
      for (const subgraph of subgraphsOf(node)) inlineIn(subgraph, calling);
      const callee = known.get(keyOf(node.domain, node.opType, node.overload));
      if (callee === undefined) return [node];
      if (calling.includes(callee)) refuse(`the function ${callee.name} calls itself.`);
      count += callee.node.length;
      if (count > MAX_NODES) refuse(`its functions expand to more than ${MAX_NODES} nodes.`);
      const prefix = unused((serial) => `${node.name || 'call'}/${serial}/`);
      const body = expandCall(callee, node, prefix, outside);
      for (const { output } of body) for (const name of output) made.add(name);
      return inlined(body, [...calling, callee]);
    });
  const inlineIn = (within: GraphProto, calling: readonly FunctionProto[]) => {
    within.node = inlined(within.node, calling);
  };

  const nodes = graph.node;
  graph.node = nodes.flatMap((node) => {
    try {
      return inlined([node], []);
    } catch (error) {
      faults.push(faultOf(node, error));
      return [];
    }
  });
  model.functions = [];
  return { made, faults };
}

const keyOf = (domain: string, name: string, overload: string) => `${domain}::${name}::${overload}`;

const standard = (opsets: Model['opsetImport']) => opsets.find(isStandard)?.version;

/** Returns the fault of a function's opset: it may differ from the model's only if neither needs conversion. */
function opsetFaults({ name, opsetImport }: FunctionProto, model: Model): Fault[] {
  const [own, models] = [standard(opsetImport), standard(model.opsetImport)];
  if (own === undefined || models === undefined || own === models) return [];
  if (own >= baseOpset && models >= baseOpset) return [];
  return [
    fault(
      `the function ${JSON.stringify(name)} is of opset ${own}, the model of opset ${models}; export both in the same opset, ${baseOpset} or later.`,
    ),
  ];
}

/** Returns the nodes of a function for one call. */
function expandCall(
  callee: FunctionProto,
  call: NodeProto,
  prefix: string,
  outside: ReadonlySet<string>,
): NodeProto[] {
  const body = create(GraphProtoSchema, { node: callee.node.map((node) => clone(NodeProtoSchema, node)) });
  const given = new Map([...callee.attributeProto, ...call.attribute].map((each) => [each.name, each]));
  for (const node of body.node) giveAttributes(node, given);

  const names = new Map(callee.input.map((name, i) => [name, call.input[i] ?? '']));
  callee.output.forEach((name, k) => call.output[k] && names.set(name, call.output[k]));
  names.set('', '');
  for (const name of namesIn(body))
    if (!names.has(name) && !outside.has(name)) names.set(name, prefix + name);
  renameValues(body, names);
  return body.node;
}

/** Replaces references to attributes by those of the call, or by their defaults; removes those that have neither. */
function giveAttributes(node: NodeProto, given: ReadonlyMap<string, AttributeProto>): void {
  node.attribute = node.attribute.flatMap((attribute) => {
    if (attribute.refAttrName === '') return [attribute];
    const value = given.get(attribute.refAttrName);
    if (value === undefined) return [];
    const own = clone(AttributeProtoSchema, value);
    own.name = attribute.name;
    return [own];
  });
  for (const subgraph of subgraphsOf(node)) for (const inner of subgraph.node) giveAttributes(inner, given);
}
