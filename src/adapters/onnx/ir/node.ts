import { create } from '@bufbuild/protobuf';
import { NodeProtoSchema } from 'onnx-buf';
import type { NodeProto } from 'onnx-buf';
import { nodeAttributes, type AttributeValues } from './attributes.ts';
import { CAST, IDENTITY } from '../../opWriter/elementwise.ts';
import { opKey } from './domain.ts';

/** The op that fills a tensor with one number. */
export const FILL = 'ConstantOfShape';

/** Makes a node, named after its first output unless a name is given. */
export const nodeOf = (
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: AttributeValues = {},
  name: string = output[0],
): NodeProto =>
  create(NodeProtoSchema, {
    opType,
    name,
    input: [...input],
    output: [...output],
    attribute: nodeAttributes(attributes),
  });

/** Makes a node that gives a value another name. */
export const identityNode = (input: string, output: string | readonly string[], name?: string): NodeProto =>
  nodeOf(IDENTITY, [input], typeof output === 'string' ? [output] : output, {}, name);

/** True for a node that gives a value another name. */
export const isIdentity = (node: NodeProto): boolean => opKey(node) === IDENTITY;

/** True for a node that gives a value another name or type. */
export const isCopy = (node: NodeProto): boolean => isIdentity(node) || opKey(node) === CAST;
