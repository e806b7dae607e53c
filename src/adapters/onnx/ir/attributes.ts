import { create } from '@bufbuild/protobuf';
import { AttributeProto_AttributeType as Kind, AttributeProtoSchema } from 'onnx-buf';
import type { AttributeProto, GraphProto, NodeProto, TensorProto } from 'onnx-buf';
import { floatAttributes } from '../../opWriter/attributes.ts';
import { refuse } from './errors.ts';

/** Value of an attribute; a number becomes INT or FLOAT, depending on the attribute's name. */
export type AttributeValue =
  | number
  | string
  | readonly number[]
  | readonly string[]
  | TensorProto
  | GraphProto;

/** Attributes by name, for {@link nodeAttributes}; undefined ones are left out. */
export type AttributeValues = Readonly<Record<string, AttributeValue | undefined>>;

/**
 * Returns the shortest decimal that rounds to a float32 number: 0.1 for 0.10000000149. In float64, this is the
 * number that was meant.
 */
export function decimalOf(float32: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const decimal = Number(float32.toPrecision(digits));
    if (Math.fround(decimal) === float32) return decimal;
  }
  return float32;
}

const utf8 = new TextDecoder();

/** Reads a node's attributes by name, each with its default. */
export interface Attributes {
  /** True if the node has the attribute. */
  readonly has: (name: string) => boolean;
  /** A whole number. */
  readonly int: (name: string, byDefault: number) => number;
  /** Whole numbers. */
  readonly ints: (name: string) => number[] | undefined;
  /** A number; the decimal that its float32 stands for. */
  readonly float: (name: string, byDefault: number) => number;
  /** Numbers. */
  readonly floats: (name: string) => number[] | undefined;
  /** A string. */
  readonly string: (name: string, byDefault: string) => string;
  /** Strings. */
  readonly strings: (name: string) => string[] | undefined;
  /** A tensor. */
  readonly tensor: (name: string) => TensorProto | undefined;
}

/** Returns a reader of a node's attributes. */
export function attributesOf(node: NodeProto): Attributes {
  const find = (name: string, kind: Kind): AttributeProto | undefined => {
    const attribute = node.attribute.find((candidate) => candidate.name === name);
    if (attribute !== undefined && attribute.type !== kind && attribute.type !== Kind.UNDEFINED) {
      refuse(`attribute ${name} must be ${Kind[kind]}; it is ${Kind[attribute.type] ?? attribute.type}.`);
    }
    return attribute;
  };
  return {
    has: (name) => node.attribute.some((attribute) => attribute.name === name),
    int: (name, byDefault) => Number(find(name, Kind.INT)?.i ?? byDefault),
    ints: (name) => find(name, Kind.INTS)?.ints.map(Number),
    float(name, byDefault) {
      const attribute = find(name, Kind.FLOAT);
      return attribute ? decimalOf(attribute.f) : byDefault;
    },
    floats: (name) => find(name, Kind.FLOATS)?.floats,
    string: (name, byDefault) => {
      const attribute = find(name, Kind.STRING);
      return attribute ? utf8.decode(attribute.s) : byDefault;
    },
    strings: (name) => find(name, Kind.STRINGS)?.strings.map((bytes) => utf8.decode(bytes)),
    tensor: (name) => find(name, Kind.TENSOR)?.t,
  };
}

/** Makes attributes from names and values. */
export function nodeAttributes(values: AttributeValues): AttributeProto[] {
  const attributes: AttributeProto[] = [];
  for (const name of Object.keys(values)) {
    const value = values[name];
    if (value !== undefined) attributes.push(attribute(name, value));
  }
  return attributes;
}

const isStrings = (value: object): value is readonly string[] =>
  Array.isArray(value) && typeof value[0] === 'string';

const make = (fields: Partial<Omit<AttributeProto, '$typeName'>>) => create(AttributeProtoSchema, fields);

function attribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'string') return make({ name, type: Kind.STRING, s: new TextEncoder().encode(value) });
  if (typeof value === 'number') {
    return floatAttributes.has(name)
      ? make({ name, type: Kind.FLOAT, f: value })
      : make({ name, type: Kind.INT, i: whole(name, value) });
  }
  if (isStrings(value)) {
    return make({ name, type: Kind.STRINGS, strings: value.map((text) => new TextEncoder().encode(text)) });
  }
  if ('$typeName' in value) {
    return value.$typeName === 'onnx.TensorProto'
      ? make({ name, type: Kind.TENSOR, t: value })
      : make({ name, type: Kind.GRAPH, g: value });
  }
  return floatAttributes.has(name)
    ? make({ name, type: Kind.FLOATS, floats: [...value] })
    : make({ name, type: Kind.INTS, ints: value.map((each) => whole(name, each)) });
}

function whole(name: string, value: number): bigint {
  if (!Number.isSafeInteger(value)) refuse(`attribute ${name} must be whole; it is ${value}.`);
  return BigInt(value);
}

/** Returns the graphs in a node's attributes: the branches of an If, the body of a Loop or Scan. */
export function subgraphsOf({ attribute }: NodeProto): readonly GraphProto[] {
  let found: GraphProto[] | undefined;
  for (const { g, graphs } of attribute) {
    if (g || graphs.length > 0) (found ??= []).push(...(g ? [g] : []), ...graphs);
  }
  return found ?? none;
}

const none: readonly never[] = [];
