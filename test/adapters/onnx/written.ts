/**
 * Models written out as a file holds them, field by field, for what the builder never writes.
 *
 * @module
 */
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType as Kind,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
} from 'onnx-buf';
import type { AttributeProto, GraphProto, NodeProto, TensorProto } from 'onnx-buf';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { nodeAttributes, type AttributeValues } from '../../../src/adapters/onnx/ir/attributes.ts';
import { valueInfo } from '../../../src/adapters/onnx/ir/graph.ts';
import { DType, tensorOf } from '../../../src/adapters/onnx/ir/tensor.ts';

/** A value's shape, and its type; float32 unless it says otherwise. */
export type Described = readonly (number | string)[] | { dtype: DType; shape: readonly (number | string)[] };

/** The parts of a model. */
export interface Written {
  readonly inputs?: Readonly<Record<string, Described | undefined>>;
  readonly outputs: Readonly<Record<string, Described | undefined>>;
  readonly initializers?: readonly TensorProto[];
  readonly nodes: readonly NodeProto[];
  readonly opset?: number;
  /** Other domains, of version 1. */
  readonly domains?: readonly string[];
}

const info = (name: string, described: Described | undefined) =>
  described === undefined || 'dtype' in described
    ? valueInfo(name, described?.dtype ?? DType.FLOAT, described?.shape)
    : valueInfo(name, DType.FLOAT, described);

const list = (values: Readonly<Record<string, Described | undefined>> = {}) =>
  Object.entries(values).map(([name, described]) => info(name, described));

/** A graph, at the top or inside a node. */
export const graphOf = ({ inputs, outputs, initializers = [], nodes }: Written): GraphProto =>
  create(GraphProtoSchema, {
    name: 'written',
    input: list(inputs),
    output: list(outputs),
    initializer: [...initializers],
    node: [...nodes],
  });

/** The bytes of a model. */
export const modelFrom = (
  written: Written,
  more: MessageInitShape<typeof ModelProtoSchema> = {},
): Uint8Array =>
  toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [
        { domain: '', version: BigInt(written.opset ?? 17) },
        ...(written.domains ?? []).map((domain) => ({ domain, version: 1n })),
      ],
      graph: graphOf(written),
      ...more,
    }),
  );

/** A node without a name, as many exporters write it; an op of another domain as `domain::op`. */
export function node(
  op: string,
  input: readonly string[],
  output: string | readonly string[],
  attributes: AttributeValues = {},
  name = '',
): NodeProto {
  const [opType, domain = ''] = op.split('::').toReversed();
  return create(NodeProtoSchema, {
    opType,
    domain,
    name,
    input: [...input],
    output: typeof output === 'string' ? [output] : [...output],
    attribute: nodeAttributes(attributes),
  });
}

/** A graph as an attribute. */
export const body = (name: string, written: Written): AttributeProto =>
  create(AttributeProtoSchema, { name, type: Kind.GRAPH, g: graphOf(written) });

export const floats = (name: string, shape: readonly number[], values: readonly number[]): TensorProto =>
  tensorOf(name, DType.FLOAT, shape, values);

export const integers = (name: string, values: readonly number[], shape = [values.length]): TensorProto =>
  tensorOf(name, DType.INT64, shape, values);

/** A tensor with its elements in the field of their type, as `onnx.helper.make_tensor` writes it. */
export const typed = (
  fields: Partial<Pick<TensorProto, 'dims' | 'dataType' | 'floatData' | 'doubleData' | 'int64Data' | 'name'>>,
): TensorProto => create(TensorProtoSchema, fields);

/** A tensor whose elements lie in another file. */
export const external = (
  name: string,
  shape: readonly number[],
  entries: Readonly<Record<string, string>>,
): TensorProto =>
  create(TensorProtoSchema, {
    name,
    dataType: DType.FLOAT,
    dims: shape.map(BigInt),
    dataLocation: 1,
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
  });

/** Float32 numbers as a feed of ONNX Runtime. */
export const tensor = (shape: readonly number[], values: readonly number[]): Tensor =>
  new Tensor('float32', Float32Array.from(values), shape);

/** Runs a model once and returns the elements of each of its outputs. */
export async function runOnce(
  bytes: Uint8Array,
  feeds: Readonly<Record<string, Tensor>>,
  options: InferenceSession.SessionOptions = {},
): Promise<Record<string, number[]>> {
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 4, ...options });
  try {
    const results = await session.run(feeds);
    return Object.fromEntries(
      Object.entries(results).map(([name, { data }]) => [
        name,
        Array.from(data as ArrayLike<number>, Number),
      ]),
    );
  } finally {
    await session.release();
  }
}
