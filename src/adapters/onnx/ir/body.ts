import { clone, create } from '@bufbuild/protobuf';
import { GraphProtoSchema } from 'onnx-buf';
import type { GraphProto } from 'onnx-buf';
import { renameValues } from './rename.ts';
import { Builder } from './builder.ts';
import type { Graph, Value } from './graph.ts';

/** Makes an empty graph for inside a node of `g`; it may read the values in `captured` from `g`. */
export function bodyIn(g: Graph, captured: readonly Value[]): Builder {
  const name = g.fresh('body');
  const body = new Builder(create(GraphProtoSchema, { name }), g.knowledge, g.float, [], `${name}/`);
  body.inside = true;
  for (const value of captured) {
    body.types.set(value, g.types.get(value) ?? {});
    const [tensor, elements] = [g.constants.get(value), g.contents.get(value)];
    if (tensor) body.constants.set(value, tensor);
    if (elements) body.contents.set(value, elements);
  }
  return body;
}

/** Appends the nodes of a body, applied to `inputs`, and returns its outputs. */
export function doBody(g: Builder, body: GraphProto, inputs: readonly Value[]): Value[] {
  const prefix = g.fresh('step');
  const copy = clone(GraphProtoSchema, body);
  const own = [...copy.initializer.map(({ name }) => name), ...copy.node.flatMap(({ output }) => output)];
  const names = new Map(own.filter((name) => name !== '').map((name) => [name, `${prefix}/${name}`]));
  copy.input.forEach(({ name }, i) => names.set(name, inputs[i]));
  renameValues(copy, names);
  for (const tensor of copy.initializer) g.addConstant(tensor);
  for (const node of copy.node) {
    // Names of nodes must be unique, or empty.
    if (node.name !== '') node.name = `${prefix}/${node.name}`;
    g.append(node);
  }
  return copy.output.map(({ name }) => name);
}
